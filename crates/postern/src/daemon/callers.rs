//! What the gateway asks about callers, answered from IAM's records.

use aws_iam::IamService;
use aws_model::{Context, Fault};
use gateway::{AccessKey, Authorizer, Credentials};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Store;

/// Keys that are remembered: far more than callers that alternate between two writes, and a few hundred KiB.
const REMEMBERED: usize = 1024;

/// The keys that IAM knows. Every request needs its caller's key, so what was read is remembered until the store's next
/// write: then anything may have changed.
pub struct IamCredentials {
    iam: Arc<IamService>,
    store: Arc<dyn Store>,
    known: Mutex<Known>,
}

/// Keys as they were at a revision.
#[derive(Default)]
struct Known {
    revision: u64,
    keys: HashMap<String, Arc<AccessKey>>,
}

impl IamCredentials {
    /// Nothing is known yet. The store is that of the service's records.
    pub fn new(iam: Arc<IamService>, store: Arc<dyn Store>) -> Self {
        Self { iam, store, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, access_key_id: &str) -> Option<Arc<AccessKey>> {
        match self.iam.find_access_key(access_key_id) {
            Ok(key) => key.map(|it| {
                Arc::new(AccessKey {
                    secret: it.secret_access_key,
                    session_token: it.session_token,
                    caller: it.caller,
                    active: it.active,
                    expires: it.expires,
                })
            }),
            Err(error) => {
                tracing::error!(%error, "an access key could not be read");
                None
            }
        }
    }
}

impl Credentials for IamCredentials {
    fn find(&self, access_key_id: &str) -> Option<Arc<AccessKey>> {
        // Asked before the records are read: they are as new as this or newer, and newer ones are read again.
        let revision = self.store.revision();
        {
            let known = self.known();
            if known.revision == revision
                && let Some(key) = known.keys.get(access_key_id)
            {
                return Some(key.clone());
            }
        }
        let key = self.read(access_key_id)?;
        let mut known = self.known();
        if known.revision != revision {
            known.keys.clear();
            known.revision = revision;
        }
        if known.keys.len() < REMEMBERED {
            known.keys.insert(access_key_id.to_owned(), key.clone());
        }
        Some(key)
    }
}

/// Every key of an account may do everything in it: policies are kept and shown, and will be enforced here.
pub struct WholeAccount;

impl Authorizer for WholeAccount {
    fn authorize(&self, _: &Context, _: &str, _: &str, _: &Value) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_model::iam::{Iam, UpdateAccessKeyRequest};
    use base::SystemClock;
    use store::{Embedded, Records};

    #[tokio::test]
    async fn a_key_that_is_switched_off_is_off_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Embedded::open(dir.path()).unwrap());
        let clock = Arc::new(SystemClock);
        let iam = Arc::new(IamService::new(Records::new(store.clone()), clock));
        let made = iam.bootstrap().await.unwrap();
        let credentials = IamCredentials::new(iam.clone(), store);
        let first = credentials.find(&made.access_key_id).unwrap();
        assert!(first.active && Arc::ptr_eq(&first, &credentials.find(&made.access_key_id).unwrap()));
        let ask = UpdateAccessKeyRequest {
            access_key_id: Some(made.access_key_id.clone()),
            status: Some("Inactive".to_owned()),
            ..Default::default()
        };
        let region = "us-east-1".parse().unwrap();
        let now = jiff::Timestamp::now();
        let context = Context { caller: made.caller.clone(), region, request_id: "1".to_owned(), now };
        iam.update_access_key(&context, ask).await.unwrap();
        assert!(!credentials.find(&made.access_key_id).unwrap().active);
        assert!(credentials.find("AKIANOBODY").is_none());
    }
}

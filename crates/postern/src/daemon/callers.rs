//! What the gateway asks about callers, answered from IAM's records.

use aws_iam::IamService;
use aws_model::{Context, Fault};
use gateway::{AccessKey, Authorizer, Credentials};
use serde_json::Value;
use std::sync::Arc;

/// The keys that IAM knows.
pub struct IamCredentials(pub Arc<IamService>);

impl Credentials for IamCredentials {
    fn find(&self, access_key_id: &str) -> Option<Arc<AccessKey>> {
        match self.0.find_access_key(access_key_id) {
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

/// Every key of an account may do everything in it: policies are kept and shown, and will be enforced here.
pub struct WholeAccount;

impl Authorizer for WholeAccount {
    fn authorize(&self, _: &Context, _: &str, _: &str, _: &Value) -> Result<(), Fault> {
        Ok(())
    }
}

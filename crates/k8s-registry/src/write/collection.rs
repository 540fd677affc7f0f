//! Deleting many objects at once.

use super::{DeleteOptions, Options, Target};
use crate::read::ListQuery;
use crate::registry::Registry;
use k8s_types::Status;
use serde_json::Value;

impl Registry {
    /// Deletes what `matches` picks, one by one. Returns what it was about, as it is now.
    ///
    /// # Errors
    /// The first refusal; what was deleted before it is.
    pub async fn delete_collection(
        &self,
        target: Target<'_>,
        matches: Option<&(dyn Fn(&Value) -> bool + Sync)>,
        delete: &DeleteOptions,
        options: Options<'_>,
    ) -> Result<Vec<Value>, Box<Status>> {
        let query = ListQuery { namespace: target.namespace, matches, ..ListQuery::default() };
        let listed = self.list(target.endpoint, &query)?;
        let mut ended = Vec::with_capacity(listed.items.len());
        for stored in listed.items {
            let Some((namespace, name)) = crate::keys::parts(&target.endpoint.prefix, &stored.key) else { continue };
            let one = Target { namespace, name, ..target };
            match self.delete(one, delete, options).await {
                Ok(done) => ended.push(done.object),
                // Somebody else ended it.
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
        Ok(ended)
    }
}

//! Deleting many objects at once.

use super::{DeleteOptions, Options, Target};
use crate::read::{List, ListQuery};
use crate::registry::Registry;
use k8s_types::Status;

impl Registry {
    /// Deletes what a list has, one by one. Returns that list: everything as it was before.
    ///
    /// # Errors
    /// The first refusal; what was deleted before it is.
    pub async fn delete_collection(
        &self,
        target: Target<'_>,
        query: &ListQuery<'_>,
        delete: &DeleteOptions,
        options: Options<'_>,
    ) -> Result<List, Box<Status>> {
        let listed = self.list(target.endpoint, query)?;
        for stored in &listed.items {
            let Some((namespace, name)) = crate::keys::parts(&target.endpoint.prefix, &stored.key) else { continue };
            let one = Target { namespace, name, ..target };
            match self.delete(one, delete, options).await {
                Ok(_) => {}
                // Somebody else ended it.
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
        Ok(listed)
    }
}

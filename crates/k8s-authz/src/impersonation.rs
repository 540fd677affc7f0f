//! Acting as somebody else.

use crate::attributes::{Attributes, Authorizer, User, service_account};
use k8s_types::Status;
use std::collections::BTreeMap;

const AUTHENTICATION: &str = "authentication.k8s.io";
const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// Whom a request's `Impersonate-*` headers ask to act as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impersonation {
    /// `Impersonate-User`; there is no impersonation without it.
    pub user: String,
    /// `Impersonate-Uid`, or empty.
    pub uid: String,
    /// `Impersonate-Group`.
    pub groups: Vec<String>,
    /// `Impersonate-Extra-*`, keys in lower case.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The user that `asker` acts as, if each part of it may be impersonated.
pub fn impersonate(authorizer: &dyn Authorizer, asker: &User, wish: &Impersonation) -> Result<User, Box<Status>> {
    let may = |asked: Attributes<'_>| {
        let decision = authorizer.decide(&asked);
        if decision.allowed { Ok(()) } else { Err(Box::new(asked.forbidden(&decision.reason))) }
    };
    let ask = |group, resource, name| Attributes {
        version: "v1",
        name,
        ..Attributes::resource(asker, "impersonate", group, resource)
    };
    let mut user =
        User { name: wish.user.clone(), uid: wish.uid.clone(), groups: wish.groups.clone(), extra: wish.extra.clone() };
    match service_account(&wish.user) {
        Some((namespace, name)) => {
            may(Attributes { namespace, ..ask("", "serviceaccounts", name) })?;
            if wish.groups.is_empty() {
                let all = "system:serviceaccounts".to_owned();
                let groups = vec![all, format!("system:serviceaccounts:{namespace}")];
                user.groups = groups;
            }
        }
        None => may(ask("", "users", &wish.user))?,
    }
    for group in &wish.groups {
        may(ask("", "groups", group))?;
    }
    for (key, values) in &wish.extra {
        for value in values {
            may(Attributes { subresource: key, ..ask(AUTHENTICATION, "userextras", value) })?;
        }
    }
    if !wish.uid.is_empty() {
        may(ask(AUTHENTICATION, "uids", &wish.uid))?;
    }
    let everybody = if user.name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
    if !user.is_in(everybody) && !user.is_in(UNAUTHENTICATED) {
        user.groups.push(everybody.to_owned());
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rbac::Rules;
    use serde_json::json;

    #[test]
    fn parts_are_asked_for_one_by_one() {
        let mut rules = Rules::new();
        rules.put(&json!({
            "kind": "ClusterRole",
            "metadata": {"name": "r"},
            "rules": [
                {"apiGroups": [""], "resources": ["serviceaccounts", "groups"], "verbs": ["impersonate"]},
                {"apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes"], "verbs": ["impersonate"]},
            ],
        }));
        rules.put(&json!({
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "User", "name": "me"}],
        }));
        let me = User { name: "me".to_owned(), ..User::default() };
        let mut wish = Impersonation { user: "system:serviceaccount:a:b".to_owned(), ..Impersonation::default() };
        let user = impersonate(&rules, &me, &wish).unwrap();
        assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]);
        wish.groups = vec!["g".to_owned()];
        assert_eq!(impersonate(&rules, &me, &wish).unwrap().groups, ["g", "system:authenticated"]);
        wish.extra = [("scopes".to_owned(), vec!["x".to_owned()])].into();
        assert!(impersonate(&rules, &me, &wish).is_ok());
        wish.uid = "1".to_owned();
        assert_eq!(
            impersonate(&rules, &me, &wish).unwrap_err().message,
            "uids.authentication.k8s.io \"1\" is forbidden: User \"me\" cannot impersonate resource \"uids\" in API \
             group \"authentication.k8s.io\" at the cluster scope"
        );
    }
}

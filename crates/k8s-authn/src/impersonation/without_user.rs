//! How servers of each release tell that there are parts of a user, but no user.

use super::{AUTHENTICATION, Impersonation, NoUser};
use crate::features::Feature;
use base::KubernetesVersion;
use k8s_types::Status;
use k8s_types::status::quote;

impl Impersonation {
    pub(super) fn without_user(&self, version: KubernetesVersion) -> NoUser {
        if Feature::ConstrainedImpersonation.is_in(version) {
            let text = format!("requested {} without impersonating a user name", self.as_literal());
            return NoUser::BadRequest(Box::new(Status::bad_request(text)));
        }
        let text = format!("requested [{}] without impersonating a user", self.as_references());
        if Feature::ImpersonationBadRequest.is_in(version) {
            NoUser::BadRequest(Box::new(Status::bad_request(text)))
        } else {
            NoUser::Fault(text)
        }
    }

    /// The parts as object references, as Go prints those: kind, namespace, name, uid, version, resource version, path.
    fn as_references(&self) -> String {
        let mut references: Vec<String> = self.groups.iter().map(|group| format!("{{Group  {group}    }}")).collect();
        for (key, values) in &self.extra {
            let one = |value: &String| format!("{{UserExtra  {value}  {AUTHENTICATION}/v1  {key}}}");
            references.extend(values.iter().map(one));
        }
        if !self.uid.is_empty() {
            references.push(format!("{{UID  {}  {AUTHENTICATION}/v1  }}", self.uid));
        }
        references.join(" ")
    }

    /// The parts as the user that they make, as Go writes it.
    fn as_literal(&self) -> String {
        let list = |texts: &[String]| texts.iter().map(|text| quote(text)).collect::<Vec<_>>().join(", ");
        let groups = if self.groups.is_empty() { "(nil)".to_owned() } else { format!("{{{}}}", list(&self.groups)) };
        let extra = if self.extra.is_empty() {
            "(nil)".to_owned()
        } else {
            let one = |(key, values): (&String, &Vec<String>)| format!("{}:[]string{{{}}}", quote(key), list(values));
            format!("{{{}}}", self.extra.iter().map(one).collect::<Vec<_>>().join(", "))
        };
        let uid = quote(&self.uid);
        format!("&user.DefaultInfo{{Name:\"\", UID:{uid}, Groups:[]string{groups}, Extra:map[string][]string{extra}}}")
    }
}

use super::*;
use crate::access_entries::{IamPrincipal, create};
use crate::records::ClusterKey;
use jiff::Timestamp;

fn user(name: &str) -> StsIdentity {
    StsIdentity {
        account: "111122223333".parse().unwrap(),
        arn: format!("arn:aws:iam::111122223333:user/{name}"),
        canonical_arn: format!("arn:aws:iam::111122223333:user/{name}"),
        principal_id: format!("AIDA{}", name.to_ascii_uppercase()),
        session_name: String::new(),
        access_key_id: "AKIAKEY".to_owned(),
    }
}

fn session(role: &str, name: &str) -> StsIdentity {
    StsIdentity {
        arn: format!("arn:aws:sts::111122223333:assumed-role/{role}/{name}"),
        canonical_arn: format!("arn:aws:iam::111122223333:role/{role}"),
        principal_id: format!("AROA{}", role.to_ascii_uppercase()),
        session_name: name.to_owned(),
        ..user("")
    }
}

/// The entry that a cluster's creator has.
fn creators(who: &StsIdentity) -> AccessEntry {
    let cluster =
        ClusterKey { account: who.account.clone(), region: "eu-west-1".parse().unwrap(), name: "blue".to_owned() };
    let principal = IamPrincipal::parse(&who.canonical_arn).unwrap();
    create::of_creator(&cluster, &principal, &who.principal_id, "u-1", Timestamp::UNIX_EPOCH)
}

fn roles(role: &str, username: &str) -> AwsAuth {
    let text = format!(
        "- rolearn: arn:aws:iam::111122223333:role/{role}\n  username: {username}\n  groups: [system:nodes, 'x:{{{{AccountID}}}}']\n"
    );
    aws_auth::parse(&text, "", "").0
}

#[test]
fn the_creator_is_an_administrator_in_every_mode() {
    let who = session("dev", "me@home");
    let entry = creators(&who);
    let find = |mode: &str| map(mode, Some(&entry), None, &who).unwrap().user(&who, None).unwrap();
    let hidden = find("CONFIG_MAP");
    assert_eq!((hidden.username.as_str(), hidden.groups), ("kubernetes-admin", vec!["system:masters".to_owned()]));
    assert!(hidden.policies.is_empty());
    for mode in ["API_AND_CONFIG_MAP", "API"] {
        let shown = find(mode);
        assert_eq!(shown.username, "arn:aws:sts::111122223333:assumed-role/dev/me-home");
        assert!(shown.groups.is_empty());
        assert_eq!(shown.policies[0].policy_arn, "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy");
        assert_eq!(shown.policies[0].scope, Scope::Cluster);
        assert_eq!(shown.uid, "aws-iam-authenticator:111122223333:AROADEV");
    }
}

#[test]
fn what_else_is_known_of_a_user() {
    let who = session("dev", "me@home");
    let extra = map("API", Some(&creators(&who)), None, &who).unwrap().user(&who, None).unwrap().extra;
    let want = [
        ("accessKeyId", "AKIAKEY"),
        ("arn", "arn:aws:sts::111122223333:assumed-role/dev/me@home"),
        ("canonicalArn", "arn:aws:iam::111122223333:role/dev"),
        ("principalId", "AROADEV"),
        ("sessionName", "me@home"),
        ("sigs.k8s.io/aws-iam-authenticator/principalId", "AROADEV"),
    ];
    assert_eq!(extra, want.map(|(key, value)| (key.to_owned(), vec![value.to_owned()])).into());
}

#[test]
fn modes_choose_the_sources_and_entries_win() {
    let who = session("dev", "me");
    let (of_creator, auth) = (creators(&who), roles("dev", "by-map"));
    let entry = AccessEntry { of_creator: false, username: "by-entry".to_owned(), ..of_creator };
    let find =
        |mode, entry, auth| map(mode, entry, auth, &who).and_then(|it| it.user(&who, None)).map(|it| it.username);
    let (entry, auth) = (Some(&entry), Some(&auth));
    let name = |text: &str| Some(text.to_owned());
    assert_eq!(find("CONFIG_MAP", entry, auth), name("by-map"));
    assert_eq!(find("API_AND_CONFIG_MAP", entry, auth), name("by-entry"));
    assert_eq!(find("API", entry, auth), name("by-entry"));
    assert_eq!(find("CONFIG_MAP", None, auth), name("by-map"));
    assert_eq!(find("API_AND_CONFIG_MAP", None, auth), name("by-map"));
    assert_eq!(find("API", None, auth), None);
    assert_eq!(find("CONFIG_MAP", entry, None), None, "an entry says nothing in this mode");
    assert_eq!(find("OTHER", entry, auth), None);
}

#[test]
fn a_principal_made_anew_has_no_entry() {
    let before = user("bob");
    let entry = creators(&before);
    let anew = StsIdentity { principal_id: "AIDAOTHER".to_owned(), ..before };
    for mode in ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"] {
        assert_eq!(map(mode, Some(&entry), None, &anew), None, "{mode}");
    }
}

#[test]
fn nodes_are_called_by_their_instances_names() {
    let who = session("node", "i-0123456789abcdef0");
    let auth = roles("node", "system:node:{{EC2PrivateDNSName}}");
    let mapping = map("CONFIG_MAP", None, Some(&auth), &who).unwrap();
    assert!(mapping.needs_private_dns_name());
    let node = mapping.clone().user(&who, Some("ip-10-0-0-1.ec2.internal")).unwrap();
    assert_eq!(node.username, "system:node:ip-10-0-0-1.ec2.internal");
    assert_eq!(node.groups, ["system:nodes", "x:111122223333"]);
    assert_eq!(mapping.clone().user(&who, None), None);
    assert_eq!(mapping.user(&session("node", "me"), Some("ip-10-0-0-1.ec2.internal")), None);
}

#[test]
fn users_cannot_write_names_of_the_services() {
    let who = session("dev", "me");
    for (name, may) in [("eks:addon-manager", false), ("aws:x", false), ("\"\"", false), ("system:me", true)] {
        let found = map("CONFIG_MAP", None, Some(&roles("dev", name)), &who).unwrap().user(&who, None);
        assert_eq!(found.is_some(), may, "{name}");
    }
    // An entry's name was looked at when it was made: a user's own ARN begins with `arn:aws:`, not with `aws:`.
    let bob = user("bob");
    assert_eq!(map("API", Some(&creators(&bob)), None, &bob).unwrap().user(&bob, None).unwrap().username, bob.arn);
}

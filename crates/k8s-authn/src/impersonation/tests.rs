use super::*;
use crate::user::{MASTERS, NODE_NAME, NODES};
use proptest::prelude::*;

fn version(minor: u8) -> KubernetesVersion {
    KubernetesVersion::new(minor)
}

fn read(minor: u8, headers: &[(&str, &str)]) -> Impersonation {
    Impersonation::from_headers(version(minor), headers.iter().copied()).unwrap().unwrap()
}

fn asker(name: &str) -> UserInfo {
    UserInfo { name: name.to_owned(), ..UserInfo::default() }
}

/// `verb group/resource/subresource namespace/name` of each check.
fn texts(attempt: &Attempt) -> Vec<String> {
    let part = |it: &Part| {
        let resource = format!("{}/{}/{}", it.group, it.resource, it.subresource);
        format!("{} {resource} {}/{}", it.verb, it.namespace, it.name)
    };
    let text = |check: &Check| match check {
        Check::Request(prefix) => prefix.clone(),
        Check::Part(it) => part(it),
        Check::Many(all, each) => format!("{} or {}", part(all), each.len()),
        Check::Never(it, why) => format!("{}: {why}", part(it)),
    };
    attempt.checks.iter().map(text).collect()
}

#[test]
fn each_part_must_be_allowed() {
    let headers = [
        ("impersonate-user", "jane"),
        ("impersonate-user", "joe"),
        ("impersonate-group", "dev"),
        ("impersonate-uid", "7"),
        ("impersonate-extra-a.example%2fb", "1"),
        ("impersonate-extra-a.example%2Fb", "2"),
        ("impersonate-extra-%zz", "3"),
        ("accept", "*/*"),
    ];
    let wish = read(24, &headers);
    let attempts = wish.attempts(version(24), &asker("bob"));
    assert_eq!(attempts.len(), 1);
    let want = [
        "impersonate /users/ /jane",
        "impersonate /groups/ /dev",
        "impersonate authentication.k8s.io/userextras/%zz /3",
        "impersonate authentication.k8s.io/userextras/a.example/b /1",
        "impersonate authentication.k8s.io/userextras/a.example/b /2",
        "impersonate authentication.k8s.io/uids/ /7",
    ];
    assert_eq!(texts(&attempts[0]), want);
    assert_eq!(attempts[0].user.groups, ["dev", AUTHENTICATED]);
    assert_eq!(attempts[0].user.uid, "7");
}

#[test]
fn groups_follow_the_user() {
    let groups = |user: &str, groups: &[&str]| {
        let groups = groups.iter().map(ToString::to_string).collect();
        Impersonation { user: user.to_owned(), groups, ..Impersonation::default() }.user().groups
    };
    let account = "system:serviceaccount:a:b";
    assert_eq!(groups(account, &[]), ["system:serviceaccounts", "system:serviceaccounts:a", AUTHENTICATED]);
    assert_eq!(groups(account, &["g"]), ["g", AUTHENTICATED]);
    assert_eq!(groups(ANONYMOUS, &[]), [UNAUTHENTICATED]);
    assert_eq!(groups(ANONYMOUS, &[AUTHENTICATED]), [AUTHENTICATED, UNAUTHENTICATED]);
    assert_eq!(groups("a", &[UNAUTHENTICATED]), [UNAUTHENTICATED]);
    assert_eq!(groups("a", &[AUTHENTICATED, "b"]), [AUTHENTICATED, "b"]);
}

#[test]
fn narrower_ways_are_tried_first() {
    let node = read(36, &[("impersonate-user", "system:node:n1")]);
    let mut agent = asker("system:serviceaccount:a:b");
    agent.extra.insert(NODE_NAME.to_owned(), vec!["n1".to_owned()]);
    let attempts = node.attempts(version(36), &agent);
    let constraints: Vec<&str> = attempts.iter().map(|it| it.constraint).collect();
    assert_eq!(constraints, ["impersonate:associated-node", "impersonate:arbitrary-node", ""]);
    assert_eq!(
        texts(&attempts[0]),
        ["impersonate-on:associated-node:", "impersonate:associated-node authentication.k8s.io/nodes/ /*"]
    );
    assert_eq!(attempts[0].user.groups, [NODES, AUTHENTICATED]);
    assert_eq!(attempts[2].user.groups, [AUTHENTICATED]);
    assert_eq!(node.attempts(version(36), &asker("bob")).len(), 2);
    assert_eq!(node.attempts(version(35), &agent).len(), 1);

    let account = read(36, &[("impersonate-user", "system:serviceaccount:a:b")]);
    let attempts = account.attempts(version(36), &agent);
    assert_eq!(attempts[0].constraint, "impersonate:serviceaccount");
    assert_eq!(texts(&attempts[0])[1], "impersonate:serviceaccount authentication.k8s.io/serviceaccounts/ a/b");
    assert_eq!(texts(&attempts[1]), ["impersonate /serviceaccounts/ a/b"]);

    let master = read(36, &[("impersonate-user", "x"), ("impersonate-group", MASTERS), ("impersonate-uid", "1")]);
    let attempts = master.attempts(version(36), &agent);
    let never = "impersonate:user-info authentication.k8s.io/groups/ /system:masters: impersonating the \
                 system:masters group is not allowed";
    assert_eq!(texts(&attempts[0])[3], never);
    let old = ["impersonate /users/ /x", "impersonate authentication.k8s.io/uids/ /1"];
    assert_eq!(texts(&attempts[1])[..2], old);
    let odd = read(36, &[("impersonate-user", "x"), ("impersonate-extra-a", "")]);
    assert!(matches!(odd.attempts(version(36), &agent)[0].checks[2], Check::Never(..)));
}

#[test]
fn many_groups_may_be_allowed_at_once() {
    let groups = ["a", "b", "c", "d"].map(|group| ("impersonate-group", group));
    let wish = read(36, &[&[("impersonate-user", "x")], &groups[..]].concat());
    let many = "impersonate:user-info authentication.k8s.io/groups/ /* or 4";
    assert_eq!(texts(&wish.attempts(version(36), &asker("bob"))[0])[2], many);
    let try_with = |group: &'static str| {
        let mut asked = 0;
        let result = wish.resolve(version(36), &asker("bob"), |check| match check {
            Check::Part(part) if part.resource == "groups" => {
                asked += 1;
                if group == "each" && part.name != "*" || part.name == group { Ok(()) } else { Err(()) }
            }
            _ => Ok(()),
        });
        (result.is_ok(), asked)
    };
    assert_eq!(try_with("*"), (true, 1));
    assert_eq!(try_with("each"), (true, 5));
    assert_eq!(try_with("a"), (false, 5), "three in the narrower way, two in the old one");
}

#[test]
fn the_first_refusal_is_told_and_the_first_way_taken() {
    let wish = read(36, &[("impersonate-user", "x")]);
    let bob = asker("bob");
    let refuse = wish.resolve(version(36), &bob, |check| Err(Box::new(check.clone())));
    assert_eq!(refuse, Err(Box::new(Check::Request("impersonate-on:user-info:".to_owned()))));
    let old = |check: &Check| match check {
        Check::Part(part) if part.verb == "impersonate" => Ok(()),
        _ => Err(()),
    };
    assert_eq!(wish.resolve(version(36), &bob, old).unwrap().constraint, "");
    let all = wish.resolve(version(36), &bob, |_| Ok::<_, ()>(()));
    assert_eq!(all.unwrap().constraint, "impersonate:user-info");
    let before = wish.resolve(version(35), &bob, |check| Err(Box::new(check.clone())));
    assert!(matches!(*before.unwrap_err(), Check::Part(part) if part.resource == "users"));
}

#[test]
fn parts_without_a_user_are_refused_by_each_release_in_its_way() {
    let headers = [("impersonate-group", "g"), ("impersonate-uid", "u"), ("impersonate-extra-a", "1")];
    let refuse = |minor| Impersonation::from_headers(version(minor), headers).unwrap_err();
    let references = "requested [{Group  g    } {UserExtra  1  authentication.k8s.io/v1  a} \
                      {UID  u  authentication.k8s.io/v1  }] without impersonating a user";
    assert_eq!(refuse(34), NoUser::Fault(references.to_owned()));
    assert_eq!(refuse(35), NoUser::BadRequest(Box::new(Status::bad_request(references))));
    let literal = "requested &user.DefaultInfo{Name:\"\", UID:\"u\", Groups:[]string{\"g\"}, \
                   Extra:map[string][]string{\"a\":[]string{\"1\"}}} without impersonating a user name";
    assert_eq!(refuse(36), NoUser::BadRequest(Box::new(Status::bad_request(literal))));
    let empty = [("impersonate-user", ""), ("impersonate-user", "a")];
    assert_eq!(Impersonation::from_headers(version(36), empty), Ok(None));
}

proptest! {
    #[test]
    fn any_headers_are_read(
        headers in proptest::collection::vec(("(impersonate-(user|uid|group|extra-.{0,9})|.{0,9})", ".{0,20}"), 0..6),
        minor in 24u8..=36,
    ) {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        if let Ok(Some(wish)) = Impersonation::from_headers(version(minor), headers) {
            prop_assert!(!wish.user.is_empty());
            for attempt in wish.attempts(version(minor), &asker("bob")) {
                prop_assert!(attempt.user.is_in(AUTHENTICATED) || attempt.user.is_in(UNAUTHENTICATED));
            }
        }
    }
}

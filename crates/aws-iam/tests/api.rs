//! IAM and STS through their operation traits, as clients see them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop where it stands")]

use aws_iam::{AccessKey, IamService};
use aws_model::iam::*;
use aws_model::sts::{AssumeRoleRequest, GetCallerIdentityRequest, GetSessionTokenRequest, Sts};
use aws_model::{Caller, Context, Fault};
use base::SystemClock;
use jiff::SignedDuration;
use std::fmt::Debug;
use std::sync::Arc;
use store::{Embedded, Records};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
    "Principal":{"Service":"eks.amazonaws.com"}}]}"#;
const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
const CLUSTER: &str = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";

struct World {
    iam: Arc<IamService>,
    ctx: Context,
    _dir: tempfile::TempDir,
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[track_caller]
fn refused<T: Debug>(result: Result<T, Fault>, code: &str, status: u16) -> String {
    let fault = result.expect_err("the call should have been refused");
    assert_eq!((&*fault.code, fault.status), (code, status), "{}", fault.message);
    fault.message
}

fn context(key: &AccessKey) -> Context {
    Context {
        caller: key.caller.clone(),
        region: "us-east-1".parse().unwrap(),
        request_id: "r-1".into(),
        now: jiff::Timestamp::now(),
    }
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path()).unwrap();
    let iam = IamService::new(Records::new(Arc::new(store)), Arc::new(SystemClock));
    let key = iam.bootstrap_account(&"111122223333".parse().unwrap()).await.unwrap();
    World { iam: Arc::new(iam), ctx: context(&key), _dir: dir }
}

impl World {
    async fn role(&self, name: &str, trust: &str) -> Role {
        let input =
            CreateRoleRequest { role_name: some(name), assume_role_policy_document: some(trust), ..Default::default() };
        self.iam.create_role(&self.ctx, input).await.unwrap().role.unwrap()
    }

    fn as_key(&self, id: &str) -> Context {
        context(&self.iam.find_access_key(id).unwrap().unwrap())
    }
}

#[tokio::test]
async fn an_account_starts_with_an_administrator_and_keeps_its_key() {
    let world = world().await;
    let first = world.iam.bootstrap().await.unwrap();
    assert_eq!(first, world.iam.bootstrap().await.unwrap(), "the first account is the one that there is");
    assert_eq!(first.account.as_str(), "111122223333");
    assert_eq!((first.access_key_id.len(), first.secret_access_key.len()), (20, 40));
    assert_eq!(first.caller.arn, "arn:aws:iam::111122223333:user/admin");
    assert_eq!(world.iam.find_access_key(&first.access_key_id).unwrap(), Some(first.clone()));
    assert_eq!(world.iam.find_access_key("AKIAUNKNOWN").unwrap(), None);
    let other = world.iam.create_account().await.unwrap();
    assert_ne!(other.account, first.account);
    assert_eq!(world.iam.accounts().unwrap().len(), 2);
    let seen = world.iam.list_users(&context(&other), Default::default()).await.unwrap().users.unwrap();
    assert_eq!(seen.len(), 1, "accounts do not see each other");
    let identity = world.iam.get_caller_identity(&world.ctx, GetCallerIdentityRequest {}).await.unwrap();
    assert_eq!(identity.arn.as_deref(), Some("arn:aws:iam::111122223333:user/admin"));
    assert!(identity.user_id.unwrap().starts_with("AIDA"));
}

#[tokio::test]
async fn a_role_lives_and_dies() {
    let world = world().await;
    let role = world.role("myeks-cluster", TRUST).await;
    assert_eq!(role.arn.as_deref(), Some("arn:aws:iam::111122223333:role/myeks-cluster"));
    assert!(role.role_id.unwrap().starts_with("AROA"));
    assert!(role.assume_role_policy_document.unwrap().starts_with("%7B%22Version%22"), "as on the wire");
    let again = CreateRoleRequest {
        role_name: some("MyEKS-cluster"),
        assume_role_policy_document: some(TRUST),
        ..Default::default()
    };
    refused(world.iam.create_role(&world.ctx, again).await, "EntityAlreadyExists", 409);
    let bad = CreateRoleRequest { role_name: some("x"), assume_role_policy_document: some("{"), ..Default::default() };
    let message = refused(world.iam.create_role(&world.ctx, bad).await, "MalformedPolicyDocument", 400);
    assert_eq!(message, "This policy contains invalid Json");
    let name = some("myeks-cluster");
    let attach = |arn: &str| AttachRolePolicyRequest { role_name: name.clone(), policy_arn: some(arn) };
    world.iam.attach_role_policy(&world.ctx, attach(CLUSTER)).await.unwrap();
    world.iam.attach_role_policy(&world.ctx, attach(CLUSTER)).await.unwrap();
    let unknown = attach("arn:aws:iam::aws:policy/Nothing");
    refused(world.iam.attach_role_policy(&world.ctx, unknown).await, "NoSuchEntity", 404);
    let input = ListAttachedRolePoliciesRequest { role_name: name.clone(), ..Default::default() };
    let attached = world.iam.list_attached_role_policies(&world.ctx, input).await.unwrap().attached_policies.unwrap();
    assert_eq!(attached, [AttachedPolicy { policy_name: some("AmazonEKSClusterPolicy"), policy_arn: some(CLUSTER) }]);
    let inline =
        PutRolePolicyRequest { role_name: name.clone(), policy_name: some("inline"), policy_document: some(ALLOW) };
    world.iam.put_role_policy(&world.ctx, inline).await.unwrap();
    let delete = DeleteRoleRequest { role_name: name.clone() };
    let message = refused(world.iam.delete_role(&world.ctx, delete.clone()).await, "DeleteConflict", 409);
    assert_eq!(message, "Cannot delete entity, must detach all policies first.");
    let detach = DetachRolePolicyRequest { role_name: name.clone(), policy_arn: some(CLUSTER) };
    world.iam.detach_role_policy(&world.ctx, detach.clone()).await.unwrap();
    refused(world.iam.detach_role_policy(&world.ctx, detach).await, "NoSuchEntity", 404);
    let message = refused(world.iam.delete_role(&world.ctx, delete.clone()).await, "DeleteConflict", 409);
    assert_eq!(message, "Cannot delete entity, must delete policies first.");
    let inline = DeleteRolePolicyRequest { role_name: name.clone(), policy_name: some("inline") };
    world.iam.delete_role_policy(&world.ctx, inline).await.unwrap();
    world.iam.delete_role(&world.ctx, delete).await.unwrap();
    let message =
        refused(world.iam.get_role(&world.ctx, GetRoleRequest { role_name: name }).await, "NoSuchEntity", 404);
    assert_eq!(message, "The role with name myeks-cluster cannot be found.");
}

#[tokio::test]
async fn an_instance_profile_holds_one_role() {
    let world = world().await;
    world.role("node", TRUST).await;
    world.role("other", TRUST).await;
    let create = CreateInstanceProfileRequest { instance_profile_name: some("p"), ..Default::default() };
    world.iam.create_instance_profile(&world.ctx, create.clone()).await.unwrap();
    let message = refused(world.iam.create_instance_profile(&world.ctx, create).await, "EntityAlreadyExists", 409);
    assert_eq!(message, "Instance Profile p already exists.");
    let add = |role: &str| AddRoleToInstanceProfileRequest { instance_profile_name: some("p"), role_name: some(role) };
    world.iam.add_role_to_instance_profile(&world.ctx, add("node")).await.unwrap();
    refused(world.iam.add_role_to_instance_profile(&world.ctx, add("other")).await, "LimitExceeded", 409);
    let get = GetInstanceProfileRequest { instance_profile_name: some("p") };
    let profile = world.iam.get_instance_profile(&world.ctx, get).await.unwrap().instance_profile.unwrap();
    assert!(profile.instance_profile_id.unwrap().starts_with("AIPA"));
    assert_eq!(profile.roles.unwrap()[0].role_name.as_deref(), Some("node"));
    let role = DeleteRoleRequest { role_name: some("node") };
    let message = refused(world.iam.delete_role(&world.ctx, role.clone()).await, "DeleteConflict", 409);
    assert_eq!(message, "Cannot delete entity, must remove roles from instance profile first.");
    let delete = DeleteInstanceProfileRequest { instance_profile_name: some("p") };
    refused(world.iam.delete_instance_profile(&world.ctx, delete.clone()).await, "DeleteConflict", 409);
    let remove = RemoveRoleFromInstanceProfileRequest { instance_profile_name: some("p"), role_name: some("node") };
    world.iam.remove_role_from_instance_profile(&world.ctx, remove).await.unwrap();
    world.iam.delete_instance_profile(&world.ctx, delete.clone()).await.unwrap();
    let message = refused(world.iam.delete_instance_profile(&world.ctx, delete).await, "NoSuchEntity", 404);
    assert_eq!(message, "Instance Profile p cannot be found.");
    world.iam.delete_role(&world.ctx, role).await.unwrap();
}

#[tokio::test]
async fn a_customer_policy_cannot_go_while_it_is_attached() {
    let world = world().await;
    world.role("r", TRUST).await;
    let create = CreatePolicyRequest {
        policy_name: some("mine"),
        policy_document: some(ALLOW),
        path: some("/team/"),
        ..Default::default()
    };
    let made = world.iam.create_policy(&world.ctx, create.clone()).await.unwrap().policy.unwrap();
    let arn = made.arn.unwrap();
    assert_eq!(arn, "arn:aws:iam::111122223333:policy/team/mine");
    refused(world.iam.create_policy(&world.ctx, create).await, "EntityAlreadyExists", 409);
    let attach = AttachRolePolicyRequest { role_name: some("r"), policy_arn: some(&arn) };
    world.iam.attach_role_policy(&world.ctx, attach).await.unwrap();
    let local = ListPoliciesRequest { scope: some("Local"), only_attached: Some(true), ..Default::default() };
    let listed = world.iam.list_policies(&world.ctx, local).await.unwrap().policies.unwrap();
    assert_eq!((listed.len(), listed[0].attachment_count), (1, Some(1)));
    let delete = DeletePolicyRequest { policy_arn: some(&arn) };
    let message = refused(world.iam.delete_policy(&world.ctx, delete.clone()).await, "DeleteConflict", 409);
    assert_eq!(message, "Cannot delete a policy attached to entities.");
    let detach = DetachRolePolicyRequest { role_name: some("r"), policy_arn: some(&arn) };
    world.iam.detach_role_policy(&world.ctx, detach).await.unwrap();
    world.iam.delete_policy(&world.ctx, delete).await.unwrap();
    let version = GetPolicyVersionRequest { policy_arn: some(CLUSTER), version_id: some("v1") };
    let shown = world.iam.get_policy_version(&world.ctx, version).await.unwrap().policy_version.unwrap();
    assert!(shown.document.unwrap().contains("ec2%3A"));
}

#[tokio::test]
async fn users_have_two_keys_which_can_be_switched_off() {
    let world = world().await;
    let user = CreateUserRequest { user_name: some("ann"), ..Default::default() };
    world.iam.create_user(&world.ctx, user).await.unwrap();
    let create = CreateAccessKeyRequest { user_name: some("ann") };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = world.iam.create_access_key(&world.ctx, create.clone()).await.unwrap().access_key.unwrap();
        ids.push(made.access_key_id.unwrap());
    }
    refused(world.iam.create_access_key(&world.ctx, create).await, "LimitExceeded", 409);
    let off = UpdateAccessKeyRequest { user_name: some("ann"), access_key_id: some(&ids[0]), status: some("Inactive") };
    world.iam.update_access_key(&world.ctx, off).await.unwrap();
    assert!(!world.iam.find_access_key(&ids[0]).unwrap().unwrap().active);
    assert!(world.iam.find_access_key(&ids[1]).unwrap().unwrap().active);
    let ann = world.as_key(&ids[1]);
    let own = world.iam.list_access_keys(&ann, Default::default()).await.unwrap().access_key_metadata.unwrap();
    assert_eq!(own.len(), 2);
    assert_eq!(
        world.iam.get_user(&ann, Default::default()).await.unwrap().user.unwrap().user_name.as_deref(),
        Some("ann")
    );
    let delete = DeleteUserRequest { user_name: some("ann") };
    let message = refused(world.iam.delete_user(&world.ctx, delete.clone()).await, "DeleteConflict", 409);
    assert_eq!(message, "Cannot delete entity, must delete access keys first.");
    for id in &ids {
        let input = DeleteAccessKeyRequest { user_name: some("ann"), access_key_id: some(id) };
        world.iam.delete_access_key(&world.ctx, input).await.unwrap();
        assert_eq!(world.iam.find_access_key(id).unwrap(), None);
    }
    world.iam.delete_user(&world.ctx, delete).await.unwrap();
}

#[tokio::test]
async fn a_role_is_taken_on_by_whom_it_trusts_and_for_as_long_as_it_is_there() {
    let world = world().await;
    let closed = world.role("closed", TRUST).await.arn.unwrap();
    let trust = TRUST.replace(r#"{"Service":"eks.amazonaws.com"}"#, r#"{"AWS":"arn:aws:iam::111122223333:root"}"#);
    let open = world.role("open", &trust).await.arn.unwrap();
    let ask = |arn: &str| AssumeRoleRequest {
        role_arn: some(arn),
        role_session_name: some("EKSGetTokenAuth"),
        ..Default::default()
    };
    let message = refused(world.iam.assume_role(&world.ctx, ask(&closed)).await, "AccessDenied", 403);
    assert_eq!(
        message,
        format!(
            "User: arn:aws:iam::111122223333:user/admin is not authorized to perform: sts:AssumeRole on resource: \
                {closed}"
        )
    );
    refused(world.iam.assume_role(&world.ctx, ask("arn:aws:iam::111122223333:role/nobody")).await, "AccessDenied", 403);
    let long = AssumeRoleRequest { duration_seconds: Some(7200), ..ask(&open) };
    refused(world.iam.assume_role(&world.ctx, long).await, "ValidationError", 400);
    let taken = world.iam.assume_role(&world.ctx, ask(&open)).await.unwrap();
    let credentials = taken.credentials.unwrap();
    let id = credentials.access_key_id.unwrap();
    assert!(id.starts_with("ASIA"));
    let key = world.iam.find_access_key(&id).unwrap().unwrap();
    assert_eq!((key.session_token, key.expires), (credentials.session_token, credentials.expiration));
    assert_eq!(key.caller.arn, "arn:aws:sts::111122223333:assumed-role/open/EKSGetTokenAuth");
    assert_eq!(taken.assumed_role_user.unwrap().assumed_role_id.unwrap(), key.caller.user_id);
    let session = world.as_key(&id);
    let identity = world.iam.get_caller_identity(&session, GetCallerIdentityRequest {}).await.unwrap();
    assert_eq!(identity.arn.as_deref(), Some(&*key.caller.arn));
    refused(world.iam.get_session_token(&session, GetSessionTokenRequest::default()).await, "AccessDenied", 403);
    world.iam.delete_role(&world.ctx, DeleteRoleRequest { role_name: some("open") }).await.unwrap();
    assert!(!world.iam.find_access_key(&id).unwrap().unwrap().active, "the session ends with its role");
    world.role("open", &trust).await;
    assert!(!world.iam.find_access_key(&id).unwrap().unwrap().active, "another role of the same name is another role");
    let end = key.expires.unwrap();
    assert_eq!(world.iam.purge(end).await.unwrap(), 0);
    assert_eq!(world.iam.purge(end + SignedDuration::from_hours(25)).await.unwrap(), 1);
    assert_eq!(world.iam.find_access_key(&id).unwrap(), None);
}

#[tokio::test]
async fn a_service_takes_on_the_role_that_trusts_it() {
    let world = world().await;
    let arn = world.role("node", &TRUST.replace("eks.", "ec2.")).await.arn.unwrap();
    let service =
        |name| Context { caller: Caller::service("111122223333".parse().unwrap(), name), ..world.ctx.clone() };
    let ask = AssumeRoleRequest {
        role_arn: some(&arn),
        role_session_name: some("i-0123456789abcdef0"),
        duration_seconds: Some(21600),
        ..Default::default()
    };
    world.iam.assume_role(&service("ec2.amazonaws.com"), ask.clone()).await.unwrap();
    refused(world.iam.assume_role(&service("eks.amazonaws.com"), ask).await, "AccessDenied", 403);
}

#[tokio::test]
async fn a_user_gets_temporary_keys_that_are_still_its_own() {
    let world = world().await;
    let input = GetSessionTokenRequest { duration_seconds: Some(900), ..Default::default() };
    let made = world.iam.get_session_token(&world.ctx, input).await.unwrap().credentials.unwrap();
    let key = world.iam.find_access_key(&made.access_key_id.unwrap()).unwrap().unwrap();
    assert_eq!(key.caller.arn, world.ctx.caller.arn);
    assert_eq!(key.session_token, made.session_token);
    let again = world.iam.get_session_token(&context(&key), GetSessionTokenRequest::default()).await;
    refused(again, "AccessDenied", 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_clients_make_roles_and_one_wins_each_name() {
    let world = Arc::new(world().await);
    let mut clients = Vec::new();
    for client in 0..10 {
        let world = world.clone();
        clients.push(tokio::spawn(async move {
            let input = CreateRoleRequest {
                role_name: Some(format!("role-{}", client % 2)),
                assume_role_policy_document: some(TRUST),
                ..Default::default()
            };
            world.iam.create_role(&world.ctx, input).await.is_ok()
        }));
    }
    let mut won = 0;
    for client in clients {
        won += usize::from(client.await.unwrap());
    }
    assert_eq!(won, 2);
}

#[tokio::test]
async fn lists_are_paged() {
    let world = world().await;
    for index in 0..5 {
        world.role(&format!("role-{index}"), TRUST).await;
    }
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let input = ListRolesRequest { max_items: Some(2), marker, ..Default::default() };
        let page = world.iam.list_roles(&world.ctx, input).await.unwrap();
        seen.extend(page.roles.unwrap().into_iter().map(|it| it.role_name.unwrap()));
        assert_eq!(page.is_truncated, Some(page.marker.is_some()));
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["role-0", "role-1", "role-2", "role-3", "role-4"]);
}

//! The operation traits of IAM and STS over the decisions, and what the daemon asks about accounts and keys.

use crate::access_key::{AccessKey, record_key, view};
use crate::error::Result;
use crate::records::{ACCOUNT_ROOT, Account, KEY_ROOT, KeyOwner, KeyRecord, ROOT, Role, User};
use crate::world::World;
use crate::{access_key, account, instance_profile, policy, role, role_policy, session, user};
use async_trait::async_trait;
use aws_model::iam::{self as wire, Iam};
use aws_model::sts::{self, Sts};
use aws_model::{Context, Fault, Principal};
use base::{AccountId, Clock};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use store::{Records, Tx};

/// How long the key of a session that has ended is kept, so that its user is told so and not that it never was.
const KEPT_AFTER_END: SignedDuration = SignedDuration::from_hours(24);

/// IAM and STS for all accounts.
pub struct IamService {
    records: Records,
    clock: Arc<dyn Clock>,
}

impl IamService {
    /// IAM and STS over `records`.
    pub fn new(records: Records, clock: Arc<dyn Clock>) -> Self {
        Self { records, clock }
    }

    /// The service's first account and its administrator's key; made at the first call, the same ever after.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn bootstrap(&self) -> Result<AccessKey> {
        let id = AccountId::random();
        self.admin(|tx| {
            let accounts = tx.scan::<Account>(ACCOUNT_ROOT)?;
            Ok(accounts.into_iter().find(|(_, it)| it.first).map_or_else(|| id.clone(), |(_, it)| it.id))
        })
        .await
    }

    /// Makes an account unless it is there, with a user `admin` that has `AdministratorAccess`, and gives its key.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn bootstrap_account(&self, account: &AccountId) -> Result<AccessKey> {
        self.admin(|_| Ok(account.clone())).await
    }

    /// Makes a new account with a number of its own; see [`IamService::bootstrap_account`].
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn create_account(&self) -> Result<AccessKey> {
        self.admin(|tx| {
            loop {
                let id = AccountId::random();
                if tx.get::<Account>(&format!("{ACCOUNT_ROOT}{id}"))?.is_none() {
                    return Ok(id);
                }
            }
        })
        .await
    }

    async fn admin(&self, mut choose: impl FnMut(&mut Tx<'_>) -> Result<AccountId>) -> Result<AccessKey> {
        let now = self.clock.now();
        let made = self.records.transact(|tx| {
            let account = choose(tx)?;
            let first = tx.scan::<Account>(ACCOUNT_ROOT)?.is_empty();
            account::ensure(&mut World::new(tx, &account, now), first)
        });
        let (admin, key) = made.await?;
        Ok(view(key, Some(admin.arn)))
    }

    /// All accounts, by number.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub fn accounts(&self) -> Result<Vec<AccountId>> {
        Ok(self.records.scan::<Account>(ACCOUNT_ROOT)?.into_iter().map(|(_, it)| it.id).collect())
    }

    /// The access key with this id, also when it is switched off or over. Asked for every signed request; reads memory.
    /// A key is switched off with its owner: when the user is gone, or the role is gone or another of the same name.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub fn find_access_key(&self, id: &str) -> Result<Option<AccessKey>> {
        let Some(mut record) = self.records.get::<KeyRecord>(&record_key(id))? else { return Ok(None) };
        let of = |kind: &str, name: &str| format!("{ROOT}{}/{kind}/{}", record.account, name.to_ascii_lowercase());
        let (alive, user_arn) = match &record.owner {
            KeyOwner::Root => (true, None),
            KeyOwner::User { name, id } => {
                let user = self.records.get::<User>(&of(user::KIND, name))?.filter(|it| it.id == *id);
                (user.is_some(), user.map(|it| it.arn))
            }
            KeyOwner::Session { role, role_id, .. } => {
                let role = self.records.get::<Role>(&of(role::KIND, role))?;
                (role.is_some_and(|it| it.id == *role_id), None)
            }
        };
        record.active &= alive;
        Ok(Some(view(record, user_arn)))
    }

    /// Forgets keys of sessions that ended a day before `now`; says how many.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn purge(&self, now: Timestamp) -> Result<usize> {
        let is_over = |it: &KeyRecord| it.expires.is_some_and(|end| now.duration_since(end) > KEPT_AFTER_END);
        let over: Vec<String> = self
            .records
            .scan::<KeyRecord>(KEY_ROOT)?
            .into_iter()
            .filter(|(_, it)| is_over(it))
            .map(|it| it.0)
            .collect();
        for chunk in over.chunks(100) {
            let forget = self.records.transact(|tx| -> Result<()> {
                chunk.iter().for_each(|key| tx.delete(key.clone()));
                Ok(())
            });
            forget.await?;
        }
        Ok(over.len())
    }

    /// Takes one decision in an account and commits it.
    async fn serve<T>(
        &self,
        account: &AccountId,
        now: Timestamp,
        mut decide: impl FnMut(&mut World<'_, '_>) -> Result<T>,
    ) -> std::result::Result<T, Fault> {
        Ok(self.records.transact(|tx| decide(&mut World::new(tx, account, now))).await?)
    }
}

/// Every operation in a line: its name, its input, its output, its decision; those after `with caller` are told who
/// calls.
macro_rules! operations {
    (
        {$($name:ident($input:ident) -> $output:ty = $decide:path;)+}
        with caller {$($own:ident($own_input:ident) -> $own_output:ty = $own_decide:path;)+}
    ) => {
        #[async_trait]
        impl Iam for IamService {
            $(
                async fn $name(&self, ctx: &Context, input: wire::$input) -> std::result::Result<$output, Fault> {
                    self.serve(&ctx.caller.account, ctx.now, |world| $decide(world, &input)).await
                }
            )+
            $(
                async fn $own(
                    &self,
                    ctx: &Context,
                    input: wire::$own_input,
                ) -> std::result::Result<$own_output, Fault> {
                    self.serve(&ctx.caller.account, ctx.now, |world| $own_decide(world, &input, &ctx.caller)).await
                }
            )+
        }
    };
}

operations! {{
    add_role_to_instance_profile(AddRoleToInstanceProfileRequest) -> () = instance_profile::add_role;
    attach_role_policy(AttachRolePolicyRequest) -> () = role_policy::attach;
    create_instance_profile(CreateInstanceProfileRequest) -> wire::CreateInstanceProfileResponse
        = instance_profile::create;
    create_policy(CreatePolicyRequest) -> wire::CreatePolicyResponse = policy::create;
    create_role(CreateRoleRequest) -> wire::CreateRoleResponse = role::create;
    create_service_linked_role(CreateServiceLinkedRoleRequest) -> wire::CreateServiceLinkedRoleResponse
        = role::create_linked;
    create_user(CreateUserRequest) -> wire::CreateUserResponse = user::create;
    delete_instance_profile(DeleteInstanceProfileRequest) -> () = instance_profile::delete;
    delete_policy(DeletePolicyRequest) -> () = policy::delete;
    delete_role(DeleteRoleRequest) -> () = role::delete;
    delete_role_policy(DeleteRolePolicyRequest) -> () = role_policy::delete_inline;
    delete_user(DeleteUserRequest) -> () = user::delete;
    detach_role_policy(DetachRolePolicyRequest) -> () = role_policy::detach;
    get_instance_profile(GetInstanceProfileRequest) -> wire::GetInstanceProfileResponse = instance_profile::get;
    get_policy(GetPolicyRequest) -> wire::GetPolicyResponse = policy::get;
    get_policy_version(GetPolicyVersionRequest) -> wire::GetPolicyVersionResponse = policy::version;
    get_role(GetRoleRequest) -> wire::GetRoleResponse = role::get;
    get_role_policy(GetRolePolicyRequest) -> wire::GetRolePolicyResponse = role_policy::get_inline;
    list_attached_role_policies(ListAttachedRolePoliciesRequest) -> wire::ListAttachedRolePoliciesResponse
        = role_policy::list_attached;
    list_instance_profiles(ListInstanceProfilesRequest) -> wire::ListInstanceProfilesResponse = instance_profile::list;
    list_instance_profiles_for_role(ListInstanceProfilesForRoleRequest) -> wire::ListInstanceProfilesForRoleResponse
        = instance_profile::list_for_role;
    list_policies(ListPoliciesRequest) -> wire::ListPoliciesResponse = policy::list;
    list_policy_versions(ListPolicyVersionsRequest) -> wire::ListPolicyVersionsResponse = policy::versions;
    list_role_policies(ListRolePoliciesRequest) -> wire::ListRolePoliciesResponse = role_policy::list_inline;
    list_role_tags(ListRoleTagsRequest) -> wire::ListRoleTagsResponse = role::tags;
    list_roles(ListRolesRequest) -> wire::ListRolesResponse = role::list;
    list_users(ListUsersRequest) -> wire::ListUsersResponse = user::list;
    put_role_policy(PutRolePolicyRequest) -> () = role_policy::put_inline;
    remove_role_from_instance_profile(RemoveRoleFromInstanceProfileRequest) -> () = instance_profile::remove_role;
    tag_role(TagRoleRequest) -> () = role::tag_role;
    untag_role(UntagRoleRequest) -> () = role::untag_role;
    update_assume_role_policy(UpdateAssumeRolePolicyRequest) -> () = role::update_trust;
    update_role(UpdateRoleRequest) -> wire::UpdateRoleResponse = role::update;
} with caller {
    create_access_key(CreateAccessKeyRequest) -> wire::CreateAccessKeyResponse = access_key::create;
    delete_access_key(DeleteAccessKeyRequest) -> () = access_key::delete;
    get_user(GetUserRequest) -> wire::GetUserResponse = user::get;
    list_access_keys(ListAccessKeysRequest) -> wire::ListAccessKeysResponse = access_key::list;
    update_access_key(UpdateAccessKeyRequest) -> () = access_key::update;
}}

#[async_trait]
impl Sts for IamService {
    async fn get_caller_identity(
        &self,
        ctx: &Context,
        _: sts::GetCallerIdentityRequest,
    ) -> std::result::Result<sts::GetCallerIdentityResponse, Fault> {
        Ok(session::identity(&ctx.caller))
    }

    async fn assume_role(
        &self,
        ctx: &Context,
        input: sts::AssumeRoleRequest,
    ) -> std::result::Result<sts::AssumeRoleResponse, Fault> {
        let arn = crate::error::required(&input.role_arn, "roleArn")?;
        let (account, _) = session::role_of(arn)?;
        let caller_role = match &ctx.caller.principal {
            Principal::AssumedRole { role, .. } => {
                let key = format!("{ROOT}{}/{}/{}", ctx.caller.account, role::KIND, role.to_ascii_lowercase());
                self.records.get::<Role>(&key).map_err(crate::error::IamError::from)?.map(|it| it.arn)
            }
            _ => None,
        };
        let decide = |world: &mut World<'_, '_>| session::assume_role(world, &input, &ctx.caller, caller_role.clone());
        self.serve(&account, ctx.now, decide).await
    }

    async fn get_session_token(
        &self,
        ctx: &Context,
        input: sts::GetSessionTokenRequest,
    ) -> std::result::Result<sts::GetSessionTokenResponse, Fault> {
        let decide = |world: &mut World<'_, '_>| session::session_token(world, &input, &ctx.caller);
        self.serve(&ctx.caller.account, ctx.now, decide).await
    }
}

//! STS: who am I, taking on a role, temporary keys.

use crate::access_key::record_key;
use crate::error::{Result, invalid, refuse, required, unsupported};
use crate::names;
use crate::records::{KeyOwner, KeyRecord, Role};
use crate::role;
use crate::trust::{self, Question};
use crate::world::World;
use aws_model::sts as wire;
use aws_model::{Caller, Principal};
use base::AccountId;
use jiff::SignedDuration;

/// The shortest session; from the *STS API Reference*.
const SHORTEST: i32 = 900;
/// The longest session of one role taken on from another.
const LONGEST_CHAINED: i32 = 3600;
/// The longest session of a user's own, and how long it is when nothing is said.
const LONGEST_OWN: i32 = 129_600;
const USUAL_OWN: i32 = 43_200;

/// GetCallerIdentity.
pub(crate) fn identity(caller: &Caller) -> wire::GetCallerIdentityResponse {
    wire::GetCallerIdentityResponse {
        user_id: Some(caller.user_id.clone()),
        account: Some(caller.account.to_string()),
        arn: Some(caller.arn.clone()),
    }
}

/// The account and name of a role's ARN.
pub(crate) fn role_of(arn: &str) -> Result<(AccountId, &str)> {
    let parsed = arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
    let parsed = parsed.and_then(|(account, path)| Some((account.parse().ok()?, path.rsplit('/').next()?)));
    parsed.filter(|(_, name)| !name.is_empty()).ok_or_else(|| invalid(format!("{arn} is invalid")))
}

fn denied(caller: &Caller, action: &str, resource: &str) -> crate::error::IamError {
    let message = format!("User: {} is not authorized to perform: {action} on resource: {resource}", caller.arn);
    refuse(403, "AccessDenied", message)
}

fn check_session_name(name: &str) -> Result<()> {
    let known = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
    if (2..=64).contains(&name.len()) && name.chars().all(known) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must \
            satisfy regular expression pattern: [\\w+=,.@-]*"
    )))
}

/// AssumeRole, in the role's account.
pub(crate) fn assume_role(
    world: &mut World<'_, '_>,
    input: &wire::AssumeRoleRequest,
    caller: &Caller,
    caller_role: Option<String>,
) -> Result<wire::AssumeRoleResponse> {
    unsupported(&[
        ("PolicyArns", input.policy_arns.as_ref().is_some_and(|it| !it.is_empty())),
        ("Policy", input.policy.is_some()),
        ("Tags", input.tags.as_ref().is_some_and(|it| !it.is_empty())),
        ("TransitiveTagKeys", input.transitive_tag_keys.as_ref().is_some_and(|it| !it.is_empty())),
        ("SerialNumber", input.serial_number.is_some()),
        ("TokenCode", input.token_code.is_some()),
        ("ProvidedContexts", input.provided_contexts.as_ref().is_some_and(|it| !it.is_empty())),
    ])?;
    let arn = required(&input.role_arn, "roleArn")?;
    let session = required(&input.role_session_name, "roleSessionName")?;
    check_session_name(session)?;
    if caller.principal == Principal::Root {
        return Err(refuse(403, "AccessDenied", "Roles may not be assumed by root accounts."));
    }
    let (_, name) = role_of(arn)?;
    let found = world.get::<Role>(&world.key(role::KIND, name))?.filter(|role| role.arn == arn);
    // A role that is not there is refused like one that is closed: nobody can find out names this way.
    let role = found.ok_or_else(|| denied(caller, "sts:AssumeRole", arn))?;
    let question = Question { caller, caller_role, external_id: input.external_id.as_deref() };
    if !trust::allows(&role.trust, &question) {
        return Err(denied(caller, "sts:AssumeRole", arn));
    }
    let seconds = duration(input.duration_seconds, &role, caller)?;
    let record = KeyRecord {
        owner: KeyOwner::Session { role: role.name.clone(), role_id: role.id.clone(), session: session.to_owned() },
        ..draft(world, seconds)
    };
    let credentials = keep(world, &record)?;
    Ok(wire::AssumeRoleResponse {
        credentials: Some(credentials),
        assumed_role_user: Some(wire::AssumedRoleUser {
            assumed_role_id: Some(format!("{}:{session}", role.id)),
            arn: Some(format!("arn:aws:sts::{}:assumed-role/{}/{session}", world.account, role.name)),
        }),
        packed_policy_size: None,
        source_identity: input.source_identity.clone(),
    })
}

fn duration(asked: Option<i32>, role: &Role, caller: &Caller) -> Result<i32> {
    let Some(seconds) = asked else { return Ok(LONGEST_CHAINED) };
    if seconds < SHORTEST {
        return Err(invalid(format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: \
                Member must have value greater than or equal to {SHORTEST}"
        )));
    }
    if matches!(caller.principal, Principal::AssumedRole { .. }) && seconds > LONGEST_CHAINED {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(invalid(message));
    }
    // A service may hold on to a role for longer than a user: instance credentials last six hours.
    if seconds > role.max_session && !caller.is_service() {
        return Err(invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."));
    }
    Ok(seconds)
}

fn draft(world: &World<'_, '_>, seconds: i32) -> KeyRecord {
    KeyRecord {
        id: names::access_key_id("ASIA"),
        secret: names::secret(),
        account: world.account.clone(),
        owner: KeyOwner::Root,
        active: true,
        created: world.now,
        session_token: Some(names::session_token()),
        // Far from the end of time: requests come with the machine's own clock.
        expires: world.now.checked_add(SignedDuration::from_secs(i64::from(seconds))).ok(),
    }
}

fn keep(world: &mut World<'_, '_>, record: &KeyRecord) -> Result<wire::Credentials> {
    world.put(record_key(&record.id), record)?;
    Ok(wire::Credentials {
        access_key_id: Some(record.id.clone()),
        secret_access_key: Some(record.secret.clone()),
        session_token: record.session_token.clone(),
        expiration: record.expires,
    })
}

/// GetSessionToken: for users and root, not for sessions.
pub(crate) fn session_token(
    world: &mut World<'_, '_>,
    input: &wire::GetSessionTokenRequest,
    caller: &Caller,
) -> Result<wire::GetSessionTokenResponse> {
    unsupported(&[("SerialNumber", input.serial_number.is_some()), ("TokenCode", input.token_code.is_some())])?;
    let (owner, longest, usual) = match &caller.principal {
        _ if caller.access_key_id.starts_with("ASIA") => {
            return Err(refuse(403, "AccessDenied", "Cannot call GetSessionToken with session credentials"));
        }
        Principal::Root => (KeyOwner::Root, 3600, 3600),
        Principal::User(name) => {
            let owner = KeyOwner::User { name: name.clone(), id: caller.user_id.clone() };
            (owner, LONGEST_OWN, USUAL_OWN)
        }
        Principal::AssumedRole { .. } | Principal::Service(_) => {
            return Err(refuse(403, "AccessDenied", "Cannot call GetSessionToken with session credentials"));
        }
    };
    let seconds = input.duration_seconds.unwrap_or(usual);
    if !(SHORTEST..=LONGEST_OWN).contains(&seconds) {
        return Err(invalid(format!(
            "The requested DurationSeconds {seconds} is not between {SHORTEST} and {LONGEST_OWN}."
        )));
    }
    let record = KeyRecord { owner, ..draft(world, seconds.min(longest)) };
    Ok(wire::GetSessionTokenResponse { credentials: Some(keep(world, &record)?) })
}

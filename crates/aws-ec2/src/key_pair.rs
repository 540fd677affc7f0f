//! Key pairs: only the public half is kept; the private one is in the answer of CreateKeyPair and nowhere else.

use crate::error::{Result, invalid, missing, refuse, required, required_list, unsupported};
use crate::filter::{Column, keep, text};
use crate::key_material::{self, NewKey};
use crate::records::KeyPair;
use crate::resource::not_found;
use crate::side_records::KEY_NAME;
use crate::tag;
use crate::world::World;
use aws_model::ec2 as wire;
use base::KeyPairId;

/// Characters of a name.
const MAX_NAME: usize = 255;

fn name_key(world: &World<'_, '_>, name: &str) -> String {
    world.key(KEY_NAME, name)
}

fn check_name(name: &str) -> Result<()> {
    let known = |c: char| c.is_ascii() && !c.is_ascii_control();
    if name.trim().is_empty() || name.len() > MAX_NAME || !name.chars().all(known) {
        return Err(invalid(format!(
            "Value ({name}) for parameter keyName is invalid. Up to {MAX_NAME} ASCII characters are allowed."
        )));
    }
    Ok(())
}

/// Makes the key that CreateKeyPair asks for; slow, so that it is done once and outside of the transaction.
pub(crate) fn generate(input: &wire::CreateKeyPairRequest) -> Result<(NewKey, &'static str)> {
    unsupported(&[("KeyFormat", input.key_format.as_deref().is_some_and(|it| it != "pem"))])?;
    check_name(required(&input.key_name, "KeyName")?)?;
    let (made, kind) = match input.key_type.as_deref().unwrap_or("rsa") {
        "rsa" => (key_material::new_rsa(), "rsa"),
        "ed25519" => (key_material::new_ed25519(), "ed25519"),
        other => return Err(invalid(format!("Value ({other}) for parameter keyType is invalid."))),
    };
    let failed = || aws_model::Fault::server("InternalError", "The key could not be made");
    Ok((made.ok_or_else(failed)?, kind))
}

/// CreateKeyPair, with the key made before.
pub(crate) fn create(
    world: &mut World<'_, '_>,
    input: &wire::CreateKeyPairRequest,
    key: &NewKey,
    kind: &str,
) -> Result<wire::KeyPair> {
    let name = required(&input.key_name, "KeyName")?;
    let tags = tag::given(world, &input.tag_specifications, "key-pair")?;
    let pair = KeyPair {
        id: KeyPairId::random(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        fingerprint: key.fingerprint.clone(),
        public_key: format!("{} {name}", key.public),
        created: world.scope.now,
        tags,
    };
    insert(world, &pair)?;
    Ok(wire::KeyPair {
        key_pair_id: Some(pair.id.to_string()),
        tags: tag::render_some(&pair.tags),
        key_name: Some(pair.name),
        key_fingerprint: Some(pair.fingerprint),
        key_material: Some(key.private.clone()),
    })
}

fn insert(world: &mut World<'_, '_>, pair: &KeyPair) -> Result<()> {
    let key = name_key(world, &pair.name);
    if world.entry::<KeyPairId>(&key)?.is_some() {
        let message = format!("The keypair '{}' already exists.", pair.name);
        return Err(refuse("InvalidKeyPair.Duplicate", message));
    }
    world.put_entry(key, &pair.id)?;
    world.put(pair)
}

/// ImportKeyPair.
pub(crate) fn import(
    world: &mut World<'_, '_>,
    input: &wire::ImportKeyPairRequest,
) -> Result<wire::ImportKeyPairResult> {
    let name = required(&input.key_name, "KeyName")?;
    check_name(name)?;
    let material = required_list(&input.public_key_material, "PublicKeyMaterial")?;
    let bad = || refuse("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
    let key = key_material::parse_public(material).ok_or_else(bad)?;
    let pair = KeyPair {
        id: KeyPairId::random(),
        name: name.to_owned(),
        kind: key.kind.to_owned(),
        fingerprint: key.fingerprint,
        public_key: format!("{} {name}", key.line),
        created: world.scope.now,
        tags: tag::given(world, &input.tag_specifications, "key-pair")?,
    };
    insert(world, &pair)?;
    Ok(wire::ImportKeyPairResult {
        key_pair_id: Some(pair.id.to_string()),
        tags: tag::render_some(&pair.tags),
        key_fingerprint: Some(pair.fingerprint),
        key_name: Some(pair.name),
    })
}

/// The key pair of that name.
pub(crate) fn find_by_name(world: &World<'_, '_>, name: &str) -> Result<KeyPair> {
    match world.entry::<KeyPairId>(&name_key(world, name))? {
        Some(id) => world.find(id.as_str()),
        None => Err(not_found::<KeyPair>(name)),
    }
}

/// DeleteKeyPair: a pair that is not there is no error, as on AWS.
pub(crate) fn delete(
    world: &mut World<'_, '_>,
    input: &wire::DeleteKeyPairRequest,
) -> Result<wire::DeleteKeyPairResult> {
    let found = match (&input.key_pair_id, &input.key_name) {
        (Some(id), _) => world.get::<KeyPair>(id)?,
        (None, Some(name)) => world
            .entry::<KeyPairId>(&name_key(world, name))?
            .map(|id| world.get::<KeyPair>(id.as_str()))
            .transpose()?
            .flatten(),
        (None, None) => return Err(missing("KeyName")),
    };
    if let Some(pair) = &found {
        let key = name_key(world, &pair.name);
        world.remove_entry(key);
        world.remove::<KeyPair>(pair.id.as_str());
    }
    Ok(wire::DeleteKeyPairResult { r#return: Some(true), key_pair_id: found.map(|pair| pair.id.to_string()) })
}

const FILTERS: &[Column<wire::KeyPairInfo>] = &[
    ("fingerprint", |it| text(&it.key_fingerprint)),
    ("key-name", |it| text(&it.key_name)),
    ("key-pair-id", |it| text(&it.key_pair_id)),
];

/// DescribeKeyPairs.
pub(crate) fn describe(
    world: &World<'_, '_>,
    input: &wire::DescribeKeyPairsRequest,
) -> Result<wire::DescribeKeyPairsResult> {
    let names = input.key_names.as_deref().unwrap_or_default();
    let mut found = match (input.key_pair_ids.as_deref(), names.is_empty()) {
        (None | Some([]), false) => Vec::new(),
        _ => world.select::<KeyPair>(&input.key_pair_ids)?,
    };
    for name in names {
        let pair = find_by_name(world, name)?;
        if !found.contains(&pair) {
            found.push(pair);
        }
    }
    let with_public = input.include_public_key == Some(true);
    let render = |pair: KeyPair| wire::KeyPairInfo {
        key_pair_id: Some(pair.id.to_string()),
        key_type: Some(pair.kind),
        tags: Some(tag::render(&pair.tags)),
        public_key: with_public.then_some(pair.public_key),
        create_time: Some(pair.created),
        key_name: Some(pair.name),
        key_fingerprint: Some(pair.fingerprint),
    };
    let shown = found.into_iter().map(render).collect();
    Ok(wire::DescribeKeyPairsResult { key_pairs: Some(keep(shown, &input.filters, FILTERS)?) })
}

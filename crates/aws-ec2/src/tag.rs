//! Tags: their rules, tags given at creation, and the three operations on them.
//! Source: *Amazon EC2 User Guide*, "Tag your Amazon EC2 resources".

use crate::error::{Result, invalid, refuse, required, required_list};
use crate::filter::{Column, keep, text};
use crate::page::page;
use crate::records::{
    ElasticAddress, Instance, InternetGateway, KeyPair, NetworkInterface, RouteTable, SecurityGroup, Subnet, Tags, Vpc,
};
use crate::resource::{Resource, bad_id};
use crate::side_records::{LOOSE_TAGS, Volume};
use crate::world::World;
use crate::{network_acl, vpc};
use aws_model::ec2 as wire;
use std::collections::BTreeMap;

/// Tags that a user may put on one resource.
const MAX_TAGS: usize = 50;
/// Characters of a key.
const MAX_KEY: usize = 128;
/// Characters of a value.
const MAX_VALUE: usize = 256;
/// Resources and tags in one call; AWS's own limit.
const MAX_RESOURCES: usize = 1000;

/// Tags as answers write them.
pub(crate) fn render(tags: &Tags) -> Vec<wire::Tag> {
    let tag = |(key, value): (&String, &String)| wire::Tag { key: Some(key.clone()), value: Some(value.clone()) };
    tags.iter().map(tag).collect()
}

/// Tags as those answers write them that leave out an empty list.
pub(crate) fn render_some(tags: &Tags) -> Option<Vec<wire::Tag>> {
    (!tags.is_empty()).then(|| render(tags))
}

/// Parses a list of tags; keys of AWS's own are for services only.
fn parse(tags: &[wire::Tag], by_service: bool) -> Result<Tags> {
    let mut parsed = Tags::new();
    for tag in tags {
        let key = tag.key.as_deref().unwrap_or_default();
        let value = tag.value.clone().unwrap_or_default();
        check_key(key, by_service)?;
        if value.chars().count() > MAX_VALUE {
            return Err(invalid(format!("Tag value exceeds the maximum length of {MAX_VALUE} characters")));
        }
        if parsed.insert(key.to_owned(), value).is_some() {
            return Err(invalid(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    check_count(&parsed)?;
    Ok(parsed)
}

fn check_key(key: &str, by_service: bool) -> Result<()> {
    if key.is_empty() {
        return Err(invalid("Tag key cannot be empty"));
    }
    if key.chars().count() > MAX_KEY {
        return Err(invalid(format!("Tag key exceeds the maximum length of {MAX_KEY} characters")));
    }
    if !by_service && is_reserved(key) {
        return Err(invalid("Tag keys starting with 'aws:' are reserved for internal use"));
    }
    Ok(())
}

fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// AWS's own tags do not count against the user's fifty.
fn check_count(tags: &Tags) -> Result<()> {
    if tags.keys().filter(|key| !is_reserved(key)).count() > MAX_TAGS {
        let message = format!("The maximum number of tags per resource is {MAX_TAGS}.");
        return Err(refuse("TagLimitExceeded", message));
    }
    Ok(())
}

/// Tags given at creation, by resource type; only the types that the operation makes are allowed.
pub(crate) fn by_type(
    world: &World<'_, '_>,
    given: &Option<Vec<wire::TagSpecification>>,
    allowed: &[&str],
) -> Result<BTreeMap<String, Tags>> {
    let mut found = BTreeMap::new();
    for one in given.iter().flatten() {
        let kind = required(&one.resource_type, "ResourceType")?;
        if !allowed.contains(&kind) {
            return Err(invalid(format!("'{kind}' is not a valid taggable resource type for this operation.")));
        }
        let tags = parse(one.tags.as_deref().unwrap_or_default(), world.scope.by_service)?;
        if found.insert(kind.to_owned(), tags).is_some() {
            return Err(invalid(format!("Tag specification resource type '{kind}' must be unique.")));
        }
    }
    Ok(found)
}

/// Tags given at creation to the one kind of resource that the operation makes.
pub(crate) fn given(
    world: &World<'_, '_>,
    specifications: &Option<Vec<wire::TagSpecification>>,
    kind: &str,
) -> Result<Tags> {
    Ok(by_type(world, specifications, &[kind])?.remove(kind).unwrap_or_default())
}

/// CreateTags.
pub(crate) fn create(world: &mut World<'_, '_>, input: &wire::CreateTagsRequest) -> Result<()> {
    let tags = required_list(&input.tags, "Tag")?;
    let fresh = parse(tags, world.scope.by_service)?;
    change(world, &input.resources, &|tags| tags.extend(fresh.clone()))
}

/// DeleteTags: by key, or by key and value; without tags, all that the user may delete.
pub(crate) fn delete(world: &mut World<'_, '_>, input: &wire::DeleteTagsRequest) -> Result<()> {
    let by_service = world.scope.by_service;
    for tag in input.tags.iter().flatten() {
        check_key(tag.key.as_deref().unwrap_or_default(), by_service)?;
    }
    change(world, &input.resources, &|tags| match input.tags.as_deref() {
        None | Some([]) => tags.retain(|key, _| !by_service && is_reserved(key)),
        Some(given) => tags.retain(|key, value| {
            let hit = |tag: &wire::Tag| {
                tag.key.as_ref() == Some(key) && tag.value.as_ref().is_none_or(|wanted| wanted == value)
            };
            !given.iter().any(hit)
        }),
    })
}

fn change(world: &mut World<'_, '_>, resources: &Option<Vec<String>>, change: &dyn Fn(&mut Tags)) -> Result<()> {
    let ids = required_list(resources, "ResourceId")?;
    if ids.len() > MAX_RESOURCES {
        return Err(invalid(format!("The maximum number of resources in one call is {MAX_RESOURCES}.")));
    }
    ids.iter().try_for_each(|id| change_one(world, id, change))
}

fn change_one(world: &mut World<'_, '_>, id: &str, change: &dyn Fn(&mut Tags)) -> Result<()> {
    match id.split_once('-').map_or("", |(prefix, _)| prefix) {
        "vpc" => change_record::<Vpc>(world, id, change),
        "subnet" => change_record::<Subnet>(world, id, change),
        "rtb" => change_record::<RouteTable>(world, id, change),
        "igw" => change_record::<InternetGateway>(world, id, change),
        "sg" => change_record::<SecurityGroup>(world, id, change),
        "eni" => change_record::<NetworkInterface>(world, id, change),
        "eipalloc" => change_record::<ElasticAddress>(world, id, change),
        "key" => change_record::<KeyPair>(world, id, change),
        "i" => change_record::<Instance>(world, id, change),
        "vol" => change_record::<Volume>(world, id, change),
        "sgr" => change_rule(world, id, change),
        "acl" | "dopt" => change_loose(world, id, change),
        _ => Err(bad_id(id)),
    }
}

fn change_record<R: Resource>(world: &mut World<'_, '_>, id: &str, change: &dyn Fn(&mut Tags)) -> Result<()> {
    let mut record = world.find::<R>(id)?;
    change(record.tags_mut());
    check_count(record.tags())?;
    world.put(&record)
}

fn change_rule(world: &mut World<'_, '_>, id: &str, change: &dyn Fn(&mut Tags)) -> Result<()> {
    let has = |group: &SecurityGroup| group.rules.iter().any(|rule| rule.id.as_str() == id);
    let absent =
        || refuse("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"));
    let holder = world.peek::<SecurityGroup>()?.into_iter().find(has).ok_or_else(absent)?;
    let mut group = world.find::<SecurityGroup>(holder.id.as_str())?;
    let rule = group.rules.iter_mut().find(|rule| rule.id.as_str() == id).ok_or_else(absent)?;
    change(&mut rule.tags);
    check_count(&rule.tags)?;
    world.put(&group)
}

fn change_loose(world: &mut World<'_, '_>, id: &str, change: &dyn Fn(&mut Tags)) -> Result<()> {
    let is_dhcp = vpc::dhcp_options_id(world).as_str() == id;
    if !is_dhcp && !world.peek::<Vpc>()?.iter().any(|vpc| network_acl::id_of(vpc) == id) {
        return Err(bad_id(id));
    }
    let mut tags = world.loose_tags(id)?;
    change(&mut tags);
    check_count(&tags)?;
    let key = world.key(LOOSE_TAGS, id);
    world.put_entry(key, &tags)
}

const FILTERS: &[Column<wire::TagDescription>] = &[
    ("key", |it| text(&it.key)),
    ("value", |it| text(&it.value)),
    ("resource-id", |it| text(&it.resource_id)),
    ("resource-type", |it| text(&it.resource_type)),
];

/// DescribeTags.
pub(crate) fn describe(world: &World<'_, '_>, input: &wire::DescribeTagsRequest) -> Result<wire::DescribeTagsResult> {
    let mut all = Vec::new();
    collect::<Vpc>(world, &mut all)?;
    collect::<Subnet>(world, &mut all)?;
    collect::<RouteTable>(world, &mut all)?;
    collect::<InternetGateway>(world, &mut all)?;
    collect::<SecurityGroup>(world, &mut all)?;
    collect::<NetworkInterface>(world, &mut all)?;
    collect::<ElasticAddress>(world, &mut all)?;
    collect::<KeyPair>(world, &mut all)?;
    collect::<Instance>(world, &mut all)?;
    collect::<Volume>(world, &mut all)?;
    for rule in world.peek::<SecurityGroup>()?.iter().flat_map(|group| &group.rules) {
        all.extend(describe_one("security-group-rule", rule.id.as_str(), &rule.tags));
    }
    let prefix = world.key(LOOSE_TAGS, "");
    for (key, tags) in world.peek_entries::<Tags>(&prefix)? {
        let id = key.strip_prefix(&prefix).unwrap_or_default();
        let kind = if id.starts_with("acl-") { "network-acl" } else { "dhcp-options" };
        all.extend(describe_one(kind, id, &tags));
    }
    let found = keep(all, &input.filters, FILTERS)?;
    let place = |it: &wire::TagDescription| {
        format!("{}\n{}", it.resource_id.as_deref().unwrap_or_default(), it.key.as_deref().unwrap_or_default())
    };
    let (tags, next_token) = page(found, place, input.max_results, &input.next_token)?;
    Ok(wire::DescribeTagsResult { tags: Some(tags), next_token })
}

fn collect<R: Resource>(world: &World<'_, '_>, all: &mut Vec<wire::TagDescription>) -> Result<()> {
    for record in world.peek::<R>()? {
        all.extend(describe_one(R::TYPE, record.id(), record.tags()));
    }
    Ok(())
}

fn describe_one(kind: &str, id: &str, tags: &Tags) -> Vec<wire::TagDescription> {
    let one = |(key, value): (&String, &String)| wire::TagDescription {
        key: Some(key.clone()),
        value: Some(value.clone()),
        resource_id: Some(id.to_owned()),
        resource_type: Some(kind.to_owned()),
    };
    tags.iter().map(one).collect()
}

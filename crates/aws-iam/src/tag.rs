//! Tags of IAM's entities. Source: *IAM User Guide*, "Tags for AWS Identity and Access Management resources".

use crate::error::{Result, limit, refuse};
use crate::records::Tags;
use aws_model::iam as wire;

/// Tags on one entity.
const MAX_TAGS: usize = 50;

/// Adds tags to those that are there.
pub(crate) fn add(tags: &mut Tags, given: &Option<Vec<wire::Tag>>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for tag in given.iter().flatten() {
        let key = tag.key.clone().unwrap_or_default();
        let value = tag.value.clone().unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(refuse(400, "InvalidInput", "Tag keys have 1 to 128 characters and values up to 256."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(refuse(400, "InvalidInput", format!("{key} is a reserved tag key: aws: is AWS's own prefix")));
        }
        if !seen.insert(key.to_lowercase()) {
            return Err(refuse(
                400,
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key, value);
    }
    if tags.len() > MAX_TAGS {
        return Err(limit(format!("The number of tags has reached the maximum limit: {MAX_TAGS}.")));
    }
    Ok(())
}

/// The tags of a new entity.
pub(crate) fn given(tags: &Option<Vec<wire::Tag>>) -> Result<Tags> {
    let mut made = Tags::new();
    add(&mut made, tags)?;
    Ok(made)
}

/// Tags as answers write them.
pub(crate) fn render(tags: &Tags) -> Vec<wire::Tag> {
    tags.iter().map(|(key, value)| wire::Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

/// Tags as those answers write them that leave out an empty list.
pub(crate) fn render_some(tags: &Tags) -> Option<Vec<wire::Tag>> {
    (!tags.is_empty()).then(|| render(tags))
}

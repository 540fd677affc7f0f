//! The public parameters of a region, from EC2's image catalogue.
//! Source: *AWS Systems Manager User Guide*, "Working with public parameters".

use aws_ec2::image::catalogue;
use aws_model::ssm as wire;
use base::Region;
use jiff::Timestamp;
use jiff::civil::Date;

/// A public parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// Its name, a path.
    pub name: String,
    /// Its value.
    pub value: String,
    /// When it got the value.
    pub modified: Option<Timestamp>,
}

/// Every public parameter has had one value only.
const VERSION: i64 = 1;

/// All parameters of a region, by name.
pub(crate) fn all(region: &Region) -> Vec<Parameter> {
    let mut all = Vec::new();
    for image in catalogue(region) {
        let modified = midnight(image.date);
        all.extend(image.parameters.into_iter().map(|(name, value)| Parameter { name, value, modified }));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The start of a day written as `20260714`.
fn midnight(date: &str) -> Option<Timestamp> {
    let date = Date::strptime("%Y%m%d", date).ok()?;
    date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|it| it.timestamp())
}

/// What a name in a request means: the parameter's own name, and the version or label behind a colon.
/// A public parameter may also be named by its ARN, which has no account.
pub(crate) fn parse_name<'a>(region: &Region, given: &'a str) -> (&'a str, Option<&'a str>) {
    let prefix = format!("arn:aws:ssm:{region}::parameter");
    let name = given.strip_prefix(&prefix).unwrap_or(given);
    match name.split_once(':') {
        Some((name, selector)) => (name, Some(selector)),
        None => (name, None),
    }
}

/// Whether there is such a version.
pub(crate) fn has_version(selector: Option<&str>) -> bool {
    selector.is_none_or(|it| it == VERSION.to_string())
}

impl Parameter {
    /// As answers show it.
    pub fn render(&self, region: &Region, selector: Option<&str>) -> wire::Parameter {
        wire::Parameter {
            name: Some(self.name.clone()),
            r#type: Some("String".to_owned()),
            value: Some(self.value.clone()),
            version: Some(VERSION),
            selector: selector.map(|it| format!(":{it}")),
            last_modified_date: self.modified,
            arn: Some(format!("arn:aws:ssm:{region}::parameter{}", self.name)),
            data_type: Some("text".to_owned()),
            ..Default::default()
        }
    }
}

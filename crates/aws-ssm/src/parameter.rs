//! The public parameters that lead to images: what an image's name says decides which ones it has.
//! Source: *AWS Systems Manager User Guide*, "Working with public parameters"; *Amazon EKS User Guide*, "Retrieve
//! recommended Amazon Linux AMI IDs".

use aws_model::ec2::Image;
use aws_model::ssm as wire;
use base::Region;
use jiff::Timestamp;
use std::collections::BTreeMap;

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

/// Names of the images that have parameters, as patterns of EC2's filters.
pub(crate) const IMAGE_NAMES: &[&str] = &["al2023-ami-2023.*", "amazon-eks-*"];

/// The parameters that lead to `images`, by name. Of two images for one parameter the younger is recommended.
pub(crate) fn all(mut images: Vec<Image>) -> Vec<Parameter> {
    images.sort_by(|a, b| a.creation_date.cmp(&b.creation_date));
    let mut all = BTreeMap::new();
    for image in &images {
        for parameter in of_image(image).unwrap_or_default() {
            all.insert(parameter.name.clone(), parameter);
        }
    }
    all.into_values().collect()
}

/// The parameters of one image; `None` for an image that none leads to.
fn of_image(image: &Image) -> Option<Vec<Parameter>> {
    let (id, name) = (image.image_id.as_deref()?, image.name.as_deref()?);
    let modified = image.creation_date.as_deref().and_then(|it| it.parse().ok());
    let parameter = |name: String, value: &str| Parameter { name, value: value.to_owned(), modified };
    if let Some(rest) = name.strip_prefix("al2023-ami-2023.") {
        // <release>-kernel-<version>-<architecture>
        let (kernel, architecture) = rest.split_once("-kernel-")?.1.split_once('-')?;
        let path =
            |kernel: &str| format!("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-{kernel}-{architecture}");
        return Some(vec![parameter(path("default"), id), parameter(path(kernel), id)]);
    }
    let (path, date) = node_path(name.strip_prefix("amazon-eks-")?)?;
    // The Kubernetes patch stands in the description only: "... (k8s: 1.34.4)".
    let patch = image.description.as_deref()?.split_once("(k8s: ")?.1.strip_suffix(')')?;
    let release = format!("{patch}-{date}");
    let whole = serde_json::json!({
        "schema_version": "2", "image_id": id, "image_name": name, "release_version": release,
    });
    Some(vec![
        parameter(format!("{path}/image_id"), id),
        parameter(format!("{path}/image_name"), name),
        parameter(format!("{path}/release_version"), &release),
        parameter(path, &whole.to_string()),
    ])
}

/// Where the recommended node image stands that is called `amazon-eks-<rest>`, and its date.
fn node_path(rest: &str) -> Option<(String, &str)> {
    let (rest, date) = rest.rsplit_once("-v")?;
    let root = "/aws/service/eks/optimized-ami";
    let path = if let Some(rest) = rest.strip_prefix("node-al2023-") {
        let (architecture, minor) = rest.split_once("-standard-")?;
        format!("{root}/{minor}/amazon-linux-2023/{architecture}/standard/recommended")
    } else if let Some(minor) = rest.strip_prefix("arm64-node-") {
        format!("{root}/{minor}/amazon-linux-2-arm64/recommended")
    } else {
        format!("{root}/{}/amazon-linux-2/recommended", rest.strip_prefix("node-")?)
    };
    Some((path, date))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, name: &str, description: &str, created: &str) -> Image {
        let some = |text: &str| Some(text.to_owned());
        Image {
            image_id: some(id),
            name: some(name),
            description: some(description),
            creation_date: some(created),
            ..Default::default()
        }
    }

    #[test]
    fn the_younger_image_is_recommended() {
        let node = |id: &str, date: &str| {
            let name = format!("amazon-eks-node-al2023-arm64-standard-1.30-v{date}");
            let created = format!("{}-{}-{}T00:00:00.000Z", &date[..4], &date[4..6], &date[6..]);
            image(id, &name, "A node (k8s: 1.30.14)", &created)
        };
        let found = all(vec![node("ami-2", "20260714"), node("ami-1", "20250101")]);
        let path = "/aws/service/eks/optimized-ami/1.30/amazon-linux-2023/arm64/standard/recommended";
        let value = |name: &str| found.iter().find(|it| it.name == format!("{path}{name}")).unwrap().value.clone();
        assert_eq!((value("/image_id"), value("/release_version")), ("ami-2".into(), "1.30.14-20260714".into()));
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].modified, Some("2026-07-14T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn an_image_of_another_name_has_none() {
        for name in ["my-image", "amazon-eks-node-1.24", "al2023-ami-2023.9-x86_64", "amazon-eks-windows-1.30-v1"] {
            assert_eq!(all(vec![image("ami-1", name, "(k8s: 1.24.17)", "2026-07-14T00:00:00.000Z")]), [], "{name}");
        }
    }
}

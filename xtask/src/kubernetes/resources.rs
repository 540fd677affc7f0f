//! Reads `data/kubernetes/resources.txt`: groups, versions, resources and their subresources.

use super::{ALL, Minors};
use anyhow::{Context, Result, bail};

/// A group, in the order of discovery.
#[derive(Debug)]
pub struct Group {
    pub name: String,
    pub priority: u32,
    pub versions: Vec<Version>,
}

/// A version of a group.
#[derive(Debug)]
pub struct Version {
    pub name: String,
    pub priority: u32,
    pub resources: Vec<Resource>,
}

/// A resource of a version.
#[derive(Debug)]
pub struct Resource {
    pub plural: String,
    pub kind: String,
    pub namespaced: bool,
    pub minors: Minors,
    pub verbs: u32,
    pub off: bool,
    pub short: Vec<String>,
    pub categories: Vec<String>,
    /// Group and version that it is stored in, for some minors.
    pub stored: Vec<(Minors, String, String)>,
    pub deprecated: Vec<Deprecated>,
    pub subresources: Vec<Subresource>,
}

impl Resource {
    /// In which group and version it is stored, minor by minor; nothing where it is no stored object.
    pub fn stored<'a>(&'a self, own: [&'a str; 2]) -> Vec<(Minors, [&'a str; 2])> {
        if self.verbs & STORED != STORED {
            return Vec::new();
        }
        let mut stored: Vec<_> = self.stored.iter().map(|(minors, g, v)| (*minors, [g.as_str(), v.as_str()])).collect();
        let elsewhere = stored.iter().fold(0, |all, (minors, _)| all | minors);
        stored.push((self.minors & !elsewhere, own));
        stored
    }
}

/// That a resource goes away.
#[derive(Debug)]
pub struct Deprecated {
    pub minors: Minors,
    pub since: u32,
    /// 0 where nobody said when.
    pub removed: u32,
    /// `group/version/kind`, or nothing.
    pub instead: String,
}

/// What stands under a resource's name.
#[derive(Debug)]
pub struct Subresource {
    pub name: String,
    /// Nothing for the resource's own kind.
    pub kind: Option<[String; 3]>,
    pub verbs: u32,
    pub minors: Minors,
    pub accepts: Vec<[String; 3]>,
}

/// Verbs by their bit.
pub const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// `create` and `get`: what can be put in and read back is stored.
const STORED: u32 = 1 | 1 << 3;

/// Reads the list.
///
/// # Errors
/// When a line is malformed.
pub fn parse(text: &str) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        add(&mut groups, line).with_context(|| format!("in `{line}`"))?;
    }
    Ok(groups)
}

fn add(groups: &mut Vec<Group>, line: &str) -> Result<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let ["group", name, priority] = words.as_slice() {
        groups.push(Group { name: named(name), priority: priority.parse()?, versions: Vec::new() });
        return Ok(());
    }
    let group = groups.last_mut().context("a group comes first")?;
    if let ["version", name, priority] = words.as_slice() {
        group.versions.push(Version { name: (*name).to_owned(), priority: priority.parse()?, resources: Vec::new() });
        return Ok(());
    }
    let version = group.versions.last_mut().context("a version comes first")?;
    match words.split_first() {
        Some((name, rest)) if name.starts_with('/') => {
            let resource = version.resources.last_mut().context("a resource comes first")?;
            resource.subresources.push(subresource(&name[1..], rest, resource.minors)?);
        }
        _ => version.resources.push(resource(&group.name, &words)?),
    }
    Ok(())
}

fn named(group: &str) -> String {
    if group == "core" { String::new() } else { group.to_owned() }
}

fn resource(group: &str, words: &[&str]) -> Result<Resource> {
    let [plural, kind, scope, range, verbs_, options @ ..] = words else { bail!("a resource has five words or more") };
    let mut it = Resource {
        plural: (*plural).to_owned(),
        kind: (*kind).to_owned(),
        namespaced: match *scope {
            "namespaced" => true,
            "cluster" => false,
            other => bail!("`{other}` is no scope"),
        },
        minors: super::minors(range)?,
        verbs: verbs(verbs_)?,
        off: false,
        short: Vec::new(),
        categories: Vec::new(),
        stored: Vec::new(),
        deprecated: Vec::new(),
        subresources: Vec::new(),
    };
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "off" => it.off = true,
            "short" => it.short = value.split(',').map(str::to_owned).collect(),
            "category" => it.categories = value.split(',').map(str::to_owned).collect(),
            "stored" => {
                let (version, range) = value.split_once('@').context("stored=VERSION@MINORS")?;
                let (group, version) = match version.split_once('/') {
                    Some((group, version)) => (named(group), version),
                    None => (group.to_owned(), version),
                };
                it.stored.push((super::minors(range)?, group, version.to_owned()));
            }
            "deprecated" => it.deprecated.push(deprecated(value)?),
            other => bail!("`{other}` is not known"),
        }
    }
    Ok(it)
}

fn deprecated(text: &str) -> Result<Deprecated> {
    let (text, minors) = match text.split_once('@') {
        Some((text, range)) => (text, super::minors(range)?),
        None => (text, ALL),
    };
    let mut parts = text.split(':');
    let since = parts.next().context("since when")?.parse()?;
    let removed = parts.next().filter(|it| !it.is_empty()).map_or(Ok(0), str::parse)?;
    Ok(Deprecated { minors, since, removed, instead: parts.next().unwrap_or_default().to_owned() })
}

fn subresource(name: &str, words: &[&str], all: Minors) -> Result<Subresource> {
    let [object, verbs_, options @ ..] = words else { bail!("a subresource has three words or more") };
    let mut it = Subresource {
        name: name.to_owned(),
        kind: if *object == "-" { None } else { Some(kind(object)?) },
        verbs: verbs(verbs_)?,
        minors: all,
        accepts: Vec::new(),
    };
    for option in options {
        match option.strip_prefix("accepts=") {
            Some(kinds) => it.accepts = kinds.split(',').map(kind).collect::<Result<_>>()?,
            None => it.minors = super::minors(option)?,
        }
    }
    Ok(it)
}

fn kind(text: &str) -> Result<[String; 3]> {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [group, version, kind] => Ok([named(group), (*version).to_owned(), (*kind).to_owned()]),
        _ => bail!("`{text}` is no group/version/kind"),
    }
}

fn verbs(text: &str) -> Result<u32> {
    if text == "all" {
        return Ok((1 << VERBS.len()) - 1);
    }
    text.split(',').try_fold(0, |set, verb| {
        let at = VERBS.iter().position(|it| *it == verb).with_context(|| format!("`{verb}` is no verb"))?;
        Ok(set | 1 << at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_read() {
        let groups = parse(
            "group core 9\nversion v1 1\n  pods Pod namespaced 24- all short=po stored=v2@30-\n    /log - get 25-\n    \
             /x a/v1/K create accepts=a/v1/K,core/v1/L\n  old Old cluster 24-30 get,list off deprecated=20::a/v1/K@24-24\n",
        )
        .unwrap();
        let [pods, old] = groups[0].versions[0].resources.as_slice() else { panic!("two resources") };
        assert_eq!((pods.verbs, pods.subresources.len(), pods.stored[0].2.as_str()), (255, 2, "v2"));
        assert_eq!(pods.subresources[1].accepts[1], ["".to_owned(), "v1".to_owned(), "L".to_owned()]);
        assert!(old.off && !old.namespaced);
        assert_eq!((old.deprecated[0].since, old.deprecated[0].removed, old.deprecated[0].minors), (20, 0, 1));
        assert!(parse("version v1 1\n").is_err());
    }
}

//! `get cluster`: the list of clusters, or one of them.

use super::CLUSTER_TAG;
use super::flags::{Common, cluster_name};
use super::update::strings;
use super::work::Work;
use crate::cli::error::CliError;
use crate::cli::grammar::go_bool;
use crate::cli::session::Session;
use crate::cli::table::{row, tabs};
use crate::cli::yaml;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// How eksctl prints a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    Yaml,
}

/// Lists the clusters, or shows one.
#[derive(Debug, clap::Args)]
pub struct GetCluster {
    /// The cluster's name; all when not given.
    name: Option<String>,
    /// The same, as a flag.
    #[arg(short, long = "name", value_name = "NAME", id = "name-flag")]
    name_flag: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    /// In all regions.
    #[arg(short = 'A', long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = go_bool)]
    all_regions: Option<bool>,
    /// How many are asked for at a time.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=100))]
    chunk_size: u16,
    #[command(flatten)]
    common: Common,
}

impl GetCluster {
    /// Prints it.
    ///
    /// # Errors
    /// When there is no such cluster, or the daemon can't be asked.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        let sources = [("argument", self.name.as_deref()), ("--name", self.name_flag.as_deref())];
        let named = sources.iter().any(|(_, it)| it.is_some());
        let name = if named { Some(cluster_name(&sources, "name")?) } else { None };
        let mut work = Work::new(session, &self.common, self.common.region.as_deref())?;
        if self.output != Format::Table {
            work.log_to_stderr();
        }
        match name {
            Some(name) if self.all_regions == Some(true) => Err(CliError::told(format!(
                "--all-regions is for listing all clusters, it cannot be used with name {name:?}"
            ))),
            Some(name) => one(&mut work, &name, self.output),
            None => {
                let regions =
                    if self.all_regions == Some(true) { regions(&mut work)? } else { vec![work.region.clone()] };
                all(&mut work, regions, self.chunk_size, self.output)
            }
        }
    }
}

fn regions(work: &mut Work<'_, '_>) -> Result<Vec<String>, CliError> {
    let answer = work.call("ec2", "DescribeRegions", json!({}))?;
    let list = answer["Regions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<_> = list.iter().filter_map(|it| it["RegionName"].as_str()).map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

fn all(work: &mut Work<'_, '_>, regions: Vec<String>, chunk: u16, output: Format) -> Result<(), CliError> {
    let mut found = Vec::new();
    for region in regions {
        work.region.clone_from(&region);
        let names = work.list("eks", "ListClusters", json!({ "maxResults": chunk }), "clusters")?;
        let mut names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        names.sort_unstable();
        for name in names {
            // it may be deleted by now
            let Some(cluster) = work.cluster(name)? else { continue };
            let owned = if cluster["tags"][CLUSTER_TAG] == *name { "True" } else { "False" };
            found.push(row([name, &region, owned]));
        }
    }
    if output != Format::Table {
        let object = |it: &Vec<String>| json!({"Name": it[0], "Region": it[1], "Owned": it[2]});
        return print(work, &found.iter().map(object).collect(), output);
    }
    if found.is_empty() {
        return work.session.line("No clusters found");
    }
    found.insert(0, row(["NAME", "REGION", "EKSCTL CREATED"]));
    work.session.text(&tabs(&found))
}

fn one(work: &mut Work<'_, '_>, name: &str, output: Format) -> Result<(), CliError> {
    let cluster = work.existing_cluster(name)?;
    if output != Format::Table {
        return print(work, &json!([go_names(&cluster)]), output);
    }
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let sorted = |it: &Value| {
        let mut list = strings(it);
        list.sort();
        list.join(",")
    };
    let config = &cluster["resourcesVpcConfig"];
    let header = ["NAME", "VERSION", "STATUS", "CREATED", "VPC", "SUBNETS", "SECURITYGROUPS", "PROVIDER"];
    let cells = vec![
        text(&cluster["name"]),
        text(&cluster["version"]),
        text(&cluster["status"]),
        created(&cluster["createdAt"]),
        text(&config["vpcId"]),
        sorted(&config["subnetIds"]),
        sorted(&config["securityGroupIds"]),
        "EKS".to_owned(),
    ];
    work.session.text(&tabs(&[row(header), cells]))
}

/// RFC 3339 in whole seconds, from either form in which a time comes.
fn created(value: &Value) -> String {
    let time = match value {
        // the fraction is milliseconds, and not shown
        Value::Number(it) => it.as_f64().and_then(|it| Timestamp::from_second(it.floor() as i64).ok()),
        Value::String(it) => it.parse().ok(),
        _ => None,
    };
    time.map_or(String::new(), |it: Timestamp| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The members' names as in Go's types, which is what eksctl prints; keys of tags are not names. Times are RFC 3339
/// there.
fn go_names(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let member = |(key, value): (&String, &Value)| {
                let value = match key.as_str() {
                    "tags" => value.clone(),
                    "createdAt" => created(value).into(),
                    _ => go_names(value),
                };
                (capital(key), value)
            };
            Value::Object(map.iter().map(member).collect::<Map<_, _>>())
        }
        Value::Array(list) => list.iter().map(go_names).collect(),
        other => other.clone(),
    }
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|it| it.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn print(work: &mut Work<'_, '_>, list: &Value, output: Format) -> Result<(), CliError> {
    if output == Format::Yaml {
        return work.session.text(&yaml::document(list));
    }
    let mut text = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, indent);
    list.serialize(&mut writer).map_err(|e| CliError::told(format!("cannot show this: {e}")))?;
    work.session.line(String::from_utf8_lossy(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::FakeDaemon;

    fn daemon() -> FakeDaemon {
        FakeDaemon::aws(|_, operation, input| match (operation, input["name"].as_str()) {
            ("ListClusters", _) if input["nextToken"] == "t" => Ok(json!({"clusters": ["myeks"]})),
            ("ListClusters", _) => Ok(json!({"clusters": ["other"], "nextToken": "t"})),
            ("DescribeRegions", _) => {
                Ok(json!({"Regions": [{"RegionName": "eu-west-1"}, {"RegionName": "ap-northeast-2"}]}))
            }
            ("DescribeCluster", Some(name @ ("myeks" | "other"))) => {
                let tags = if name == "myeks" { json!({CLUSTER_TAG: "myeks"}) } else { json!({}) };
                Ok(json!({"cluster": {"name": name, "version": "1.24", "status": "ACTIVE", "createdAt": 1576874258.137,
                    "resourcesVpcConfig": {"vpcId": "vpc-1", "subnetIds": ["subnet-b", "subnet-a"],
                        "securityGroupIds": []},
                    "tags": tags}}))
            }
            _ => Err(("ResourceNotFoundException", "No cluster found for name: x.".to_owned())),
        })
    }

    #[test]
    fn the_list_has_eksctls_columns_and_every_page() {
        let daemon = daemon();
        let want = "NAME\tREGION\t\tEKSCTL CREATED\nmyeks\tap-northeast-2\tTrue\nother\tap-northeast-2\tFalse\n";
        assert_eq!(daemon.run("postern get cluster").output(), want);
        assert_eq!(daemon.run("postern get clusters -o table").output(), want);
        let ran = daemon.run("postern get cluster -A");
        assert!(ran.output().contains("myeks\teu-west-1\tTrue\n"), "{}", ran.out);
    }

    #[test]
    fn lists_for_programs() {
        let daemon = daemon();
        assert_eq!(
            daemon.run("postern get cluster -o yaml").output(),
            "- Name: myeks\n  Owned: \"True\"\n  Region: ap-northeast-2\n- Name: other\n  Owned: \"False\"\n  \
             Region: ap-northeast-2\n"
        );
        let ran = daemon.run("postern get cluster -o json");
        assert!(ran.output().starts_with("[\n    {\n        \"Name\": \"myeks\","), "{}", ran.out);
    }

    #[test]
    fn one_cluster_has_its_own_columns() {
        let daemon = daemon();
        let want = "NAME\tVERSION\tSTATUS\tCREATED\t\t\tVPC\tSUBNETS\t\t\tSECURITYGROUPS\tPROVIDER\n\
                    myeks\t1.24\tACTIVE\t2019-12-20T20:37:38Z\tvpc-1\tsubnet-a,subnet-b\t\t\tEKS\n";
        for line in ["postern get cluster myeks", "postern get cluster --name myeks", "postern get cluster -n=myeks"] {
            assert_eq!(daemon.run(line).output(), want);
        }
        let ran = daemon.run("postern get cluster myeks -o json");
        let value: Value = serde_json::from_str(ran.output()).unwrap();
        assert_eq!(value[0]["ResourcesVpcConfig"]["VpcId"], "vpc-1");
        assert_eq!(value[0]["Tags"][CLUSTER_TAG], "myeks");
        assert_eq!(value[0]["CreatedAt"], "2019-12-20T20:37:38Z");
    }

    #[test]
    fn nothing_there_and_nobody_of_that_name() {
        let empty = FakeDaemon::aws(|_, _, _| Ok(json!({"clusters": []})));
        assert_eq!(empty.run("postern get cluster").output(), "No clusters found\n");
        let ran = daemon().run("postern get cluster x");
        assert!(ran.failure().contains("No cluster found for name: x."), "{}", ran.err);
        let ran = daemon().run("postern get cluster x --name y");
        assert!(ran.failure().contains("cannot be used at the same time"), "{}", ran.err);
    }
}

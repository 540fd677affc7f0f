//! A request becomes an operation and its input as a JSON tree, with the model's member names.

use crate::form::Plus;
use crate::parts::Parts;
use crate::{form, json, query, refuse, scalar};
use aws_model::codec;
use aws_model::{Fault, Kind, Location, Model, Operation, Protocol, Routed, ShapeId};
use serde_json::{Map, Value};

/// What a request asks for.
#[derive(Debug)]
pub struct Decoded<'m> {
    /// The operation.
    pub operation: &'m Operation,
    /// Its input: every member of its type, unknown ones left out; constraints not checked yet.
    pub input: Value,
}

/// Reads a request to one service, by its protocol.
///
/// # Errors
/// An operation that is not served or not known, a body that can't be read, a value that is not of its type.
pub fn decode<'m>(model: &'m Model, parts: &Parts<'_>) -> Result<Decoded<'m>, Fault> {
    match model.protocol() {
        Protocol::RestJson => rest(model, parts),
        Protocol::Json => target(model, parts),
        Protocol::Query | Protocol::Ec2 => action(model, parts),
    }
}

fn rest<'m>(model: &'m Model, parts: &Parts<'_>) -> Result<Decoded<'m>, Fault> {
    let (operation, labels) = match model.route(parts.method, parts.path) {
        Routed::Served(operation, labels) => (operation, labels),
        Routed::Known(name) => return Err(codec::not_served(model.service(), name)),
        Routed::Unknown => return Err(refuse::unknown(model, &format!("{} {}", parts.method, parts.path))),
    };
    let Some(input) = operation.input else { return Ok(Decoded { operation, input: Value::Object(Map::new()) }) };
    let mut tree = json::read(model, input, json::parse(model, parts.body)?)?;
    let pairs = form::pairs(parts.query, Plus::Space).ok_or_else(|| no_text(model))?;
    let Kind::Structure(structure) = &model.shape(input).kind else {
        return Ok(Decoded { operation, input: Value::Object(tree) });
    };
    for member in structure.members() {
        let texts: Vec<&str> = match member.location {
            Location::Body => continue,
            Location::Uri => named(&labels, &member.wire_name),
            Location::Query => named(&pairs, &member.wire_name),
        };
        if let Some(value) = from_texts(model, member.shape, &member.wire_name, &texts)? {
            tree.insert(member.name.clone(), value);
        }
    }
    Ok(Decoded { operation, input: Value::Object(tree) })
}

/// A member's value from its texts in the path or query string: all of them for a list, else the first.
fn from_texts(model: &Model, shape: ShapeId, name: &str, texts: &[&str]) -> Result<Option<Value>, Fault> {
    let kind = &model.shape(shape).kind;
    let one = |kind: &Kind, text: &str| {
        scalar::from_text(kind, text).ok_or_else(|| refuse::mistyped(model.protocol(), name, text, scalar::noun(kind)))
    };
    match (kind, texts) {
        (_, []) => Ok(None),
        (Kind::List { member, .. }, texts) => {
            let kind = &model.shape(*member).kind;
            texts.iter().map(|text| one(kind, text)).collect::<Result<Vec<_>, _>>().map(|list| Some(list.into()))
        }
        (kind, [text, ..]) => one(kind, text).map(Some),
    }
}

fn named<'a, K: AsRef<str>>(pairs: &'a [(K, String)], name: &str) -> Vec<&'a str> {
    pairs.iter().filter(|(key, _)| key.as_ref() == name).map(|(_, value)| value.as_str()).collect()
}

fn target<'m>(model: &'m Model, parts: &Parts<'_>) -> Result<Decoded<'m>, Fault> {
    let header = parts.header("x-amz-target").unwrap_or_default();
    let operation = refuse::served(model, header, model.target(header))?;
    let body = json::parse(model, parts.body)?;
    let input = match operation.input {
        Some(input) => json::read(model, input, body)?,
        None => Map::new(),
    };
    Ok(Decoded { operation, input: Value::Object(input) })
}

fn action<'m>(model: &'m Model, parts: &Parts<'_>) -> Result<Decoded<'m>, Fault> {
    let body = std::str::from_utf8(parts.body).map_err(|_| no_text(model))?;
    let mut pairs = form::pairs(parts.query, Plus::Space).ok_or_else(|| no_text(model))?;
    pairs.extend(form::pairs(body, Plus::Space).ok_or_else(|| no_text(model))?);
    let value = |name: &str| named(&pairs, name).first().copied();
    let Some(name) = value("Action").filter(|name| !name.is_empty()) else {
        return Err(Fault::client("MissingAction", "The request is missing an action or a required parameter."));
    };
    let operation = refuse::served(model, name, model.lookup(name))?;
    // Clients of older versions are served by the one we know; a newer one we can't promise.
    if let Some(version) = value("Version").filter(|version| *version > model.api_version()) {
        let text = format!("The requested version ({version}) of service {} does not exist", model.service());
        return Err(Fault::client("NoSuchVersion", text));
    }
    let input = match operation.input {
        Some(input) => query::read(model, input, &pairs)?,
        None => Value::Object(Map::new()),
    };
    Ok(Decoded { operation, input })
}

fn no_text(model: &Model) -> Fault {
    refuse::unreadable(model.protocol(), "The request is not valid UTF-8.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_model::Models;
    use proptest::prelude::*;
    use serde_json::json;
    use std::sync::LazyLock;

    static MODELS: LazyLock<Models> = LazyLock::new(|| Models::load().unwrap());

    fn ask(service: &str, method: &str, target: &str, body: &str) -> Result<(String, Value), Fault> {
        let model = MODELS.service(service).unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = match service {
            "ssm" => body.split_once('|').map(|(target, _)| target).unwrap_or_default(),
            _ => "",
        };
        let body = if service == "ssm" { body.split_once('|').map_or(body, |(_, body)| body) } else { body };
        let headers = vec![("X-Amz-Target", header.as_bytes())];
        let parts = Parts { method, path, query, headers, body: body.as_bytes() };
        decode(model, &parts).map(|decoded| (decoded.operation.name.clone(), decoded.input))
    }

    #[test]
    fn rest_members_come_from_path_query_and_body() {
        let body =
            r#"{"resourcesVpcConfig":{"endpointPublicAccess":false,"newerThanUs":{}},"name":"ignored","logging":null}"#;
        let (operation, input) = ask("eks", "POST", "/clusters/my%2Feks/update-config", body).unwrap();
        assert_eq!(operation, "UpdateClusterConfig");
        assert_eq!(input, json!({"name": "my/eks", "resourcesVpcConfig": {"endpointPublicAccess": false}}));
        let target = "/tags/arn%3Aaws%3Aeks%3A%3Acluster%2Fc?tagKeys=a&tagKeys=b+c";
        let (_, input) = ask("eks", "DELETE", target, "").unwrap();
        assert_eq!(input, json!({"tagKeys": ["a", "b c"], "resourceArn": "arn:aws:eks::cluster/c"}));
        let (_, input) = ask("eks", "GET", "/clusters?maxResults=7&include=all", "").unwrap();
        assert_eq!(input, json!({"maxResults": 7, "include": ["all"]}));
    }

    #[test]
    fn json_of_a_wrong_type_is_refused_with_its_place() {
        for (body, expected) in [
            (r#"{"name":1}"#, "name: NUMBER_VALUE can not be converted to a String"),
            (r#"{"tags":[]}"#, "tags: START_ARRAY can not be converted to a Map"),
            (
                r#"{"resourcesVpcConfig":{"subnetIds":["a",{}]}}"#,
                "resourcesVpcConfig.subnetIds[1]: START_OBJECT can not be converted to a String",
            ),
            ("[]", "the body: START_ARRAY can not be converted to a Structure"),
        ] {
            let fault = ask("eks", "POST", "/clusters", body).unwrap_err();
            assert_eq!((fault.code.as_ref(), fault.status), ("SerializationException", 400));
            assert_eq!(fault.message, expected);
        }
        assert!(ask("eks", "POST", "/clusters", "{").unwrap_err().message.contains("not valid JSON"));
        let fault = ask("eks", "GET", "/clusters?maxResults=many", "").unwrap_err();
        assert_eq!(fault.message, "maxResults: 'many' can not be converted to a Integer");
    }

    #[test]
    fn targets_name_json_operations() {
        let (operation, input) = ask("ssm", "POST", "/", r#"AmazonSSM.GetParameter|{"Name":"/a","Other":1}"#).unwrap();
        assert_eq!((operation.as_str(), input), ("GetParameter", json!({"Name": "/a"})));
        let fault = ask("ssm", "POST", "/", "AmazonSSM.PutParameter|{}").unwrap_err();
        assert!(fault.message.contains("ssm:PutParameter"), "{fault}");
        let fault = ask("ssm", "POST", "/", "AmazonSSM.Nope|{}").unwrap_err();
        assert_eq!(fault.code, "UnknownOperationException");
    }

    #[test]
    fn ec2_lists_are_numbered_and_names_capitalised() {
        let body = "Action=DescribeVpcs&Version=2016-11-15&Filter.2.Name=b&Filter.2.Value.1=x&Filter.1.Name=a\
                    &Filter.1.Value.10=z&Filter.1.Value.9=y&DryRun=true&MaxResults=5&VpcId.1=vpc-1";
        let (_, input) = ask("ec2", "POST", "/", body).unwrap();
        let expected = json!({
            "Filters": [{"Name": "a", "Values": ["y", "z"]}, {"Name": "b", "Values": ["x"]}],
            "VpcIds": ["vpc-1"], "DryRun": true, "MaxResults": 5,
        });
        assert_eq!(input, expected);
        // `queryName` is what counts where the model gives one.
        let body = "Action=RunInstances&NetworkInterface.1.PrivateIpAddresses.1.PrivateIpAddress=10.0.0.1\
                    &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k";
        let (_, input) = ask("ec2", "POST", "/", body).unwrap();
        assert_eq!(input["NetworkInterfaces"][0]["PrivateIpAddresses"][0]["PrivateIpAddress"], "10.0.0.1");
        assert_eq!(input["TagSpecifications"][0]["Tags"][0]["Key"], "k");
    }

    #[test]
    fn query_lists_have_members_and_may_be_empty() {
        let body = "Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=%7B%7D\
                    &Tags.member.1.Key=a&Tags.member.1.Value=b+c&MaxSessionDuration=3600";
        let (_, input) = ask("iam", "POST", "/", body).unwrap();
        let expected = json!({
            "RoleName": "r", "AssumeRolePolicyDocument": "{}", "MaxSessionDuration": 3600,
            "Tags": [{"Key": "a", "Value": "b c"}],
        });
        assert_eq!(input, expected);
        let (_, input) = ask("iam", "POST", "/", "Action=UntagRole&RoleName=r&TagKeys=").unwrap();
        assert_eq!(input, json!({"RoleName": "r", "TagKeys": []}));
        let (operation, _) = ask("sts", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "").unwrap();
        assert_eq!(operation, "GetCallerIdentity");
    }

    #[test]
    fn parameters_of_a_wrong_type_are_named() {
        let fault = ask("ec2", "POST", "/", "Action=DescribeVpcs&MaxResults=many").unwrap_err();
        assert_eq!(fault.code, "InvalidParameterValue");
        assert!(fault.message.contains("(many) for parameter MaxResults"), "{fault}");
        let fault = ask("iam", "POST", "/", "Action=CreateRole&Tags.member.1=x").unwrap_err();
        assert!(fault.message.contains("Tags.member.1: 'x'"), "{fault}");
    }

    #[test]
    fn actions_that_are_not_served_are_named() {
        let fault = ask("ec2", "POST", "/", "Action=CreateTransitGateway").unwrap_err();
        assert_eq!(fault.code, "UnsupportedOperation");
        assert!(fault.message.contains("ec2:CreateTransitGateway"));
        assert_eq!(ask("ec2", "POST", "/", "Action=Nope").unwrap_err().code, "InvalidAction");
        assert_eq!(ask("ec2", "POST", "/", "x=y").unwrap_err().code, "MissingAction");
        assert_eq!(ask("iam", "POST", "/", "Action=GetUser&Version=2099-01-01").unwrap_err().code, "NoSuchVersion");
        assert!(ask("eks", "GET", "/clusters/c/addons", "").unwrap_err().message.contains("eks:ListAddons"));
        assert_eq!(ask("eks", "GET", "/nowhere", "").unwrap_err().status, 404);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(
            body in proptest::collection::vec(any::<u8>(), 0..256),
            query in ".{0,64}",
            path in "/(clusters|tags|cluster-versions|.{0,12})(/.{0,16}){0,3}",
            method in "GET|POST|DELETE",
        ) {
            for model in MODELS.iter() {
                let headers = vec![("x-amz-target", b"AmazonSSM.GetParameters".as_slice())];
                let _ = decode(model, &Parts { method: &method, path: &path, query: &query, headers, body: &body });
            }
        }

        #[test]
        fn no_parameters_make_the_query_decoder_panic(
            action in "RunInstances|DescribeInstances|CreateRole|AssumeRole",
            pairs in proptest::collection::vec(
                ("(Filter|Tags|TagSpecification|Key)(\\.(Tag|member|entry|[0-9]{1,12}|Value|.{0,3})){0,20}", ".{0,8}"),
                0..12,
            ),
        ) {
            let mut list = vec![("Action", action.as_str())];
            list.extend(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            let body = form::write(list);
            for service in ["ec2", "iam", "sts"] {
                let _ = ask(service, "POST", "/", &body);
            }
        }

        #[test]
        fn what_a_query_client_writes_is_read_back(
            names in proptest::collection::vec(("\\PC{1,12}", proptest::collection::vec("\\PC{0,12}", 1..4)), 1..4),
        ) {
            let mut pairs = vec![("Action".to_owned(), "DescribeInstances".to_owned())];
            for (i, (name, values)) in names.iter().enumerate() {
                pairs.push((format!("Filter.{}.Name", i + 1), name.clone()));
                let values = values.iter().enumerate();
                pairs.extend(values.map(|(j, v)| (format!("Filter.{}.Value.{}", i + 1, j + 1), v.clone())));
            }
            let body = form::write(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            let (_, input) = ask("ec2", "POST", "/", &body).unwrap();
            let expected: Vec<Value> = names.iter().map(|(n, v)| json!({"Name": n, "Values": v})).collect();
            prop_assert_eq!(input, json!({"Filters": expected}));
        }
    }
}

//! An output or a fault becomes an HTTP answer.

use crate::xml;
use aws_model::{Fault, Kind, Member, Model, Operation, Protocol, ShapeId};
use serde_json::{Map, Value};

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside those that the server adds itself; names in small letters.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Encodes an output, given as the JSON tree that `dispatch` answers with.
pub fn success(model: &Model, operation: &Operation, output: &Value, request_id: &str) -> Reply {
    match model.protocol() {
        // Writing a tree to memory can't fail: its keys are text.
        Protocol::RestJson | Protocol::Json => json_text(model, operation, output.to_string().into_bytes(), request_id),
        Protocol::Ec2 | Protocol::Query => {
            let body = document(model, operation, output, request_id);
            reply(model.protocol(), operation.status, body.into_bytes(), request_id)
        }
    }
}

/// Encodes an output of a JSON protocol that is text already, as `dispatch_json` answers with.
pub fn json_text(model: &Model, operation: &Operation, output: Vec<u8>, request_id: &str) -> Reply {
    // An operation without output has nothing to say; clients want an object all the same.
    let body = if output == b"null" { b"{}".to_vec() } else { output };
    reply(model.protocol(), operation.status, body, request_id)
}

/// Encodes a refusal or failure of a service. The HTTP status of a modelled error is the model's.
pub fn fault(model: &Model, fault: &Fault, request_id: &str) -> Reply {
    let shape = model.error(&fault.code);
    let facts = shape.and_then(|shape| shape.error.as_ref());
    let status = facts.and_then(|facts| facts.status).unwrap_or(fault.status);
    let code = match (model.protocol(), facts, shape) {
        // Query services have codes that differ from their shapes' names; JSON services say the shape's name.
        (Protocol::Query | Protocol::Ec2, Some(facts), Some(shape)) => facts.code.as_deref().unwrap_or(&shape.name),
        (Protocol::RestJson | Protocol::Json, _, Some(shape)) => &shape.name,
        _ => &fault.code,
    };
    let namespace = model.xml_namespace().unwrap_or_default();
    written_fault(model.protocol(), namespace, code, status, fault, request_id)
}

/// Encodes a fault where no service is known yet.
pub fn plain_fault(protocol: Protocol, fault: &Fault, request_id: &str) -> Reply {
    written_fault(protocol, "", &fault.code, fault.status, fault, request_id)
}

fn written_fault(
    protocol: Protocol,
    namespace: &str,
    code: &str,
    status: u16,
    fault: &Fault,
    request_id: &str,
) -> Reply {
    let body = match protocol {
        Protocol::RestJson => json_fault(fault, None),
        Protocol::Json => json_fault(fault, Some(code)),
        Protocol::Query => query_fault(namespace, code, status, fault, request_id),
        Protocol::Ec2 => ec2_fault(code, fault, request_id),
    };
    let mut reply = reply(protocol, status, body, request_id);
    if matches!(protocol, Protocol::RestJson | Protocol::Json) {
        reply.headers.push(("x-amzn-errortype", code.to_owned()));
    }
    reply
}

fn reply(protocol: Protocol, status: u16, body: Vec<u8>, request_id: &str) -> Reply {
    let content_type = match protocol {
        Protocol::RestJson => "application/json",
        Protocol::Json => "application/x-amz-json-1.1",
        Protocol::Query => "text/xml",
        Protocol::Ec2 => "text/xml;charset=UTF-8",
    };
    let headers = vec![("content-type", content_type.to_owned()), ("x-amzn-requestid", request_id.to_owned())];
    Reply { status, headers, body }
}

/// Members first, `message` in small letters: EKS's form, which every JSON client reads.
fn json_fault(fault: &Fault, code: Option<&str>) -> Vec<u8> {
    let mut body = Map::new();
    if let Some(code) = code {
        body.insert("__type".to_owned(), code.into());
    }
    body.extend(fault.members.iter().map(|(name, value)| (name.clone(), value.clone())));
    body.insert("message".to_owned(), fault.message.as_str().into());
    Value::Object(body).to_string().into_bytes()
}

fn query_fault(namespace: &str, code: &str, status: u16, fault: &Fault, request_id: &str) -> Vec<u8> {
    let mut out = String::new();
    root(&mut out, "ErrorResponse", namespace);
    xml::open(&mut out, "Error");
    xml::element(&mut out, "Type", if status < 500 { "Sender" } else { "Receiver" });
    xml::element(&mut out, "Code", code);
    xml::element(&mut out, "Message", &fault.message);
    xml::close(&mut out, "Error");
    xml::element(&mut out, "RequestId", request_id);
    xml::close(&mut out, "ErrorResponse");
    out.into_bytes()
}

fn ec2_fault(code: &str, fault: &Fault, request_id: &str) -> Vec<u8> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>");
    xml::element(&mut out, "Code", code);
    xml::element(&mut out, "Message", &fault.message);
    out.push_str("</Error></Errors>");
    xml::element(&mut out, "RequestID", request_id);
    out.push_str("</Response>");
    out.into_bytes()
}

fn document(model: &Model, operation: &Operation, output: &Value, request_id: &str) -> String {
    let mut out = String::new();
    if model.protocol() == Protocol::Ec2 {
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    }
    let name = format!("{}Response", operation.name);
    root(&mut out, &name, model.xml_namespace().unwrap_or_default());
    if model.protocol() == Protocol::Ec2 {
        xml::element(&mut out, "requestId", request_id);
        match operation.output {
            Some(shape) => value(&mut out, model, shape, output),
            // What EC2 says where its model says nothing.
            None => xml::element(&mut out, "return", "true"),
        }
    } else {
        if let Some(shape) = operation.output {
            let wrapper = operation.result_wrapper.clone().unwrap_or_else(|| format!("{}Result", operation.name));
            xml::open(&mut out, &wrapper);
            value(&mut out, model, shape, output);
            xml::close(&mut out, &wrapper);
        }
        xml::open(&mut out, "ResponseMetadata");
        xml::element(&mut out, "RequestId", request_id);
        xml::close(&mut out, "ResponseMetadata");
    }
    xml::close(&mut out, &name);
    out
}

fn root(out: &mut String, name: &str, namespace: &str) {
    out.push('<');
    out.push_str(name);
    if !namespace.is_empty() {
        out.push_str(" xmlns=\"");
        xml::text(out, namespace);
        out.push('"');
    }
    out.push('>');
}

/// Appends what goes inside a value's element.
fn value(out: &mut String, model: &Model, shape: ShapeId, found: &Value) {
    match (&model.shape(shape).kind, found) {
        (Kind::Structure(structure), Value::Object(map)) => {
            for member in structure.members() {
                if let Some(inner) = map.get(&member.name).filter(|inner| !inner.is_null()) {
                    member_element(out, model, member, inner);
                }
            }
        }
        (Kind::List { member, item_name, .. }, Value::Array(items)) => {
            let name = item_name.as_deref().unwrap_or(match model.protocol() {
                Protocol::Ec2 => "item",
                _ => "member",
            });
            items.iter().for_each(|item| element(out, model, name, *member, item));
        }
        (Kind::Map { .. }, Value::Object(map)) => {
            for (key, item) in map {
                xml::open(out, "entry");
                entry(out, model, shape, key, item);
                xml::close(out, "entry");
            }
        }
        (_, Value::String(text)) => xml::text(out, text),
        (_, Value::Bool(_) | Value::Number(_)) => out.push_str(&found.to_string()),
        // A generated struct can't be of another form than its model's shape.
        _ => {}
    }
}

/// A structure's member: one element, or one for each item where it is flattened.
fn member_element(out: &mut String, model: &Model, member: &Member, found: &Value) {
    match (&model.shape(member.shape).kind, found) {
        (Kind::List { member: item, item_name, flattened }, Value::Array(items)) if *flattened || member.flattened => {
            let name = item_name.as_deref().unwrap_or(&member.wire_name);
            items.iter().for_each(|found| element(out, model, name, *item, found));
        }
        (Kind::Map { flattened, .. }, Value::Object(map)) if *flattened || member.flattened => {
            for (key, item) in map {
                xml::open(out, &member.wire_name);
                entry(out, model, member.shape, key, item);
                xml::close(out, &member.wire_name);
            }
        }
        _ => element(out, model, &member.wire_name, member.shape, found),
    }
}

fn element(out: &mut String, model: &Model, name: &str, shape: ShapeId, found: &Value) {
    xml::open(out, name);
    value(out, model, shape, found);
    xml::close(out, name);
}

fn entry(out: &mut String, model: &Model, map: ShapeId, key: &str, found: &Value) {
    let Kind::Map { value: shape, key_name, value_name, .. } = &model.shape(map).kind else { return };
    xml::element(out, key_name, key);
    element(out, model, value_name, *shape, found);
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_model::Models;
    use serde_json::json;

    fn body(reply: &Reply) -> &str {
        std::str::from_utf8(&reply.body).unwrap()
    }

    fn answer(service: &str, operation: &str, output: Value) -> Reply {
        let models = Models::load().unwrap();
        let model = models.service(service).unwrap();
        success(model, model.operation(operation).unwrap(), &output, "id-1")
    }

    fn refusal(service: &str, told: Fault) -> Reply {
        let models = Models::load().unwrap();
        fault(models.service(service).unwrap(), &told, "id-1")
    }

    #[test]
    fn ec2_answers_have_items_and_the_models_element_names() {
        let output = json!({"Vpcs": [{"VpcId": "vpc-1", "IsDefault": false, "Tags": []}], "NextToken": null});
        let reply = answer("ec2", "DescribeVpcs", output);
        assert_eq!(
            body(&reply),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeVpcsResponse \
             xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>id-1</requestId><vpcSet><item>\
             <isDefault>false</isDefault><tagSet></tagSet><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>"
        );
        assert_eq!(reply.headers[0].1, "text/xml;charset=UTF-8");
    }

    #[test]
    fn ec2_operations_without_output_return_true() {
        assert!(body(&answer("ec2", "DeleteVpc", Value::Null)).contains("<return>true</return></DeleteVpcResponse>"));
    }

    #[test]
    fn query_answers_are_wrapped() {
        let reply = answer("sts", "GetCallerIdentity", json!({"Arn": "arn:aws:iam::1:root", "Account": "1"}));
        assert_eq!(
            body(&reply),
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Account>1</Account><Arn>arn:aws:iam::1:root</Arn></GetCallerIdentityResult><ResponseMetadata>\
             <RequestId>id-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        );
        let reply = answer("iam", "DeleteRole", Value::Null);
        assert!(body(&reply).contains("doc/2010-05-08/\"><ResponseMetadata>"), "{}", body(&reply));
        let reply = answer("iam", "ListRolePolicies", json!({"PolicyNames": ["a<b"], "IsTruncated": true}));
        assert!(body(&reply).contains("<PolicyNames><member>a&lt;b</member></PolicyNames><IsTruncated>true<"));
    }

    #[test]
    fn json_answers_are_the_tree() {
        let reply = answer("eks", "DescribeCluster", json!({"cluster": {"name": "c"}}));
        assert_eq!((reply.status, body(&reply)), (200, r#"{"cluster":{"name":"c"}}"#));
        assert_eq!(reply.headers[1], ("x-amzn-requestid", "id-1".to_owned()));
        assert_eq!(body(&answer("eks", "TagResource", Value::Null)), "{}");
        assert_eq!(answer("ssm", "GetParameter", json!({})).headers[0].1, "application/x-amz-json-1.1");
    }

    #[test]
    fn eks_faults_have_a_type_header_members_and_a_small_message() {
        let told =
            Fault::client("ResourceNotFoundException", "No cluster found for name: c.").member("clusterName", "c");
        let reply = refusal("eks", told);
        assert_eq!(reply.status, 404, "the model's status");
        assert_eq!(body(&reply), r#"{"clusterName":"c","message":"No cluster found for name: c."}"#);
        assert_eq!(reply.headers[2], ("x-amzn-errortype", "ResourceNotFoundException".to_owned()));
    }

    #[test]
    fn query_faults_have_the_wires_code_and_status() {
        for code in ["NoSuchEntity", "NoSuchEntityException"] {
            let reply = refusal("iam", Fault::client(code, "The role with name x & y cannot be found."));
            assert_eq!(reply.status, 404);
            assert_eq!(
                body(&reply),
                "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
                 <Code>NoSuchEntity</Code><Message>The role with name x &amp; y cannot be found.</Message></Error>\
                 <RequestId>id-1</RequestId></ErrorResponse>"
            );
        }
        let reply = refusal("sts", Fault::server("InternalFailure", "x"));
        assert!(body(&reply).contains("<Type>Receiver</Type>"));
    }

    #[test]
    fn ec2_and_json_faults_have_their_own_forms() {
        let reply = refusal("ec2", Fault::client("InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist"));
        assert_eq!(
            body(&reply),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code>\
             <Message>The vpc ID 'vpc-1' does not exist</Message></Error></Errors>\
             <RequestID>id-1</RequestID></Response>"
        );
        let reply = refusal("ssm", Fault::client("ParameterNotFound", "no"));
        assert_eq!(body(&reply), r#"{"__type":"ParameterNotFound","message":"no"}"#);
        assert_eq!(reply.status, 400);
    }
}

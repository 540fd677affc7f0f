//! The operation trait over the public parameters.

use crate::parameter::{IMAGE_NAMES, Parameter, all, has_version, parse_name};
use async_trait::async_trait;
use aws_model::ec2::{DescribeImagesRequest, Ec2, Filter};
use aws_model::ssm::{self as wire, Ssm};
use aws_model::{Caller, Context, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// Names in one GetParameters call and items on a page of GetParametersByPath; from the *SSM API Reference*.
const MOST: usize = 10;

/// The name under which SSM asks EC2.
const SSM: &str = "ssm.amazonaws.com";

/// SSM for all accounts and regions. It keeps nothing: what it says is what EC2 shows.
#[derive(Clone)]
pub struct SsmService {
    ec2: Arc<dyn Ec2>,
}

impl SsmService {
    /// SSM over the images of `ec2`.
    pub fn new(ec2: Arc<dyn Ec2>) -> Self {
        Self { ec2 }
    }

    /// All parameters of the region that is asked, by name. There are as many images as Kubernetes versions, so that
    /// one question for all of them costs no more than many for some.
    async fn parameters(&self, ctx: &Context) -> Result<Vec<Parameter>, Fault> {
        let ours = Context { caller: Caller::service(ctx.caller.account.clone(), SSM), ..ctx.clone() };
        let values = IMAGE_NAMES.iter().map(|it| (*it).to_owned()).collect();
        let ask = DescribeImagesRequest {
            owners: Some(vec!["amazon".to_owned()]),
            filters: Some(vec![Filter { name: Some("name".to_owned()), values: Some(values) }]),
            ..Default::default()
        };
        let found = self.ec2.describe_images(&ours, ask).await.map_err(upstream)?;
        Ok(all(found.images.unwrap_or_default()))
    }
}

/// That EC2 does not answer is no mistake of who asks SSM.
fn upstream(fault: Fault) -> Fault {
    Fault::server("InternalServerError", format!("EC2 did not tell its images: {}", fault.message))
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::client("ValidationException", message)
}

#[async_trait]
impl Ssm for SsmService {
    async fn get_parameter(
        &self,
        ctx: &Context,
        input: wire::GetParameterRequest,
    ) -> Result<wire::GetParameterResult, Fault> {
        let given = input.name.as_deref().filter(|it| !it.is_empty()).ok_or_else(|| invalid("A name is required."))?;
        let (name, selector) = parse_name(&ctx.region, given);
        let found = self.parameters(ctx).await?.into_iter().find(|it| it.name == name);
        let found = found.ok_or_else(|| Fault::client("ParameterNotFound", format!("Parameter {given} not found.")))?;
        if !has_version(selector) {
            let message = format!("Systems Manager could not find version {} of {name}.", selector.unwrap_or_default());
            return Err(Fault::client("ParameterVersionNotFound", message));
        }
        Ok(wire::GetParameterResult { parameter: Some(found.render(&ctx.region, selector)) })
    }

    async fn get_parameters(
        &self,
        ctx: &Context,
        input: wire::GetParametersRequest,
    ) -> Result<wire::GetParametersResult, Fault> {
        let names = input.names.unwrap_or_default();
        if names.is_empty() || names.len() > MOST {
            return Err(invalid(format!("1 to {MOST} names are required.")));
        }
        let known = self.parameters(ctx).await?;
        let (mut parameters, mut invalid_parameters) = (Vec::new(), Vec::new());
        for given in names {
            let (name, selector) = parse_name(&ctx.region, &given);
            match known.iter().find(|it| it.name == name && has_version(selector)) {
                Some(found) => parameters.push(found.render(&ctx.region, selector)),
                None => invalid_parameters.push(given),
            }
        }
        Ok(wire::GetParametersResult { parameters: Some(parameters), invalid_parameters: Some(invalid_parameters) })
    }

    async fn get_parameters_by_path(
        &self,
        ctx: &Context,
        input: wire::GetParametersByPathRequest,
    ) -> Result<wire::GetParametersByPathResult, Fault> {
        if let Some(filter) = input.parameter_filters.iter().flatten().next() {
            let key = filter.key.as_deref().unwrap_or_default();
            return Err(Fault::client("InvalidFilterKey", format!("Postern does not support the filter key {key}.")));
        }
        let path = input.path.as_deref().unwrap_or_default();
        if !path.starts_with('/') {
            return Err(invalid(
                "The parameter doesn't meet the parameter name requirements. The path must begin with a forward \
                    slash \"/\".",
            ));
        }
        let max = usize::try_from(input.max_results.unwrap_or(10)).unwrap_or_default();
        if !(1..=MOST).contains(&max) {
            return Err(invalid(format!("MaxResults must be between 1 and {MOST}.")));
        }
        let after = input.next_token.as_deref().map(parse_token).transpose()?;
        let mut found = self.parameters(ctx).await?;
        found.retain(|it| is_under(&it.name, path, input.recursive == Some(true)));
        if let Some(last) = after {
            found.retain(|it| it.name > last);
        }
        let more = found.len() > max;
        found.truncate(max);
        let next_token = found.last().filter(|_| more).map(|it| URL_SAFE_NO_PAD.encode(format!("1:{}", it.name)));
        let parameters = found.iter().map(|it| it.render(&ctx.region, None)).collect();
        Ok(wire::GetParametersByPathResult { parameters: Some(parameters), next_token })
    }
}

/// Whether a parameter lies in a folder, or in one below it.
fn is_under(name: &str, path: &str, recursive: bool) -> bool {
    let rest = name.strip_prefix(path.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| recursive || !rest.contains('/'))
}

fn parse_token(token: &str) -> Result<String, Fault> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let last = text.as_deref().and_then(|text| text.strip_prefix("1:")).map(str::to_owned);
    last.ok_or_else(|| Fault::client("InvalidNextToken", "The specified token isn't valid."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_model::ec2::{DescribeImagesResult, Image};

    const EKS: &str = "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/standard/recommended";

    /// EC2 with a few images, as the service and nobody else may see them here.
    struct Images {
        fails: bool,
    }

    #[async_trait]
    impl Ec2 for Images {
        async fn describe_images(
            &self,
            ctx: &Context,
            input: DescribeImagesRequest,
        ) -> Result<DescribeImagesResult, Fault> {
            if self.fails {
                return Err(Fault::client("RequestLimitExceeded", "Too many."));
            }
            assert!(ctx.caller.is_service() && input.owners == Some(vec!["amazon".to_owned()]));
            let image = |id: &str, name: &str, description: &str| Image {
                image_id: Some(id.to_owned()),
                name: Some(name.to_owned()),
                description: Some(description.to_owned()),
                creation_date: Some("2026-07-14T00:00:00.000Z".to_owned()),
                ..Default::default()
            };
            let images = vec![
                image("ami-1", "amazon-eks-node-al2023-x86_64-standard-1.34-v20260714", "Node (k8s: 1.34.4)"),
                image("ami-2", "amazon-eks-node-al2023-arm64-standard-1.34-v20260714", "Node (k8s: 1.34.4)"),
                image("ami-3", "amazon-eks-node-1.24-v20230411", "Node (k8s: 1.24.11)"),
                image("ami-4", "amazon-eks-arm64-node-1.24-v20230411", "Node (k8s: 1.24.11)"),
                image("ami-5", "al2023-ami-2023.9.20260714.0-kernel-6.1-x86_64", "Amazon Linux"),
            ];
            Ok(DescribeImagesResult { images: Some(images), next_token: None })
        }
    }

    fn ssm() -> SsmService {
        SsmService::new(Arc::new(Images { fails: false }))
    }

    fn ctx() -> Context {
        Context {
            caller: Caller::service("111122223333".parse().unwrap(), "test.amazonaws.com"),
            region: "ap-northeast-2".parse().unwrap(),
            request_id: "r-1".into(),
            now: "2026-03-14T00:00:00Z".parse().unwrap(),
        }
    }

    async fn get(name: &str) -> Result<wire::Parameter, Fault> {
        let input = wire::GetParameterRequest { name: Some(name.into()), with_decryption: None };
        ssm().get_parameter(&ctx(), input).await.map(|it| it.parameter.unwrap())
    }

    async fn value(name: &str) -> String {
        get(name).await.unwrap().value.unwrap()
    }

    #[tokio::test]
    async fn a_parameter_says_what_ec2_shows() {
        let found = get(&format!("{EKS}/image_id")).await.unwrap();
        assert_eq!(found.value.as_deref(), Some("ami-1"));
        assert_eq!(found.arn.unwrap(), format!("arn:aws:ssm:ap-northeast-2::parameter{EKS}/image_id"));
        assert_eq!(value(&format!("{EKS}/release_version")).await, "1.34.4-20260714");
        assert_eq!(value(&format!("{EKS}/image_name")).await, "amazon-eks-node-al2023-x86_64-standard-1.34-v20260714");
        let whole: serde_json::Value = serde_json::from_str(&value(EKS).await).unwrap();
        assert_eq!((&whole["image_id"], &whole["schema_version"]), (&"ami-1".into(), &"2".into()));
    }

    #[tokio::test]
    async fn each_family_has_its_path() {
        let eks = "/aws/service/eks/optimized-ami/1.24";
        assert_eq!(value(&format!("{eks}/amazon-linux-2/recommended/image_id")).await, "ami-3");
        assert_eq!(value(&format!("{eks}/amazon-linux-2-arm64/recommended/image_id")).await, "ami-4");
        let plain = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel";
        assert_eq!(value(&format!("{plain}-default-x86_64")).await, "ami-5");
        assert_eq!(value(&format!("{plain}-6.1-x86_64")).await, "ami-5");
        assert_eq!(value(&format!("arn:aws:ssm:ap-northeast-2::parameter{plain}-6.1-x86_64")).await, "ami-5");
    }

    #[tokio::test]
    async fn what_is_not_there_is_said_so() {
        assert_eq!(get("/aws/service/eks/optimized-ami/1.10/x").await.unwrap_err().code, "ParameterNotFound");
        assert_eq!(get(&format!("{EKS}/image_id:7")).await.unwrap_err().code, "ParameterVersionNotFound");
        assert_eq!(get(&format!("{EKS}/image_id:1")).await.unwrap().selector.as_deref(), Some(":1"));
        let names = vec![format!("{EKS}/image_id"), "/nothing".to_owned()];
        let input = wire::GetParametersRequest { names: Some(names), with_decryption: None };
        let found = ssm().get_parameters(&ctx(), input).await.unwrap();
        assert_eq!(found.parameters.unwrap().len(), 1);
        assert_eq!(found.invalid_parameters.unwrap(), ["/nothing"]);
    }

    #[tokio::test]
    async fn that_ec2_fails_is_not_the_callers_mistake() {
        let ssm = SsmService::new(Arc::new(Images { fails: true }));
        let input = wire::GetParameterRequest { name: Some(EKS.into()), with_decryption: None };
        let fault = ssm.get_parameter(&ctx(), input).await.unwrap_err();
        assert_eq!((fault.status, &*fault.code), (500, "InternalServerError"));
    }

    #[tokio::test]
    async fn a_path_is_walked_page_by_page() {
        let mut input = wire::GetParametersByPathRequest {
            path: Some("/aws/service/eks/optimized-ami/1.34".into()),
            recursive: Some(true),
            max_results: Some(3),
            ..Default::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let page = ssm().get_parameters_by_path(&ctx(), input.clone()).await.unwrap();
            seen.extend(page.parameters.unwrap().into_iter().map(|it| it.name.unwrap()));
            input.next_token = page.next_token;
            if input.next_token.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 8, "the whole and its three parts for each architecture");
        let flat = wire::GetParametersByPathRequest { path: Some(EKS.into()), ..Default::default() };
        let found = ssm().get_parameters_by_path(&ctx(), flat).await.unwrap().parameters.unwrap();
        assert_eq!(found.len(), 3);
    }
}

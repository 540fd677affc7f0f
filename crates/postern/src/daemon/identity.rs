//! Who shows a token to a cluster: the access keys of IAM, the access entries of EKS and the instances of EC2, asked in
//! this order. What each of them says is decided in `aws-eks`; here they are only put together.

use aws_eks::KubernetesIdentity;
use aws_eks::identity::aws_auth::AwsAuth;
use aws_eks::identity::{self, username};
use aws_eks::records::ClusterKey;
use aws_eks::tokens::{Key, StsIdentity, TokenError, TokenVerifier};
use aws_model::ec2::{DescribeInstancesRequest, Ec2};
use aws_model::{Caller, Context, Fault};
use base::Clock;
use gateway::Credentials;
use gateway::host::Host;
use std::sync::Arc;
use store::{Records, StoreError};

/// The service in whose name EC2 is asked.
const EKS: &str = "eks.amazonaws.com";

/// Why a token stands for nobody. For the log; the client is told that it is not known.
#[derive(Debug, thiserror::Error)]
pub enum Stranger {
    /// The token does not hold.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The cluster knows nobody by this ARN.
    #[error("{0} is not mapped to a user")]
    Unmapped(String),
    /// The records cannot be read.
    #[error("the records cannot be read")]
    Store(#[from] StoreError),
    /// The instance that a node says it is could not be looked for.
    #[error("an instance could not be looked for")]
    Instances(#[from] Fault),
}

/// Tells who shows a token. One serves all clusters.
pub struct Identities {
    records: Records,
    credentials: Arc<dyn Credentials>,
    ec2: Arc<dyn Ec2>,
    clock: Arc<dyn Clock>,
    verifier: TokenVerifier,
}

impl Identities {
    /// Identities of those whose keys are in `credentials`, for the clusters in `records`.
    pub fn new(records: Records, credentials: Arc<dyn Credentials>, ec2: Arc<dyn Ec2>, clock: Arc<dyn Clock>) -> Self {
        // What the gateway takes for its own address, and thus answers as STS.
        let verifier = TokenVerifier::new(|host| Host::parse(host) == Host::Neutral);
        Self { records, credentials, ec2, clock, verifier }
    }

    /// The Kubernetes user behind a bearer token of IAM's in a cluster, whose ConfigMap `aws-auth`, if it has one, is
    /// given.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn identify(
        &self,
        cluster: &ClusterKey,
        aws_auth: Option<&AwsAuth>,
        token: &str,
    ) -> Result<KubernetesIdentity, Stranger> {
        let who = self.verifier.verify(token, &cluster.name, self.clock.now(), |id| self.key(id))?;
        let unmapped = || Stranger::Unmapped(who.canonical_arn.clone());
        let mapping = identity::look_up(&self.records, cluster, aws_auth, &who)?.ok_or_else(unmapped)?;
        let name = match mapping.needs_private_dns_name() {
            true => self.private_dns_name(cluster, &who).await?,
            false => None,
        };
        mapping.user(&who, name.as_deref()).ok_or_else(unmapped)
    }

    fn key(&self, id: &str) -> Option<Key> {
        let key = self.credentials.find(id)?;
        Some(Key {
            secret: key.secret.clone(),
            session_token: key.session_token.clone(),
            active: key.active,
            expires: key.expires,
            caller: key.caller.clone(),
        })
    }

    /// The private DNS name of the instance that a session is named after, in the cluster's account and region.
    async fn private_dns_name(&self, cluster: &ClusterKey, who: &StsIdentity) -> Result<Option<String>, Stranger> {
        if !username::is_instance_id(&who.session_name) {
            return Ok(None);
        }
        let ctx = Context {
            caller: Caller::service(cluster.account.clone(), EKS),
            region: cluster.region.clone(),
            request_id: base::random_uuid(),
            now: self.clock.now(),
        };
        let ask = DescribeInstancesRequest { instance_ids: Some(vec![who.session_name.clone()]), ..Default::default() };
        let answer = match self.ec2.describe_instances(&ctx, ask).await {
            Ok(answer) => answer,
            Err(fault) if fault.status < 500 => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        let reservations = answer.reservations.unwrap_or_default().into_iter();
        let mut instances = reservations.flat_map(|it| it.instances.unwrap_or_default());
        Ok(instances.find_map(|it| it.private_dns_name).filter(|it| !it.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use aws_eks::identity::aws_auth;
    use aws_model::Principal;
    use aws_model::ec2::{DescribeInstancesResult, Instance, Reservation};
    use gateway::AccessKey;
    use jiff::Timestamp;
    use serde_json::json;
    use store::Embedded;

    /// Made by `aws eks get-token --cluster-name blue --region ap-northeast-2` (aws-cli 1.45.11) with [`SECRET`].
    const TOKEN: &str = "k8s-aws-v1.aHR0cHM6Ly9zdHMuYXAtbm9ydGhlYXN0LTIuYW1hem9uYXdzLmNvbS8_QWN0aW9uPUdldENhbGxlcklkZW50aXR5JlZlcnNpb249MjAxMS0wNi0xNSZYLUFtei1BbGdvcml0aG09QVdTNC1ITUFDLVNIQTI1NiZYLUFtei1DcmVkZW50aWFsPUFLSUFJT1NGT0ROTjdFWEFNUExFJTJGMjAyNjExMjUlMkZhcC1ub3J0aGVhc3QtMiUyRnN0cyUyRmF3czRfcmVxdWVzdCZYLUFtei1EYXRlPTIwMjYxMTI1VDAzMjMyMFomWC1BbXotRXhwaXJlcz02MCZYLUFtei1TaWduZWRIZWFkZXJzPWhvc3QlM0J4LWs4cy1hd3MtaWQmWC1BbXotU2lnbmF0dXJlPThlYjY2Mjk0ZDE0MTdhZmZjYTc0ZjY1NDAwMjMxNGQxNmMyZjBjMGE1ZDJmNjBlMGI0OTY1YWM4NTgxOTI2ZmI";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// A session of the role `node`, as an instance has it.
    struct Keys;

    impl Credentials for Keys {
        fn find(&self, id: &str) -> Option<Arc<AccessKey>> {
            let session = "i-0123456789abcdef0".to_owned();
            let caller = Caller {
                account: "111122223333".parse().ok()?,
                arn: format!("arn:aws:sts::111122223333:assumed-role/node/{session}"),
                user_id: format!("AROANODE:{session}"),
                principal: Principal::AssumedRole { role: "node".to_owned(), session },
                access_key_id: id.to_owned(),
            };
            let secret = SECRET.to_owned();
            let key = AccessKey { secret, session_token: None, caller, active: true, expires: None };
            (id == "AKIAIOSFODNN7EXAMPLE").then(|| Arc::new(key))
        }
    }

    /// EC2 with one instance.
    struct OneInstance;

    #[async_trait]
    impl Ec2 for OneInstance {
        async fn describe_instances(
            &self,
            ctx: &Context,
            input: DescribeInstancesRequest,
        ) -> Result<DescribeInstancesResult, Fault> {
            assert!(ctx.caller.is_service());
            assert_eq!(input.instance_ids, Some(vec!["i-0123456789abcdef0".to_owned()]));
            let name = Some("ip-10-0-0-1.ap-northeast-2.compute.internal".to_owned());
            let instance = Instance { private_dns_name: name, ..Default::default() };
            let reservation = Reservation { instances: Some(vec![instance]), ..Default::default() };
            Ok(DescribeInstancesResult { reservations: Some(vec![reservation]), ..Default::default() })
        }
    }

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    /// Identities for a cluster `blue` in mode `CONFIG_MAP`.
    async fn identities(home: &tempfile::TempDir, now: &str) -> (Identities, ClusterKey) {
        let records = Records::new(Arc::new(Embedded::open(home.path()).unwrap()));
        let key = ClusterKey {
            account: "111122223333".parse().unwrap(),
            region: "ap-northeast-2".parse().unwrap(),
            name: "blue".to_owned(),
        };
        let cluster = json!({
            "name": "blue", "account": "111122223333", "region": "ap-northeast-2", "status": "ACTIVE",
            "version": "1.34", "platform_version": "eks.1", "role_arn": "arn:aws:iam::111122223333:role/eks",
            "created": "2026-11-25T00:00:00Z", "creator": "arn:aws:iam::111122223333:user/admin",
            "endpoint_id": "4EF9B1C9A5F24DCBD324557BF7056DC0", "shard": "gr7", "vpc": "vpc-00000000000000001",
            "subnets": [], "security_groups": [], "cluster_security_group": null,
            "access": {"public": true, "private": false, "public_cidrs": []}, "service_block": "10.100.0.0/16",
            "log_types": [], "authentication_mode": "CONFIG_MAP", "creator_is_admin": true,
            "support_type": "EXTENDED", "deletion_protection": false, "bootstrap_self_managed_addons": true,
            "client_token": null, "control_plane": [], "certificate_authority": null, "issues": [], "tags": {},
        });
        let put: Result<(), StoreError> = records.transact(|tx| tx.put(key.key(), &cluster)).await;
        put.unwrap();
        let clock = Arc::new(At(now.parse().unwrap()));
        (Identities::new(records, Arc::new(Keys), Arc::new(OneInstance), clock), key)
    }

    const MAP_ROLES: &str = "
- rolearn: arn:aws:iam::111122223333:role/node
  username: system:node:{{EC2PrivateDNSName}}
  groups: [system:bootstrappers, system:nodes]
";

    #[tokio::test]
    async fn a_nodes_token_names_its_instance() {
        let home = tempfile::tempdir().unwrap();
        let (identities, blue) = identities(&home, "2026-11-25T03:25:00Z").await;
        let (map, _) = aws_auth::parse(MAP_ROLES, "", "");
        let node = identities.identify(&blue, Some(&map), TOKEN).await.unwrap();
        assert_eq!(node.username, "system:node:ip-10-0-0-1.ap-northeast-2.compute.internal");
        assert_eq!(node.groups, ["system:bootstrappers", "system:nodes"]);
        let stranger = identities.identify(&blue, None, TOKEN).await.unwrap_err();
        assert_eq!(stranger.to_string(), "arn:aws:iam::111122223333:role/node is not mapped to a user");
        let red = ClusterKey { name: "red".to_owned(), ..blue };
        assert!(matches!(identities.identify(&red, Some(&map), TOKEN).await, Err(Stranger::Token(_))));
    }

    #[tokio::test]
    async fn an_old_token_is_a_strangers() {
        let home = tempfile::tempdir().unwrap();
        let (identities, blue) = identities(&home, "2026-11-25T03:39:00Z").await;
        let (map, _) = aws_auth::parse(MAP_ROLES, "", "");
        assert!(matches!(identities.identify(&blue, Some(&map), TOKEN).await, Err(Stranger::Token(_))));
    }
}

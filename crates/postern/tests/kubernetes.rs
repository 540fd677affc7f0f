//! The Kubernetes API of a cluster, with the real kubectl and tokens of the real `aws eks get-token`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::cluster::Cluster;
use common::until;

const WEB: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: nginx, image: nginx, ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{port: 80}]
";

#[test]
fn kubectl_works_as_on_eks() {
    let cluster = Cluster::new("eu-north-1", "blue", "1.31");
    let names = cluster.words("get namespaces -o name").ok();
    let want = ["default", "kube-node-lease", "kube-public", "kube-system"].map(|it| format!("namespace/{it}"));
    assert_eq!(names.lines().collect::<Vec<_>>(), want);
    let service = cluster.words("get service kubernetes -o jsonpath={.spec.ports[0].port}").ok();
    assert_eq!(service, "443");

    let file = cluster.write("web.yaml", WEB);
    let made = cluster.apply(&file);
    assert_eq!(made, "namespace/shop created\ndeployment.apps/web created\nservice/web created\n");
    let again = cluster.apply(&file);
    assert_eq!(again, "namespace/shop unchanged\ndeployment.apps/web unchanged\nservice/web unchanged\n");
    let table = cluster.words("-n shop get deployment web").ok();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    assert_eq!(rows[1][..4], ["web", "0/2", "0", "0"]);
    let address = cluster.words("-n shop get service web -o jsonpath={.spec.clusterIP}").ok();
    assert!(address.starts_with("10.100.") || address.starts_with("172.20."), "{address}");

    let scaled = cluster.words("-n shop scale deployment web --replicas=5").ok();
    assert_eq!(scaled, "deployment.apps/web scaled\n");
    let patch = r#"{"spec":{"template":{"spec":{"containers":[{"name":"nginx","image":"nginx:2"}]}}}}"#;
    cluster.kubectl(&["-n", "shop", "patch", "deployment", "web", "-p", patch]).ok();
    let picked = "-n shop get deployment web -o jsonpath={.spec.replicas}/{.spec.template.spec.containers[0].image}";
    assert_eq!(cluster.words(picked).ok(), "5/nginx:2");
    let ports = "-n shop get deployment web -o jsonpath={.spec.template.spec.containers[0].ports[0].containerPort}";
    assert_eq!(cluster.words(ports).ok(), "80", "a strategic merge patch leaves what it does not name");

    cluster.words("-n shop label service web tier=front").ok();
    assert_eq!(cluster.words("-n shop get service -l tier=front -o name").ok(), "service/web\n");
    assert_eq!(cluster.words("-n shop get service -l tier=back -o name").ok(), "");

    let server_side = ["apply", "--server-side", "--field-manager=other", "-f", file.to_str().unwrap()];
    let conflict = cluster.kubectl(&server_side).failed();
    assert!(conflict.contains(".spec.replicas"), "{conflict}");

    let bad =
        cluster.write("bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: Bad_Name}\nspec: {containers: []}\n");
    let refused = cluster.kubectl(&["create", "--validate=false", "-f", bad.to_str().unwrap()]).failed();
    assert!(refused.contains("Pod \"Bad_Name\" is invalid"), "{refused}");
    assert!(refused.contains("spec.containers: Required value"), "{refused}");

    assert_eq!(cluster.words("delete namespace shop").ok(), "namespace \"shop\" deleted\n");
    until("its content to be gone", || cluster.words("get deployments,services -n shop -o name").ok().is_empty());
}

#[test]
fn who_may_do_what_is_what_access_entries_and_roles_say() {
    let cluster = Cluster::new("ca-central-1", "green", "1.34");
    assert_eq!(cluster.words("auth can-i delete nodes").ok(), "yes\n", "the creator is an administrator");
    let postern = &cluster.postern;
    // The mode that a cluster is made in without saying one; entries need the API.
    postern.aws("eks update-cluster-config --name green --access-config authenticationMode=API_AND_CONFIG_MAP").ok();
    postern.active("green");
    let user = postern.aws("iam create-user --user-name reader").json();
    let arn = user["User"]["Arn"].as_str().unwrap().to_owned();
    let key = postern.aws("iam create-access-key --user-name reader").json();
    let text = |name: &str| key["AccessKey"][name].as_str().unwrap().to_owned();
    let (id, secret) = (text("AccessKeyId"), text("SecretAccessKey"));
    let config = cluster.config();
    let as_reader = |words: &str| {
        let command = format!(
            "AWS_ACCESS_KEY_ID={id} AWS_SECRET_ACCESS_KEY={secret} kubectl --kubeconfig {} {words}",
            config.display()
        );
        postern.at("outside", &["sh", "-c", &command])
    };
    let stranger = as_reader("get pods").failed();
    assert!(stranger.contains("Unauthorized") || stranger.contains("must be logged in"), "{stranger}");
    postern.aws(&format!("eks create-access-entry --cluster-name green --principal-arn {arn}")).ok();
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    postern
        .aws(&format!(
            "eks associate-access-policy --cluster-name green --principal-arn {arn} --policy-arn {policy} \
         --access-scope type=namespace,namespaces=default"
        ))
        .ok();
    as_reader("get pods").ok();
    let elsewhere = as_reader("get pods -n kube-system").failed();
    assert!(elsewhere.contains("Forbidden") && elsewhere.contains("kube-system"), "{elsewhere}");
    let writing = as_reader("create configmap a").failed();
    assert!(writing.contains("cannot create resource \"configmaps\""), "{writing}");
    cluster.words(&format!("create clusterrolebinding reader --clusterrole=edit --user={arn}")).ok();
    until("the binding to hold", || as_reader("auth can-i create configmaps").code == 0);
    as_reader("create configmap a").ok();
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let cluster = Cluster::new("sa-east-1", "red", "1.29");
    let version = |cluster: &Cluster, name: &str| -> u64 {
        let wanted = format!("get configmap {name} -o jsonpath={{.metadata.resourceVersion}}");
        cluster.words(&wanted).ok().parse().unwrap()
    };
    cluster.words("create configmap before --from-literal=a=1").ok();
    let before = version(&cluster, "before");
    cluster.postern.kill();
    cluster.postern.start();
    until("the cluster to answer again", || cluster.words("get configmap before").code == 0);
    assert_eq!(version(&cluster, "before"), before);
    cluster.words("create configmap after --from-literal=a=1").ok();
    assert!(version(&cluster, "after") > before);
}

#[test]
fn the_python_client_works_unchanged() {
    let cluster = Cluster::new("me-south-1", "python", "1.33");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/kubernetes_client.py");
    let config = cluster.with_token();
    cluster.postern.at("outside", &["python3", script, config.to_str().unwrap()]).ok();
}

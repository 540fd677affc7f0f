use super::*;
use crate::schema::{Empty, ListKind, Scalar, Shape};

fn load(minor: u8) -> Release {
    Release::load(minor).unwrap()
}

fn closed(release: &Release, shape: &Shape) -> bool {
    match shape {
        Shape::Struct { id, .. } => release.types().get(*id).is_some(),
        Shape::Map { value, .. } => closed(release, value),
        Shape::List { item, .. } => closed(release, item),
        Shape::Scalar(_) | Shape::Any => true,
    }
}

#[test]
fn every_minor_loads_and_its_types_refer_to_each_other() {
    for minor in Release::minors() {
        let release = load(minor);
        assert!(release.types().iter().count() > 500, "{minor}");
        for (id, it) in release.types().iter() {
            assert_eq!(release.type_named(&it.name), Some(id), "1.{minor} {}", it.name);
            assert!(it.fields.is_sorted_by(|a, b| a.name < b.name), "1.{minor} {}", it.name);
            for field in &it.fields {
                assert!(closed(&release, &field.shape), "1.{minor} {} {}", it.name, field.name);
            }
        }
    }
    assert!(Release::load(23).is_none() && Release::load(37).is_none());
}

#[test]
fn every_resource_is_found_and_has_its_type() {
    for minor in Release::minors() {
        let release = load(minor);
        for it in release.resources() {
            let found = release.resource(&it.group, &it.version, &it.plural).unwrap();
            assert!(std::ptr::eq(found, it), "1.{minor} {}", it.plural);
            assert!(it.type_id.is_some(), "1.{minor} {} {}", it.api_version(), it.plural);
            let list = format!("{}List", it.kind);
            assert!(
                !it.verbs.contains("list") || release.kind(&it.group, &it.version, &list).is_some(),
                "1.{minor} {list}"
            );
            assert_eq!(it.stored.is_some(), it.verbs.contains("create") && it.verbs.contains("get"), "{}", it.plural);
            for sub in &it.subresources {
                let options = sub.kind.kind.ends_with("Options");
                let kind = release.kind(&sub.kind.group, &sub.kind.version, &sub.kind.kind);
                assert!(options || kind.is_some(), "1.{minor} {} {}", it.plural, sub.name);
            }
        }
        assert_eq!(release.resource("", "v1", "nothing").map(|it| &it.plural), None);
    }
}

#[test]
fn every_field_of_a_stored_kind_has_a_protobuf_number() {
    // JSON has these in every object, protobuf in the envelope.
    let outside = |name: &str| matches!(name, "apiVersion" | "kind");
    for minor in Release::minors() {
        let release = load(minor);
        let mut todo: Vec<TypeId> = release.resources().iter().filter_map(|it| it.type_id).collect();
        let mut done = std::collections::HashSet::new();
        while let Some(id) = todo.pop() {
            if !done.insert(id) {
                continue;
            }
            let it = release.types().get(id).unwrap();
            for field in &it.fields {
                assert!(field.tag != 0 || outside(&field.name), "1.{minor} {} {}", it.name, field.name);
                let mut shape = &field.shape;
                while let Shape::List { item, .. } | Shape::Map { value: item, .. } = shape {
                    shape = item;
                }
                if let Shape::Struct { id, .. } = shape {
                    todo.push(*id);
                }
            }
        }
    }
}

#[test]
fn facts_follow_the_minor() {
    let (old, new) = (load(24), load(36));
    assert!(old.resource("policy", "v1beta1", "podsecuritypolicies").is_some());
    assert!(new.resource("policy", "v1beta1", "podsecuritypolicies").is_none());
    assert!(load(32).resource("", "v1", "pods").unwrap().subresource("resize").is_some());
    assert!(load(31).resource("", "v1", "pods").unwrap().subresource("resize").is_none());
    let off = |minor, version| {
        load(minor).resource("resource.k8s.io", version, "resourceclaims").map(|it| it.served_by_default)
    };
    assert_eq!((off(33, "v1beta1"), off(34, "v1"), off(30, "v1beta1")), (Some(false), Some(true), None));
    let warning = |minor, group, version, plural| {
        load(minor).resource(group, version, plural).and_then(Resource::warning).unwrap_or_default()
    };
    assert_eq!(
        warning(24, "batch", "v1beta1", "cronjobs"),
        "batch/v1beta1 CronJob is deprecated in v1.21+, unavailable in v1.25+; use batch/v1 CronJob"
    );
    assert_eq!(warning(30, "", "v1", "componentstatuses"), "v1 ComponentStatus is deprecated in v1.19+");
    assert_eq!(warning(32, "", "v1", "endpoints"), "");
    assert_eq!(
        warning(33, "", "v1", "endpoints"),
        "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    );
}

#[test]
fn groups_come_in_the_order_of_discovery() {
    let release = load(24);
    let names: Vec<&str> = release.groups().iter().map(|it| &*it.name).take(4).collect();
    assert_eq!(names, ["", "apiregistration.k8s.io", "apps", "events.k8s.io"]);
    let autoscaling = release.groups().iter().find(|it| &*it.name == "autoscaling").unwrap();
    let versions: Vec<&str> = autoscaling.versions.iter().map(|it| &*it.name).collect();
    assert_eq!(versions, ["v2", "v1", "v2beta1", "v2beta2"]);
}

#[test]
fn fields_carry_what_merging_and_writing_need() {
    let release = load(30);
    let spec = release.struct_named("io.k8s.api.core.v1.PodSpec").unwrap();
    let containers = spec.field("containers").unwrap();
    assert!(containers.required && containers.patch.merge);
    assert_eq!(containers.patch.merge_key.as_deref(), Some("name"));
    assert_eq!(containers.empty, Empty::Shown);
    assert!(matches!(&containers.shape, Shape::List { kind: ListKind::Map { keys }, .. } if *keys[0] == *"name"));
    let volume = release.struct_named("io.k8s.api.core.v1.Volume").unwrap();
    let directory = volume.field("emptyDir").unwrap();
    assert_eq!((&*directory.nested_in, directory.tag), (&[2][..], 2));
    let port = release.struct_named("io.k8s.api.core.v1.ContainerPort").unwrap();
    assert_eq!(port.field("protocol").unwrap().default, Some("TCP".into()));
    assert_eq!(port.field("hostPort").unwrap().shape, Shape::Scalar(Scalar::Int32));
    let selector = release.struct_named("io.k8s.api.core.v1.ServiceSpec").unwrap().field("selector").unwrap();
    assert!(matches!(selector.shape, Shape::Map { atomic: true, .. }));
    let volumes = spec.field("volumes").unwrap();
    assert!(volumes.patch.merge && volumes.patch.retain_keys);
}

#[test]
fn verbs_are_a_set() {
    let verbs = Verbs::of(&["watch", "get", "fly"]);
    assert!(verbs.contains("get") && !verbs.contains("list") && !verbs.contains("fly"));
    assert_eq!(verbs.iter().collect::<Vec<_>>(), ["get", "watch"]);
    assert_eq!(Verbs::ALL.iter().count(), 8);
}

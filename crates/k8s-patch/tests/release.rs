//! Every kind of the oldest and the newest release: its empty object fits its schema and owns nothing by itself.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use k8s_patch::managed::zero_object;
use k8s_patch::typed::Schema;
use k8s_types::release::Release;

#[test]
fn the_empty_object_of_every_kind_fits_its_schema() {
    for minor in [Release::minors().next().unwrap(), Release::minors().next_back().unwrap()] {
        let release = Release::load(minor).unwrap();
        let mut kinds = 0;
        for (kind, root) in release.kinds() {
            let schema = Schema { types: release.types(), root };
            let zero = zero_object(&schema);
            assert_eq!(schema.check(&zero, false), Ok(()), "{kind:?} in 1.{minor}");
            assert!(schema.compare(&zero, &zero).is_same(), "{kind:?} in 1.{minor}");
            kinds += 1;
        }
        assert!(kinds > 150, "{kinds} kinds in 1.{minor}");
    }
}

#[test]
fn a_deployment_always_shows_its_structs() {
    let release = Release::load(30).unwrap();
    let root = release.kind("apps", "v1", "Deployment").unwrap();
    let zero = zero_object(&Schema { types: release.types(), root });
    assert!(zero["spec"]["strategy"].is_object() && zero["status"].is_object());
    assert!(zero["spec"]["template"]["spec"].as_object().unwrap().contains_key("containers"));
}

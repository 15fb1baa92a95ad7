//! Properties of merging, defaults and paths.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0i64..9).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]", inner, 0..3).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn objects() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("[a-c]", json_values(), 0..3).prop_map(|m| m.into_iter().collect())
}

/// Whether a null is somewhere where a merge would have taken it for a removal.
fn has_null(map: &Map<String, Value>) -> bool {
    map.values().any(|v| v.is_null() || v.as_object().is_some_and(has_null))
}

proptest! {
    #[test]
    fn a_patch_applied_twice_is_applied_once(base in objects(), patch in objects()) {
        let mut once = Document(base);
        once.merge(patch.clone());
        let mut twice = once.clone();
        twice.merge(patch);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_patch_over_nothing_leaves_no_null(patch in objects()) {
        let mut document = Document::default();
        document.merge(patch);
        prop_assert!(!has_null(&document.0));
    }
}

#[test]
fn filling_defaults_twice_is_filling_them_once() {
    let mut document = Document::flags_only();
    let once = document.clone();
    document.fill_defaults();
    assert_eq!(document, once);
}

#[test]
fn merging_follows_rfc_7386() {
    let mut document = Document(json!({"a": {"b": 1, "c": [1, 2]}, "d": 1}).as_object().unwrap().clone());
    document.merge(
        json!({"a": {"b": null, "c": [3], "e": {"f": null, "g": 1}}, "d": {"h": 1}}).as_object().unwrap().clone(),
    );
    assert_eq!(Value::Object(document.0), json!({"a": {"c": [3], "e": {"g": 1}}, "d": {"h": 1}}));
}

#[rstest]
#[case("/a/./b//c/", "/a/b/c")]
#[case("/a/../b", "/b")]
#[case("/../a", "/a")]
#[case("a/b", "a/b")]
fn paths_are_cleaned(#[case] path: &str, #[case] cleaned: &str) {
    assert_eq!(clean(Path::new(path)), Path::new(cleaned));
}

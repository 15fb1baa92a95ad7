//! Expectations against values: each rule of the matcher, by what it finds different.

use rstest::rstest;
use serde_json::json;

use super::*;

fn tree(text: &str) -> Tree {
    serde_saphyr::from_str(text).unwrap()
}

fn said(expected: &str, actual: Value) -> String {
    let found = differences(&tree(expected), Some(&actual));
    found.iter().map(|d| format!("{}: {} / {}", d.path, d.expected, d.actual)).collect::<Vec<_>>().join("; ")
}

#[rstest]
#[case::subset("{a: 1}", json!({"a": 1, "b": 2}), "")]
#[case::nested("{a: {b: x}}", json!({"a": {"b": "y"}}), "a.b: \"x\" / \"y\"")]
#[case::missing("{a: {b: x}}", json!({"a": {}}), "a.b: \"x\" / (not there)")]
#[case::null_fits_absent("{items: null}", json!({}), "")]
#[case::null_is_not_empty("{items: null}", json!({"items": []}), "items: null / []")]
#[case::default_fits_absent("{privileged: false, n: 0, s: ''}", json!({}), "")]
#[case::default_is_not_another("{privileged: false}", json!({"privileged": true}), "privileged: false / true")]
#[case::number_as_text("{timeout: 30}", json!({"timeout": "30"}), "")]
#[case::text_is_no_number("{v: '30'}", json!({"v": 30}), "v: \"30\" / 30")]
#[case::scalars_in_order("{args: [a, b]}", json!({"args": ["b", "a"]}), "args[0]: \"a\" / \"b\"; args[1]: \"b\" / \"a\"")]
#[case::scalars_all("{args: [a]}", json!({"args": ["a", "b"]}), "args: [\"a\"] / [\"a\",\"b\"]")]
#[case::by_name("{c: [{name: web, ready: true}]}", json!({"c": [{"name": "log"}, {"name": "web", "ready": true}]}), "")]
#[case::by_name_differs("{c: [{name: web, ready: true}]}", json!({"c": [{"name": "web", "ready": false}]}), "c[web].ready: true / false")]
#[case::by_name_missing("{c: [{name: web}]}", json!({"c": [{"name": "log"}]}), "c[web]: {\"name\":\"web\"} / none with this name; there are: log")]
#[case::by_type("{c: [{type: Ready, status: 'True'}]}", json!({"c": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}]}), "")]
#[case::empty_list_fits_absent("{c: []}", json!({}), "")]
#[case::key_with_dots("{a: {x.io/y: 1}}", json!({"a": {"x.io/y": 2}}), "a[\"x.io/y\"]: 1 / 2")]
#[case::wrong_kind("{a: {b: 1}}", json!({"a": [1]}), "a: {\"b\":1} / [1]")]
fn subsets(#[case] expected: &str, #[case] actual: Value, #[case] differences: &str) {
    assert_eq!(said(expected, actual), differences);
}

#[rstest]
#[case("$absent: true", json!(null), true)]
#[case("$absent: true", json!(1), false)]
#[case("$absent: false", json!(1), true)]
#[case("$any: true", json!(""), true)]
#[case("$any: true", json!(null), false)]
#[case("$exactly: {a: 1}", json!({"a": 1}), true)]
#[case("$exactly: {a: 1}", json!({"a": 1, "b": 1}), false)]
#[case("$contains: back", json!("the back-off"), true)]
#[case("$contains: {name: a}", json!([{"name": "b"}, {"name": "a", "x": 1}]), true)]
#[case("$contains: {name: c}", json!([{"name": "b"}]), false)]
#[case("$starts-with: 127.", json!("127.0.0.1"), true)]
#[case("$starts-with: 10.", json!("127.0.0.1"), false)]
#[case("$ends-with: .1", json!("127.0.0.1"), true)]
#[case("$length: 2", json!([1, 2]), true)]
#[case("$length: 0", json!(null), true)]
#[case("$length: {$at-least: 3}", json!([1, 2]), false)]
#[case("$not: 0", json!(1), true)]
#[case("$not: {a: 1}", json!({"a": 1, "b": 2}), false)]
#[case("$one-of: [Running, Pending]", json!("Pending"), true)]
#[case("$one-of: [Running, Pending]", json!("Failed"), false)]
#[case("{$at-least: 1, $at-most: 3}", json!("2"), true)]
#[case("{$at-least: 1, $at-most: 3}", json!(4), false)]
#[case("$at-least: 1", json!("many"), false)]
fn questions(#[case] expected: &str, #[case] actual: Value, #[case] holds: bool) {
    assert_eq!(fits(&tree(expected), Some(&actual)), holds, "{expected} of {actual}");
}

#[test]
fn a_difference_knows_its_line() {
    let expected = tree("a: 1\nb:\n  c:\n    - name: x\n      d: 2\n");
    let found = differences(&expected, Some(&json!({"a": 1, "b": {"c": [{"name": "x", "d": 3}]}})));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].place.line, found[0].place.column, found[0].path.as_str()), (5, 10, "b.c[x].d"));
}

#[test]
fn unknown_questions_are_refused() {
    let complaint = check_operators(&tree("a: [{$absnt: true}]")).unwrap_err();
    assert_eq!(complaint.title, "unknown question `$absnt`");
    assert_eq!(complaint.help.as_deref(), Some("did you mean `$absent`?"));
    assert!(check_operators(&tree("{$one-of: [{$length: 1}]}")).is_ok());
}

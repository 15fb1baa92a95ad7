//! Go's printing, against recorded bodies of the real kubelet and tables of single values.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

#[rstest]
#[case("a<b>&c", r#""a\u003cb\u003e\u0026c""#)]
#[case("\u{2028}\u{2029}", r#""\u2028\u2029""#)]
#[case("\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}é", "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}é\"")]
fn strings_are_escaped_as_in_go(#[case] text: &str, #[case] want: &str) {
    assert_eq!(quoted(text), want);
}

#[rstest]
#[case("é 'b'", "\"é 'b'\"")]
#[case("a\"\\\t\x01\u{a0}\u{200b}", r#""a\"\\\t\x01\u00a0\u200b""#)]
fn messages_quote_as_in_go(#[case] text: &str, #[case] want: &str) {
    assert_eq!(go_quoted(text), want);
}

#[rstest]
#[case(json!(1000.0), "1000")]
#[case(json!(0.5), "0.5")]
#[case(json!(1e21), "1e+21")]
#[case(json!(1.5e-7), "1.5e-7")]
#[case(json!(0.0), "0")]
#[case(json!(-3), "-3")]
fn numbers_print_as_in_go(#[case] value: serde_json::Value, #[case] want: &str) {
    assert_eq!(plain(&value), want);
}

#[test]
fn an_empty_pod_prints_its_structs() {
    assert_eq!(pod(&Pod::default()), r#"{"metadata":{},"spec":{"containers":null},"status":{}}"#);
}

/// The format of an amount that was reported is not to be told from its text.
#[test]
fn reported_amounts_are_printed_as_they_are() {
    let given = json!({"spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "100000000"}}}]},
        "status": {"containerStatuses": [{"name": "c", "ready": true, "restartCount": 0, "image": "", "imageID": "",
            "resources": {"limits": {"memory": "100000000"}}}]}});
    let printed = pod(&serde_json::from_value(given).unwrap());
    assert!(printed.contains(r#"{"name":"c","resources":{"limits":{"memory":"100M"}}}"#), "{printed}");
    assert!(printed.contains(r#""resources":{"limits":{"memory":"100000000"}}}]"#), "{printed}");
}

proptest! {
    #[test]
    fn quoted_text_reads_back(text in "\\PC*|[\\x00-\\x7f]*") {
        let read: String = serde_json::from_str(&quoted(&text)).expect("JSON");
        prop_assert_eq!(&read, &text);
        let escaped = quoted(&text);
        let raw = escaped.contains(['<', '>', '&', '\u{2028}']);
        prop_assert!(!raw, "unescaped: {}", escaped);
    }
}

#[test]
fn recorded_bodies_come_out_as_they_went_in() {
    let mut checked = 0;
    for body in include_str!("../../../tests/fixtures/gojson/pods.jsonl").lines() {
        let read: Pod = serde_json::from_str(body).expect(body);
        assert_eq!(pod(&read), body);
        checked += 1;
    }
    assert_eq!(checked, 73, "recorded pods");
}

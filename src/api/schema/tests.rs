//! Random objects drawn from the table itself: whatever it allows can be decoded, checked and printed, and printing settles.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::api::{decode, gojson, identity, static_pod};

/// A small generator; proptest gives the seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn text(&mut self) -> Value {
        json!(self.pick(&[
            "",
            "a",
            "Always",
            "x-1",
            "A b",
            "../é<&>\u{2028}",
            "metadata.labels['x']",
            "1.2.3.4",
            "Localhost"
        ]))
    }

    fn number(&mut self) -> Value {
        json!(self.pick(&[0i64, 1, -1, 80, 300, 65_536, 2_147_483_647]))
    }

    fn object(&mut self, of: &'static Type, share: usize) -> Value {
        let mut map = Map::new();
        for field in of.fields {
            if self.below(100) < share {
                map.insert(field.name.to_owned(), self.value(&field.shape, share));
            }
        }
        Value::Object(map)
    }

    fn list(&mut self, mut each: impl FnMut(&mut Self) -> Value) -> Value {
        let count = self.below(3);
        Value::Array((0..count).map(|_| each(self)).collect())
    }

    fn value(&mut self, shape: &Shape, share: usize) -> Value {
        match shape {
            Shape::Str(_) => self.text(),
            Shape::Bool => json!(self.below(2) == 0),
            Shape::Int32 | Shape::Int64 => self.number(),
            Shape::Quantity => json!(self.pick(&["0", "1", "1500m", "-2", "0.12345", "1.5Gi", "1e3"])),
            Shape::Time => json!(self.pick(&["2026-01-01T00:00:00Z", "2026-01-01T01:30:00.5+01:00"])),
            Shape::IntOrString => self.pick(&[json!(80), json!("http"), json!(0), json!("")]),
            Shape::Raw => json!({"f:a": {}}),
            Shape::Struct(of) => self.object(of, share),
            Shape::Structs(of) => self.list(|draw| draw.object(of, share)),
            Shape::Strs(_) => self.list(Self::text),
            Shape::Int64s | Shape::Int32s => self.list(Self::number),
            Shape::StrMap => {
                let value = self.text();
                json!({"k": value, "A b": "x"})
            }
            Shape::Resources | Shape::Reported => {
                let name = self.pick(&["cpu", "memory", "hugepages-2Mi", "a.b/c", "foo"]);
                let value = self.value(&Shape::Quantity, share);
                let mut map = Map::new();
                map.insert(name.to_owned(), value);
                Value::Object(map)
            }
        }
    }
}

fn read(mut object: Value) -> k8s_openapi::api::core::v1::Pod {
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("Pod");
    let text = object.to_string();
    decode::manifest(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_table_allows_is_read_and_printing_settles(seed in 1u64.., share in 5usize..60) {
        let pod = read(Draw(seed).object(&POD, share));
        let printed = gojson::pod(&pod);
        let again = read(serde_json::from_str(&printed).expect("JSON"));
        prop_assert_eq!(&gojson::pod(&again), &printed);
        // Whatever is wrong with it is said, not thrown.
        let _ = static_pod::accept(pod, identity::Source::File("f"), "n");
    }
}

#[test]
fn names_are_unique_in_a_type() {
    fn visit(of: &'static Type, seen: &mut BTreeSet<&'static str>) {
        if !seen.insert(of.name) {
            return;
        }
        let names: BTreeSet<&str> = of.fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), of.fields.len(), "{}", of.name);
        for field in of.fields {
            if let Shape::Struct(inner) | Shape::Structs(inner) = field.shape {
                visit(inner, seen);
            }
        }
    }
    let mut seen = BTreeSet::new();
    visit(&POD_LIST, &mut seen);
    assert!(seen.len() > 120, "{}", seen.len());
}

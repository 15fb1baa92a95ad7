//! Merging a patch into a value: null removes, mappings merge, lists of named things merge by name, all else is replaced.

use serde_json::{Map, Value};

/// Merges `patch` into `target`.
pub fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(entries) => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            let Value::Object(object) = target else { return };
            for (key, value) in entries {
                if value.is_null() {
                    object.shift_remove(key);
                } else {
                    merge(object.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(|item| name(item).is_some()) => match target {
            Value::Array(values) if values.iter().all(|value| name(value).is_some()) => {
                for item in items {
                    match values.iter_mut().find(|value| name(value) == name(item)) {
                        Some(value) => merge(value, item),
                        None => values.push(item.clone()),
                    }
                }
            }
            _ => *target = patch.clone(),
        },
        _ => *target = patch.clone(),
    }
}

fn name(value: &Value) -> Option<&str> {
    value.get("name").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::mappings(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 3}}), json!({"a": {"b": 3, "c": 2}}))]
    #[case::null_removes(json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2}))]
    #[case::by_name(json!([{"name": "web", "image": "a", "x": 1}]), json!([{"name": "web", "image": "b"}, {"name": "log"}]),
        json!([{"name": "web", "image": "b", "x": 1}, {"name": "log"}]))]
    #[case::other_lists(json!({"args": ["a", "b"]}), json!({"args": ["c"]}), json!({"args": ["c"]}))]
    #[case::scalar_to_mapping(json!({"a": 1}), json!({"a": {"b": null, "c": 1}}), json!({"a": {"c": 1}}))]
    fn merges(#[case] mut target: Value, #[case] patch: Value, #[case] merged: Value) {
        merge(&mut target, &patch);
        assert_eq!(target, merged);
    }
}

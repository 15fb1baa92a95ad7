//! Takes out of a document what no two runs share: ids, times, addresses, random names. What was equal before is equal afterwards.

use std::collections::BTreeMap;

use serde_json::Value;

/// Names given to ids, in order of appearance.
#[derive(Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    fn name(&mut self, kind: &str, id: &str) -> String {
        let next = self.0.values().filter(|n| n.starts_with(kind)).count() + 1;
        self.0.entry(id.to_owned()).or_insert_with(|| format!("{kind}-{next}")).clone()
    }

    /// The document without what differs from run to run.
    pub fn normal(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(map) => map.iter().map(|(key, v)| (key.clone(), self.normal(v))).collect(),
            Value::Array(list) => Value::Array(list.iter().map(|v| self.normal(v)).collect()),
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            match run.len() {
                64 => out.push_str(&self.name("ID", run)),
                32 => out.push_str(&self.name("UID", run)),
                // The name of a pod's control group runs into its UID.
                33 if out.ends_with("po") => out.push_str(&format!("d{}", self.name("UID", &run[1..]))),
                8 if out.contains("/containers/") && after.is_empty() => out.push_str("LOG"),
                _ => out.push_str(run),
            }
            let skip = after.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(after.len());
            out.push_str(&after[..skip]);
            rest = &after[skip..];
        }
        if is_time(text) {
            return "TIME".to_owned();
        }
        if text.parse::<std::net::Ipv4Addr>().is_ok() {
            return "ADDRESS".to_owned();
        }
        out
    }
}

fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T'
}

//! Names of things of a node that lies below a folder of the host, as a scenario knows them: without the folder. So one file reads the
//! same where a node has a host for itself and where it does not.

use serde_json::Value;

use super::{Call, What};

/// What is taken off the front of names.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<String>);

impl Places {
    pub(super) fn new(prefixes: &[String]) -> Self {
        Self(prefixes.to_vec())
    }

    /// A text as a scenario knows it.
    pub(super) fn text(&self, text: String) -> String {
        let known = |text: String, prefix: &String| {
            if text.contains(prefix.as_str()) { text.replace(prefix.as_str(), "") } else { text }
        };
        self.0.iter().fold(text, known)
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text.clone())),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(item)).collect()),
            Value::Object(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), self.value(value))).collect())
            }
            scalar => scalar.clone(),
        }
    }

    /// Something that happened, as a scenario knows it.
    pub(super) fn what(&self, what: What) -> What {
        match what {
            What::Event(mut event) => {
                event.message = self.text(event.message);
                What::Event(event)
            }
            What::Log(line) => What::Log(self.text(line)),
            What::Pod(pod) => What::Pod(self.value(&pod).into()),
            What::Call(call) => What::Call(Call {
                request: self.value(&call.request).into(),
                response: call.response.map(|response| self.value(&response).into()),
                error: call.error.map(|error| self.text(error)),
                ..call
            }),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn folders_are_taken_off_wherever_they_stand() {
        let places = Places::new(&["/tmp/x".to_owned(), "/x/kubepods".to_owned()]);
        let pod = json!({"spec": {"volumes": [{"hostPath": {"path": "/tmp/x/data"}}]}, "n": 1});
        let What::Pod(pod) = places.what(What::Pod(pod.into())) else { panic!("a pod became something else") };
        assert_eq!(*pod, json!({"spec": {"volumes": [{"hostPath": {"path": "/data"}}]}, "n": 1}));
        assert_eq!(places.text("open /tmp/x/a and /tmp/y/a".to_owned()), "open /a and /tmp/y/a");
    }
}

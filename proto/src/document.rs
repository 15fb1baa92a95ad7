//! A message that becomes JSON when somebody looks at it: records of calls hold thousands, and hardly any is ever looked at.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use prost_reflect::ReflectMessage;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::to_json;

type Render = Box<dyn FnOnce() -> Value + Send>;

/// Protobuf JSON, rendered at the first look. Clones share it.
#[derive(Clone)]
pub struct Document(Arc<Inner>);

struct Inner {
    json: OnceLock<Value>,
    render: Mutex<Option<Render>>,
}

impl Document {
    /// A message, rendered later.
    pub fn of<M: ReflectMessage + 'static>(message: M) -> Self {
        let render: Render = Box::new(move || to_json(&message));
        Self(Arc::new(Inner { json: OnceLock::new(), render: Mutex::new(Some(render)) }))
    }

    /// The JSON.
    pub fn json(&self) -> &Value {
        self.0.json.get_or_init(|| {
            let render = self.0.render.lock().unwrap_or_else(PoisonError::into_inner).take();
            render.map_or(Value::Null, |render| render())
        })
    }
}

impl From<Value> for Document {
    fn from(json: Value) -> Self {
        Self(Arc::new(Inner { json: json.into(), render: Mutex::default() }))
    }
}

impl Deref for Document {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.json()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.json().fmt(f)
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.json() == other.json()
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    #[test]
    fn a_message_is_rendered_when_it_is_looked_at() {
        let document = Document::of(v1::StopContainerRequest { container_id: "c".to_owned(), timeout: 2 });
        assert!(document.0.json.get().is_none(), "not yet");
        let clone = document.clone();
        assert_eq!(clone["timeout"], "2");
        assert!(document.0.json.get().is_some(), "once for all");
        assert_eq!(document, Document::from(serde_json::json!({"container_id": "c", "timeout": "2"})));
    }
}

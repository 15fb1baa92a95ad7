//! Annotations of a container: what a later kubelet needs to adopt or kill it. Pure. As upstream's labels.go.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, ContainerPort, HTTPGetAction, LifecycleHandler, Pod},
    apimachinery::pkg::util::intstr::IntOrString,
};
use serde_json::{Map, Value};

use crate::api::{hash::container_hash_text, labels, pod as api_pod};

/// All annotations of a container. The pod's own are not among them.
pub fn annotations(pod: &Pod, container: &Container, restart_count: i32) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut put = |key: &str, value: String| {
        all.insert(key.to_owned(), value);
    };
    put(labels::CONTAINER_HASH, container_hash_text(&container.name, container.image.as_deref().unwrap_or_default()));
    put(labels::CONTAINER_RESTART_COUNT, restart_count.to_string());
    put(labels::CONTAINER_TERMINATION_MESSAGE_PATH, container.termination_message_path.clone().unwrap_or_default());
    put(labels::CONTAINER_TERMINATION_MESSAGE_POLICY, container.termination_message_policy.clone().unwrap_or_default());
    if let Some(seconds) = pod.metadata.deletion_grace_period_seconds {
        put(labels::POD_DELETION_GRACE_PERIOD, seconds.to_string());
    }
    if let Some(seconds) = api_pod::spec(pod).termination_grace_period_seconds {
        put(labels::POD_TERMINATION_GRACE_PERIOD, seconds.to_string());
    }
    if let Some(handler) = container.lifecycle.as_ref().and_then(|l| l.pre_stop.as_ref()) {
        put(labels::CONTAINER_PRE_STOP_HANDLER, go_text(&handler_json(handler)));
    }
    if let Some(ports) = container.ports.as_ref().filter(|p| !p.is_empty()) {
        put(labels::CONTAINER_PORTS, go_text(&Value::Array(ports.iter().map(port_json).collect())));
    }
    all
}

/// JSON as Go prints it: compact, with `<`, `>` and `&` escaped.
fn go_text(value: &Value) -> String {
    // None of the three can stand outside a JSON string.
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// An object in Go's field order, without what is empty.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn text(&mut self, key: &str, value: Option<&String>) -> &mut Self {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            self.0.insert(key.to_owned(), Value::String(value.clone()));
        }
        self
    }

    fn number(&mut self, key: &str, value: i32) -> &mut Self {
        if value != 0 {
            self.0.insert(key.to_owned(), value.into());
        }
        self
    }

    fn put(&mut self, key: &str, value: Value) -> &mut Self {
        self.0.insert(key.to_owned(), value);
        self
    }

    fn done(self) -> Value {
        Value::Object(self.0)
    }
}

fn port_json(port: &ContainerPort) -> Value {
    let mut object = Object::default();
    object.text("name", port.name.as_ref());
    object.number("hostPort", port.host_port.unwrap_or(0));
    object.put("containerPort", port.container_port.into());
    object.text("protocol", port.protocol.as_ref());
    object.text("hostIP", port.host_ip.as_ref());
    object.done()
}

fn int_or_string(value: &IntOrString) -> Value {
    match value {
        IntOrString::Int(number) => (*number).into(),
        IntOrString::String(text) => text.clone().into(),
    }
}

fn http_json(get: &HTTPGetAction) -> Value {
    let mut object = Object::default();
    object.text("path", get.path.as_ref());
    object.put("port", int_or_string(&get.port));
    object.text("host", get.host.as_ref());
    object.text("scheme", get.scheme.as_ref());
    if let Some(headers) = get.http_headers.as_ref().filter(|h| !h.is_empty()) {
        let headers = headers.iter().map(|h| serde_json::json!({"name": h.name, "value": h.value})).collect();
        object.put("httpHeaders", Value::Array(headers));
    }
    object.done()
}

fn handler_json(handler: &LifecycleHandler) -> Value {
    let mut object = Object::default();
    if let Some(exec) = &handler.exec {
        let mut inner = Object::default();
        if let Some(command) = exec.command.as_ref().filter(|c| !c.is_empty()) {
            inner.put("command", serde_json::json!(command));
        }
        object.put("exec", inner.done());
    }
    if let Some(get) = &handler.http_get {
        object.put("httpGet", http_json(get));
    }
    if let Some(tcp) = &handler.tcp_socket {
        let mut inner = Object::default();
        inner.put("port", int_or_string(&tcp.port));
        inner.text("host", tcp.host.as_ref());
        object.put("tcpSocket", inner.done());
    }
    if let Some(sleep) = &handler.sleep {
        object.put("sleep", serde_json::json!({"seconds": sleep.seconds}));
    }
    object.done()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(serde_json::json!({"exec": {"command": ["sh", "-c", "a && b > c"]}}), r#"{"exec":{"command":["sh","-c","a \u0026\u0026 b \u003e c"]}}"#)]
    #[case(serde_json::json!({"sleep": {"seconds": 1}}), r#"{"sleep":{"seconds":1}}"#)]
    #[case(
        serde_json::json!({"httpGet": {"host": "h", "scheme": "HTTP", "port": 80, "path": "/x", "httpHeaders": [{"name": "a", "value": "b"}]}}),
        r#"{"httpGet":{"path":"/x","port":80,"host":"h","scheme":"HTTP","httpHeaders":[{"name":"a","value":"b"}]}}"#
    )]
    fn pre_stop_is_in_gos_order(#[case] handler: Value, #[case] text: &str) {
        let handler: LifecycleHandler = serde_json::from_value(handler).unwrap();
        assert_eq!(go_text(&handler_json(&handler)), text);
    }
}

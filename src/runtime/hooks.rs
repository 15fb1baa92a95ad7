//! Lifecycle hooks: exec, httpGet and sleep, run once. Not when they run, and not what follows from their failure.
//!
//! As kubelet 1.36: an exec has no time limit, the code of an HTTP answer does not matter, tcpSocket always fails.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction, LifecycleHandler},
    apimachinery::pkg::util::intstr::IntOrString,
};
use world::{Net, net::Address};

use crate::cri::CriClient;

/// One hook of one container, with all that it needs to run by itself.
#[derive(Clone, Debug)]
pub struct Hook {
    /// What to do.
    pub handler: LifecycleHandler,
    /// Where.
    pub container_id: String,
    /// Its name and ports.
    pub container: Container,
    /// `<name>_<namespace>(<uid>)`.
    pub pod: String,
    /// The pod's address, for HTTP hooks that name no host.
    pub pod_ip: Option<String>,
}

/// Runs a hook to its end. The error is the text of the container's waiting state.
pub async fn run(cri: &CriClient, net: &Net, hook: &Hook) -> Result<(), String> {
    let (container, pod) = (&hook.container.name, &hook.pod);
    if let Some(exec) = &hook.handler.exec {
        let command = exec.command.clone().unwrap_or_default();
        let failed = |error: String, output: String| {
            format!(
                "Exec lifecycle hook ([{}]) for Container {container:?} in Pod {pod:?} failed - error: {error}, message: {output:?}",
                command.join(" ")
            )
        };
        return match cri.exec_sync(&hook.container_id, &command, None).await {
            Ok(output) if output.code == 0 => Ok(()),
            Ok(output) => {
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                let both = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr;
                Err(failed(format!("command '{}' exited with {}: {stderr}", command.join(" "), output.code), both))
            }
            Err(error) => Err(failed(error.to_string(), String::new())),
        };
    }
    if let Some(get) = &hook.handler.http_get {
        return http_get(net, hook, get).await.map_err(|error| {
            format!(
                "HTTP lifecycle hook ({}) for Container {container:?} in Pod {pod:?} failed - error: {error}",
                get.path.as_deref().unwrap_or_default()
            )
        });
    }
    if let Some(sleep) = &hook.handler.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))).await;
        return Ok(());
    }
    Err("Cannot run handler: invalid handler: not one of exec, httpGet, sleep".to_owned())
}

/// The number of a port that is given by number, or by the name of one of the container's ports.
pub fn resolve_port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(text) => text.parse().ok().or_else(|| {
            let named = container.ports.iter().flatten().find(|p| p.name.as_deref() == Some(text));
            named.map(|p| p.container_port)
        }),
    };
    number.and_then(|n| u16::try_from(n).ok()).filter(|&n| n > 0).ok_or_else(|| match port {
        IntOrString::Int(number) => format!("invalid port number: {number}"),
        IntOrString::String(name) => format!("couldn't find port: {name:?} in container {:?}", container.name),
    })
}

async fn http_get(net: &Net, hook: &Hook, get: &HTTPGetAction) -> Result<(), String> {
    let host = match get.host.as_deref().filter(|h| !h.is_empty()) {
        Some(host) => host.to_owned(),
        None => hook
            .pod_ip
            .clone()
            .filter(|ip| !ip.is_empty())
            .ok_or_else(|| format!("failed to find networking container: pod {} has no address", hook.pod))?,
    };
    let port = resolve_port(&get.port, &hook.container)?;
    if get.scheme.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("https")) {
        return Err("HTTPS hooks are not supported".to_owned());
    }
    let path = get.path.as_deref().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let authority = Address::tcp(host.clone(), port).to_string();
    let mut request = http::Request::get(path).header("Host", &authority).header("User-Agent", "kube-lifecycle/1.36");
    for header in get.http_headers.iter().flatten() {
        if header.name.eq_ignore_ascii_case("host") {
            if let Some(headers) = request.headers_mut() {
                headers.remove("Host");
            }
            request = request.header("Host", &header.value);
        } else {
            request = request.header(&header.name, &header.value);
        }
    }
    let request = request
        .header("Accept", "*/*")
        .header("Connection", "close")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|e| e.to_string())?;
    let dial = net.dial(&Address::tcp(host, port)).await;
    let conn = dial
        .map_err(|e| crate::cri::status::DialError::new(format!("tcp {authority}"), &e))
        .map_err(|e| format!("Get \"http://{authority}/\": dial {}: {}", e.target, e.why))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(conn)).await.map_err(|e| e.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        // The answer's code is nobody's business; its end is waited for so that the server is not cut off.
        let _ = response.into_body().collect().await;
        Ok(())
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        outcome = &mut exchange => outcome,
        closed = &mut connection => match closed {
            Ok(()) => exchange.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(IntOrString::Int(80), Ok(80))]
    #[case(IntOrString::String("81".into()), Ok(81))]
    #[case(IntOrString::String("web".into()), Ok(8080))]
    #[case(IntOrString::String("none".into()), Err("couldn't find port: \"none\" in container \"c\""))]
    #[case(IntOrString::Int(0), Err("invalid port number: 0"))]
    fn ports(#[case] port: IntOrString, #[case] number: Result<u16, &str>) {
        let container: Container =
            serde_json::from_value(serde_json::json!({"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}))
                .unwrap();
        assert_eq!(resolve_port(&port, &container), number.map_err(str::to_owned));
    }
}

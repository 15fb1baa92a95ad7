//! Lifecycle hooks: exec, httpGet and sleep, run once. Not when they run, and not what follows from their failure.
//!
//! As kubelet 1.36: an exec has no time limit, the code of an HTTP answer does not matter, tcpSocket always fails.

use std::time::Duration;

use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction, LifecycleHandler},
    apimachinery::pkg::util::intstr::IntOrString,
};
use world::Net;

use crate::{
    cri::CriClient,
    httpget::{Get, GetError, PLAIN_ANSWER, Redirects, Trust, Url},
};

/// A hook has no time limit of its own; clocks want a number.
const NO_TIMEOUT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Bytes of an answer that are read before it is left.
const BODY: usize = 10 << 10;

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

/// A hook succeeded, though not over TLS as it was meant to: its server speaks plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Host and port of the server.
    pub host: String,
}

impl Fallback {
    /// The message of the event `LifecycleHTTPFallback`.
    pub fn message(&self) -> String {
        format!("request to HTTPS lifecycle hook {} got HTTP response, retry with HTTP succeeded", self.host)
    }
}

/// Runs a hook to its end. The error is the text of the container's waiting state.
pub async fn run(cri: &CriClient, net: &Net, hook: &Hook) -> Result<Option<Fallback>, String> {
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
            Ok(output) if output.code == 0 => Ok(None),
            Ok(output) => {
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                let both = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr;
                Err(failed(format!("command '{}' exited with {}: {stderr}", command.join(" "), output.code), both))
            }
            Err(error) => Err(failed(error.to_string(), String::new())),
        };
    }
    if let Some(get) = &hook.handler.http_get {
        let asked = http_get(net, hook, get).await;
        return asked.map(|plain| plain.map(|host| Fallback { host })).map_err(|error| {
            format!(
                "HTTP lifecycle hook ({}) for Container {container:?} in Pod {pod:?} failed - error: {error}",
                get.path.as_deref().unwrap_or_default()
            )
        });
    }
    if let Some(sleep) = &hook.handler.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))).await;
        return Ok(None);
    }
    Err("Cannot run handler: invalid handler: not one of exec, httpGet, sleep".to_owned())
}

/// The number of a port that is given by number, or by the name of one of the container's ports. A name that is none of theirs may be a
/// number in quotes; that it is not is all that upstream says then.
pub fn resolve_port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => i64::from(*number),
        IntOrString::String(text) => {
            let named = container.ports.iter().flatten().find(|p| p.name.as_deref() == Some(text));
            match named {
                Some(port) => i64::from(port.container_port),
                None => text.parse().map_err(|_| format!("strconv.Atoi: parsing {text:?}: invalid syntax"))?,
            }
        }
    };
    let valid = u16::try_from(number).ok().filter(|&number| number > 0);
    valid.ok_or_else(|| format!("invalid port number: {number}"))
}

/// Asks once; the answer's code is nobody's business. An HTTPS server that answers in plain HTTP is asked again without TLS, and without
/// what is meant for TLS only; then its name comes back.
async fn http_get(net: &Net, hook: &Hook, get: &HTTPGetAction) -> Result<Option<String>, String> {
    let host = match get.host.as_deref().filter(|h| !h.is_empty()) {
        Some(host) => host.to_owned(),
        None => hook
            .pod_ip
            .clone()
            .filter(|ip| !ip.is_empty())
            .ok_or_else(|| format!("failed to find networking container: pod {} has no address", hook.pod))?,
    };
    let port = resolve_port(&get.port, &hook.container)?;
    let https = get.scheme.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("https"));
    let mut headers = vec![("User-Agent".to_owned(), "kube-lifecycle/1.36".to_owned())];
    for header in get.http_headers.iter().flatten() {
        if header.name.eq_ignore_ascii_case("user-agent") {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("user-agent"));
        }
        headers.push((header.name.clone(), header.value.clone()));
    }
    headers
        .extend([("Accept", "*/*"), ("Connection", "close")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    let request = Get {
        url: Url::new(https, &host, port, get.path.as_deref().unwrap_or_default()),
        headers,
        packed: true,
        trust: Trust::Anyone,
        redirects: Redirects::SameHost,
        timeout: NO_TIMEOUT,
        limit: BODY,
    };
    match request.clone().send(net).await {
        Err(GetError::Request(text)) if https && text.ends_with(PLAIN_ANSWER) => {
            let mut plain = request;
            plain.url.https = false;
            plain.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            let host = plain.url.authority();
            match plain.send(net).await {
                Ok(_) | Err(GetError::Body(_)) => Ok(Some(host)),
                // The first failure is the one to tell.
                Err(GetError::Request(_)) => Err(text),
            }
        }
        Ok(_) | Err(GetError::Body(_)) => Ok(None),
        Err(GetError::Request(text)) => Err(text),
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
    #[case(IntOrString::String("none".into()), Err("strconv.Atoi: parsing \"none\": invalid syntax"))]
    #[case(IntOrString::Int(0), Err("invalid port number: 0"))]
    fn ports(#[case] port: IntOrString, #[case] number: Result<u16, &str>) {
        let container: Container =
            serde_json::from_value(serde_json::json!({"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}))
                .unwrap();
        assert_eq!(resolve_port(&port, &container), number.map_err(str::to_owned));
    }
}

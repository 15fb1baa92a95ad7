//! The kinds of probes, each run once: exec, httpGet, tcpSocket, grpc. Not when, and not how often they must agree. Verdicts and texts as
//! kubelet 1.36.

use std::time::Duration;

use k8s_openapi::{
    api::core::v1::{Container, ExecAction, HTTPGetAction, Probe, TCPSocketAction},
    apimachinery::pkg::util::intstr::IntOrString,
};
use world::{Net, net::Address};

use crate::{
    api::{duration::GoDuration, expansion},
    cri::{CriClient, status::DialError},
    httpget::{Get, GetError, Redirects, Trust, Url},
    runtime::hooks::resolve_port,
};

mod grpc;

/// Bytes of output that are kept.
const OUTPUT: usize = 10 << 10;

/// What a probe said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Success,
    /// Well, with a remark.
    Warning(String),
    /// Not well, and why.
    Failure(String),
}

/// What is probed.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The container in the spec.
    pub container: &'a Container,
    /// The runtime's id of it.
    pub id: &'a str,
    /// The pod's address; empty is this node.
    pub pod_ip: &'a str,
    /// How long it may take.
    pub timeout: Duration,
}

/// Runs a probe once. An error is no verdict: the probe could not be carried out.
pub async fn run(net: &Net, cri: &CriClient, probe: &Probe, target: &Target<'_>) -> Result<Verdict, String> {
    if let Some(exec) = &probe.exec {
        return run_exec(cri, exec, target).await;
    }
    if let Some(get) = &probe.http_get {
        return run_http(net, get, target).await;
    }
    if let Some(socket) = &probe.tcp_socket {
        return run_tcp(net, socket, target).await;
    }
    if let Some(action) = &probe.grpc {
        let port = IntOrString::Int(action.port);
        let address = Address::tcp(target.pod_ip, resolve_port(&port, target.container)?);
        let service = action.service.clone().unwrap_or_default();
        return Ok(grpc::check(net, &address, service, target.timeout).await);
    }
    Err(format!("missing probe handler for {}", target.container.name))
}

async fn run_exec(cri: &CriClient, exec: &ExecAction, target: &Target<'_>) -> Result<Verdict, String> {
    let variables = target.container.env.iter().flatten();
    let variables: Vec<(&str, &str)> =
        variables.filter_map(|one| Some((one.name.as_str(), one.value.as_deref()?))).collect();
    let value = |name: &str| {
        let found = variables.iter().rev().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let command: Vec<String> = exec.command.iter().flatten().map(|word| expansion::expand(word, value)).collect();
    match cri.exec_sync(target.id, &command, Some(target.timeout)).await {
        Ok(output) if output.code == 0 => Ok(Verdict::Success),
        Ok(output) => {
            let mut text = output.stdout;
            text.extend_from_slice(&output.stderr);
            text.truncate(OUTPUT);
            Ok(Verdict::Failure(String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) if error.is_deadline_exceeded() => Ok(Verdict::Failure(format!(
            "command timed out: {:?} timed out after {}",
            command.join(" "),
            GoDuration::from_std(target.timeout)
        ))),
        Err(error) => Err(error.to_string()),
    }
}

async fn run_http(net: &Net, get: &HTTPGetAction, target: &Target<'_>) -> Result<Verdict, String> {
    let port = resolve_port(&get.port, target.container)?;
    let host = get.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(target.pod_ip);
    let https = get.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let given = get.http_headers.iter().flatten().map(|header| (header.name.clone(), header.value.clone()));
    let request = Get {
        url: Url::new(https, host, port, get.path.as_deref().unwrap_or_default()),
        headers: headers(given.collect()),
        packed: false,
        trust: Trust::Anyone,
        redirects: Redirects::SameHost,
        timeout: target.timeout,
        limit: OUTPUT,
    };
    let answer = match request.send(net).await {
        Ok(answer) => answer,
        Err(GetError::Request(text)) => return Ok(Verdict::Failure(text)),
        Err(GetError::Body(text)) => return Err(text),
    };
    Ok(match answer.status.as_u16() {
        200..300 => Verdict::Success,
        300..400 => Verdict::Warning(format!(
            "Probe terminated redirects, Response body: {}",
            String::from_utf8_lossy(&answer.body)
        )),
        code => Verdict::Failure(format!("HTTP probe failed with statuscode: {code}")),
    })
}

/// The headers of an HTTP probe: those given, and upstream's own where none of that name is given. An empty `Accept` or `User-Agent`
/// leaves the header out.
fn headers(mut given: Vec<(String, String)>) -> Vec<(String, String)> {
    for (own, value) in [("Accept", "*/*"), ("User-Agent", "kube-probe/1.36")] {
        match given.iter().find(|(name, _)| name.eq_ignore_ascii_case(own)).map(|(_, value)| value.is_empty()) {
            None => given.insert(0, (own.to_owned(), value.to_owned())),
            Some(true) => given.retain(|(name, _)| !name.eq_ignore_ascii_case(own)),
            Some(false) => {}
        }
    }
    given.push(("Connection".to_owned(), "close".to_owned()));
    given
}

async fn run_tcp(net: &Net, socket: &TCPSocketAction, target: &Target<'_>) -> Result<Verdict, String> {
    let port = resolve_port(&socket.port, target.container)?;
    let host = socket.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(target.pod_ip);
    let address = Address::tcp(host, port);
    let dialled = match tokio::time::timeout(target.timeout, net.dial(&address)).await {
        Ok(dialled) => dialled,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    };
    Ok(match dialled {
        Ok(_) => Verdict::Success,
        Err(error) => {
            let error = DialError::new(format!("tcp {address}"), &error);
            Verdict::Failure(format!("dial {}: {}", error.target, error.why))
        }
    })
}

#[cfg(test)]
mod tests;

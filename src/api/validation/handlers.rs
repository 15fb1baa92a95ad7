//! Probes and lifecycle hooks: exactly one handler each, and the numbers around it.

use k8s_openapi::api::core::v1::{
    ExecAction, GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, SleepAction, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Errors, FieldError, invalid_each, invalid_number, names, not_negative, one_of, require, text};

/// Which probe a container has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeKind {
    Liveness,
    Readiness,
    Startup,
}

/// A probe's or a hook's handlers; at most one may be there.
#[derive(Default)]
struct Handlers<'a> {
    exec: Option<&'a ExecAction>,
    http_get: Option<&'a HTTPGetAction>,
    tcp_socket: Option<&'a TCPSocketAction>,
    grpc: Option<&'a GRPCAction>,
    sleep: Option<&'a SleepAction>,
}

/// Checks one probe.
pub(super) fn probe(out: &mut Errors, path: &str, probe: &Probe, kind: ProbeKind) {
    let handlers = Handlers {
        exec: probe.exec.as_ref(),
        http_get: probe.http_get.as_ref(),
        tcp_socket: probe.tcp_socket.as_ref(),
        grpc: probe.grpc.as_ref(),
        sleep: None,
    };
    check(out, path, &handlers, 0);
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        not_negative(out, &format!("{path}.{field}"), i64::from(value.unwrap_or(0)));
    }
    let grace = format!("{path}.terminationGracePeriodSeconds");
    if let Some(seconds) = probe.termination_grace_period_seconds.filter(|seconds| *seconds <= 0) {
        out.push(FieldError::invalid_raw(&grace, seconds, "must be greater than 0"));
    }
    match (kind, probe.termination_grace_period_seconds, probe.success_threshold.unwrap_or(0)) {
        (ProbeKind::Readiness, Some(seconds), _) => {
            out.push(FieldError::invalid_raw(&grace, seconds, "must not be set for readinessProbes"));
        }
        (ProbeKind::Liveness | ProbeKind::Startup, _, threshold) if threshold != 1 => {
            out.push(FieldError::invalid_raw(&format!("{path}.successThreshold"), threshold, "must be 1"));
        }
        _ => {}
    }
}

/// Checks a container's hooks and stop signal. `grace` is the pod's termination grace period in seconds.
pub(super) fn lifecycle(out: &mut Errors, path: &str, lifecycle: &Lifecycle, grace: i64, os: Option<&str>) {
    for (field, handler) in [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)] {
        if let Some(handler) = handler {
            hook(out, &format!("{path}.{field}"), handler, grace);
        }
    }
    if let Some(signal) = &lifecycle.stop_signal {
        let path = format!("{path}.stopSignal");
        match os {
            None => {
                out.push(FieldError::forbidden(&path, "may not be set for containers with empty `spec.os.name`"));
            }
            Some("windows") => {
                one_of(out, &path, signal, &["SIGKILL", "SIGTERM"]);
            }
            Some("linux") => {
                let known = signals();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                one_of(out, &path, signal, &known);
            }
            // A system that is none is told where it is named.
            _ => {}
        }
    }
}

fn hook(out: &mut Errors, path: &str, handler: &LifecycleHandler, grace: i64) {
    let handlers = Handlers {
        exec: handler.exec.as_ref(),
        http_get: handler.http_get.as_ref(),
        tcp_socket: handler.tcp_socket.as_ref(),
        grpc: None,
        sleep: handler.sleep.as_ref(),
    };
    check(out, path, &handlers, grace);
}

fn check(out: &mut Errors, path: &str, handlers: &Handlers<'_>, grace: i64) {
    let mut seen = false;
    let mut first = |out: &mut Errors, field: &str| {
        if seen {
            out.push(FieldError::forbidden(&format!("{path}.{field}"), "may not specify more than 1 handler type"));
        }
        !std::mem::replace(&mut seen, true)
    };
    if let Some(exec) = handlers.exec
        && first(out, "exec")
        && exec.command.as_ref().is_none_or(Vec::is_empty)
    {
        out.push(FieldError::required(&format!("{path}.exec.command"), ""));
    }
    if let Some(action) = handlers.http_get
        && first(out, "httpGet")
    {
        http_get(out, &format!("{path}.httpGet"), action);
    }
    if let Some(action) = handlers.tcp_socket
        && first(out, "tcpSocket")
    {
        port(out, &format!("{path}.tcpSocket.port"), &action.port);
    }
    if let Some(action) = handlers.grpc
        && first(out, "grpc")
    {
        port(out, &format!("{path}.grpc.port"), &IntOrString::Int(action.port));
    }
    if let Some(action) = handlers.sleep
        && first(out, "sleep")
        && !(0..=grace).contains(&action.seconds)
    {
        out.push(FieldError::invalid_raw(
            &format!("{path}.sleep"),
            action.seconds,
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})"),
        ));
    }
    if !seen {
        out.push(FieldError::required(path, "must specify a handler type"));
    }
}

fn http_get(out: &mut Errors, path: &str, action: &HTTPGetAction) {
    require(out, &format!("{path}.path"), text(&action.path));
    port(out, &format!("{path}.port"), &action.port);
    one_of(out, &format!("{path}.scheme"), text(&action.scheme), &["HTTP", "HTTPS"]);
    for header in action.http_headers.iter().flatten() {
        invalid_each(out, &format!("{path}.httpHeaders"), &header.name, names::header(&header.name));
    }
}

fn port(out: &mut Errors, path: &str, port: &IntOrString) {
    match port {
        IntOrString::Int(number) => {
            let number = i64::from(*number);
            invalid_number(out, path, number, names::port_number(number));
        }
        IntOrString::String(name) => invalid_each(out, path, name, names::port_name(name)),
    }
}

/// The signals Linux containers may ask for, in the order they are listed.
fn signals() -> Vec<String> {
    const FIXED: &str = "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT \
                         STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ";
    let fixed = FIXED.split_whitespace().map(|name| format!("SIG{name}"));
    let top = (1..=14).map(|offset| format!("SIGRTMAX-{offset}"));
    let bottom = (1..=15).map(|offset| format!("SIGRTMIN+{offset}"));
    let mut all: Vec<String> =
        fixed.chain(top).chain(bottom).chain(["SIGRTMAX".to_owned(), "SIGRTMIN".to_owned()]).collect();
    all.sort();
    all
}

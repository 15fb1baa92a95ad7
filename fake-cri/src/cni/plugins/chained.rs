//! Plugins that come after another and pass its result on: portmap, firewall, bandwidth, tuning. They check what they are asked.

use serde_json::Value;

use super::text;
use crate::cni::{Command, Error, NetworkResult, Request};

pub(super) fn run(plugin: &str, request: &Request) -> Result<Option<NetworkResult>, Error> {
    match request.command {
        Command::Add | Command::Check => {
            let missing = || {
                Error::other(match plugin {
                    "firewall" => "missing prevResult from earlier plugin",
                    "tuning" => "Required prevResult missing",
                    _ => "must be called as chained plugin",
                })
            };
            let mut previous = request.previous()?.ok_or_else(missing)?;
            match plugin {
                "portmap" => ports(request)?,
                "bandwidth" => limits(request)?,
                "tuning" => tune(request, &mut previous),
                _ => {}
            }
            Ok((request.command == Command::Add).then_some(previous))
        }
        _ => Ok(None),
    }
}

fn runtime<'r>(request: &'r Request, key: &str) -> Option<&'r Value> {
    request.config.get("runtimeConfig").and_then(|r| r.get(key))
}

fn ports(request: &Request) -> Result<(), Error> {
    let mappings = runtime(request, "portMappings").and_then(Value::as_array).cloned().unwrap_or_default();
    for mapping in mappings {
        let number = |key: &str| mapping.get(key).and_then(Value::as_u64).unwrap_or(0);
        for (key, value) in [("host", number("hostPort")), ("container", number("containerPort"))] {
            if value > 65535 || key == "container" && value == 0 {
                return Err(Error::other(format!("failed to parse config: Invalid {key} port number: {value}")));
            }
        }
        let protocol = mapping.get("protocol").and_then(Value::as_str).unwrap_or("tcp").to_ascii_lowercase();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp" | "dccp") {
            return Err(Error::other(format!("unknown port protocol {protocol:?}")));
        }
    }
    Ok(())
}

fn limits(request: &Request) -> Result<(), Error> {
    let given = runtime(request, "bandwidth").cloned().unwrap_or_else(|| Value::Object(request.config.clone()));
    for way in ["ingress", "egress"] {
        let number = |what: &str| given.get(format!("{way}{what}")).and_then(Value::as_u64).unwrap_or(0);
        match (number("Rate"), number("Burst")) {
            (0, 0) => {}
            (_, 0) => return Err(Error::other("if rate is set, burst must also be set")),
            (0, _) => return Err(Error::other("if burst is set, rate must also be set")),
            _ => {}
        }
    }
    Ok(())
}

/// Hardware address and packet size, on the interface of the pod.
fn tune(request: &Request, result: &mut NetworkResult) {
    let mac = runtime(request, "mac").and_then(Value::as_str).or_else(|| text(request, "mac"));
    let mtu = request.config.get("mtu").and_then(Value::as_u64).and_then(|m| u32::try_from(m).ok());
    for interface in result.interfaces.iter_mut().filter(|i| i.name == request.ifname && !i.sandbox.is_empty()) {
        if let Some(mac) = mac {
            mac.clone_into(&mut interface.mac);
        }
        interface.mtu = mtu.or(interface.mtu);
    }
}

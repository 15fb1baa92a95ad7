//! `bridge`: an interface in the pod, its peer on the node, a bridge between; addresses by delegation.

use serde::Deserialize as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use world::Files;

use super::text;
use crate::cni::{
    Command, Error, NetworkResult, Request,
    ipam::HostLocal,
    result::{Dns, Interface, Route},
};

/// A hardware address made from a text, so that it is always the same. Locally administered.
fn mac(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let bytes: Vec<String> = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("02:{}", bytes.join(":"))
}

fn delegate(files: &Files, request: &Request) -> Result<Option<HostLocal>, Error> {
    match request.config.get("ipam").and_then(|i| i.get("type")).and_then(Value::as_str) {
        None | Some("") => Ok(None),
        Some("host-local") => HostLocal::of(files, request).map(Some),
        Some(other) => Err(Error::other(format!("failed to find plugin {other:?} in path []"))),
    }
}

pub(super) fn run(files: &Files, request: &Request) -> Result<Option<NetworkResult>, Error> {
    let addresses = delegate(files, request)?;
    match (request.command, addresses) {
        (Command::Add, addresses) => return add(addresses.as_ref(), request).map(Some),
        (Command::Del, Some(addresses)) => addresses.del(request)?,
        (Command::Gc, Some(addresses)) => addresses.gc(request)?,
        (Command::Check, addresses) => {
            if let Some(addresses) = addresses {
                addresses.check(request)?;
            }
            let previous = request.previous()?.ok_or_else(|| Error::other("required prevResult missing"))?;
            let held = |i: &Interface| i.name == request.ifname && i.sandbox == request.netns;
            if !previous.interfaces.iter().any(held) {
                let text = format!("interface {} not found in prevResult for {}", request.ifname, request.netns);
                return Err(Error::other(text));
            }
        }
        _ => {}
    }
    Ok(None)
}

fn add(addresses: Option<&HostLocal>, request: &Request) -> Result<NetworkResult, Error> {
    let mut result = addresses.map_or_else(|| Ok(NetworkResult::default()), |plugin| plugin.add(request))?;
    let id = format!("{} {}", request.container_id, request.ifname);
    let mtu = request.config.get("mtu").and_then(Value::as_u64).and_then(|m| u32::try_from(m).ok()).filter(|m| *m > 0);
    let asked = request.config.get("runtimeConfig").and_then(|r| r.get("mac")).and_then(Value::as_str);
    let own = asked.map_or_else(|| mac(&id), str::to_owned);
    let peer = mac(&format!("{id} peer"));
    let interface = |name: &str, mac: String, sandbox: &str| Interface {
        name: name.to_owned(),
        mac,
        mtu: mtu.or(Some(1500)),
        sandbox: sandbox.to_owned(),
    };
    let bridge = text(request, "bridge").unwrap_or("cni0");
    result.interfaces = vec![
        interface(bridge, mac(bridge), ""),
        interface(&format!("veth{}", peer[3..].replace(':', "").get(..8).unwrap_or_default()), peer.clone(), ""),
        interface(&request.ifname, own, &request.netns),
    ];
    for ip in &mut result.ips {
        ip.interface = Some(2);
    }
    if request.config.get("isDefaultGateway").and_then(Value::as_bool) == Some(true) {
        for ip in &result.ips {
            let any = if ip.address.addr().is_ipv4() { "0.0.0.0/0" } else { "::/0" };
            if let Ok(dst) = any.parse()
                && !result.routes.iter().any(|r| r.dst == dst)
            {
                result.routes.push(Route { dst, gw: ip.gateway });
            }
        }
    }
    if let Some(dns) = request.config.get("dns").and_then(|d| Dns::deserialize(d).ok()) {
        result.dns = dns;
    }
    Ok(result)
}

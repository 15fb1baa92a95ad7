//! The plugins by name, and one call of one of them.

mod bridge;
mod chained;
mod loopback;

use serde_json::{Value, json};
use world::Files;

use super::{Command, Error, NetworkResult, Request, VERSIONS, code, ipam::HostLocal};

/// Names of all plugins.
pub const NAMES: [&str; 7] = ["bandwidth", "bridge", "firewall", "host-local", "loopback", "portmap", "tuning"];

/// Calls a plugin. The answer is what it prints: a result, supported versions, or nothing.
///
/// # Errors
/// As the plugin's own, with the request's version.
pub fn invoke(files: &Files, plugin: &str, request: &Request) -> Result<Option<Value>, Error> {
    let version = request.version();
    if request.command == Command::Version {
        let speaks =
            if VERSIONS.contains(&version.as_str()) { version } else { VERSIONS[VERSIONS.len() - 1].to_owned() };
        return Ok(Some(json!({ "cniVersion": speaks, "supportedVersions": VERSIONS })));
    }
    let result = match plugin {
        "bridge" => bridge::run(files, request),
        "loopback" => loopback::run(request),
        "host-local" => host_local(files, request),
        "portmap" | "firewall" | "bandwidth" | "tuning" => chained::run(plugin, request),
        other => Err(Error::new(code::CONFIG, format!("{other:?} is none of the plugins {NAMES:?}"))),
    };
    result.map(|answer| answer.map(|r| r.write(&version))).map_err(|e| Error { version, ..e })
}

/// The address plugin on its own.
fn host_local(files: &Files, request: &Request) -> Result<Option<NetworkResult>, Error> {
    let plugin = HostLocal::of(files, request)?;
    match request.command {
        Command::Add => return plugin.add(request).map(Some),
        Command::Del => plugin.del(request)?,
        Command::Check => plugin.check(request)?,
        Command::Gc => plugin.gc(request)?,
        Command::Status | Command::Version => {}
    }
    Ok(None)
}

/// A string of a request's configuration.
fn text<'r>(request: &'r Request, key: &str) -> Option<&'r str> {
    request.config.get(key).and_then(Value::as_str)
}

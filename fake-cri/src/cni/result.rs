//! What an attachment is: interfaces, addresses, routes, name servers; in each version's form.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Hardware address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Size of its packets, from 1.1.0 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The network namespace it is in; empty for the node's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Which interface has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<usize>,
    /// Address and prefix length.
    pub address: IpNet,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to.
    pub dst: IpNet,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
}

/// Name servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Their addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The domain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Domains that are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of the resolver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// A result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkResult {
    /// Interfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<Address>,
    /// Routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Name servers.
    #[serde(default)]
    pub dns: Dns,
}

impl NetworkResult {
    /// Reads a result of any version that is spoken.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(value: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(value)
    }

    /// The result in a version's form.
    pub fn write(&self, version: &str) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_else(|_| json!({}));
        let newest = super::version(version);
        if let Some(object) = value.as_object_mut() {
            let mut whole = serde_json::Map::from_iter([("cniVersion".to_owned(), json!(version))]);
            whole.append(object);
            *object = whole;
        }
        if newest < (1, 0, 0)
            && let Some(ips) = value.get_mut("ips").and_then(Value::as_array_mut)
        {
            for (ip, address) in ips.iter_mut().zip(&self.ips) {
                ip["version"] = json!(if address.address.addr().is_ipv4() { "4" } else { "6" });
            }
        }
        if newest < (1, 1, 0)
            && let Some(interfaces) = value.get_mut("interfaces").and_then(Value::as_array_mut)
        {
            for interface in interfaces.iter_mut().filter_map(Value::as_object_mut) {
                interface.remove("mtu");
            }
        }
        value
    }

    /// Addresses of an interface within a sandbox. Without interfaces, as of a bare address plugin, all are its.
    pub fn addresses_of(&self, ifname: &str) -> Vec<IpAddr> {
        let held = |ip: &&Address| match ip.interface.and_then(|i| self.interfaces.get(i)) {
            Some(interface) => interface.name == ifname && !interface.sandbox.is_empty(),
            None => self.interfaces.is_empty(),
        };
        self.ips.iter().filter(held).map(|ip| ip.address.addr()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> NetworkResult {
        NetworkResult {
            interfaces: vec![Interface {
                name: "eth0".to_owned(),
                mtu: Some(1500),
                sandbox: "/n".to_owned(),
                ..Default::default()
            }],
            ips: vec![Address {
                interface: Some(0),
                address: "10.0.0.2/24".parse().expect("an address"),
                gateway: Some(IpAddr::from([10, 0, 0, 1])),
            }],
            ..Default::default()
        }
    }

    #[test]
    fn each_version_has_its_form_and_all_are_read_back() {
        let old = result().write("0.3.1");
        assert_eq!(old["ips"][0]["version"], "4");
        assert_eq!(old["interfaces"][0].get("mtu"), None);
        let middle = result().write("1.0.0");
        assert_eq!(middle["ips"][0].get("version"), None);
        assert_eq!(middle["cniVersion"], "1.0.0");
        let new = result().write("1.1.0");
        assert_eq!(new["interfaces"][0]["mtu"], 1500);
        assert_eq!(NetworkResult::read(&new).expect("a result"), result());
        assert_eq!(NetworkResult::read(&old).expect("a result").ips, result().ips);
    }

    #[test]
    fn addresses_are_the_interfaces() {
        let mut both = result();
        assert_eq!(both.addresses_of("eth0"), [IpAddr::from([10, 0, 0, 2])]);
        assert!(both.addresses_of("eth1").is_empty());
        both.ips[0].interface = Some(9);
        assert!(both.addresses_of("eth0").is_empty(), "an index of nothing");
    }
}

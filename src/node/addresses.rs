//! The node's own addresses, which pods see as their host's. As upstream without a cloud provider, but for the lookup of the node's
//! name: names are not looked up here, the address of the default route comes next. Pure.

use std::net::IpAddr;

use world::machine::Facts;

use crate::config::KubeletConfig;

/// An address given by `--node-ip` that this node cannot have. The words are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// One of the addresses that no node can have.
    #[error("failed to validate nodeIP: nodeIP can't be {0} address")]
    Kind(&'static str),
    /// No interface has it.
    #[error("failed to validate nodeIP: node IP: {0:?} not found in the host's network interfaces")]
    NotOurs(String),
    /// Nothing to choose from.
    #[error(
        "can't get ip address of node {0}. error: no default routes found in \"/proc/net/route\" or \"/proc/net/ipv6_route\""
    )]
    None(String),
}

/// The addresses, the one for `status.hostIP` first; at most one of each family.
///
/// # Errors
/// `--node-ip` names an address that is not this node's, or the node has none. Upstream goes on without addresses then, and pods on
/// the host's network cannot start.
pub fn addresses(config: &KubeletConfig, facts: &Facts) -> Result<Vec<IpAddr>, AddressError> {
    let (chosen, wanted): (Vec<IpAddr>, Vec<IpAddr>) = config.node_ips.iter().partition(|ip| !ip.is_unspecified());
    for ip in &chosen {
        check(*ip, facts)?;
    }
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    if let Ok(ip) = config.node_name.parse() {
        return Ok(vec![ip]);
    }
    // `0.0.0.0` and `::` choose a family; without either it is IPv4.
    let v6 = wanted.first().is_some_and(IpAddr::is_ipv6);
    let of_family = facts.addresses.iter().find(|ip| ip.is_ipv6() == v6);
    match of_family.or_else(|| facts.addresses.first()) {
        Some(ip) => Ok(vec![*ip]),
        None => Err(AddressError::None(config.node_name.clone())),
    }
}

fn check(ip: IpAddr, facts: &Facts) -> Result<(), AddressError> {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    if ip.is_loopback() {
        Err(AddressError::Kind("loopback"))
    } else if ip.is_multicast() {
        Err(AddressError::Kind("a multicast"))
    } else if link_local {
        Err(AddressError::Kind("a link-local unicast"))
    } else if !facts.addresses.contains(&ip) {
        Err(AddressError::NotOurs(ip.to_string()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use world::sim::{self, Limits};

    use super::*;
    use crate::config::{Invocation, load};

    #[rstest]
    #[case(&[], &["192.0.2.10", "2001:db8::1"], "192.0.2.10")]
    #[case(&["--node-ip=::"], &["192.0.2.10", "2001:db8::1"], "2001:db8::1")]
    #[case(&["--node-ip=::"], &["192.0.2.10"], "192.0.2.10")]
    #[case(&["--node-ip=192.0.2.11"], &["192.0.2.10", "192.0.2.11"], "192.0.2.11")]
    #[case(&["--node-ip=2001:db8::1,192.0.2.10"], &["192.0.2.10", "2001:db8::1"], "2001:db8::1, 192.0.2.10")]
    #[case(&["--hostname-override=198.51.100.7"], &["192.0.2.10"], "198.51.100.7")]
    #[case(&["--node-ip=127.0.0.1"], &["192.0.2.10"], "failed to validate nodeIP: nodeIP can't be loopback address")]
    #[case(&["--node-ip=192.0.2.99"], &["192.0.2.10"], "failed to validate nodeIP: node IP: \"192.0.2.99\" not found in the host's network interfaces")]
    #[case(&[], &[], "can't get ip address of node node1. error: no default routes found in \"/proc/net/route\" or \"/proc/net/ipv6_route\"")]
    fn the_nodes_addresses(
        #[case] args: &'static [&'static str],
        #[case] host: &'static [&'static str],
        #[case] expected: &'static str,
    ) {
        sim::run(1, Limits::default(), move |sim, _| async move {
            sim.machine.update(|f| f.addresses = host.iter().map(|a| a.parse().unwrap()).collect());
            let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
            let Invocation::Run(loaded) = load(&sim.world, &args).unwrap() else { panic!("printed") };
            let found = addresses(&loaded.config, &sim.world.machine.facts().unwrap());
            let told = match found {
                Ok(ips) => ips.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", "),
                Err(error) => error.to_string(),
            };
            assert_eq!(told, expected);
        })
        .unwrap();
    }
}

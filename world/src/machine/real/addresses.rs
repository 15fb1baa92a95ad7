//! The node's IP addresses from the kernel's tables, the one of the default route first. Pure: text in, addresses out.
//!
//! The kubelet takes the address of the interface that holds the default route (`utilnet.ResolveBindAddress`). The tables used here
//! do not join addresses with interfaces, so an address counts as an interface's when it lies in a network connected to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The tables, each empty if the kernel has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables<'t> {
    /// `/proc/net/route`
    pub(super) route: &'t str,
    /// `/proc/net/fib_trie`
    pub(super) fib_trie: &'t str,
    /// `/proc/net/if_inet6`
    pub(super) if_inet6: &'t str,
    /// `/proc/net/ipv6_route`
    pub(super) ipv6_route: &'t str,
}

/// All addresses that are neither loopback nor link-local: IPv4, then IPv6, best first; IPv6 first where only it has a default route.
pub(super) fn of_node(tables: &Tables<'_>) -> Vec<IpAddr> {
    let routes: Vec<Route<'_>> = tables.route.lines().skip(1).filter_map(Route::read).collect();
    let default = routes
        .iter()
        .filter(|route| route.up && route.mask == 0 && route.network == 0)
        .min_by_key(|route| route.metric)
        .map(|route| route.interface);
    let mut four: Vec<Ipv4Addr> = local_v4(tables.fib_trie);
    four.sort_by_key(|ip| {
        let connected =
            |route: &&Route<'_>| route.mask != 0 && !route.gateway && u32::from(*ip) & route.mask == route.network;
        let home = routes.iter().filter(connected).max_by_key(|route| route.mask).map(|route| route.interface);
        match home {
            Some(home) if Some(home) == default => 0,
            // An address of its own network (/32), as clouds give: not another interface's at least.
            None => 1,
            Some(_) => 2,
        }
    });
    let default6 = default_v6(tables.ipv6_route);
    let mut six = global_v6(tables.if_inet6);
    six.sort_by_key(|(_, interface)| Some(*interface) != default6.or(default));
    let four = four.into_iter().map(IpAddr::from);
    let six = six.into_iter().map(|(ip, _)| IpAddr::from(ip));
    if default.is_none() && default6.is_some() { six.chain(four).collect() } else { four.chain(six).collect() }
}

/// A line of `/proc/net/route`; numbers in host order.
struct Route<'t> {
    interface: &'t str,
    network: u32,
    mask: u32,
    metric: u32,
    up: bool,
    gateway: bool,
}

impl<'t> Route<'t> {
    fn read(line: &'t str) -> Option<Self> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The kernel prints the bytes as they lie in memory.
        let number =
            |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok().map(|n| u32::from_be_bytes(n.to_ne_bytes()));
        let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
        Some(Self {
            interface: fields.first()?,
            network: number(1)?,
            mask: number(7)?,
            metric: fields.get(6)?.parse().ok()?,
            up: flags & 1 != 0,
            gateway: flags & 2 != 0,
        })
    }
}

/// Addresses that `/proc/net/fib_trie` marks as this host's own, each once, in the order found.
fn local_v4(table: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut leaf = None;
    for line in table.lines() {
        let line = line.trim_start();
        if let Some(ip) = line.strip_prefix("|-- ") {
            leaf = ip.trim().parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL")
            && let Some(ip) = leaf
            && !ip.is_loopback()
            && !ip.is_link_local()
            && !found.contains(&ip)
        {
            found.push(ip);
        }
    }
    found
}

/// Global addresses of `/proc/net/if_inet6` with their interfaces: address, index, prefix, scope, flags, name.
fn global_v6(table: &str) -> Vec<(Ipv6Addr, &str)> {
    let read = |line: &'_ str| -> Option<(Ipv6Addr, usize)> {
        let mut fields = line.split_whitespace();
        let ip = Ipv6Addr::from(u128::from_str_radix(fields.next()?, 16).ok()?);
        (fields.nth(2)? == "00").then_some((ip, 0))
    };
    table
        .lines()
        .filter_map(|line| Some((read(line)?.0, line.split_whitespace().next_back()?)))
        .filter(|(ip, _)| !ip.is_loopback())
        .collect()
}

/// The interface of the IPv6 default route with the lowest metric, from `/proc/net/ipv6_route`.
fn default_v6(table: &str) -> Option<&str> {
    let read = |line: &'_ str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [network, prefix, .., metric, _, _, _, interface] = fields[..] else { return None };
        let anywhere = network.bytes().all(|digit| digit == b'0') && prefix == "00" && interface != "lo";
        anywhere.then(|| u32::from_str_radix(metric, 16).ok()).flatten()
    };
    let best = table.lines().filter_map(|line| Some((read(line)?, line))).min_by_key(|(metric, _)| *metric)?.1;
    best.split_whitespace().next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
        eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 172.17.0.1\n        /32 host LOCAL\n\
        \x20    |-- 192.168.1.0\n        /24 link UNICAST\n     |-- 192.168.1.7\n        /32 host LOCAL\n     |-- 192.168.1.255\n\
        \x20       /32 link BROADCAST\nLocal:\n     |-- 192.168.1.7\n        /32 host LOCAL\n";
    const INET6: &str = "00000000000000000000000000000001 01 80 10 80       lo\n\
        fe80000000000000000000000000000a 02 40 20 80     eth0\n\
        20010db8000000000000000000000007 02 40 00 80     eth0\n";

    fn of(route: &str, fib_trie: &str, if_inet6: &str, ipv6_route: &str) -> Vec<String> {
        of_node(&Tables { route, fib_trie, if_inet6, ipv6_route }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_route_comes_first() {
        assert_eq!(of(ROUTE, TRIE, INET6, ""), ["192.168.1.7", "172.17.0.1", "2001:db8::7"]);
    }

    #[test]
    fn an_address_in_no_network_beats_a_bridge() {
        let cloud = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        assert_eq!(of(cloud, TRIE, "", ""), ["192.168.1.7", "172.17.0.1"]);
    }

    #[test]
    fn only_ipv6_has_a_default_route() {
        let route6 = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 \
             00000400 00000001 00000000 00000003     eth0\n";
        assert_eq!(of("", TRIE, INET6, route6), ["2001:db8::7", "172.17.0.1", "192.168.1.7"]);
    }

    #[test]
    fn nonsense_is_passed_over() {
        assert_eq!(of("a\nb c d", "|-- x\n/32 host LOCAL", "zz\n", "q\n"), Vec::<String>::new());
    }
}

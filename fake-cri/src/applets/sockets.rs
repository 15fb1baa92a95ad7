//! Applets that look at the network and ask it nothing but an echo: netstat, ping, ifconfig.

use std::{net::Ipv4Addr, time::Duration};

use super::{Options, bad_option};
use crate::os::{Code, Process, capability::Capability};

/// The sockets of a table of `/proc/net`: local address, remote address, state.
fn sockets(text: &str) -> Vec<(String, String, u8)> {
    let address = |field: &str, six: bool| -> Option<String> {
        let (ip, port) = field.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let port = if port == 0 { "*".to_owned() } else { port.to_string() };
        if six {
            let zero = ip.bytes().all(|b| b == b'0');
            return Some(format!("{}:{port}", if zero { "::" } else { "::1" }));
        }
        let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes());
        Some(format!("{ip}:{port}"))
    };
    let rows = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let six = fields.get(1)?.len() > 20;
        let state = u8::from_str_radix(fields.get(3)?, 16).ok()?;
        Some((address(fields.get(1)?, six)?, address(fields.get(2)?, six)?, state))
    });
    rows.collect()
}

/// Names of TCP states by number.
const STATES: [&str; 12] = [
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
];

/// `netstat [-lantup]`.
pub(super) async fn netstat(process: Process) -> Code {
    let options = match Options::read(&process.args(), "lantupwxreW", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let scope = if options.has('a') {
        "servers and established"
    } else if options.has('l') {
        "only servers"
    } else {
        "w/o servers"
    };
    let mut text = format!(
        "Active Internet connections ({scope})\nProto Recv-Q Send-Q Local Address           Foreign Address         State       \n"
    );
    let tables = [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp")];
    let narrowed = options.has('t') || options.has('u');
    for (table, protocol) in tables {
        if narrowed && !options.has(if protocol == "tcp" { 't' } else { 'u' }) {
            continue;
        }
        let content = process.files().read(&format!("/proc/net/{table}"), &process.credentials()).unwrap_or_default();
        for (local, remote, state) in sockets(&String::from_utf8_lossy(&content)) {
            let listening = state == 10 || protocol == "udp";
            if !options.has('a') && listening != options.has('l') {
                continue;
            }
            let state = STATES.get(usize::from(state)).copied().unwrap_or_default();
            let state = if protocol == "udp" { "" } else { state };
            text.push_str(&format!("{protocol:5} {:>6} {:>6} {local:23} {remote:23} {state:11} \n", 0, 0));
        }
    }
    text.push_str(&format!(
        "Active UNIX domain sockets ({scope})\nProto RefCnt Flags       Type       State         I-Node Path\n"
    ));
    i32::from(process.out(text).await.is_err())
}

/// `ping [-c N] [-W N] HOST`: hosts of the simulation that have an address answer.
pub(super) async fn ping(process: Process) -> Code {
    let options = match Options::read(&process.args(), "q46A", "cwWisItp") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(host) = options.rest.first() else {
        process.err("Usage: ping [OPTIONS] HOST\n").await;
        return 1;
    };
    let around = process.kernel().surroundings();
    let address = match host.as_str() {
        "localhost" => Some(Ipv4Addr::LOCALHOST),
        name => name.parse::<Ipv4Addr>().ok(),
    };
    let Some(address) = address else {
        process.err(format!("ping: bad address '{host}'\n")).await;
        return 1;
    };
    let head = format!("PING {host} ({address}): 56 data bytes\n");
    let range = around.namespaces.setting("net.ipv4.ping_group_range").unwrap_or_default();
    let range: Vec<u32> = range.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let who = process.credentials();
    let group = matches!(range.as_slice(), [low, high] if (*low..=*high).contains(&who.gid));
    if process.out(head).await.is_err() {
        return 1;
    }
    if !(who.can(Capability::NET_RAW) || group) || process.syscall("socket").is_err() {
        process.err("ping: permission denied (are you root?)\n").await;
        return 1;
    }
    let here = address.is_loopback() || around.addresses.contains(&address.into());
    let count: u64 = options.value('c').and_then(|n| n.parse().ok()).unwrap_or(u64::MAX);
    let mut sent = 0;
    while sent < count {
        if here && !options.has('q') {
            let line = format!("64 bytes from {address}: seq={sent} ttl=64 time=0.050 ms\n");
            if process.out(line).await.is_err() {
                return 1;
            }
        }
        sent += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (received, loss) = if here { (sent, 0) } else { (0, 100) };
    let text = format!(
        "\n--- {host} ping statistics ---\n{sent} packets transmitted, {received} packets received, {loss}% packet loss\n"
    );
    let _ = process.out(text).await;
    i32::from(!here)
}

/// `ip addr|link|route [show] [DEVICE]`: what there is; nothing is changed.
pub(super) async fn ip(process: Process) -> Code {
    let args = process.args();
    let mut words = args[1..].iter().map(String::as_str).filter(|word| !word.starts_with('-'));
    let object = words.next().unwrap_or_default();
    let device = words.find(|word| !matches!(*word, "show" | "list" | "ls" | "dev"));
    let addresses = &process.kernel().surroundings().addresses;
    let mut text = String::new();
    match object {
        "a" | "ad" | "add" | "addr" | "address" | "l" | "li" | "link" => {
            let link = object.starts_with('l');
            if device.is_none_or(|device| device == "lo") {
                text.push_str("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n");
                if !link {
                    text.push_str(
                        "    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever\n",
                    );
                }
            }
            if !addresses.is_empty() && device.is_none_or(|device| device == "eth0") {
                text.push_str("2: eth0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu 1500 qdisc noqueue \n");
                for address in addresses.iter().filter(|_| !link) {
                    let (family, bits) = if address.is_ipv4() { ("inet", 24) } else { ("inet6", 64) };
                    text.push_str(&format!("    {family} {address}/{bits} scope global eth0\n       valid_lft forever preferred_lft forever\n"));
                }
            }
            if text.is_empty() {
                process.err(format!("ip: can't find device '{}'\n", device.unwrap_or_default())).await;
                return 1;
            }
        }
        "r" | "ro" | "route" => {
            let v4 = addresses.iter().filter_map(|address| match address {
                std::net::IpAddr::V4(address) => Some(*address),
                std::net::IpAddr::V6(_) => None,
            });
            for address in v4.take(1) {
                let [a, b, c, _] = address.octets();
                text.push_str(&format!(
                    "default via {a}.{b}.{c}.1 dev eth0 \n{a}.{b}.{c}.0/24 dev eth0 scope link  src {address} \n"
                ));
            }
        }
        _ => {
            process.err("Usage: ip [OPTIONS] address|route|link [ARGS]\n").await;
            return 1;
        }
    }
    i32::from(process.out(text).await.is_err())
}

/// `ifconfig`: the pod's interface and loopback.
pub(super) async fn ifconfig(process: Process) -> Code {
    let around = process.kernel().surroundings();
    let args = process.args();
    let wanted = args.get(1).filter(|name| !name.starts_with('-')).map(String::as_str);
    if let Some(name) = wanted.filter(|name| !matches!(*name, "eth0" | "lo")) {
        process.err(format!("ifconfig: {name}: error fetching interface information: Device not found\n")).await;
        return 1;
    }
    let mut text = String::new();
    for address in around.addresses.iter().filter(|_| wanted != Some("lo")) {
        text.push_str(&format!("eth0      Link encap:Ethernet\n          inet addr:{address}\n          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n\n"));
    }
    if wanted != Some("eth0") {
        text.push_str("lo        Link encap:Local Loopback\n          inet addr:127.0.0.1  Mask:255.0.0.0\n          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n\n");
    }
    i32::from(process.out(text).await.is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_sockets_is_read() {
        let text = "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0 0 0\n   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A\n garbage\n";
        let found = sockets(text);
        assert_eq!(found[0], ("127.0.0.1:8080".to_owned(), "0.0.0.0:*".to_owned(), 10));
        assert_eq!(found[1].0, ":::80");
        assert_eq!(found.len(), 2);
    }
}

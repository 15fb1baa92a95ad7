//! Who listens where, what is open, and whose addresses are whose. Pure: nothing flows here.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::rules::Rules;
use crate::net::{Address, Conn};

/// The ports that the system chooses from.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32768..=60999;

/// The state of the network.
pub(super) struct State {
    pub(super) listeners: BTreeMap<Place, Served>,
    pub(super) next_listener: u64,
    pub(super) next_port: u16,
    pub(super) node: BTreeSet<IpAddr>,
    pub(super) names: BTreeMap<String, Vec<IpAddr>>,
    pub(super) rules: Rules,
    pub(super) open: BTreeMap<u64, Open>,
}

/// What can be bound once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A socket file by its inode.
    File(u64),
    Abstract(PathBuf),
    Tcp(IpAddr, u16),
}

/// A listener.
pub(super) struct Served {
    pub(super) id: u64,
    pub(super) to: mpsc::Sender<Conn>,
    pub(super) local: Address,
}

/// An open connection.
pub(super) struct Open {
    /// Under what names a pattern finds it: the address dialled, and the listener's.
    pub(super) names: [String; 2],
    /// The rules' count when it was opened.
    pub(super) since: u64,
    pub(super) cut: CancellationToken,
}

impl State {
    /// The node with its usual addresses and nothing open.
    pub(super) fn new() -> Self {
        Self {
            listeners: BTreeMap::new(),
            next_listener: 0,
            next_port: *EPHEMERAL.start(),
            node: BTreeSet::from([IpAddr::from([192, 0, 2, 10])]),
            names: BTreeMap::from([(
                "localhost".to_owned(),
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            )]),
            rules: Rules::default(),
            open: BTreeMap::new(),
        }
    }

    pub(super) fn is_node(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.node.contains(&ip)
    }

    /// Who answers at a place: the listener there, or one on every address of the node.
    pub(super) fn serving(&self, place: &Place) -> Option<&Served> {
        if let Some(served) = self.listeners.get(place) {
            return Some(served);
        }
        let Place::Tcp(ip, port) = *place else { return None };
        let any: &[IpAddr] = match ip {
            _ if !self.is_node(ip) && !ip.is_unspecified() => &[],
            IpAddr::V4(_) => &[IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
            IpAddr::V6(_) => &[IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
        };
        any.iter().find_map(|ip| self.listeners.get(&Place::Tcp(*ip, port)))
    }

    /// Whether binding there would share an address with another listener.
    pub(super) fn is_taken(&self, place: &Place) -> bool {
        let Place::Tcp(ip, port) = *place else { return self.listeners.contains_key(place) };
        self.listeners.keys().any(|other| match *other {
            Place::Tcp(other, at) if at == port => {
                let covers = |any: IpAddr, one: IpAddr| {
                    any.is_unspecified()
                        && (one.is_unspecified() || self.is_node(one))
                        && (any.is_ipv6() || one.is_ipv4())
                };
                other == ip || covers(other, ip) || covers(ip, other)
            }
            _ => false,
        })
    }

    /// The next free port, in order, so that runs repeat.
    pub(super) fn free_port(&mut self, ip: IpAddr) -> io::Result<u16> {
        for _ in EPHEMERAL {
            let port = self.take_port();
            if !self.is_taken(&Place::Tcp(ip, port)) {
                return Ok(port);
            }
        }
        Err(Errno::ADDRINUSE.into())
    }

    pub(super) fn take_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port == *EPHEMERAL.end() { *EPHEMERAL.start() } else { port + 1 };
        port
    }

    /// The client's end of a connection to a place.
    pub(super) fn source(&mut self, place: &Place) -> Address {
        let Place::Tcp(to, _) = *place else { return Address::unix("") };
        let own = self.node.iter().find(|ip| ip.is_ipv4() == to.is_ipv4()).copied();
        let ip = if self.is_node(to) { to } else { own.unwrap_or(to) };
        Address::tcp(ip.to_string(), self.take_port())
    }

    pub(super) fn enter(&mut self, open: Open) -> u64 {
        let id = self.open.last_key_value().map_or(0, |(last, _)| last + 1);
        self.open.insert(id, open);
        id
    }
}

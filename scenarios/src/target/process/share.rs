//! What one run has of what all runs on this host have in common: addresses for the pods of its fake runtime in 127.0.0.0/8, so that what
//! listens in a pod can be reached and is nobody else's, and ports that no connection is given by chance.

use std::net::{Ipv4Addr, TcpListener};

use ipnet::{IpNet, Ipv4Net};

use crate::target::TargetError;

/// All addresses: the `fake-cri` program gives out those below first.
const ADDRESSES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 112, 0, 0), 12);

/// How many a share has.
const PREFIX: u8 = 20;

/// The first of all ports: below those that Linux gives to whoever does not say which.
const FIRST_PORT: u16 = 20_000;

/// How many a share has.
const PORTS: u16 = 32;

/// Who listens here has the share.
const CLAIM: u16 = 10_010;

/// A share, held until dropped.
pub(super) struct Share {
    addresses: Ipv4Net,
    ports: std::ops::Range<u16>,
    _claim: TcpListener,
}

impl Share {
    /// Takes a share that nobody has. A listener marks it: it goes with its process, however that ends.
    pub(super) fn claim() -> Result<Self, TargetError> {
        let shares = ADDRESSES.subnets(PREFIX).into_iter().flatten().zip((FIRST_PORT..).step_by(usize::from(PORTS)));
        let free = shares.into_iter().find_map(|(addresses, first)| {
            let claim = TcpListener::bind((addresses.network(), CLAIM)).ok()?;
            Some(Self { addresses, ports: first..first + PORTS, _claim: claim })
        });
        free.ok_or_else(|| TargetError::Failed(format!("there is no free network for pods in {ADDRESSES}")))
    }

    /// Addresses for pods.
    pub(super) fn cidr(&self) -> IpNet {
        IpNet::V4(self.addresses)
    }

    /// The next port that nobody listens on.
    pub(super) fn port(&mut self) -> Result<u16, TargetError> {
        let free = self.ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
        free.ok_or_else(|| TargetError::Failed("all ports of this run are taken".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_what_another_has() {
        let (mut one, mut other) = (Share::claim().unwrap(), Share::claim().unwrap());
        let (IpNet::V4(a), IpNet::V4(b)) = (one.cidr(), other.cidr()) else { panic!("not IPv4") };
        assert!(!a.contains(&b.network()) && !b.contains(&a.network()), "{a} and {b}");
        let ports = [one.port().unwrap(), one.port().unwrap(), other.port().unwrap(), other.port().unwrap()];
        let all: std::collections::BTreeSet<u16> = ports.into_iter().collect();
        assert_eq!(all.len(), 4, "{ports:?}");
    }
}

//! Addresses of pods, handed out one after the other as the host-local plugin does.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use ipnet::IpNet;

/// The addresses of one network.
#[derive(Debug)]
pub struct Addresses {
    network: IpNet,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u128,
    taken: BTreeMap<u128, String>,
}

impl Addresses {
    /// Addresses from `network`; the first is the gateway's, the last the broadcast's.
    pub fn new(network: IpNet) -> Self {
        Self { network, state: Mutex::new(State { last: 1, taken: BTreeMap::new() }) }
    }

    fn bounds(&self) -> (u128, u128) {
        match self.network {
            IpNet::V4(net) => (u128::from(u32::from(net.network())), u128::from(u32::from(net.broadcast()))),
            IpNet::V6(net) => (u128::from(net.network()), u128::from(net.broadcast())),
        }
    }

    fn address(&self, number: u128) -> IpAddr {
        match self.network {
            IpNet::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
            IpNet::V6(_) => Ipv6Addr::from(number).into(),
        }
    }

    /// The next free address, for `owner`. `None` when all are taken.
    pub fn take(&self, owner: &str) -> Option<IpAddr> {
        let (first, last) = self.bounds();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = last.saturating_sub(first).saturating_sub(2);
        for _ in 0..count {
            state.last = if first + state.last + 1 >= last { 2 } else { state.last + 1 };
            let number = first + state.last;
            if let std::collections::btree_map::Entry::Vacant(e) = state.taken.entry(number) {
                e.insert(owner.to_owned());
                return Some(self.address(number));
            }
        }
        None
    }

    /// Frees an owner's addresses.
    pub fn free(&self, owner: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).taken.retain(|_, held| held != owner);
    }

    /// Addresses taken, with their owners.
    pub fn taken(&self) -> Vec<(IpAddr, String)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken.iter().map(|(number, owner)| (self.address(*number), owner.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_after_the_other_and_round_again() {
        let addresses = Addresses::new("10.0.0.0/29".parse().expect("a network"));
        let taken: Vec<String> =
            (0..6).filter_map(|i| addresses.take(&i.to_string())).map(|ip| ip.to_string()).collect();
        assert_eq!(taken, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        addresses.free("1");
        assert_eq!(addresses.take("x").map(|ip| ip.to_string()).as_deref(), Some("10.0.0.3"));
    }
}

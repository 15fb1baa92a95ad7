//! `loopback`: the pod's `lo`.

use crate::cni::{
    Command, Error, NetworkResult, Request,
    result::{Address, Interface},
};

pub(super) fn run(request: &Request) -> Result<Option<NetworkResult>, Error> {
    match request.command {
        // Chained, it changes nothing of what is there.
        Command::Add => Ok(Some(match request.previous()? {
            Some(previous) => previous,
            None => lo(&request.netns),
        })),
        _ => Ok(None),
    }
}

fn lo(netns: &str) -> NetworkResult {
    let ips = ["127.0.0.1/8", "::1/128"].into_iter().filter_map(|a| a.parse().ok());
    NetworkResult {
        interfaces: vec![Interface {
            name: "lo".to_owned(),
            mac: "00:00:00:00:00:00".to_owned(),
            mtu: None,
            sandbox: netns.to_owned(),
        }],
        ips: ips.map(|address| Address { interface: Some(0), address, gateway: None }).collect(),
        ..Default::default()
    }
}

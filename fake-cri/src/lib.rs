//! A CRI v1 server whose processes are simulated: faults, a journal and a ledger for whoever tests a kubelet against it.
//!
//! Start with [`FakeCri::start`]. Reading order: [`config`], [`model`], `runtime`, `service`; below them [`os`], [`shell`] and [`applets`].

pub mod applets;
pub mod behaviours;
pub mod catalogue;
pub mod cni;
pub mod config;
pub mod duration;
pub mod events;
pub mod faults;
pub mod journal;
pub mod ledger;
pub mod logs;
pub mod model;
pub mod os;
pub mod rootfs;
pub mod server;
pub mod shell;
pub mod stdio;
pub mod streaming;
pub mod tripwire;
pub mod truth;

mod runtime;
mod service;

pub use config::{Config, Personality};
pub use server::{Aftermath, FakeCri, StartError};

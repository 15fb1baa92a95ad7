//! The kubelet's view of the container runtime: what it observes, what it decides and how it carries it out.

pub mod observed;

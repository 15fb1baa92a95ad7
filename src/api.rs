//! Kubernetes objects as data: reading, defaulting, checking and printing pods the way upstream's Go code does.
//! Pure rules only: no files, no clock, no runtime.

pub mod apparmor;
pub mod decode;
pub mod defaults;
pub mod duration;
pub mod expansion;
pub mod gojson;
pub mod group_version;
pub mod hash;
pub mod identity;
pub mod image;
pub mod labels;
pub mod pod;
pub mod podlist;
pub mod qos;
pub mod quantity;
pub mod reasons;
pub mod references;
pub mod schema;
pub mod static_pod;
pub mod sysctl;
pub mod totals;
pub mod validation;

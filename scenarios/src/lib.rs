//! Runs YAML scenarios of pod lifecycle against a kubelet: in one process under virtual time, or as a process on a real runtime.

pub mod calls;
pub mod check;
pub mod cli;
pub mod corpus;
pub mod coverage;
pub mod format;
pub mod fuzz;
pub mod history;
pub mod http;
pub mod invariants;
pub mod matcher;
pub mod needs;
pub mod patch;
pub mod play;
pub mod report;
pub mod run;
pub mod setup;
pub mod target;

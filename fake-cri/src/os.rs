//! A small operating system for simulated containers: processes, signals, file descriptors, a file tree. Not a shell and not a runtime.
//!
//! Programs are async functions over a [`Process`]; they wait in `tokio::time`, so under a paused clock a day of `sleep` costs nothing.
//! What a Linux kernel would refuse, this one refuses with the same error number; what it has no model for, it says so plainly.

pub mod capability;
pub mod confinement;
pub mod errno;
pub mod files;
pub mod health;
pub mod kernel;
pub mod memory;
pub mod namespaces;
pub mod overlay;
pub mod pipe;
pub mod proc;
pub mod process;
mod random;
pub mod seccomp;
pub mod servers;
pub mod signal;
pub mod surroundings;
pub mod terminal;
pub mod tls;

pub use confinement::{Cgroup, Confinement};
pub use errno::{Errno, in_go};
pub use files::{FileTree, Mount, OpenMode};
pub use kernel::{Exit, Kernel, Launch};
pub use memory::{Held, Memory};
pub use namespaces::Namespaces;
pub use pipe::{Descriptor, OpenFile};
pub use process::{Credentials, Process};
pub use signal::{Disposition, Signal};
pub use surroundings::Surroundings;
pub use terminal::Terminal;

/// Numbers of a process within its kernel.
pub type Pid = u32;

/// Exit status of a program, 0 to 255.
pub type Code = i32;

/// A program: runs as a process to its exit status.
pub type Program = Box<dyn FnOnce(Process) -> futures_util::future::BoxFuture<'static, Code> + Send>;

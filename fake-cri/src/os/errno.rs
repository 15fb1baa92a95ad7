//! Error numbers with the texts that the C library prints: what busybox shows after the colon.

use std::io;

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// EPERM.
    NotPermitted,
    /// ENOENT.
    NoEntry,
    /// ESRCH.
    NoProcess,
    /// EIO.
    Io,
    /// EBADF.
    BadDescriptor,
    /// ECHILD.
    NoChild,
    /// EACCES.
    Access,
    /// EBUSY.
    Busy,
    /// ENODEV.
    NoDevice,
    /// EEXIST.
    Exists,
    /// ENOTDIR.
    NotDirectory,
    /// EISDIR.
    IsDirectory,
    /// EINVAL.
    Invalid,
    /// EFBIG.
    TooBig,
    /// ENOSPC.
    NoSpace,
    /// EROFS.
    ReadOnly,
    /// EPIPE.
    BrokenPipe,
    /// ENOTEMPTY.
    NotEmpty,
    /// ELOOP.
    Loop,
    /// EXDEV.
    CrossDevice,
    /// ENOEXEC.
    ExecFormat,
    /// ECONNREFUSED.
    Refused,
    /// ETIMEDOUT.
    TimedOut,
    /// EADDRINUSE.
    AddressInUse,
    /// EHOSTUNREACH.
    Unreachable,
    /// ENOSYS.
    NotImplemented,
}

impl Errno {
    /// The C library's text.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotPermitted => "Operation not permitted",
            Self::NoEntry => "No such file or directory",
            Self::NoProcess => "No such process",
            Self::Io => "I/O error",
            Self::BadDescriptor => "Bad file descriptor",
            Self::NoChild => "No child processes",
            Self::Access => "Permission denied",
            Self::Busy => "Resource busy",
            Self::NoDevice => "No such device",
            Self::Exists => "File exists",
            Self::NotDirectory => "Not a directory",
            Self::IsDirectory => "Is a directory",
            Self::Invalid => "Invalid argument",
            Self::TooBig => "File too large",
            Self::NoSpace => "No space left on device",
            Self::ReadOnly => "Read-only file system",
            Self::BrokenPipe => "Broken pipe",
            Self::NotEmpty => "Directory not empty",
            Self::Loop => "Symbolic link loop",
            Self::CrossDevice => "Cross-device link",
            Self::ExecFormat => "Exec format error",
            Self::Refused => "Connection refused",
            Self::TimedOut => "Operation timed out",
            Self::AddressInUse => "Address in use",
            Self::Unreachable => "Host is unreachable",
            Self::NotImplemented => "Function not implemented",
        }
    }
}

/// An error of the host's files as programs in Go print it, which runtimes are: in small letters, and with no number.
pub fn in_go(error: &io::Error) -> String {
    let known = io::Error::from(error.kind());
    match Errno::from(known) {
        // Not a system's error but one of our own, with words of its own.
        _ if error.raw_os_error().is_none() && error.get_ref().is_some() => error.to_string(),
        Errno::Io => "input/output error".to_owned(),
        Errno::Busy => "device or resource busy".to_owned(),
        Errno::Loop => "too many levels of symbolic links".to_owned(),
        Errno::CrossDevice => "invalid cross-device link".to_owned(),
        Errno::TimedOut => "connection timed out".to_owned(),
        Errno::AddressInUse => "address already in use".to_owned(),
        Errno::Unreachable => "no route to host".to_owned(),
        other => other.text().to_ascii_lowercase(),
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as K;
        match error.kind() {
            K::NotFound => Self::NoEntry,
            K::PermissionDenied => Self::Access,
            K::AlreadyExists => Self::Exists,
            K::NotADirectory => Self::NotDirectory,
            K::IsADirectory => Self::IsDirectory,
            K::DirectoryNotEmpty => Self::NotEmpty,
            K::ReadOnlyFilesystem => Self::ReadOnly,
            K::StorageFull => Self::NoSpace,
            K::FileTooLarge => Self::TooBig,
            K::ResourceBusy => Self::Busy,
            K::CrossesDevices => Self::CrossDevice,
            K::BrokenPipe => Self::BrokenPipe,
            K::ConnectionRefused => Self::Refused,
            K::TimedOut => Self::TimedOut,
            K::AddrInUse => Self::AddressInUse,
            K::HostUnreachable | K::NetworkUnreachable => Self::Unreachable,
            K::InvalidInput | K::InvalidData => Self::Invalid,
            K::Unsupported => Self::NotImplemented,
            _ => Self::Io,
        }
    }
}

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

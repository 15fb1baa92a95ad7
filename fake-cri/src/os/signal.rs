//! Signals by number and name, and what a process may do about one.

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// Linux's names, by number from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "POLL",
    "PWR", "SYS",
];

/// The first real-time signal that programs may use, as glibc numbers it.
const RTMIN: u8 = 34;
/// The last real-time signal.
const RTMAX: u8 = 64;

impl Signal {
    /// Hang-up.
    pub const HUP: Self = Self(1);
    /// Interrupt.
    pub const INT: Self = Self(2);
    /// Quit: what nginx is stopped with.
    pub const QUIT: Self = Self(3);
    /// Kill: cannot be handled.
    pub const KILL: Self = Self(9);
    /// Write to a pipe that nobody reads.
    pub const PIPE: Self = Self(13);
    /// Terminate: the default way to stop a container.
    pub const TERM: Self = Self(15);
    /// A system call that a filter kills for.
    pub const SYS: Self = Self(31);
    /// The size of the terminal's window has changed.
    pub const WINCH: Self = Self(28);
    /// A child ended.
    pub const CHLD: Self = Self(17);

    /// The signal of that number, 1 to 64.
    pub fn from_number(number: u32) -> Option<Self> {
        u8::try_from(number).ok().filter(|n| (1..=RTMAX).contains(n)).map(Self)
    }

    /// Reads `TERM`, `SIGTERM`, `15`, `RTMIN+3`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse::<u32>() {
            return Self::from_number(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(rest) = name.strip_prefix("RTMIN") {
            return Self::offset(RTMIN, rest, 1);
        }
        if let Some(rest) = name.strip_prefix("RTMAX") {
            return Self::offset(RTMAX, rest, -1);
        }
        let name = match name {
            "CLD" => "CHLD",
            "IO" => "POLL",
            "IOT" => "ABRT",
            other => other,
        };
        NAMES.iter().position(|n| *n == name).and_then(|i| Self::from_number(i as u32 + 1))
    }

    fn offset(base: u8, rest: &str, sign: i32) -> Option<Self> {
        if rest.is_empty() {
            return Some(Self(base));
        }
        let digits = rest.strip_prefix(if sign > 0 { '+' } else { '-' })?;
        let number = i32::from(base) + sign * digits.parse::<u8>().ok().map(i32::from)?;
        u32::try_from(number).ok().and_then(Self::from_number).filter(|s| s.0 >= RTMIN)
    }

    /// Its number.
    pub fn number(self) -> u32 {
        u32::from(self.0)
    }

    /// Its name without `SIG`.
    pub fn name(self) -> String {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => (*name).to_owned(),
            None => format!("RTMIN+{}", self.0.saturating_sub(RTMIN)),
        }
    }

    /// What the C library says of a process that it ended.
    pub fn description(self) -> String {
        match self.0 {
            1 => "Hangup",
            2 => "Interrupt",
            3 => "Quit",
            4 => "Illegal instruction",
            5 => "Trace/breakpoint trap",
            6 => "Aborted",
            7 => "Bus error",
            8 => "Arithmetic exception",
            9 => "Killed",
            10 => "User defined signal 1",
            11 => "Segmentation fault",
            12 => "User defined signal 2",
            13 => "Broken pipe",
            14 => "Alarm clock",
            15 => "Terminated",
            31 => "Bad system call",
            number => return format!("Signal {number}"),
        }
        .to_owned()
    }

    /// The exit status a shell shows for a process that this signal ended.
    pub fn exit_code(self) -> i32 {
        128 + i32::from(self.0)
    }

    /// Whether a process that does nothing about it lives on.
    pub fn harmless_by_default(self) -> bool {
        matches!(self.0, 17 | 18 | 19 | 20 | 21 | 22 | 23 | 28)
    }
}

/// What a process does when a signal arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disposition {
    /// The kernel's default: most signals end the process; the first process of a container is spared.
    #[default]
    Default,
    /// Nothing.
    Ignore,
    /// The program is told.
    Handle,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("TERM", Some(15))]
    #[case("SIGTERM", Some(15))]
    #[case("sigkill", Some(9))]
    #[case("9", Some(9))]
    #[case("SIGRTMIN", Some(34))]
    #[case("RTMIN+3", Some(37))]
    #[case("RTMAX-14", Some(50))]
    #[case("RTMIN+99", None)]
    #[case("CLD", Some(17))]
    #[case("0", None)]
    #[case("NOPE", None)]
    fn names(#[case] text: &str, #[case] number: Option<u32>) {
        assert_eq!(Signal::parse(text).map(Signal::number), number);
    }
}

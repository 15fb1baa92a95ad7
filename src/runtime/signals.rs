//! Stop signals by name, as manifests and statuses write them, and by number, as the runtime is told. As kubelet 1.36 with the feature
//! gate `ContainerStopSignals`; without it signals are neither said nor shown.

use cri_proto::v1::Signal;

/// The runtime's number for a name such as `SIGUSR1` or `SIGRTMIN+3`; its default for a name that it does not know.
pub fn number(name: &str) -> i32 {
    let name = name.replace('+', "PLUS").replace('-', "MINUS");
    Signal::from_str_name(&name).unwrap_or(Signal::RuntimeDefault).into()
}

/// The name of the runtime's number; `None` if it tells none.
pub fn name(number: i32) -> Option<String> {
    let signal = Signal::try_from(number).ok().filter(|signal| *signal != Signal::RuntimeDefault)?;
    Some(signal.as_str_name().replace("PLUS", "+").replace("MINUS", "-"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("SIGUSR1", Signal::Sigusr1)]
    #[case("SIGRTMIN+3", Signal::Sigrtminplus3)]
    #[case("SIGRTMAX-14", Signal::Sigrtmaxminus14)]
    #[case("SIGRTMAX", Signal::Sigrtmax)]
    fn names_and_numbers(#[case] text: &str, #[case] signal: Signal) {
        assert_eq!(number(text), i32::from(signal));
        assert_eq!(name(signal.into()).as_deref(), Some(text));
    }

    #[test]
    fn what_is_unknown_is_the_runtimes_default() {
        assert_eq!(number("SIGNONE"), 0);
        assert_eq!((name(0), name(-1)), (None, None));
    }
}

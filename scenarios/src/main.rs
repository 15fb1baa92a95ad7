//! The `podlab` program: arguments, streams and exit code. All else is the library's.

use std::{
    env,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use podlab::cli::{self, Cli, Surroundings};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // Nothing can be done when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let styled = !no_color && std::io::stdout().is_terminal();
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let mut around = Surroundings { out: &mut out, err: &mut err, styled };
    match cli::main(cli, &mut around) {
        Ok(code) => ExitCode::from(code),
        // Whoever reads closed the pipe: nothing to say and nobody to say it to.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "error: {error}");
            ExitCode::from(3)
        }
    }
}

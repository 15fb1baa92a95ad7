//! `cargo xtask`: what the project checks about itself. Nothing that ships depends on it.
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types)]

mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// What the project checks about itself.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
enum Command {
    /// Checks layers, file sizes, headers, bans and the invariants' tests. One line per finding: path:line: rule: what to do.
    Tidy,
}

fn main() -> anyhow::Result<ExitCode> {
    match Command::parse() {
        Command::Tidy => {
            let findings = tidy::run(&tidy::Tree::tracked()?);
            let refused = findings.iter().filter(|f| f.refused).count();
            for finding in &findings {
                println!("{finding}");
            }
            println!("tidy: {refused} refused, {} warnings", findings.len() - refused);
            Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

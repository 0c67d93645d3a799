//! The command `graunt`: private, provable answers from health records at many sites.
//!
//! ```text
//! commands ─▶ session ─▶ engine            arguments, configuration, progress, wiring, printing
//!     │          └────▶ home ─▶ ledger-adapter
//!     └───────────────────────▶ datasets
//! ```
//! There are no analytics here: what is private, and how, is the engine's to say.

mod commands;
mod config;
mod fail;
mod home;
mod numbers;
mod output;
mod population;
mod progress;
mod script;
mod session;
mod shell;
mod show;

use std::process::ExitCode;

use crate::output::Output;

fn main() -> ExitCode {
    let cli = match commands::parse(std::env::args_os()) {
        Ok(cli) => cli,
        // Help and version come this way as well, with exit code 0.
        Err(error) => error.exit(),
    };
    let json = cli.json;
    match commands::run(cli, &mut Output::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            fail::print(&failure, json);
            ExitCode::from(failure.exit_code())
        }
    }
}

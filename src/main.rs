//! The command `graunt`: private, provable answers from health records at many sites.
//!
//! ```text
//! commands ─▶ session ─▶ engine            arguments, configuration, progress, wiring, printing
//!     │          └────▶ home ─▶ ledger-adapter
//!     ├───────────────────────▶ datasets
//!     └───────────────────────▶ wire               calls between sites
//! ```
//! There are no analytics here: what is private, and how, is the engine's to say.

mod analysts;
mod chain;
mod commands;
mod config;
mod desk;
mod doors;
mod fail;
mod federated;
mod home;
mod numbers;
mod opened;
mod output;
mod plot;
mod population;
mod progress;
mod script;
mod serve;
mod session;
mod shell;
mod show;
mod wire;

use std::process::ExitCode;

use crate::fail::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let made = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run);
    // The thread has told why it ended.
    made.ok().and_then(|thread| thread.join().ok()).unwrap_or(ExitCode::from(101))
}

fn run() -> ExitCode {
    // What a library says when it panics may name a value of a record: only the place is told.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
        output::remark(format_args!("internal error{place}"));
    }));
    let cli = match commands::parse(std::env::args_os()) {
        Ok(cli) => cli,
        // Help and version come this way as well, with exit code 0.
        Err(error) if error.exit_code() == 0 || !asks_for_json() => error.exit(),
        Err(error) => {
            let text = error.render().to_string();
            let (what, hint) = text.split_once("\n\n").unwrap_or((&text, ""));
            let failure = Failure::usage(what.trim_start_matches("error: "), hint.trim());
            fail::print(&failure, true);
            return ExitCode::from(failure.exit_code());
        }
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

/// Whether a command line that could not be read asks for JSON.
fn asks_for_json() -> bool {
    std::env::args_os().any(|argument| argument == "--json")
}

/// Stack of threads that plan questions, of which only what is used takes memory. A question of the
/// most operators that one may have is a tree as deep, and each level of it takes some kilobytes.
const STACK_BYTES: usize = 128 << 20;

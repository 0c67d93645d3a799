//! Where a command prints: standard output, or memory, without panics when nobody reads on.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::fail::Failure;

/// A place to print to.
pub(crate) struct Output {
    sink: Box<dyn Write>,
    is_terminal: bool,
    is_styled: bool,
}

impl Output {
    /// Standard output; styled if it is a terminal and `NO_COLOR` is not set.
    pub(crate) fn stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_styled = is_terminal && std::env::var_os("NO_COLOR").is_none();
        Self { sink: Box::new(io::stdout()), is_terminal, is_styled }
    }

    /// Whether a person sees it right away.
    pub(crate) const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Prints one line.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        writeln!(self.sink, "{text}").map_err(Failure::Output)
    }

    /// Prints one line that matters less.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn dim_line(&mut self, text: impl Display) -> Result<(), Failure> {
        if self.is_styled {
            self.line(format_args!("\x1b[2m{text}\x1b[0m"))
        } else {
            self.line(text)
        }
    }

    /// Prints one line that matters more.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn bold_line(&mut self, text: impl Display) -> Result<(), Failure> {
        if self.is_styled {
            self.line(format_args!("\x1b[1m{text}\x1b[0m"))
        } else {
            self.line(text)
        }
    }

    /// Prints a value as one line of JSON.
    ///
    /// # Errors
    /// [`Failure::Output`], [`Failure::Encode`].
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string(value).map_err(|error| Failure::Encode(Box::new(error)))?;
        self.line(text)
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.sink.write_all(bytes).and_then(|()| self.sink.flush()).map_err(Failure::Output)
    }
}

/// Prints one line for people on standard error; if nobody listens, so be it.
pub(crate) fn remark(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

//! What every command works with: the daemon to ask, where to print, how to show that something takes long.

use super::client::{Client, Event};
use super::error::CliError;
use crate::control::Request;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;
use std::io::{self, Write};

/// How progress is shown.
pub enum Progress {
    /// A line each, for a log.
    Lines,
    /// One line that changes, for a terminal.
    Spinner(Option<ProgressBar>),
}

impl Progress {
    /// A spinner on a terminal, lines elsewhere.
    pub fn for_terminal(terminal: bool) -> Self {
        if terminal { Self::Spinner(None) } else { Self::Lines }
    }

    fn show(&mut self, err: &mut dyn Write, text: &str) {
        match self {
            // a log that can't be written must not stop the work
            Self::Lines => drop(writeln!(err, "{text}")),
            Self::Spinner(bar) => bar.get_or_insert_with(spinner).set_message(text.to_owned()),
        }
    }

    fn tick(&self) {
        if let Self::Spinner(Some(bar)) = self {
            bar.tick();
        }
    }

    fn clear(&mut self) {
        if let Self::Spinner(bar) = self
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }
}

/// Moved by [`Session::tick`], as a thread of its own would keep a command from entering namespaces.
fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// One run of a command.
pub struct Session<'a> {
    /// Whom to ask.
    pub client: Client,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// How to show progress.
    pub progress: Progress,
    /// Whether colours may be used on standard output.
    pub colour: bool,
    /// How an environment variable is read.
    pub env: fn(&str) -> Option<String>,
    /// The flags that were typed, by their long names.
    pub given: Vec<String>,
}

impl Session<'_> {
    /// Asks the daemon and shows its progress.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, CliError> {
        let (progress, err) = (&mut self.progress, &mut *self.err);
        let answer = self.client.ask(request, &mut |event| match event {
            Event::Progress(text) => progress.show(err, text),
            Event::Tick => progress.tick(),
        });
        self.progress.clear();
        answer
    }

    /// Asks for one AWS operation.
    ///
    /// # Errors
    /// As [`Client::ask`]; AWS's code is in [`CliError::Refused`].
    pub fn call(&mut self, region: &str, service: &str, operation: &str, input: Value) -> Result<Value, CliError> {
        self.ask(&Request::Call {
            region: Some(region.to_owned()),
            service: service.to_owned(),
            operation: operation.to_owned(),
            input,
        })
    }

    /// Shows how far a command itself is.
    pub fn progress(&mut self, text: &str) {
        self.progress.show(self.err, text);
    }

    /// Moves the spinner, if there is one.
    pub fn tick(&mut self) {
        self.progress.tick();
    }

    /// Takes the spinner away.
    pub fn progress_done(&mut self) {
        self.progress.clear();
    }

    /// Prints a line on standard output.
    ///
    /// # Errors
    /// [`CliError::OutputClosed`] when nobody reads any more.
    pub fn line(&mut self, text: impl Display) -> Result<(), CliError> {
        self.progress.clear();
        writeln!(self.out, "{text}").map_err(output_error)
    }

    /// Prints text as it is.
    ///
    /// # Errors
    /// [`CliError::OutputClosed`] when nobody reads any more.
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.progress.clear();
        self.out.write_all(text.as_bytes()).map_err(output_error)
    }

    /// Prints a line on standard error.
    pub fn note(&mut self, text: impl Display) {
        self.progress.clear();
        // nothing better can be done about a closed stderr
        drop(writeln!(self.err, "{text}"));
    }

    /// Prints a value as indented JSON.
    ///
    /// # Errors
    /// [`CliError::OutputClosed`] when nobody reads any more.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(|e| CliError::told(format!("cannot show this: {e}")))?;
        self.line(text)
    }

    /// Writes out what is buffered, before another program takes over the terminal.
    pub fn flush(&mut self) {
        drop(self.out.flush());
        drop(self.err.flush());
    }
}

fn output_error(error: io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return CliError::OutputClosed;
    }
    CliError::Io { doing: "write the output".to_owned(), source: error }
}

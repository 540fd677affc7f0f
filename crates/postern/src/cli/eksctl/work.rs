//! What eksctl's commands work with: log lines in eksctl's form, AWS calls in one region, and waiting.

use super::flags::Common;
use crate::cli::error::CliError;
use crate::cli::session::Session;
use crate::control::{Hello, Request};
use serde_json::{Value, json};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// The first pause between two looks at something that changes: our clusters change in milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause between two looks.
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// What a log line is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Critical,
    Warning,
    Success,
    Info,
    Debug,
}

impl Kind {
    /// Its icon, the verbosity from which on it is shown, and its colour on a terminal.
    fn facts(self) -> (&'static str, u8, &'static str) {
        match self {
            Self::Critical => ("✖", 1, "31"),
            Self::Warning => ("!", 2, "33"),
            Self::Success => ("✔", 3, "32"),
            Self::Info => ("ℹ", 3, "36"),
            Self::Debug => ("▶", 4, "35"),
        }
    }
}

/// One command's run in one region.
pub struct Work<'s, 'a> {
    /// Where to ask and print.
    pub session: &'s mut Session<'a>,
    /// The region.
    pub region: String,
    verbose: u8,
    colour: bool,
    to_err: bool,
}

impl<'s, 'a> Work<'s, 'a> {
    /// Settles the region, asking the daemon for its own when none is given.
    ///
    /// # Errors
    /// When a flag is refused, or no daemon answers.
    pub fn new(session: &'s mut Session<'a>, common: &Common, region: Option<&str>) -> Result<Self, CliError> {
        common.check()?;
        let env = session.env;
        let region = region.map(str::to_owned).or_else(|| env("AWS_REGION")).or_else(|| env("AWS_DEFAULT_REGION"));
        let region = match region {
            Some(region) => region,
            None => session.ask::<Hello>(&Request::Hello)?.region,
        };
        let colour = session.colour && common.color != "false";
        Ok(Self { session, region, verbose: common.verbose, colour, to_err: false })
    }

    /// Sends log lines to standard error, as what is printed is for programs.
    pub fn log_to_stderr(&mut self) {
        self.to_err = true;
    }

    /// Asks for one AWS operation.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn call(&mut self, service: &str, operation: &str, input: Value) -> Result<Value, CliError> {
        let region = self.region.clone();
        self.session.call(&region, service, operation, input)
    }

    /// All items of a paginated operation's list.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn list(&mut self, service: &str, operation: &str, input: Value, list: &str) -> Result<Vec<Value>, CliError> {
        // EKS and EC2 name the token in two ways, IAM in a third
        let tokens = [("nextToken", "nextToken"), ("NextToken", "NextToken"), ("Marker", "Marker")];
        let (mut items, mut input) = (Vec::new(), input);
        loop {
            let mut page = self.call(service, operation, input.clone())?;
            if let Some(Value::Array(found)) = page.get_mut(list).map(Value::take) {
                items.extend(found);
            }
            let next = tokens.iter().find_map(|(out, field)| Some((*field, page.get(out)?.as_str()?.to_owned())));
            match next {
                Some((field, token)) if !token.is_empty() => input[field] = token.into(),
                _ => return Ok(items),
            }
        }
    }

    /// The cluster, or `None`.
    ///
    /// # Errors
    /// As [`Session::call`], save that there is none.
    pub fn cluster(&mut self, name: &str) -> Result<Option<Value>, CliError> {
        match self.call("eks", "DescribeCluster", json!({ "name": name })) {
            Ok(mut answer) => Ok(Some(answer["cluster"].take())),
            Err(e) if e.is_code("ResourceNotFoundException") => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The cluster.
    ///
    /// # Errors
    /// In eksctl's words when there is none.
    pub fn existing_cluster(&mut self, name: &str) -> Result<Value, CliError> {
        match self.cluster(name)? {
            Some(cluster) => Ok(cluster),
            None => Err(CliError::told(format!(
                "unable to describe cluster control plane: No cluster found for name: {name}. \
                 (`postern get cluster` lists those in {})",
                self.region
            ))),
        }
    }

    /// Looks until something is found or the time is over; `waiting` is what is shown meanwhile.
    ///
    /// # Errors
    /// Those of `look`, and that the time is over.
    pub fn wait<T>(
        &mut self,
        limit: Duration,
        waiting: &str,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>, CliError>,
    ) -> Result<T, CliError> {
        let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            if let Some(found) = look(self)? {
                self.session.progress_done();
                return Ok(found);
            }
            if started.elapsed() + pause > limit {
                self.session.progress_done();
                return Err(CliError::told(format!("timed out after {limit:?} {waiting}")));
            }
            if started.elapsed() > LAST_PAUSE {
                self.session.tick();
            }
            std::thread::sleep(pause);
            pause = (pause * 3 / 2).min(LAST_PAUSE);
        }
    }

    /// Logs a step. That nobody reads any more is no reason to leave work half done.
    ///
    /// # Errors
    /// When the output can't be written, as on a full disk; so all below.
    pub fn info(&mut self, text: impl Display) -> Result<(), CliError> {
        self.log(Kind::Info, &text)
    }

    /// Logs an end that is good.
    pub fn success(&mut self, text: impl Display) -> Result<(), CliError> {
        self.log(Kind::Success, &text)
    }

    /// Logs what the user should know.
    pub fn warning(&mut self, text: impl Display) -> Result<(), CliError> {
        self.log(Kind::Warning, &text)
    }

    /// Logs a failure.
    pub fn critical(&mut self, text: impl Display) -> Result<(), CliError> {
        self.log(Kind::Critical, &text)
    }

    /// Logs a detail.
    pub fn debug(&mut self, text: impl Display) -> Result<(), CliError> {
        self.log(Kind::Debug, &text)
    }

    /// Logs what is about to be done, or, in plan mode, what would be.
    pub fn intent(&mut self, plan: bool, text: impl Display) -> Result<(), CliError> {
        let lead = if plan { "(plan) would" } else { "will" };
        self.info(format!("{lead} {text}"))
    }

    /// Says, in plan mode, that nothing was done.
    pub fn plan_warning(&mut self, plan: bool) -> Result<(), CliError> {
        if !plan {
            return Ok(());
        }
        self.warning("no changes were applied, run again with '--approve' to apply the changes")
    }

    fn log(&mut self, kind: Kind, text: &dyn Display) -> Result<(), CliError> {
        let (icon, from, colour) = kind.facts();
        if self.verbose < from {
            return Ok(());
        }
        let time = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
        let icon = if self.colour { format!("\x1b[{colour}m{icon}\x1b[0m") } else { icon.to_owned() };
        let line = format!("{time} [{icon}]  {text}");
        if self.to_err {
            self.session.note(line);
            return Ok(());
        }
        match self.session.line(line) {
            Err(CliError::OutputClosed) => Ok(()),
            other => other,
        }
    }
}

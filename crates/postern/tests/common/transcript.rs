//! What was typed and what it printed: texts that are run line by line, and compared.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A command and the lines that it should print.
pub struct Step {
    /// Where it stands in its text.
    pub line: usize,
    pub command: String,
    pub expected: Vec<String>,
}

/// The commands in lines of which some begin with `$ `.
pub fn steps<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<Step> {
    let mut steps = Vec::<Step>::new();
    for (line, text) in lines {
        if let Some(command) = text.strip_prefix("$ ") {
            steps.push(Step { line, command: command.to_owned(), expected: Vec::new() });
        } else if let Some(step) = steps.last_mut() {
            step.expected.push(text.to_owned());
        }
    }
    steps
}

/// Whether a line is as expected; `…` stands for anything.
fn line_matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.split("…");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether an output is as expected; a line `…` stands for any number of lines.
pub fn matches(expected: &[String], lines: &[String]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "…" => (0..=lines.len()).any(|skip| matches(rest, &lines[skip..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, more)| line_matches(first, line) && matches(rest, more))
        }
    }
}

/// A shell that is given one command after the other.
pub struct Shell {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    /// Starts it: `command` runs a `bash` that reads its input.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        writeln!(input, "exec 2>&1").unwrap();
        Self { child, input: Some(input), output }
    }

    /// Runs a command: its exit code and what it printed, without empty lines at the end.
    pub fn run(&mut self, command: &str) -> (i32, Vec<String>) {
        // the marker stands on a line of its own, also after an output without a final newline
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{{ {command}\n}} </dev/null; code=$?; echo; echo \"--done $code\"").unwrap();
        let mut lines = Vec::new();
        let code = loop {
            let line = self.output.next().unwrap().unwrap();
            match line.strip_prefix("--done ") {
                Some(code) => break code.parse().unwrap(),
                None => lines.push(line),
            }
        };
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        (code, lines)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

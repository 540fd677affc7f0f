//! `docs/walkthrough.md`, run line by line in one shell, as its reader would.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Postern;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// A command and the lines that it should print.
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let (mut steps, mut inside) = (Vec::<Step>::new(), false);
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            steps.push(Step { line: number + 1, command: command.to_owned(), expected: Vec::new() });
        } else if inside && let Some(step) = steps.last_mut() {
            step.expected.push(line.to_owned());
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
fn matches(expected: &[String], lines: &[String]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "…" => (0..=lines.len()).any(|skip| matches(rest, &lines[skip..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, more)| line_matches(first, line) && matches(rest, more))
        }
    }
}

#[test]
fn what_is_expected_is_compared() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a\n…\nip-…-x"), &lines("a\nb\nc\nip-1-x")));
    assert!(!matches(&lines("a\nip-…-x"), &lines("a\nip-1-y")));
    assert!(!matches(&lines("a"), &lines("a\nb")));
}

#[test]
fn the_walkthrough_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("docs/walkthrough.md")).unwrap();
    let postern = Postern::up("ap-northeast-2");
    let mut shell = Command::new("bash");
    let bin = Path::new(env!("CARGO_BIN_EXE_postern")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    shell.env("PATH", path).env("POSTERN_DATA_DIR", postern.data_dir()).env("AWS_PAGER", "");
    shell.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    let mut output = BufReader::new(shell.stdout.take().unwrap()).lines();
    writeln!(input, "exec 2>&1").unwrap();
    let steps = steps(&text);
    assert!(steps.len() > 30, "the walkthrough was not read");
    for step in steps {
        // the marker stands on a line of its own, also after an output without a final newline
        writeln!(input, "{{ {}\n}} </dev/null; echo; echo \"--done $?\"", step.command).unwrap();
        let mut lines = Vec::new();
        let code = loop {
            let line = output.next().unwrap().unwrap();
            match line.strip_prefix("--done ") {
                Some(code) => break code.to_owned(),
                None => lines.push(line),
            }
        };
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        let told = format!("docs/walkthrough.md:{}: $ {}\n{}", step.line, step.command, lines.join("\n"));
        assert_eq!(code, "0", "{told}");
        assert!(matches(&step.expected, &lines), "{told}\n--- expected\n{}", step.expected.join("\n"));
    }
    drop(input);
    shell.wait().unwrap();
}

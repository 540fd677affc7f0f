//! `docs/walkthrough.md`, run line by line in one shell, as its reader would.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Postern;
use common::transcript::{Shell, Step, matches, steps};
use std::path::Path;
use std::process::Command;

/// The commands of a document's shell examples.
fn examples(text: &str) -> Vec<Step> {
    let mut inside = false;
    let lines = text.lines().enumerate().filter_map(|(number, line)| {
        let fence = line.starts_with("```");
        if fence {
            inside = line == "```sh";
        }
        (inside && !fence).then_some((number + 1, line))
    });
    steps(lines)
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
    let mut shell = Shell::start(&mut shell);
    let steps = examples(&text);
    assert!(steps.len() > 30, "the walkthrough was not read");
    for step in steps {
        let (code, lines) = shell.run(&step.command);
        let told = format!("docs/walkthrough.md:{}: $ {}\n{}", step.line, step.command, lines.join("\n"));
        assert_eq!(code, 0, "{told}");
        assert!(matches(&step.expected, &lines), "{told}\n--- expected\n{}", step.expected.join("\n"));
    }
}

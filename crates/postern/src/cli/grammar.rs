//! What can be typed: the tree of commands, and how a line that is none is answered.

use super::eksctl;
use super::{account, at, completions, console, env, places, reach, status, up};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// EKS that you can run yourself.
#[derive(Debug, Parser)]
#[command(name = "postern", version, args_override_self = true, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    /// Where the service keeps its state; this is also how commands find it.
    #[arg(long, global = true, env = "POSTERN_DATA_DIR", default_value = "/var/lib/postern", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the service.
    Up(up::Up),
    /// Stop the service and remove every namespace, link, mount and process it made; state stays.
    Down,
    /// Stop the service and delete its state.
    Reset,
    /// Show what runs: clusters, VPCs, instances, addresses, engines.
    Status(status::Status),
    /// Print shell exports for tools on this host.
    Env(env::Env),
    /// Run a command (or a shell) standing at a place.
    At(at::At),
    /// List the places where one can stand.
    Places(places::Places),
    /// Say who can reach a cluster's endpoint, by which way, and what stops the others.
    Reach(reach::Reach),
    /// Create a resource, in eksctl's grammar.
    #[command(subcommand)]
    Create(eksctl::Create),
    /// Show resources, in eksctl's grammar.
    #[command(subcommand)]
    Get(eksctl::Get),
    /// Delete a resource, in eksctl's grammar.
    #[command(subcommand)]
    Delete(eksctl::Delete),
    /// Change a cluster's endpoint, in eksctl's grammar.
    #[command(subcommand)]
    Utils(eksctl::Utils),
    /// Print the web console's address.
    Console(console::Console),
    /// Print a shell's completion script.
    Completions(completions::Completions),
    /// Manage accounts.
    #[command(subcommand)]
    Account(account::Account),
    /// What is none of them.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// What a command line comes to.
pub enum Parsed {
    /// A command, and the flags that were typed, by their long names.
    Command(Box<Cli>, Vec<String>),
    /// Help or the version, for standard output.
    Help(String),
    /// Not a command; the line for standard error.
    Wrong(String),
}

/// Reads a command line, the program's name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Parsed {
    let mut command = Cli::command();
    let matches = match command.try_get_matches_from_mut(args) {
        Ok(matches) => matches,
        Err(e) => return explain(&e),
    };
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => Parsed::Command(Box::new(cli), given(&command, &matches)),
        Err(e) => explain(&e),
    }
}

/// The long names of the flags that were typed for the innermost command.
fn given(command: &clap::Command, matches: &ArgMatches) -> Vec<String> {
    if let Some((name, inner)) = matches.subcommand()
        && let Some(command) = command.find_subcommand(name)
    {
        return given(command, inner);
    }
    let typed = |it: &&clap::Arg| matches.value_source(it.get_id().as_str()) == Some(ValueSource::CommandLine);
    command.get_arguments().filter(typed).filter_map(|it| it.get_long()).map(str::to_owned).collect()
}

fn explain(error: &clap::Error) -> Parsed {
    use clap::error::ErrorKind;
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Parsed::Help(text);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Parsed::Wrong(text.trim_end().to_owned());
    }
    Parsed::Wrong(format!("Error: {}", one_line(&text)))
}

/// clap's message without its usage text, on one line, tips included.
fn one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let kept: Vec<_> = text.lines().map(str::trim).take_while(|it| !it.starts_with("Usage:")).collect();
    let kept: Vec<_> =
        kept.into_iter().filter(|it| !it.is_empty() && !it.starts_with("For more information")).collect();
    kept.join(" ")
}

/// A truth value as Go's flag library reads it.
///
/// # Errors
/// For any other text.
pub fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it is neither true nor false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[track_caller]
    fn reads(line: &str, want: fn(&Command) -> bool) -> Vec<String> {
        match parse(words(line)) {
            Parsed::Command(cli, given) if want(&cli.command) => given,
            Parsed::Command(cli, _) => panic!("{line} is read as {:?}", cli.command),
            Parsed::Help(text) | Parsed::Wrong(text) => panic!("{line}: {text}"),
        }
    }

    #[track_caller]
    fn wrong(line: &str) -> String {
        match parse(words(line)) {
            Parsed::Wrong(text) => text,
            Parsed::Help(text) => panic!("{line}: help {text}"),
            Parsed::Command(cli, _) => panic!("{line} is read as {:?}", cli.command),
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_reads() {
        reads("postern up --listen 127.0.0.1:1 --region eu-west-1 --detach", |it| matches!(it, Command::Up(_)));
        reads("postern down --data-dir /x", |it| matches!(it, Command::Down));
        reads("postern reset", |it| matches!(it, Command::Reset));
        reads("postern status --output json", |it| matches!(it, Command::Status(_)));
        reads("postern env --from outside", |it| matches!(it, Command::Env(_)));
        reads("postern at outside -- ls -l", |it| matches!(it, Command::At(_)));
        reads("postern places", |it| matches!(it, Command::Places(_)));
        reads("postern reach blue --from i-1 --region eu-west-1", |it| matches!(it, Command::Reach(_)));
        reads("postern console", |it| matches!(it, Command::Console(_)));
        reads("postern completions bash", |it| matches!(it, Command::Completions(_)));
        reads("postern account create", |it| matches!(it, Command::Account(_)));
        reads("postern scale nodegroup --name x", |it| matches!(it, Command::Other(_)));
    }

    #[test]
    fn the_data_directory_may_stand_anywhere() {
        for line in ["postern --data-dir /x down", "postern down --data-dir /x", "postern get cluster --data-dir /x"] {
            let Parsed::Command(cli, _) = parse(words(line)) else { panic!("{line}") };
            assert_eq!(cli.data_dir, PathBuf::from("/x"));
        }
    }

    #[test]
    fn typed_flags_are_known_by_their_long_names() {
        let given =
            reads("postern create cluster -n x --ssh-access --zones a,b", |it| matches!(it, Command::Create(_)));
        for name in ["name", "ssh-access", "zones"] {
            assert!(given.iter().any(|it| it == name), "{given:?}");
        }
        assert!(!given.iter().any(|it| it == "node-volume-size"), "{given:?}");
    }

    #[test]
    fn what_is_wrong_is_said_on_one_line() {
        for line in
            ["postern up --nope", "postern at", "postern reach", "postern up --listen nowhere", "postern completions x"]
        {
            let text = wrong(line);
            assert!(text.starts_with("Error: ") && !text.contains('\n'), "{text}");
        }
        assert!(wrong("postern").contains("Usage:"));
    }

    #[test]
    fn truth_is_spelt_as_in_go() {
        assert_eq!((go_bool("T"), go_bool("False")), (Ok(true), Ok(false)));
        assert!(go_bool("yes").is_err());
    }
}

//! `postern completions`: scripts that complete a command line.

use super::error::CliError;
use super::grammar::Cli;
use super::session::Session;
use clap::CommandFactory;
use clap_complete::Shell;

/// Prints a shell's completion script.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Prints it.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "postern", &mut script);
        session.text(&String::from_utf8_lossy(&script))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_shell_has_a_script() {
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let ran = crate::cli::testing::run(&format!("postern completions {shell}"));
            assert!(ran.output().contains("reach"), "{shell}");
        }
    }
}

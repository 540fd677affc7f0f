//! `postern console`: refused by name until there is a web console.

use super::error::CliError;

/// Prints the web console's address.
#[derive(Debug, clap::Args)]
pub struct Console {}

impl Console {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn run(self) -> Result<(), CliError> {
        Err(CliError::told(
            "`postern console` is not served: there is no web console yet; `postern status` shows what runs",
        ))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_refused_by_name() {
        assert!(crate::cli::testing::run("postern console").failure().contains("`postern console` is not served"));
    }
}

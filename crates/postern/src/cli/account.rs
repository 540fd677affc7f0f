//! `postern account`: accounts besides the first.

use super::error::CliError;
use super::session::Session;
use super::status::Format;
use crate::control::{Credentials, Request};

/// Manages accounts.
#[derive(Debug, clap::Subcommand)]
pub enum Account {
    /// Make an account, and print its administrator's access key; the secret is shown only here.
    Create {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

impl Account {
    /// Does it.
    ///
    /// # Errors
    /// As the daemon's.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        let Self::Create { output } = self;
        let made: Credentials = session.ask(&Request::CreateAccount)?;
        if output == Format::Json {
            return session.json(&made);
        }
        session.line(format!("account            {}", made.account))?;
        session.line(format!("access key id      {}", made.access_key_id))?;
        session.line(format!("secret access key  {}", made.secret_access_key))
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::FakeDaemon;
    use crate::control::Reply;
    use serde_json::{Value, json};

    #[test]
    fn a_new_account_shows_its_key() {
        let value = json!({"account": "111122223333", "access_key_id": "AKIAX", "secret_access_key": "s3cret"});
        let daemon = FakeDaemon::start({
            let value = value.clone();
            move |_| vec![Reply::Done { value: value.clone() }]
        });
        let ran = daemon.run("postern account create");
        assert_eq!(
            ran.output(),
            "account            111122223333\naccess key id      AKIAX\nsecret access key  s3cret\n"
        );
        let ran = daemon.run("postern account create --output json");
        assert_eq!(serde_json::from_str::<Value>(ran.output()).unwrap(), value);
    }
}

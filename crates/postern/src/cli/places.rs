//! `postern places`: where one can stand.

use super::error::CliError;
use super::session::Session;
use super::status::{Format, addresses};
use super::table::{row, spaces};
use crate::control::{PlaceInfo, Request};

/// Lists the places.
#[derive(Debug, clap::Args)]
pub struct Places {
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Places {
    /// Prints them.
    ///
    /// # Errors
    /// As the daemon's.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        let places: Vec<PlaceInfo> = session.ask(&Request::Places)?;
        if self.output == Format::Json {
            return session.json(&places);
        }
        let mut rows = vec![row(["PLACE", "WHAT", "NAME", "ADDRESSES", "WHERE"])];
        rows.extend(places.iter().map(|it| {
            let name = it.name.as_deref().unwrap_or("-");
            row([&it.place, &it.kind, name, &addresses(&it.addresses), &it.location])
        }));
        session.text(&spaces(&rows))
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::FakeDaemon;
    use crate::control::Reply;
    use serde_json::json;

    #[test]
    fn places_are_listed_with_their_addresses() {
        let daemon = FakeDaemon::start(|_| {
            let value = json!([
                {"place": "outside", "kind": "laptop", "addresses": ["198.18.0.9"], "location": "Internet",
                    "name": null},
                {"place": "i-0123456789abcdef0", "kind": "instance", "addresses": ["10.0.0.4", "198.18.0.7"],
                 "location": "vpc-1", "name": "web"}
            ]);
            vec![Reply::Done { value }]
        });
        assert_eq!(
            daemon.run("postern places").output(),
            "PLACE                WHAT      NAME  ADDRESSES             WHERE\n\
             outside              laptop    -     198.18.0.9            Internet\n\
             i-0123456789abcdef0  instance  web   10.0.0.4, 198.18.0.7  vpc-1\n"
        );
    }
}

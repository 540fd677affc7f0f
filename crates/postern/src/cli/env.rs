//! `postern env`: shell exports that point this host's tools at the service, and at a place's view of the network.

use super::at::check;
use super::error::CliError;
use super::session::Session;
use super::status::Format;
use crate::control::{Credentials, Hello, Request};
use std::net::SocketAddr;
use std::path::Path;

/// Variables that would win over what is exported here; they are unset where the caller has them.
const IN_THE_WAY: &[&str] =
    &["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "https_proxy", "no_proxy"];

/// Prints shell exports.
#[derive(Debug, clap::Args)]
pub struct Env {
    /// The place at which the HTTPS proxy stands.
    #[arg(long, default_value = "outside", value_name = "PLACE")]
    from: String,
    /// As shell text or as a JSON object.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Env {
    /// Prints them.
    ///
    /// # Errors
    /// As the daemon's.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        check(&self.from)?;
        let hello: Hello = session.ask(&Request::Hello)?;
        let key: Credentials = session.ask(&Request::Credentials)?;
        let proxy: SocketAddr = session.ask(&Request::Proxy { place: self.from })?;
        let variables = variables(&hello, &key, proxy, session.client.data_dir());
        if self.output == Format::Json {
            let map: serde_json::Map<_, _> = variables.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
            return session.json(&map);
        }
        let env = session.env;
        for name in IN_THE_WAY.iter().filter(|it| env(it).is_some()) {
            session.line(format!("unset {name}"))?;
        }
        for (name, value) in variables {
            session.line(format!("export {name}={}", quote(&value)))?;
        }
        Ok(())
    }
}

fn variables(hello: &Hello, key: &Credentials, proxy: SocketAddr, data_dir: &Path) -> Vec<(&'static str, String)> {
    let mut list = vec![
        ("AWS_ENDPOINT_URL", format!("http://{}", hello.listen)),
        ("AWS_ACCESS_KEY_ID", key.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", key.secret_access_key.clone()),
        ("AWS_DEFAULT_REGION", hello.region.clone()),
        ("AWS_REGION", hello.region.clone()),
    ];
    // the host's authorities and ours, written by the daemon: what is seen through the proxy is signed by ours
    let bundle = data_dir.join("ca-bundle.pem");
    let bundle = std::path::absolute(&bundle).unwrap_or(bundle);
    if bundle.exists() {
        let path = bundle.display().to_string();
        list.push(("AWS_CA_BUNDLE", path.clone()));
        // curl, OpenSSL's and Go's programs
        list.push(("SSL_CERT_FILE", path));
    }
    list.push(("HTTPS_PROXY", format!("http://{proxy}")));
    list.push(("NO_PROXY", "127.0.0.1,localhost".to_owned()));
    list
}

/// A word that every POSIX shell reads as this text.
fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.:,_-+=@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{FakeDaemon, hello};
    use crate::control::Reply;
    use serde_json::{Value, json};

    fn daemon() -> FakeDaemon {
        FakeDaemon::start(|request| {
            let value = match request {
                Request::Hello => hello(),
                Request::Credentials => json!({"account": "1", "access_key_id": "AKIA1", "secret_access_key": "a/b+c"}),
                Request::Proxy { .. } => json!("127.0.0.1:40001"),
                other => panic!("{other:?}"),
            };
            vec![Reply::Done { value }]
        })
    }

    #[test]
    fn exports_point_tools_at_the_service_and_at_the_place() {
        let daemon = daemon();
        let want = "export AWS_ENDPOINT_URL=http://127.0.0.1:4566\n\
                    export AWS_ACCESS_KEY_ID=AKIA1\n\
                    export AWS_SECRET_ACCESS_KEY=a/b+c\n\
                    export AWS_DEFAULT_REGION=ap-northeast-2\n\
                    export AWS_REGION=ap-northeast-2\n\
                    export HTTPS_PROXY=http://127.0.0.1:40001\n\
                    export NO_PROXY=127.0.0.1,localhost\n";
        assert_eq!(daemon.run("postern env").output(), want);
        assert!(daemon.requests().iter().any(|it| matches!(it, Request::Proxy { place } if place == "outside")));

        std::fs::write(daemon.dir().join("ca-bundle.pem"), "x").unwrap();
        let ran = daemon.run("postern env --from i-0123456789abcdef0 --output json");
        let map: Value = serde_json::from_str(ran.output()).unwrap();
        assert_eq!(map["AWS_CA_BUNDLE"], daemon.dir().join("ca-bundle.pem").display().to_string());
        assert_eq!(map["SSL_CERT_FILE"], map["AWS_CA_BUNDLE"]);
        let last = daemon.requests().pop();
        assert!(matches!(last, Some(Request::Proxy { place }) if place == "i-0123456789abcdef0"));
    }

    #[test]
    fn a_shell_reads_back_what_is_quoted() {
        for text in ["", "a b", "it's", "$(x)", "a/b+c", "`", "~"] {
            let script = format!("printf %s {}", quote(text));
            let out = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), text);
        }
    }
}

//! `postern at`: a command that runs where a packet of a place would start.

use super::error::CliError;
use super::session::Session;
use crate::control::{Request, Standing};
use base::place::Place;
use machine::{BareSpec, EnterSpec, MachineError, Machines};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

/// Where hosts keep the bundle of authorities: at a place that is only a network, the service's own is added to it.
const BUNDLES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// Runs a command (or a shell) standing at a place.
#[derive(Debug, clap::Args)]
pub struct At {
    /// `outside`, an instance id, a node name or NAMESPACE/POD@CLUSTER; `postern places` lists them.
    place: String,
    /// The command and its arguments, after `--`; a shell when there is none.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl At {
    /// Runs it; the status is the command's own.
    ///
    /// # Errors
    /// When there is no such place, or it can't be entered.
    pub fn run(self, session: &mut Session<'_>) -> Result<ExitCode, CliError> {
        check(&self.place)?;
        let argv = self.command.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let standing: Standing = session.ask(&Request::Stand { place: self.place.clone() })?;
        session.flush();
        let bundle = BUNDLES.iter().copied().find(|it| Path::new(it).exists());
        let status = match standing {
            Standing::Network { namespace, resolver, authority, environment } => {
                let argv = if argv.is_empty() { vec![shell(session.env)] } else { argv };
                let env = outside_environment(std::env::vars_os(), bundle, environment);
                enter_network(&self.place, &namespace, &bare_spec(resolver, authority, argv, env))
            }
            Standing::Machine { id, environment, .. } => {
                // a machine's /etc is made from the host's, so its bundle lies at the same path
                let env = told_of(bundle).chain(environment).collect();
                let spec = EnterSpec { argv, env, ..EnterSpec::default() };
                enter_machine(session.client.data_dir(), &id, &spec)
            }
        }?;
        // a status is 0 to 255; a larger one can't come from the kernel
        Ok(ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)))
    }
}

/// Refuses what has not the form of a place, in one line that says where to look.
///
/// # Errors
/// When it has not.
pub fn check(place: &str) -> Result<(), CliError> {
    match place.parse::<Place>() {
        Ok(_) => Ok(()),
        Err(_) => Err(CliError::told(format!(
            "there is no place {place:?}: one stands at `outside`, an instance id, a node name or \
             NAMESPACE/POD@CLUSTER; \
             `postern places` lists what there is"
        ))),
    }
}

fn text(word: OsString) -> Result<String, CliError> {
    word.into_string().map_err(|it| CliError::told(format!("{} is no UTF-8 text", it.display())))
}

fn shell(env: fn(&str) -> Option<String>) -> String {
    env("SHELL").unwrap_or_else(|| "/bin/bash".to_owned())
}

fn bare_spec(resolver: Ipv4Addr, authority: String, argv: Vec<String>, env: BTreeMap<String, String>) -> BareSpec {
    BareSpec {
        resolv_conf: format!("nameserver {resolver}\n"),
        hosts: None,
        ca_bundle: Some(authority).filter(|it| !it.is_empty()),
        argv,
        env,
    }
}

/// The caller's environment without what points tools at the host's side of the service, then the place's own.
fn outside_environment(
    own: impl Iterator<Item = (OsString, OsString)>,
    bundle: Option<&str>,
    place: Vec<(String, String)>,
) -> BTreeMap<String, String> {
    let own = own.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let own = own.filter(|(name, _)| !is_about_the_host(name));
    own.chain(told_of(bundle)).chain(place).collect()
}

/// Python's AWS and HTTP libraries bring a bundle along and must be told of the host's; the rest find it.
fn told_of(bundle: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let names = ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"].into_iter();
    names.filter_map(move |it| Some((it.to_owned(), bundle?.to_owned())))
}

fn is_about_the_host(name: &str) -> bool {
    const TRUST: &[&str] =
        &["SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
    name.starts_with("AWS_") || name.to_ascii_uppercase().ends_with("_PROXY") || TRUST.contains(&name)
}

fn enter_network(place: &str, namespace: &Path, spec: &BareSpec) -> Result<i32, CliError> {
    let file = File::open(namespace).map_err(CliError::io(format!("enter {place}: open {}", namespace.display())))?;
    machine::enter_bare(file.as_fd(), spec).map_err(|e| failed(&e))
}

fn enter_machine(data_dir: &Path, id: &str, spec: &EnterSpec) -> Result<i32, CliError> {
    let machines = Machines::open(crate::daemon::machine_options(data_dir)).map_err(|e| failed(&e))?;
    let running = machines.find(id).map_err(|e| failed(&e))?;
    let running = running.ok_or_else(|| CliError::told(format!("instance {id} does not run any more")))?;
    machine::enter(&running, spec).map_err(|e| failed(&e))
}

/// A machine's error with its causes, as nobody else will print them.
fn failed(error: &MachineError) -> CliError {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(it) = cause {
        line = format!("{line}: {it}");
        cause = it.source();
    }
    CliError::told(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{FakeDaemon, run};
    use crate::control::Reply;

    #[test]
    fn a_place_of_no_form_is_refused_without_a_daemon() {
        let ran = run("postern at inside --data-dir /nowhere -- true");
        assert!(ran.failure().contains("there is no place \"inside\""), "{}", ran.err);
        assert!(ran.failure().contains("`postern places`"), "{}", ran.err);
    }

    #[test]
    fn the_daemons_refusal_is_the_line() {
        let daemon =
            FakeDaemon::start(|_| vec![Reply::Failed { code: None, message: "there is no instance i-1".into() }]);
        // the data directory stands before `--`
        let line = format!("postern at i-0123456789abcdef0 --data-dir {} -- true", daemon.dir().display());
        assert_eq!(run(&line).failure(), "Error: there is no instance i-1");
        assert!(matches!(&daemon.requests()[..], [Request::Stand { place }] if place == "i-0123456789abcdef0"));
    }

    #[test]
    fn the_hosts_settings_for_tools_do_not_follow_outside() {
        let own =
            [("PATH", "/bin"), ("AWS_ENDPOINT_URL", "http://127.0.0.1"), ("https_proxy", "x"), ("SSL_CERT_FILE", "x")];
        let place = vec![("AWS_ACCESS_KEY_ID".to_owned(), "AKIA".to_owned())];
        let own = own.map(|(k, v)| (k.into(), v.into())).into_iter();
        let env = outside_environment(own, Some("/bundle"), place);
        let names: Vec<_> = env.keys().map(String::as_str).collect();
        assert_eq!(names, ["AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE", "PATH", "REQUESTS_CA_BUNDLE"]);
        assert_eq!(env["AWS_CA_BUNDLE"], "/bundle");
    }

    #[test]
    fn a_network_place_has_its_resolver_and_authority() {
        let spec = bare_spec(Ipv4Addr::new(198, 18, 0, 53), "PEM".into(), vec!["dig".into()], BTreeMap::new());
        assert_eq!(spec.resolv_conf, "nameserver 198.18.0.53\n");
        assert_eq!(spec.ca_bundle.as_deref(), Some("PEM"));
        assert_eq!(shell(|_| None), "/bin/bash");
    }
}

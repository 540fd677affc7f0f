//! The daemon's end of the control socket: reads one request, answers it. Only root can connect.

use super::Daemon;
use super::places::{self, Spot};
use crate::control::{Credentials, Reply, Request, Standing};
use aws_model::Context;
use base::{Clock as _, Region};
use serde::Serialize;
use serde_json::Value;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// The longest request line; the largest real one is an AWS operation's input.
const LINE_MAX: u64 = 4 * 1024 * 1024;

/// A refusal in one line, with AWS's code when an AWS operation was refused.
struct Refusal {
    code: Option<String>,
    message: String,
}

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self { code: None, message: error.to_string() }
    }
}

/// Opens the socket for root only; a leftover of a killed daemon is replaced (the store's lock says who is alive).
///
/// # Errors
/// When the socket cannot be made.
pub fn open(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves the socket for as long as the daemon runs.
pub async fn serve(daemon: Arc<Daemon>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let daemon = daemon.clone();
                tokio::spawn(async move {
                    if let Err(error) = answer(daemon, stream).await {
                        tracing::debug!(%error, "a control connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(daemon: Arc<Daemon>, stream: UnixStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_MAX)).read_line(&mut line).await?;
    let reply = match serde_json::from_str::<Request>(&line) {
        Ok(request) => match handle(&daemon, request).await {
            Ok(value) => Reply::Done { value },
            Err(Refusal { code, message }) => Reply::Failed { code, message },
        },
        Err(error) => Reply::Failed { code: None, message: format!("not a request: {error}") },
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    write.write_all(&text).await
}

fn value(it: impl Serialize) -> Result<Value, Refusal> {
    Ok(serde_json::to_value(it)?)
}

async fn handle(daemon: &Arc<Daemon>, request: Request) -> Result<Value, Refusal> {
    match request {
        Request::Hello => value(daemon.hello()),
        Request::Status => value(super::status::status(daemon)),
        Request::Down => {
            daemon.take_down().await.map_err(|message| Refusal { code: None, message })?;
            Ok(Value::Null)
        }
        Request::Credentials => value(daemon.administrator()),
        Request::CreateAccount => {
            let key = daemon.iam.create_account().await?;
            value(Credentials {
                account: key.caller.account.to_string(),
                access_key_id: key.access_key_id.clone(),
                secret_access_key: key.secret_access_key.clone(),
            })
        }
        Request::Places => value(places::list(&daemon.scene.read())),
        Request::Stand { place } => value(standing(daemon, &place)?),
        Request::Proxy { place } => {
            let stand = {
                let scene = daemon.scene.read();
                places::stand(&scene, &places::find(&scene, &place)?)
            };
            value(daemon.proxies.at(stand).await?)
        }
        Request::Reach { cluster, region, from } => {
            let region = region_or_default(daemon, region)?;
            let reports = super::probe::reach(daemon, &cluster, &region, from.as_deref()).await;
            value(reports.map_err(|message| Refusal { code: None, message })?)
        }
        Request::Call { region, service, operation, input } => {
            let region = region_or_default(daemon, region)?;
            call(daemon, region, &service, &operation, input).await
        }
    }
}

fn region_or_default(daemon: &Daemon, region: Option<String>) -> Result<Region, Refusal> {
    let Some(text) = region else { return Ok(daemon.options.region.clone()) };
    let region: Region = text.parse()?;
    if region.known() {
        Ok(region)
    } else {
        Err(Refusal { code: None, message: format!("{region} is no region that is served") })
    }
}

fn standing(daemon: &Daemon, place: &str) -> Result<Standing, Refusal> {
    let key = daemon.administrator();
    let region = daemon.options.region.to_string();
    let environment = vec![("AWS_DEFAULT_REGION".to_owned(), region.clone()), ("AWS_REGION".to_owned(), region)];
    match places::find(&daemon.scene.read(), place)? {
        Spot::Outside => {
            let mut environment = environment;
            environment.push(("AWS_ACCESS_KEY_ID".to_owned(), key.access_key_id));
            environment.push(("AWS_SECRET_ACCESS_KEY".to_owned(), key.secret_access_key));
            Ok(Standing::Network {
                namespace: daemon.fabric.path(&landing::plan::outside())?,
                resolver: landing::plan::PUBLIC_RESOLVER,
                authority: daemon.authority.clone(),
                environment,
            })
        }
        Spot::Instance(id, pid) => Ok(Standing::Machine { pid, id: id.to_string(), environment }),
    }
}

/// One AWS operation as the administrator, by the same dispatch (and the same authorization point) as over HTTP.
async fn call(
    daemon: &Arc<Daemon>,
    region: Region,
    service: &str,
    operation: &str,
    input: Value,
) -> Result<Value, Refusal> {
    let caller = daemon.administrator_caller.clone();
    let context = Context { caller, region, request_id: base::random_uuid(), now: daemon.clock.now() };
    let outcome = daemon.services.call(&context, service, operation, input).await;
    outcome.map_err(|fault| Refusal { code: Some(fault.code.into_owned()), message: fault.message })
}

//! A client of the AWS APIs over one kept connection, which signs as the SDKs do. The same one measures Postern and
//! what it is compared with.

use anyhow::{Context, bail};
use aws_wire::sigv4::{self, Keys};
use aws_wire::{Parts, form};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// One connection, made when it is needed.
pub struct Aws {
    address: SocketAddr,
    host: String,
    key: (String, String),
    region: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Aws {
    /// A client of the API at an address.
    pub fn new(address: SocketAddr, key: (String, String), region: &str) -> Self {
        Self { address, host: address.to_string(), key, region: region.to_owned(), connection: None }
    }

    /// Another client with a connection of its own.
    pub fn another(&self) -> Self {
        Self::new(self.address, self.key.clone(), &self.region)
    }

    /// An EKS call; the answer's body.
    ///
    /// # Errors
    /// When it is refused: the text holds the code.
    pub async fn eks(&mut self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map_or_else(Bytes::new, |it| Bytes::from(it.to_string()));
        let region = self.region.clone();
        let (status, answer) = self.send("eks", &region, method, path, "application/json", body).await?;
        if !status.is_success() {
            bail!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer));
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    /// An EC2 call; the answer's XML.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn ec2(&mut self, action: &str, words: &[(&str, &str)]) -> anyhow::Result<String> {
        let region = self.region.clone();
        self.query("ec2", &region, "2016-11-15", action, words).await
    }

    /// An IAM call; the answer's XML.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn iam(&mut self, action: &str, words: &[(&str, &str)]) -> anyhow::Result<String> {
        self.query("iam", "us-east-1", "2010-05-08", action, words).await
    }

    async fn query(
        &mut self,
        service: &str,
        region: &str,
        version: &str,
        action: &str,
        words: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let all = [("Action", action), ("Version", version)].into_iter().chain(words.iter().copied());
        let body = Bytes::from(form::write(all));
        let kind = "application/x-www-form-urlencoded";
        let (status, answer) = self.send(service, region, "POST", "/", kind, body).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if status.is_success() { Ok(answer) } else { bail!("{action} {words:?}: {status} {answer}") }
    }

    async fn send(
        &mut self,
        service: &str,
        region: &str,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = self.signed(service, region, method, path, kind, body)?;
        self.answer(request).await
    }

    /// A signed EKS request without a body, to be sent within five minutes.
    ///
    /// # Errors
    /// When the path is none.
    pub fn eks_get(&self, path: &str) -> anyhow::Result<Request<Full<Bytes>>> {
        self.signed("eks", &self.region, "GET", path, "application/json", Bytes::new())
    }

    /// A token for a cluster, as `aws eks get-token` makes it.
    pub fn token(&self, cluster: &str) -> String {
        let host = format!("sts.{}.amazonaws.com", self.region);
        let headers: Vec<(&str, &[u8])> = vec![("host", host.as_bytes()), ("x-k8s-aws-id", cluster.as_bytes())];
        let query = "Action=GetCallerIdentity&Version=2011-06-15";
        let parts = Parts { method: "GET", path: "/", query, headers, body: b"" };
        let query = sigv4::presign(&parts, &self.keys("sts", &self.region), 60, jiff::Timestamp::now());
        format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(format!("https://{host}/?{query}")))
    }

    fn keys(&self, service: &str, region: &str) -> Keys {
        Keys {
            access_key_id: self.key.0.clone(),
            secret: self.key.1.clone(),
            session_token: None,
            region: region.to_owned(),
            service: service.to_owned(),
        }
    }

    fn signed(
        &self,
        service: &str,
        region: &str,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let keys = self.keys(service, region);
        let headers: Vec<(&str, &[u8])> = vec![("content-type", kind.as_bytes()), ("host", self.host.as_bytes())];
        let parts = Parts { method, path, query: "", headers, body: &body };
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("host", &self.host).header("content-type", kind);
        for (name, value) in sigv4::sign(&parts, &keys, jiff::Timestamp::now()) {
            request = request.header(name, value);
        }
        Ok(request.body(Full::new(body))?)
    }

    /// Sends a request that is signed already.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn answer(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let connection = self.connected().await?;
        let answer = connection.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// The connection, made again when the other side closed it.
    async fn connected(&mut self) -> anyhow::Result<&mut SendRequest<Full<Bytes>>> {
        if let Some(open) = &mut self.connection
            && open.ready().await.is_err()
        {
            self.connection = None;
        }
        if self.connection.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // Ends with the sender.
            tokio::spawn(connection);
            self.connection = Some(sender);
        }
        self.connection.as_mut().context("a connection")
    }
}

/// The text of the first element of a name in an answer's XML.
///
/// # Errors
/// When there is none.
pub fn element<'a>(xml: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let rest = xml.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
    let text = rest.and_then(|rest| rest.split_once("</")).map(|(text, _)| text);
    text.with_context(|| format!("no {name} in {xml}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_name() {
        let xml = "<a><vpcId>vpc-1</vpcId><vpcId>vpc-2</vpcId></a>";
        assert_eq!(element(xml, "vpcId").unwrap(), "vpc-1");
        assert!(element(xml, "subnetId").is_err());
    }
}

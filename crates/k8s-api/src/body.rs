//! A request's body, read whole within a limit of size and time.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use k8s_types::Status;
use std::time::Duration;

/// The largest body in bytes, upstream's own limit: etcd takes 1.5 MiB, and a base64 form of that fits in here.
pub const LARGEST: usize = 3 * 1024 * 1024;

/// How long a whole body may take, upstream's limit for any request that does not stream.
const TIME: Duration = Duration::from_secs(60);

/// Reads `body`.
///
/// # Errors
/// 413 past [`LARGEST`], at once where the length is announced; 504 for a client that is too slow; 400 for a broken
/// stream.
pub async fn read<B>(body: B) -> Result<Bytes, Status>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    if body.size_hint().lower() > LARGEST as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(TIME, Limited::new(body, LARGEST).collect()).await {
        Err(_) => Err(Status::timeout("request did not complete within the allotted timeout", None)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Status::bad_request("the request's body broke off")),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
    }
}

fn too_large() -> Status {
    Status::too_large(format!("Request entity too large: limit is {LARGEST}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[tokio::test]
    async fn a_body_past_the_limit_is_refused() {
        let body = |length| Full::new(Bytes::from(vec![0_u8; length]));
        assert_eq!(read(body(LARGEST)).await.map(|bytes| bytes.len()), Ok(LARGEST));
        assert_eq!(read(body(LARGEST + 1)).await, Err(too_large()));
        // Without an announced length the bytes are counted.
        let unsized_body = body(LARGEST + 1).map_frame(|frame| frame);
        assert_eq!(read(unsized_body).await, Err(too_large()));
    }
}

//! A request's body, read whole within limits of size, time and memory.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The largest body in bytes. The largest input of a served operation is a role's policy with its tags or an instance's
/// user data, each well below 200 KB when encoded; AWS itself takes about a megabyte.
pub const LARGEST: usize = 1024 * 1024;

/// How long a whole body may take.
const TIME: Duration = Duration::from_secs(30);

/// Bytes of larger bodies that are held at a time, whoever sends them: the signature is over the whole body, so even
/// those of strangers must be held.
const HELD: usize = 64 * 1024 * 1024;

/// Bodies up to here are not counted, so that a few slow senders can't keep everyone else out.
const SMALL: usize = 16 * 1024;

/// What is read and thrown away of a body that is too large: a client that is still sending does not see the answer.
const DRAINED: usize = 16 * 1024 * 1024;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More than [`LARGEST`].
    #[error("the body is too large")]
    TooLarge,
    /// It did not come in time.
    #[error("the body came too slowly")]
    TooSlow,
    /// The client is gone, or sends what is no body.
    #[error("the body broke off")]
    Broken,
}

/// Reads bodies.
pub struct Reader {
    budget: Arc<Semaphore>,
}

/// A body, and its share of the memory for bodies, which is given back on drop.
pub struct Held {
    /// The whole body.
    pub bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { budget: Arc::new(Semaphore::new(HELD / SMALL)) }
    }
}

impl Reader {
    /// Reads `body`.
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn read<B>(&self, body: B) -> Result<Held, BodyError>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let hint = body.size_hint();
        if hint.upper() == Some(0) {
            return Ok(Held { bytes: Bytes::new(), _share: None });
        }
        if hint.lower() > LARGEST as u64 {
            let _ = timeout(TIME, drain(body)).await;
            return Err(BodyError::TooLarge);
        }
        timeout(TIME, self.whole(body)).await.unwrap_or(Err(BodyError::TooSlow))
    }

    async fn whole<B>(&self, body: B) -> Result<Held, BodyError>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let most = body.size_hint().upper().and_then(|most| usize::try_from(most).ok()).unwrap_or(LARGEST);
        let share = match most.min(LARGEST) {
            small if small <= SMALL => None,
            large => {
                let shares = u32::try_from(large.div_ceil(SMALL)).unwrap_or(u32::MAX);
                Some(self.budget.clone().acquire_many_owned(shares).await.map_err(|_| BodyError::Broken)?)
            }
        };
        let mut body = pin!(body);
        match Limited::new(body.as_mut(), LARGEST).collect().await {
            Ok(collected) => Ok(Held { bytes: collected.to_bytes(), _share: share }),
            Err(error) if error.is::<LengthLimitError>() => {
                drop(share);
                drain(body).await;
                Err(BodyError::TooLarge)
            }
            Err(_) => Err(BodyError::Broken),
        }
    }
}

async fn drain<B: Body>(body: B) {
    let mut body = pin!(body);
    let mut left = DRAINED;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, bytes::Buf::remaining);
        match left.checked_sub(length) {
            Some(less) => left = less,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use http_body_util::{Empty, Full, StreamBody};
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn body(length: usize) -> Full<Bytes> {
        Full::new(Bytes::from(vec![7_u8; length]))
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read() {
        let reader = Reader::default();
        for length in [0, 1, SMALL, SMALL + 1, LARGEST] {
            assert_eq!(reader.read(body(length)).await.unwrap().bytes.len(), length);
        }
        assert!(reader.read(Empty::<Bytes>::new()).await.unwrap().bytes.is_empty());
    }

    #[tokio::test]
    async fn a_larger_one_is_refused_whether_announced_or_not() {
        let reader = Reader::default();
        assert_eq!(reader.read(body(LARGEST + 1)).await.err(), Some(BodyError::TooLarge));
        let unannounced = body(LARGEST + 1).map_frame(|frame| frame);
        assert_eq!(reader.read(unannounced).await.err(), Some(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn the_rest_of_an_unannounced_one_is_taken_off_the_wire() {
        let (sent, frames) = (AtomicUsize::new(0), 64);
        let block = Bytes::from(vec![7_u8; LARGEST / 8]);
        let stream = futures::stream::iter(0..frames).map(|_| {
            sent.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(block.clone()))
        });
        assert_eq!(Reader::default().read(StreamBody::new(stream)).await.err(), Some(BodyError::TooLarge));
        assert_eq!(sent.load(Ordering::Relaxed), frames);
    }

    #[tokio::test]
    async fn large_bodies_share_a_budget_and_small_ones_do_not() {
        let reader = Reader::default();
        let mut held = Vec::new();
        for _ in 0..HELD / LARGEST {
            held.push(reader.read(body(LARGEST)).await.unwrap());
        }
        assert_eq!(reader.budget.available_permits(), 0);
        assert!(reader.read(body(SMALL)).await.is_ok());
        held.pop();
        assert!(reader.read(body(LARGEST)).await.is_ok());
    }
}

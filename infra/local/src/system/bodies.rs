//! Bodies of requests, taken in within bounds before anybody knows who sends them: of size, of time, and of all together.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

/// What somebody is told who sends too much.
pub(super) const TOO_LARGE: &str =
    "the request is longer than 6 MB, which is all that a Lambda takes: send less at a time, or compress it with gzip";

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of a body that is too large is read and thrown away: who still writes when the connection closes never sees the answer.
const MAX_SPILLED: usize = 64 * 1024 * 1024;

/// Kilobytes of all bodies that are in memory at once.
const ALL_KB: usize = 512 * 1024;

/// When to come back while others send, in seconds.
const BUSY_S: u16 = 2;

static ROOM: Semaphore = Semaphore::const_new(ALL_KB);

/// Why a body was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    TooLarge,
    TooSlow,
    /// Others fill the memory.
    Busy,
    /// It ended in the middle.
    Broken,
}

impl Refused {
    /// The answer, in the form that the client asked for.
    pub(super) fn answer(self, accept: Option<&HeaderValue>) -> Response {
        let (status, code, message) = match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", TOO_LARGE),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow", "the request did not come whole within a minute"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy", "too many large requests at the moment: send it again"),
            Self::Broken => (StatusCode::BAD_REQUEST, "broken_off", "the request is not whole"),
        };
        let wants_json = accept.and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("json"));
        let mut response = if wants_json {
            // As the functions put it.
            (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
        } else {
            (status, message).into_response()
        };
        if self == Self::Busy {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(BUSY_S));
        }
        response
    }
}

/// A whole body, and its room in memory, which is given back when the answer is there.
pub(super) async fn take(body: Body) -> Result<(Bytes, Option<SemaphorePermit<'static>>), Refused> {
    let pieces = Box::pin(body.into_data_stream());
    tokio::time::timeout(PATIENCE, collect(pieces, quillon_runtime::MAX_BODY, &ROOM)).await.unwrap_or(Err(Refused::TooSlow))
}

async fn collect<E>(
    mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
    most: usize,
    room: &Semaphore,
) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Refused> {
    let mut taken: Option<SemaphorePermit<'_>> = None;
    let mut held = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Refused::Broken)?;
        if held.len() + piece.len() > most {
            drop((held, taken));
            spill(pieces).await;
            return Err(Refused::TooLarge);
        }
        // Of all of it: many small pieces take no more than a large one.
        let missing = (held.len() + piece.len()).div_ceil(1024) - held.len().div_ceil(1024);
        let kilobytes = u32::try_from(missing).unwrap_or(u32::MAX);
        match room.try_acquire_many(kilobytes) {
            Ok(more) => match &mut taken {
                Some(taken) => taken.merge(more),
                None => taken = Some(more),
            },
            Err(_) => {
                drop((held, taken));
                spill(pieces).await;
                return Err(Refused::Busy);
            }
        }
        held.extend_from_slice(&piece);
    }
    Ok((held.freeze(), taken))
}

async fn spill<E>(mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin) {
    let mut spilled = 0;
    while let Some(Ok(piece)) = pieces.next().await {
        spilled += piece.len();
        if spilled > MAX_SPILLED {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use futures::{FutureExt as _, stream};

    use super::*;

    /// So many pieces of a kilobyte; counts those that were read.
    fn pieces(count: usize, read: &Cell<usize>) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin + use<'_> {
        stream::iter(0..count).map(|_| {
            read.set(read.get() + 1);
            Ok(Bytes::from_static(&[7; 1024]))
        })
    }

    #[test]
    fn a_body_has_room_while_it_is_in_work() {
        let (room, read) = (Semaphore::new(4), Cell::new(0));
        let (body, held) = collect(pieces(3, &read), 3 * 1024, &room).now_or_never().expect("no wait").expect("room");
        assert_eq!((body.len(), room.available_permits()), (3 * 1024, 1));
        let other = collect(pieces(2, &read), 3 * 1024, &room).now_or_never().expect("no wait");
        assert_eq!(other.err(), Some(Refused::Busy));
        drop(held);
        assert_eq!(room.available_permits(), 4);
    }

    #[test]
    fn a_body_that_is_too_large_is_read_to_its_end_so_that_the_answer_arrives() {
        let (room, read) = (Semaphore::new(100), Cell::new(0));
        let refused = collect(pieces(50, &read), 3 * 1024, &room).now_or_never().expect("no wait");
        assert_eq!((refused.err(), read.get(), room.available_permits()), (Some(Refused::TooLarge), 50, 100));
        // Not for ever.
        read.set(0);
        let refused = collect(pieces(usize::MAX, &read), 3 * 1024, &room).now_or_never().expect("no wait");
        assert_eq!(refused.err(), Some(Refused::TooLarge));
        assert!(read.get() * 1024 <= MAX_SPILLED + 8 * 1024, "{}", read.get());
    }

    #[test]
    fn whoever_reads_json_is_refused_in_json() {
        for (refused, status) in [(Refused::TooLarge, 413), (Refused::TooSlow, 408), (Refused::Busy, 429), (Refused::Broken, 400)] {
            let answer = refused.answer(Some(&HeaderValue::from_static("application/json, text/event-stream")));
            assert!(answer.status() == status && answer.headers()[header::CONTENT_TYPE] == "application/json", "{answer:?}");
            assert_eq!(answer.headers().contains_key(header::RETRY_AFTER), refused == Refused::Busy);
            let answer = refused.answer(Some(&HeaderValue::from_static("text/html,*/*")));
            assert!(answer.status() == status && answer.headers()[header::CONTENT_TYPE] == "text/plain; charset=utf-8", "{answer:?}");
        }
    }

    #[test]
    fn a_body_that_breaks_off_is_none() {
        let broken = stream::iter([Ok(Bytes::from_static(b"x")), Err("gone")]);
        let room = Semaphore::new(9);
        let refused = collect(broken, 10, &room).now_or_never().expect("no wait");
        assert_eq!(refused.err(), Some(Refused::Broken));
    }
}

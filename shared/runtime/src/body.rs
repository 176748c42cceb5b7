//! The body of an answer: whole, or as it comes.

use std::fmt;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;

/// The body of an answer.
///
/// Lambda behind an HTTP API can only give it whole, so a stream must end there; a server that streams drops the stream when nobody
/// reads it any more, and with it the work behind it.
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece.
    Stream(BoxStream<'static, Bytes>),
}

impl Body {
    /// All bytes; waits for the end of a stream.
    pub async fn whole(self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Stream(pieces) => pieces.collect::<Vec<Bytes>>().await.concat().into(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => formatter.debug_tuple("Whole").field(&bytes.len()).finish(),
            Self::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_whole_once_it_has_ended() {
        let pieces = futures::stream::iter(["one ", "", "two"]).map(Bytes::from);
        assert_eq!(Body::Stream(pieces.boxed()).whole().await, "one two");
        assert_eq!(Body::from(Bytes::from_static(b"one")).whole().await, "one");
    }
}

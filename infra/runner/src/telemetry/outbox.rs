//! What waits to be sent: bounded, the oldest makes room. It goes out in rounds, in which what is of one signal goes together.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quillon_otlp::{Encoding, Signal};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Bytes of a request that is passed on, before compression.
pub(super) const MAX_REQUEST: usize = 1024 * 1024;

/// Bytes that wait.
const MAX_WAITING: usize = 32 * 1024 * 1024;

/// What an entry costs beside its bytes, so that many tiny ones are bounded too.
const ENTRY: usize = 128;

/// A request to pass on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) signal: Signal,
    pub(super) encoding: Encoding,
    pub(super) bytes: Vec<u8>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Parcel>,
    /// What this round still has to send, joined.
    round: VecDeque<Parcel>,
    /// When the last round began.
    began: Option<Instant>,
    /// Of both.
    size: usize,
    dropped: usize,
    is_closed: bool,
}

/// What waits to be sent.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request in; the oldest are dropped where there is no room.
    pub(super) fn push(&self, signal: Signal, encoding: Encoding, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.size += bytes.len() + ENTRY;
        state.waiting.push_back(Parcel { signal, encoding, bytes });
        while state.size > MAX_WAITING {
            let Some(oldest) = state.round.pop_front().or_else(|| state.waiting.pop_front()) else { break };
            state.size -= oldest.bytes.len() + ENTRY;
            if state.dropped == 0 {
                tracing::warn!("more telemetry than can be delivered, the oldest is dropped");
            }
            state.dropped += oldest.bytes.len();
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// The next request, joined from as many as fit into one; none when nothing is left and nothing more comes.
    ///
    /// A round begins at the earliest `gather` after the last one, or when a whole request has come together.
    pub(super) async fn next(&self, gather: Duration) -> Option<Parcel> {
        loop {
            let changed = self.changed.notified();
            let due = {
                let mut state = self.lock();
                if let Some(parcel) = state.next(gather) {
                    return Some(parcel);
                }
                if state.is_closed {
                    return None;
                }
                state.due(gather)
            };
            match due {
                Some(due) => tokio::select! { () = changed => {}, () = sleep_until(due) => {} },
                None => changed.await,
            }
        }
    }

    /// Bytes that still wait, and bytes that were dropped.
    pub(super) fn lost(&self) -> (usize, usize) {
        let state = self.lock();
        (state.round.iter().chain(&state.waiting).map(|parcel| parcel.bytes.len()).sum(), state.dropped)
    }
}

impl State {
    fn next(&mut self, gather: Duration) -> Option<Parcel> {
        if self.round.is_empty() && self.due(gather).is_some_and(|due| due <= Instant::now()) {
            self.begin();
        }
        let parcel = self.round.pop_front()?;
        self.size -= parcel.bytes.len() + ENTRY;
        Some(parcel)
    }

    /// When what waits goes out; none while nothing does.
    fn due(&self, gather: Duration) -> Option<Instant> {
        let is_urgent = self.is_closed || self.size >= MAX_REQUEST;
        let due = self.began.filter(|_| !is_urgent).map_or_else(Instant::now, |began| began + gather);
        (!self.waiting.is_empty()).then_some(due)
    }

    /// Moves what waits into a round: protobuf requests of one signal are one request, JSON ones are not.
    fn begin(&mut self) {
        self.began = Some(Instant::now());
        for parcel in std::mem::take(&mut self.waiting) {
            let fits = |known: &&mut Parcel| {
                (known.signal, known.encoding) == (parcel.signal, Encoding::Protobuf)
                    && parcel.encoding == Encoding::Protobuf
                    && known.bytes.len() + parcel.bytes.len() <= MAX_REQUEST
            };
            // The last one of its signal, so that nothing overtakes what came before it.
            let last = self.round.iter_mut().rev().find(|known| known.signal == parcel.signal);
            match last.filter(fits) {
                Some(known) => {
                    known.bytes.extend_from_slice(&parcel.bytes);
                    self.size -= ENTRY;
                }
                None => self.round.push_back(parcel),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &Outbox, signal: Signal, encoding: Encoding, bytes: &[u8]) {
        outbox.push(signal, encoding, bytes.to_vec());
    }

    /// Everything that a closed outbox has.
    async fn drain(outbox: &Outbox) -> Vec<Vec<u8>> {
        outbox.close();
        let mut sent = Vec::new();
        while let Some(parcel) = outbox.next(Duration::from_secs(1)).await {
            sent.push(parcel.bytes);
        }
        sent
    }

    #[tokio::test]
    async fn what_is_of_one_signal_goes_together() {
        let outbox = Outbox::default();
        for (signal, encoding, bytes) in [
            (Signal::Traces, Encoding::Protobuf, "ab"),
            (Signal::Logs, Encoding::Protobuf, "d"),
            (Signal::Traces, Encoding::Protobuf, "c"),
            (Signal::Logs, Encoding::Json, "{}"),
            (Signal::Logs, Encoding::Json, "[]"),
            (Signal::Logs, Encoding::Protobuf, "e"),
        ] {
            push(&outbox, signal, encoding, bytes.as_bytes());
        }
        let sent: Vec<String> = drain(&outbox).await.into_iter().map(|bytes| String::from_utf8(bytes).expect("text")).collect();
        assert_eq!(sent, ["abc", "d", "{}", "[]", "e"]);
        assert_eq!(outbox.lock().size, 0);
    }

    #[tokio::test]
    async fn a_request_is_no_larger_than_the_limit() {
        let outbox = Outbox::default();
        for _ in 0..5 {
            push(&outbox, Signal::Traces, Encoding::Protobuf, &[1; MAX_REQUEST / 2]);
        }
        let sizes: Vec<usize> = drain(&outbox).await.iter().map(Vec::len).collect();
        assert_eq!(sizes, [MAX_REQUEST, MAX_REQUEST, MAX_REQUEST / 2]);
    }

    #[tokio::test]
    async fn the_first_goes_at_once_and_what_follows_is_gathered() {
        let outbox = Outbox::default();
        // So long that this test would not end if it were waited for.
        let gather = Duration::from_secs(1_000_000);
        push(&outbox, Signal::Logs, Encoding::Protobuf, b"a");
        assert_eq!(outbox.next(gather).await.map(|parcel| parcel.bytes), Some(b"a".to_vec()));
        push(&outbox, Signal::Logs, Encoding::Protobuf, b"b");
        assert_eq!(outbox.lock().next(gather), None, "a round has just begun");
        push(&outbox, Signal::Traces, Encoding::Protobuf, &[1; MAX_REQUEST]);
        assert_eq!(outbox.next(gather).await.map(|parcel| parcel.bytes), Some(b"b".to_vec()), "a whole request does not wait");
        assert_eq!(outbox.next(gather).await.map(|parcel| parcel.bytes.len()), Some(MAX_REQUEST));
    }

    #[tokio::test]
    async fn the_oldest_makes_room_and_is_counted() {
        let outbox = Outbox::default();
        for number in 0..100 {
            push(&outbox, Signal::Traces, Encoding::Json, &vec![number; 1_000_000]);
        }
        for _ in 0..1_000_000 {
            push(&outbox, Signal::Traces, Encoding::Json, &[]);
        }
        let (left, dropped) = outbox.lost();
        assert!(left <= MAX_WAITING && dropped + left == 100_000_000, "{left} {dropped}");
        assert!(outbox.lock().waiting.len() <= MAX_WAITING / ENTRY);
    }
}

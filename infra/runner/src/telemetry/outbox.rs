//! What waits to be sent: bounded, the oldest makes room, neighbours of one signal go together.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quillon_otlp::{Encoding, Signal};
use tokio::sync::Notify;

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
            let Some(oldest) = state.waiting.pop_front() else { break };
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
    pub(super) async fn next(&self) -> Option<Parcel> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.lock();
                if let Some(parcel) = state.next() {
                    return Some(parcel);
                }
                if state.is_closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Bytes that still wait, and bytes that were dropped.
    pub(super) fn lost(&self) -> (usize, usize) {
        let state = self.lock();
        (state.waiting.iter().map(|parcel| parcel.bytes.len()).sum(), state.dropped)
    }
}

impl State {
    fn next(&mut self) -> Option<Parcel> {
        let mut parcel = self.pop()?;
        // Protobuf requests one after the other are one request; JSON ones are not.
        while parcel.encoding == Encoding::Protobuf
            && self.waiting.front().is_some_and(|next| {
                (next.signal, next.encoding) == (parcel.signal, parcel.encoding) && parcel.bytes.len() + next.bytes.len() <= MAX_REQUEST
            })
            && let Some(next) = self.pop()
        {
            parcel.bytes.extend_from_slice(&next.bytes);
        }
        Some(parcel)
    }

    fn pop(&mut self) -> Option<Parcel> {
        let parcel = self.waiting.pop_front()?;
        self.size -= parcel.bytes.len() + ENTRY;
        Some(parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &Outbox, signal: Signal, encoding: Encoding, bytes: &[u8]) {
        outbox.push(signal, encoding, bytes.to_vec());
    }

    #[tokio::test]
    async fn neighbours_of_a_signal_go_together() {
        let outbox = Outbox::default();
        for (signal, encoding, bytes) in [
            (Signal::Traces, Encoding::Protobuf, "ab"),
            (Signal::Traces, Encoding::Protobuf, "c"),
            (Signal::Logs, Encoding::Protobuf, "d"),
            (Signal::Logs, Encoding::Json, "{}"),
            (Signal::Logs, Encoding::Json, "[]"),
        ] {
            push(&outbox, signal, encoding, bytes.as_bytes());
        }
        outbox.close();
        let mut sent = Vec::new();
        while let Some(parcel) = outbox.next().await {
            sent.push(String::from_utf8(parcel.bytes).expect("text"));
        }
        assert_eq!(sent, ["abc", "d", "{}", "[]"]);
    }

    #[tokio::test]
    async fn a_request_is_no_larger_than_the_limit() {
        let outbox = Outbox::default();
        for _ in 0..5 {
            push(&outbox, Signal::Traces, Encoding::Protobuf, &[1; MAX_REQUEST / 2]);
        }
        outbox.close();
        let mut sizes = Vec::new();
        while let Some(parcel) = outbox.next().await {
            sizes.push(parcel.bytes.len());
        }
        assert_eq!(sizes, [MAX_REQUEST, MAX_REQUEST, MAX_REQUEST / 2]);
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

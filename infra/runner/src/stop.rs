//! Why the work on an attempt is stopped before its end, and how firmly.

use tokio::sync::watch;

/// Why the work stops. A later reason counts only when it is stronger than the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The agent shuts down; the attempt is given back.
    ShuttingDown,
    /// The server wants it stopped.
    Cancelled,
    /// The time of the job is up.
    TimedOut,
    /// The lease could not be renewed; somebody else gets the attempt soon.
    Fenced,
    /// Somebody else has the attempt already, or nobody wants it any more.
    Gone,
}

impl Stop {
    fn strength(self) -> u8 {
        match self {
            Self::ShuttingDown => 1,
            Self::Cancelled | Self::TimedOut => 2,
            Self::Fenced => 3,
            Self::Gone => 4,
        }
    }
}

/// The side that stops.
#[derive(Clone)]
pub(crate) struct Stopper(watch::Sender<Option<Stop>>);

/// The side that is stopped.
#[derive(Clone)]
pub(crate) struct Stops(watch::Receiver<Option<Stop>>);

/// A pair that belongs together.
pub(crate) fn stops() -> (Stopper, Stops) {
    let (sender, receiver) = watch::channel(None);
    (Stopper(sender), Stops(receiver))
}

impl Stopper {
    /// Asks the work to stop.
    pub(crate) fn raise(&self, stop: Stop) {
        self.0.send_if_modified(|current| {
            let is_stronger = current.is_none_or(|current| stop.strength() > current.strength());
            if is_stronger {
                *current = Some(stop);
            }
            is_stronger
        });
    }
}

impl Stops {
    /// The reason that counts now, if any.
    pub(crate) fn current(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Waits for a reason other than `known`; for ever when none comes.
    pub(crate) async fn other_than(&mut self, known: Option<Stop>) -> Stop {
        let raised = self.0.wait_for(|current| current.is_some() && *current != known).await.ok().and_then(|current| *current);
        match raised {
            Some(stop) => stop,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts_until_a_stronger_one_comes() {
        let (stopper, stops) = stops();
        assert_eq!(stops.current(), None);
        for (raised, counts) in [
            (Stop::ShuttingDown, Stop::ShuttingDown),
            (Stop::Cancelled, Stop::Cancelled),
            (Stop::TimedOut, Stop::Cancelled),
            (Stop::Fenced, Stop::Fenced),
            (Stop::Cancelled, Stop::Fenced),
            (Stop::Gone, Stop::Gone),
        ] {
            stopper.raise(raised);
            assert_eq!(stops.current(), Some(counts));
        }
    }
}

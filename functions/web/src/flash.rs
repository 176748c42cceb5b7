//! What came of an action, as a word in the address that it leads back to: a closed list, so that no link can put words here.

/// What came of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flash {
    /// So many checks run again.
    Rerun(u32),
    /// The module is loaded again.
    RerunLoad,
    /// So many checks are stopped.
    Cancelled(u32),
    /// All of a run is stopped.
    CancelledRun,
    /// There was nothing to run again.
    NothingToRerun,
    /// There was nothing to stop.
    NothingToCancel,
    /// A trace is public now.
    TracePublic,
    /// A trace is private now.
    TracePrivate,
    /// The rule says again who may read a trace.
    TraceByRule,
    /// Links to a trace open it no more.
    SharesRevoked,
    /// A trace is gone.
    TraceDeleted,
}

impl Flash {
    /// The word in the address.
    #[must_use]
    pub fn code(self) -> String {
        match self {
            Self::Rerun(count) => format!("rerun-{count}"),
            Self::RerunLoad => "rerun-load".to_owned(),
            Self::Cancelled(count) => format!("cancel-{count}"),
            Self::CancelledRun => "cancel-run".to_owned(),
            Self::NothingToRerun => "nothing-to-rerun".to_owned(),
            Self::NothingToCancel => "nothing-to-cancel".to_owned(),
            Self::TracePublic => "trace-public".to_owned(),
            Self::TracePrivate => "trace-private".to_owned(),
            Self::TraceByRule => "trace-by-rule".to_owned(),
            Self::SharesRevoked => "shares-revoked".to_owned(),
            Self::TraceDeleted => "trace-deleted".to_owned(),
        }
    }

    /// The meaning of a word, if it has one.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        let count = |text: &str| text.parse::<u32>().ok().filter(|count| (1..10_000).contains(count));
        match code {
            "rerun-load" => Some(Self::RerunLoad),
            "cancel-run" => Some(Self::CancelledRun),
            "nothing-to-rerun" => Some(Self::NothingToRerun),
            "nothing-to-cancel" => Some(Self::NothingToCancel),
            "trace-public" => Some(Self::TracePublic),
            "trace-private" => Some(Self::TracePrivate),
            "trace-by-rule" => Some(Self::TraceByRule),
            "shares-revoked" => Some(Self::SharesRevoked),
            "trace-deleted" => Some(Self::TraceDeleted),
            _ => {
                let rerun = code.strip_prefix("rerun-").and_then(count).map(Self::Rerun);
                rerun.or_else(|| code.strip_prefix("cancel-").and_then(count).map(Self::Cancelled))
            }
        }
    }

    /// The sentence that the page shows.
    #[must_use]
    pub fn sentence(self) -> String {
        use crate::page::text::counted;
        match self {
            Self::Rerun(count) => format!("{} will run again.", counted(count as usize, "check")),
            Self::RerunLoad => "The module is loaded again.".to_owned(),
            Self::Cancelled(count) => format!("{} will be stopped.", counted(count as usize, "check")),
            Self::CancelledRun => "Everything unfinished of this commit will be stopped.".to_owned(),
            Self::NothingToRerun => "Nothing to rerun: it runs already, or a newer attempt exists.".to_owned(),
            Self::NothingToCancel => "Nothing to cancel: it is over already.".to_owned(),
            Self::TracePublic => "Everyone may read this trace now.".to_owned(),
            Self::TracePrivate => "Only members of the organization may read this trace now.".to_owned(),
            Self::TraceByRule => "The rule says again who may read this trace.".to_owned(),
            Self::SharesRevoked => "All links to this trace were taken back.".to_owned(),
            Self::TraceDeleted => "The trace was deleted.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_and_nothing_else_has_a_meaning() {
        for flash in [
            Flash::Rerun(1),
            Flash::Rerun(256),
            Flash::RerunLoad,
            Flash::Cancelled(2),
            Flash::CancelledRun,
            Flash::NothingToRerun,
            Flash::NothingToCancel,
            Flash::TracePublic,
            Flash::TracePrivate,
            Flash::TraceByRule,
            Flash::SharesRevoked,
            Flash::TraceDeleted,
        ] {
            assert_eq!(Flash::of_code(&flash.code()), Some(flash));
        }
        for code in ["", "rerun-", "rerun-0", "rerun--1", "rerun-99999999", "<script>", "cancel-x", "you-won"] {
            assert_eq!(Flash::of_code(code), None, "{code}");
        }
    }
}

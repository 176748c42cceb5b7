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
    /// All other sessions of a person have ended.
    SignedOutElsewhere,
    /// One session has ended.
    SessionEnded,
    /// A device is signed out.
    DeviceSignedOut,
    /// An identity is linked.
    Linked,
    /// An identity is no longer linked.
    Unlinked,
    /// The org has another name.
    OrgRenamed,
    /// Settings of the org were changed.
    OrgChanged,
    /// The org waits for its deletion.
    OrgDeleted,
    /// The org is not deleted after all.
    OrgKept,
    /// Somebody's roles were changed.
    RolesChanged,
    /// Somebody was taken out.
    MemberRemoved,
    /// An invitation was taken back.
    InviteRevoked,
    /// An invitation was accepted.
    Joined,
    /// Somebody has left.
    Left,
    /// An account was connected.
    SourceClaimed,
    /// An account was disconnected.
    SourceReleased,
    /// Which repositories of an account are checked was changed.
    SourceModeChanged,
    /// A repository is checked.
    AutocheckOn,
    /// A repository is not checked.
    AutocheckOff,
    /// How a repository is treated was changed.
    RepositoryChanged,
    /// A token was revoked.
    TokenRevoked,
    /// A project of a CI system is trusted.
    TrustMade,
    /// A project of a CI system is trusted no more.
    TrustRemoved,
    /// Who may read traces was changed.
    VisibilityChanged,
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
            Self::SignedOutElsewhere => "signed-out-elsewhere".to_owned(),
            Self::SessionEnded => "session-ended".to_owned(),
            Self::DeviceSignedOut => "device-signed-out".to_owned(),
            Self::Linked => "linked".to_owned(),
            Self::Unlinked => "unlinked".to_owned(),
            Self::OrgRenamed => "org-renamed".to_owned(),
            Self::OrgChanged => "org-changed".to_owned(),
            Self::OrgDeleted => "org-deleted".to_owned(),
            Self::OrgKept => "org-kept".to_owned(),
            Self::RolesChanged => "roles-changed".to_owned(),
            Self::MemberRemoved => "member-removed".to_owned(),
            Self::InviteRevoked => "invite-revoked".to_owned(),
            Self::Joined => "joined".to_owned(),
            Self::Left => "left".to_owned(),
            Self::SourceClaimed => "source-claimed".to_owned(),
            Self::SourceReleased => "source-released".to_owned(),
            Self::SourceModeChanged => "source-mode".to_owned(),
            Self::AutocheckOn => "autocheck-on".to_owned(),
            Self::AutocheckOff => "autocheck-off".to_owned(),
            Self::RepositoryChanged => "repository-changed".to_owned(),
            Self::TokenRevoked => "token-revoked".to_owned(),
            Self::TrustMade => "trust-made".to_owned(),
            Self::TrustRemoved => "trust-removed".to_owned(),
            Self::VisibilityChanged => "visibility-changed".to_owned(),
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
            "signed-out-elsewhere" => Some(Self::SignedOutElsewhere),
            "session-ended" => Some(Self::SessionEnded),
            "device-signed-out" => Some(Self::DeviceSignedOut),
            "linked" => Some(Self::Linked),
            "unlinked" => Some(Self::Unlinked),
            "org-renamed" => Some(Self::OrgRenamed),
            "org-changed" => Some(Self::OrgChanged),
            "org-deleted" => Some(Self::OrgDeleted),
            "org-kept" => Some(Self::OrgKept),
            "roles-changed" => Some(Self::RolesChanged),
            "member-removed" => Some(Self::MemberRemoved),
            "invite-revoked" => Some(Self::InviteRevoked),
            "joined" => Some(Self::Joined),
            "left" => Some(Self::Left),
            "source-claimed" => Some(Self::SourceClaimed),
            "source-released" => Some(Self::SourceReleased),
            "source-mode" => Some(Self::SourceModeChanged),
            "autocheck-on" => Some(Self::AutocheckOn),
            "autocheck-off" => Some(Self::AutocheckOff),
            "repository-changed" => Some(Self::RepositoryChanged),
            "token-revoked" => Some(Self::TokenRevoked),
            "trust-made" => Some(Self::TrustMade),
            "trust-removed" => Some(Self::TrustRemoved),
            "visibility-changed" => Some(Self::VisibilityChanged),
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
            Self::SignedOutElsewhere => "All other sessions have ended.".to_owned(),
            Self::SessionEnded => "The session has ended.".to_owned(),
            Self::DeviceSignedOut => "The device is signed out: its tokens do not work any more.".to_owned(),
            Self::Linked => "The account is linked: you can sign in with it, too.".to_owned(),
            Self::Unlinked => "The account is no longer linked.".to_owned(),
            Self::OrgRenamed => "The organization has its new name.".to_owned(),
            Self::OrgChanged => "The settings were changed.".to_owned(),
            Self::OrgDeleted => "The organization will be deleted. It can be had back until then.".to_owned(),
            Self::OrgKept => "The organization stays.".to_owned(),
            Self::RolesChanged => "The roles were changed.".to_owned(),
            Self::MemberRemoved => "The member was removed. What they ran stays.".to_owned(),
            Self::InviteRevoked => "The invitation was taken back: its link does not work any more.".to_owned(),
            Self::Joined => "Welcome: you are in.".to_owned(),
            Self::Left => "You have left the organization.".to_owned(),
            Self::SourceClaimed => "The account is connected. Its repositories appear within seconds.".to_owned(),
            Self::SourceReleased => "The account is disconnected. What it ran stays.".to_owned(),
            Self::SourceModeChanged => "Which repositories are checked was changed: it counts from their next event on.".to_owned(),
            Self::AutocheckOn => "Autocheck is on: checks run from the next push or pull request on.".to_owned(),
            Self::AutocheckOff => "Autocheck is off: what runs goes on, nothing new is started.".to_owned(),
            Self::RepositoryChanged => "The repository's settings were changed.".to_owned(),
            Self::TokenRevoked => "The token was revoked: it works no more, where telemetry is taken in within a minute.".to_owned(),
            Self::TrustMade => "The project is trusted: its jobs may send telemetry.".to_owned(),
            Self::TrustRemoved => "The project is trusted no more.".to_owned(),
            Self::VisibilityChanged => "Who may read traces was changed.".to_owned(),
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
            Flash::SignedOutElsewhere,
            Flash::SessionEnded,
            Flash::DeviceSignedOut,
            Flash::Linked,
            Flash::Unlinked,
            Flash::OrgRenamed,
            Flash::OrgChanged,
            Flash::OrgDeleted,
            Flash::OrgKept,
            Flash::RolesChanged,
            Flash::MemberRemoved,
            Flash::InviteRevoked,
            Flash::Joined,
            Flash::Left,
            Flash::SourceClaimed,
            Flash::SourceReleased,
            Flash::SourceModeChanged,
            Flash::AutocheckOn,
            Flash::AutocheckOff,
            Flash::RepositoryChanged,
            Flash::TokenRevoked,
            Flash::TrustMade,
            Flash::TrustRemoved,
            Flash::VisibilityChanged,
        ] {
            assert_eq!(Flash::of_code(&flash.code()), Some(flash));
        }
        for code in ["", "rerun-", "rerun-0", "rerun--1", "rerun-99999999", "<script>", "cancel-x", "you-won"] {
            assert_eq!(Flash::of_code(code), None, "{code}");
        }
    }
}

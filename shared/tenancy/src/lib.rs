//! People, orgs, members, tokens: the write path of whatever says who may do what.
//!
//! Every step is: load, decide (in `quillon_core`), save under a condition; lost to somebody else, it is decided again on what they left.
//! Who may take a step is the caller's to check with `quillon_core::access`; what an org must never be (without an admin, of two
//! installations' masters, above its bounds) is checked here.
//!
//! **The audit log.** The entry of a deed is part of the transaction that the deed is: both are stored, or neither. Where a deed is several
//! writes, the entry comes with the first; what carries it on after a crash is another deed with another entry. What was refused, what
//! changed nothing, and what lost a race leaves none. Deeds that concern no org (a sign-in, the login of a device) are in the log of the
//! function and in the person's own lists.
//!
//! **Steps that stop half-way.** A step is one conditional write where it can be. Those of several writes do first what can be
//! repeated, so that the same call again ends where the first one would have.

mod adoption;
mod billing;
mod ci;
mod credentials;
mod devices;
mod error;
mod invites;
mod logins;
mod members;
mod orgs;
mod people;
mod purge;
pub mod secret;
mod sessions;
mod sources;
mod tokens;
mod viewer;

use jiff::Timestamp;
use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::id::OrgId;
use quillon_core::org::Org;
use quillon_core::plan::Billing;
use quillon_core::sign_up::SignUps;
use quillon_store::Store;

pub use credentials::Principal;
pub use devices::{DevicePoll, DeviceTokens, RefreshError};
pub use error::{Error, Result};
pub use orgs::{MAX_ORGS_MADE, SettingsChange};
pub use viewer::{OPERATOR, Viewer};

/// How often a step is decided again after somebody else wrote first.
const MAX_DECISIONS: usize = 12;

/// Longest text of a deed that is recorded, in characters.
const MAX_RECORDED: usize = 300;

/// The write path over a store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tenancy {
    store: Store,
    billing: Billing,
    sign_ups: SignUps,
}

/// Who does something, from where and when.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    /// Who, as people read it: [`Viewer::name`].
    pub who: &'a str,
    /// The address that it comes from, or the name of a client.
    pub from: Option<&'a str>,
    /// When.
    pub now: Timestamp,
}

impl Tenancy {
    /// A write path over a store, where nothing is paid for and everybody gets an account.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, billing: Billing::Off, sign_ups: SignUps::Anyone }
    }

    /// The same where plans may be paid for: they say how many an org has room for.
    #[must_use]
    pub fn with_billing(self, billing: Billing) -> Self {
        Self { billing, ..self }
    }

    /// The same where not everybody gets an account.
    #[must_use]
    pub fn with_sign_ups(self, sign_ups: SignUps) -> Self {
        Self { sign_ups, ..self }
    }

    /// An org that is there.
    async fn known(&self, org: OrgId) -> Result<Org> {
        self.store.org(org).await?.ok_or(Error::NotFound("org"))
    }

    /// An org that is there and takes new things in.
    async fn open(&self, org: OrgId) -> Result<Org> {
        let org = self.known(org).await?;
        if org.is_open() { Ok(org) } else { Err(Error::refused(quillon_core::org::BeingDeleted)) }
    }

    /// The tables for the writes of one deed: its entry is stored with the first of them, or neither is.
    fn recording(&self, deed: &Deed<'_>, org: OrgId, action: AuditAction, subject: &str, detail: &str) -> Result<Store> {
        Ok(self.store.recording(&[deed.entry(org, action, subject, detail)])?)
    }
}

impl Deed<'_> {
    /// What the audit log says of it.
    fn entry(&self, org: OrgId, action: AuditAction, subject: &str, detail: &str) -> AuditEntry {
        let short = |text: &str| quillon_core::text::shorten(text, MAX_RECORDED);
        let (who, subject, detail) = (short(self.who), short(subject), short(detail));
        tracing::info!(org.id = %org, "{who} {} {subject} {detail}", action.label());
        AuditEntry { org, at: self.now, who, action, subject, detail, from: self.from.map(short) }
    }
}

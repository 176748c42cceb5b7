//! People, orgs, members, tokens: the write path of whatever says who may do what.
//!
//! Every step is: load, decide (in `quillon_core`), record, save under a condition; lost to somebody else, it is decided again on what
//! they left. Who may take a step is the caller's to check with `quillon_core::access`; what an org must never be (without
//! an admin, of two installations' masters, above its bounds) is checked here.
//!
//! **The audit log.** The entry of a deed is written after it was decided that the deed may happen and before it does. A crash between
//! the two leaves an entry of a deed that did not happen, as does a race that is lost to somebody who makes the deed impossible; a
//! deed without an entry cannot be. What was refused, and what changed nothing, leaves none. Deeds that concern no org (a sign-in, the
//! login of a device) are in the log of the function and in the person's own lists.
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
}

/// The entry of one step, written once however often the step is decided again.
struct Record<'a> {
    tenancy: &'a Tenancy,
    deed: &'a Deed<'a>,
    is_written: bool,
}

impl<'a> Record<'a> {
    fn of(tenancy: &'a Tenancy, deed: &'a Deed<'a>) -> Self {
        Self { tenancy, deed, is_written: false }
    }

    /// Writes the entry, unless this step has one.
    async fn write(&mut self, org: OrgId, action: AuditAction, subject: &str, detail: &str) -> Result<()> {
        if self.is_written {
            return Ok(());
        }
        self.also(org, action, subject, detail).await?;
        self.is_written = true;
        Ok(())
    }

    /// Writes an entry.
    async fn also(&self, org: OrgId, action: AuditAction, subject: &str, detail: &str) -> Result<()> {
        let short = |text: &str| quillon_core::text::shorten(text, MAX_RECORDED);
        let entry = AuditEntry {
            org,
            at: self.deed.now,
            who: short(self.deed.who),
            action,
            subject: short(subject),
            detail: short(detail),
            from: self.deed.from.map(short),
        };
        self.tenancy.store.append_audit(&entry).await?;
        tracing::info!(org.id = %org, "{} {} {} {}", entry.who, action.label(), entry.subject, entry.detail);
        Ok(())
    }
}

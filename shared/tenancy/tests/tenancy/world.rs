//! What the tests of this room begin with: tables of their own, people, orgs, and what can be seen of them.

use jiff::{SignedDuration, Timestamp};
use quillon_core::audit::AuditAction;
use quillon_core::id::{AccountId, InstallationId, OrgId, RepositoryId};
use quillon_core::member::Roles;
use quillon_core::name::BranchName;
use quillon_core::org::{Installation, Org, OrgName, Repository, RepositorySettings};
use quillon_core::person::{Profile, User};
use quillon_core::source::{SeenInstallation, SeenSources};
use quillon_store::Page;
use quillon_tenancy::{Deed, Error, Tenancy};
use quillon_test_tables::Db;

/// The installation of the tests, on the account 70 with the repositories 701 and 702.
pub(crate) const INSTALLATION: InstallationId = InstallationId(7);

/// So many seconds after the origin of time in these tests.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

/// So many hours after the origin.
pub(crate) fn hours(hours: i64) -> Timestamp {
    at(0).checked_add(SignedDuration::from_hours(hours)).expect("in range")
}

/// A deed of somebody at a time.
pub(crate) fn deed(now: Timestamp) -> Deed<'static> {
    Deed { who: "Ann (ann at github)", from: Some("192.0.2.1"), now }
}

/// What a provider says of somebody.
pub(crate) fn profile(provider: &str, subject: &str, login: &str) -> Profile {
    Profile {
        provider: provider.parse().expect("a provider"),
        subject: subject.to_owned(),
        login: login.to_owned(),
        name: String::new(),
        email: Some(format!("{login}@example.com")),
        avatar_url: None,
    }
}

/// A name of an org.
pub(crate) fn name(text: &str) -> OrgName {
    text.parse().expect("a name")
}

/// Whether a step was refused, and nothing worse.
pub(crate) fn is_refused<T: std::fmt::Debug>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Refused(_)))
}

/// Whether what a step is about is unknown.
pub(crate) fn is_unknown<T: std::fmt::Debug>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::NotFound(_)))
}

/// The tables of one test and the write path over them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) tenancy: Tenancy,
}

impl World {
    pub(crate) async fn new() -> Self {
        let db = Db::new().await;
        let tenancy = Tenancy::new(db.store.clone());
        Self { db, tenancy }
    }

    /// Somebody who signs in with GitHub.
    pub(crate) async fn person(&self, login: &str) -> User {
        self.tenancy.sign_in(&profile("github", &format!("number of {login}"), login), None, at(0)).await.expect("signed in")
    }

    /// An org that somebody makes.
    pub(crate) async fn org(&self, maker: &User, text: &str) -> Org {
        self.tenancy.create_org(maker, name(text), &deed(at(-2))).await.expect("made")
    }

    /// Puts somebody into an org.
    pub(crate) async fn join(&self, org: OrgId, user: &User, roles: Roles) {
        self.tenancy.add_member(org, user.id, roles, &deed(at(-1))).await.expect("joined");
    }

    /// The deeds of an org, the oldest first.
    pub(crate) async fn deeds(&self, org: OrgId) -> Vec<AuditAction> {
        let page = Page::first(100);
        let mut entries = self.db.store.audit(org, &page).await.expect("the log").items;
        entries.reverse();
        entries.iter().map(|entry| entry.action).collect()
    }

    /// What an org has of one deed: whom or what it was done to, and the detail.
    pub(crate) async fn deed_of(&self, org: OrgId, action: AuditAction) -> (String, String) {
        let entries = self.db.store.audit(org, &Page::first(100)).await.expect("the log").items;
        let entry = entries.into_iter().find(|entry| entry.action == action).expect("an entry");
        (entry.subject, entry.detail)
    }

    /// Who is in an org and as what, with the org's admins: `ann: admin and member`.
    pub(crate) async fn members(&self, org: OrgId) -> Vec<String> {
        let members = self.db.store.members(org, &Page::first(100)).await.expect("the members").items;
        let admins = self.db.store.admins(org).await.expect("the admins").users;
        for member in &members {
            assert_eq!(member.roles.has(quillon_core::member::Role::Admin), admins.contains(&member.user), "{member:?} {admins:?}");
        }
        assert!(admins.iter().all(|admin| members.iter().any(|member| member.user == *admin)), "{admins:?}");
        let mut texts: Vec<String> = members.iter().map(|member| format!("{}: {}", member.name, member.roles)).collect();
        texts.sort();
        texts
    }

    /// Stores the installation and its repositories; claimed by an org or by none.
    pub(crate) async fn install(&self, org: Option<OrgId>) {
        let installation = Installation::new(INSTALLATION, None, AccountId(70), "acme".to_owned());
        self.db.store.save_installation(&installation).await.expect("saved");
        let Some(org) = org else { return };
        assert!(self.db.store.claim_installation(INSTALLATION, org, at(0)).await.expect("an answer").is_done());
        for (id, text) in [(701, "acme/api"), (702, "acme/web")] {
            self.db.store.save_repository(org, &repository(id, text)).await.expect("saved");
        }
    }

    /// Says that somebody sees the installation at GitHub.
    pub(crate) async fn sees(&self, user: &User, is_admin: bool) {
        let seen = SeenInstallation { id: INSTALLATION, account: AccountId(70), login: "acme".to_owned(), is_org: true, is_admin };
        let sources = SeenSources { at: at(0), installations: vec![seen] };
        self.tenancy.note_sources(user.id, &sources, at(0)).await.expect("noted");
    }
}

/// A repository that the installation reaches.
pub(crate) fn repository(id: u64, text: &str) -> Repository {
    Repository {
        id: RepositoryId(id),
        name: text.parse().expect("a name"),
        installation: INSTALLATION,
        default_branch: "main".parse::<BranchName>().expect("a branch"),
        is_private: false,
        is_enabled: true,
        settings: RepositorySettings::default(),
    }
}

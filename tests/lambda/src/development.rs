//! The credentials that stand in the files of `events/`, and the org that they belong to. They open nothing anywhere else.

use jiff::Timestamp;
use quillon_core::attempt::Attempt;
use quillon_core::id::{AccountId, AgentId, InstallationId, OrgId, RepositoryId, RunId, SessionId, TokenId};
use quillon_core::lane::Lane;
use quillon_core::module::{Manifest, Module};
use quillon_core::name::{ModulePath, Ref, Task};
use quillon_core::org::{Agent, Installation, Org, Repository, RepositorySettings, Scope, Token};
use quillon_core::run::{CommitKey, CommitLabel, Run, RunEvent, RunKey, RunRef, RunState, Summary};
use quillon_core::session::{Holder, Session};
use quillon_store::{HeadChange, RunChange};
use quillon_tenancy::secret::hash as secret_hash;

use crate::Account;

/// Signs `events/webhook/*.json`.
pub const WEBHOOK_SECRET: &str = "quillon-development-webhook-secret";

/// The key of the instance: what is signed in `events/` is signed with it.
pub const SESSION_KEY: &str = "quillon-development-session-key";

/// The secret of the operator's session in the cookies of `events/web/*.json`.
pub const SESSION: &str = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

/// The token of the org `acme` in `events/api/query-*.json`.
pub const ORG_TOKEN: &str = "dag_acme_development";

/// The token of the agent in `events/api/runner-*.json`.
pub const AGENT_TOKEN: &str = "agt_development";

/// The host of the HTTP events.
pub const PUBLIC_URL: &str = "https://quillon.example";

/// When everything of development was made, 2026-01-05T08:00:00Z in milliseconds.
const CREATED_MS: u64 = 1_767_600_000_000;

/// The org in `events/dispatcher/*.json`.
#[must_use]
pub fn org() -> OrgId {
    OrgId::from_parts(CREATED_MS, 1)
}

impl Account {
    /// Makes the org of development exist, with its token, its agent, a session of the operator, the repository `acme/hello`, and one queued attempt.
    pub async fn develop(&self) -> Attempt {
        let store = self.store();
        let now = Timestamp::from_millisecond(CREATED_MS.cast_signed()).expect("a time");
        let name: quillon_core::org::OrgName = "acme".parse().expect("a name");
        let org = Org::new(org(), name, now);
        assert!(store.create_org(&org).await.expect("a table").is_done(), "the org of development exists already");
        let scopes = vec![Scope::TelemetryWrite, Scope::ChecksRead, Scope::ChecksRerun];
        let token = Token::new(TokenId::from_parts(CREATED_MS, 1), &org, "development".to_owned(), scopes, String::new(), now);
        assert!(store.create_token(&token, &secret_hash(ORG_TOKEN)).await.expect("a table").is_done());
        let agent = Agent {
            id: AgentId::from_parts(CREATED_MS, 1),
            name: "development".to_owned(),
            org: Some(org.id),
            runs_forks: false,
            enrolled_at: now,
        };
        assert!(store.create_agent(&agent, &secret_hash(AGENT_TOKEN)).await.expect("a table").is_done());
        // Seen for the last time when no test runs any more: so it is neither renewed nor over.
        let later = Timestamp::from_second(4_070_908_800).expect("a time");
        let session = Session::begin(SessionId::from_parts(CREATED_MS, 1), Holder::Operator, "development", None, later);
        assert!(store.create_session(&session, &secret_hash(SESSION)).await.expect("a table").is_done());
        let installation = Installation::new(InstallationId(self.installation), Some(org.id), AccountId(1001), "acme".to_owned());
        store.save_installation(&installation).await.expect("a table");
        let repository = Repository {
            id: RepositoryId(self.repository),
            name: "acme/hello".parse().expect("a name"),
            installation: installation.id,
            default_branch: "main".parse().expect("a branch"),
            is_private: false,
            is_enabled: true,
            settings: RepositorySettings::default(),
        };
        store.save_repository(org.id, &repository).await.expect("a table");
        self.queue_a_load(&repository, org.id).await
    }

    /// Writes a run of the tag `v1.0.0`, whose load waits.
    async fn queue_a_load(&self, repository: &Repository, org: OrgId) -> Attempt {
        let now = self.cloud.clock().now();
        let reference: Ref = "refs/tags/v1.0.0".parse().expect("a ref");
        let commit = CommitKey { repository: repository.id, sha: self.head.parse().expect("a sha") };
        let run = Run {
            id: RunId::from_parts(CREATED_MS, 1),
            key: RunKey { commit, lane: Lane::of_tag() },
            org,
            installation: repository.installation,
            repository_name: repository.name.clone(),
            generation: 1,
            base_sha: None,
            commit: CommitLabel {
                message: "Start the module".to_owned(),
                author_name: "Mona Lisa".to_owned(),
                author_email: "mona@users.noreply.github.com".to_owned(),
                author_login: Some("mona".to_owned()),
                committed_at: now,
            },
            refs: vec![RunRef { reference: reference.clone(), title: None }],
            events: vec![RunEvent { kind: "push".to_owned(), at: now, actor: Some("mona".to_owned()) }],
            modules: vec![Module { path: ModulePath::root(), manifest: Manifest::Json }],
            state: RunState::Open,
            unreportable: None,
            summary: Summary::default(),
            created_at: now,
            due_at: None,
            version: 1,
        };
        let load = Attempt::first(&run, ModulePath::root(), Task::Load, 1, 600, now);
        let change = HeadChange {
            repository: repository.id,
            reference,
            sha: Some(run.key.commit.sha.clone()),
            seen: 0,
            run: RunChange::Create(Box::new(run)),
            attempts: vec![load.clone()],
            now,
        };
        assert!(self.store().write_head(&change).await.expect("a table").is_done());
        load
    }
}

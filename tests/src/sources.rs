//! Orgs that claim installations, and the switches of repositories, as the pages do it.

use std::time::Duration;

use quillon_core::id::{InstallationId, OrgId, RepositoryId, UserId};
use quillon_core::member::{Member, Roles};
use quillon_core::message::EventMessage;
use quillon_core::org::{Installation, Org, Repository};
use quillon_queue::{QueueUrls, Queues};
use quillon_store::Page;

use crate::world::World;

impl World {
    /// Makes an org that nobody is in.
    pub async fn org(&self, number: u64, name: &str) -> OrgId {
        let org = Org::new(OrgId::from_parts(number, number.into()), name.parse().expect("a name"), self.clock.now());
        assert!(self.system.store().create_org(&org).await.expect("an org").is_done(), "the org `{name}` exists");
        org.id
    }

    /// Makes an org with one admin.
    pub async fn org_of_somebody(&self, number: u64, name: &str) -> OrgId {
        let now = self.clock.now();
        let org = Org::new(OrgId::from_parts(number, number.into()), name.parse().expect("a name"), now);
        let user = UserId::from_parts(number, 0);
        let (name, invited_by) = ("Mallory".to_owned(), String::new());
        let member = Member { org: org.id, user, roles: Roles::BOTH, name, joined_at: now, invited_by };
        assert!(self.system.store().create_org_with(&org, &member).await.expect("an org").is_done(), "the org `{}` exists", org.name);
        org.id
    }

    /// An org claims an installation.
    pub async fn claim(&mut self, installation: u64, org: OrgId) {
        let claimed = self.system.store().claim_installation(InstallationId(installation), org, self.clock.now()).await;
        assert!(claimed.expect("a claim").is_done(), "another org has the installation");
        self.tell_of_claim(installation, org).await;
        self.settle().await;
    }

    /// An org releases an installation.
    pub async fn release(&mut self, installation: u64, org: OrgId) {
        let released = self.system.store().release_installation(InstallationId(installation), org).await;
        assert!(released.expect("a release").is_done(), "the org does not have the installation");
        self.tell_of_claim(installation, org).await;
        self.settle().await;
    }

    async fn tell_of_claim(&self, installation: u64, org: OrgId) {
        let settings = self.system.settings("Scheduler");
        let urls = QueueUrls { events: Some(settings.reader().required("QUEUE_EVENTS_URL")), ..QueueUrls::default() };
        let queues = Queues::new(self.system.cloud().engines().sqs_client(), urls);
        let message = EventMessage::Claim { installation: InstallationId(installation), org };
        queues.send_event(&message, "test", Duration::ZERO).await.expect("a message");
    }

    /// An installation as it is stored.
    pub async fn known_installation(&self, installation: u64) -> Installation {
        self.system.store().installation(InstallationId(installation)).await.expect("an answer").expect("an installation")
    }

    /// The names of an org's repositories, those in service marked by a `+`, those that are checked by a `*`.
    pub async fn repositories_of(&self, org: OrgId) -> Vec<String> {
        let listed = self.system.store().repositories_of(org, &Page::first(100)).await.expect("repositories").items;
        let mark = |is: bool, mark: &'static str| if is { mark } else { "" };
        listed.iter().map(|one| format!("{}{}{}", one.name, mark(one.is_enabled, "+"), mark(one.settings.autocheck, "*"))).collect()
    }

    /// Switches autocheck of a repository of an org.
    pub async fn set_autocheck(&self, org: OrgId, repository: u64, autocheck: bool) {
        let switched = |mut stored: Repository| {
            stored.settings.autocheck = autocheck;
            Some(stored)
        };
        let changed = self.system.store().change_repository(org, RepositoryId(repository), switched).await.expect("an answer");
        assert!(changed.is_some(), "the repository is not the org's");
    }

    /// How many runs an org has.
    pub async fn runs_of(&self, org: OrgId) -> usize {
        self.system.store().org_feed(org, &Page::first(100)).await.expect("runs").items.len()
    }
}

//! Repositories that change while others look, and that change hands.

use quillon_core::id::{InstallationId, OrgId, RepositoryId};
use quillon_core::org::{Installation, Repository, RepositorySettings, TraceAccess};
use quillon_store::{Page, Written};

use quillon_test_tables::Db;

use crate::sample::{at, installation, org_id, other_org_id, repository};

const ID: RepositoryId = RepositoryId(1);

async fn listed(db: &Db, org: OrgId) -> usize {
    db.store.repositories_of(org, &Page::first(10)).await.expect("an answer").items.len()
}

#[tokio::test]
async fn what_is_noted_keeps_what_somebody_changed_meanwhile() {
    let db = Db::new().await;
    db.store.save_installation(&installation(Some(org_id()))).await.expect("saved");
    db.store.save_repository(org_id(), &repository(1, "acme/api")).await.expect("saved");
    let off = |mut stored: Repository| {
        stored.settings.autocheck = false;
        Some(stored)
    };
    let changed = db.store.change_repository(org_id(), ID, off).await.expect("an answer").expect("changed");
    assert!(!changed.settings.autocheck);
    let renamed = |stored: Option<Repository>| stored.map(|stored| Repository { name: "acme/renamed".parse().expect("a name"), ..stored });
    assert_eq!(db.store.note_repository(org_id(), ID, renamed).await.expect("an answer"), Written::Done);
    let stored = db.store.repository(ID).await.expect("an answer").expect("a repository");
    assert_eq!((stored.name.to_string().as_str(), stored.settings.autocheck), ("acme/renamed", false));
    assert_eq!(db.store.note_repository(org_id(), ID, |_| None).await.expect("an answer"), Written::Lost);
}

#[tokio::test]
async fn only_the_org_that_has_its_installation_changes_a_repository() {
    let db = Db::new().await;
    db.store.save_installation(&installation(Some(org_id()))).await.expect("saved");
    db.store.save_repository(org_id(), &repository(1, "acme/api")).await.expect("saved");
    let same = |stored: Repository| Some(stored);
    assert_eq!(db.store.change_repository(other_org_id(), ID, same).await.expect("an answer"), None);
    assert_eq!(db.store.change_repository(org_id(), RepositoryId(9), same).await.expect("an answer"), None);
    assert_eq!(db.store.change_repository(org_id(), ID, |_| None).await.expect("an answer"), None);
    assert!(db.store.change_repository(org_id(), ID, same).await.expect("an answer").is_some());
    assert_eq!((listed(&db, org_id()).await, listed(&db, other_org_id()).await), (1, 0));

    assert!(db.store.release_installation(InstallationId(77), org_id()).await.expect("an answer").is_done());
    assert_eq!(db.store.change_repository(org_id(), ID, same).await.expect("an answer"), None, "it was released");
}

#[tokio::test]
async fn a_repository_that_is_taken_out_shows_nowhere_and_comes_back_private() {
    let db = Db::new().await;
    let settings = RepositorySettings { traces: TraceAccess::Public, autocheck: false, timeout_s: 60, ..RepositorySettings::default() };
    db.store.save_repository(org_id(), &Repository { settings, ..repository(1, "acme/api") }).await.expect("saved");
    let elsewhere = InstallationId(78);
    assert_eq!(db.store.unlist_repository(ID, elsewhere).await.expect("an answer"), Written::Lost, "another installation reaches it");
    assert_eq!(db.store.unlist_repository(ID, InstallationId(77)).await.expect("an answer"), Written::Done);
    assert_eq!(listed(&db, org_id()).await, 0);
    let stored = db.store.repository(ID).await.expect("an answer").expect("a repository");
    assert_eq!((stored.is_enabled, stored.settings.traces, stored.settings.autocheck), (false, TraceAccess::Automatic, true));
    assert_eq!(stored.settings.timeout_s, 60);
    let back = |stored: Option<Repository>| stored.map(|stored| Repository { is_enabled: true, ..stored });
    assert_eq!(db.store.note_repository(other_org_id(), ID, back).await.expect("an answer"), Written::Done);
    assert_eq!((listed(&db, org_id()).await, listed(&db, other_org_id()).await), (0, 1));
}

#[tokio::test]
async fn what_is_said_of_an_installation_never_says_whose_it_is() {
    let db = Db::new().await;
    db.store.save_installation(&installation(None)).await.expect("saved");
    assert!(db.store.claim_installation(InstallationId(77), org_id(), at(1)).await.expect("an answer").is_done());
    assert!(db.store.release_installation(InstallationId(77), org_id()).await.expect("an answer").is_done());
    // Somebody who read it while it was claimed writes down what GitHub says.
    let late = Installation { is_removed: true, ..installation(Some(org_id())) };
    db.store.save_installation(&late).await.expect("saved");
    let stored = db.store.installation(InstallationId(77)).await.expect("an answer").expect("an installation");
    assert_eq!((stored.org, stored.is_removed, stored.claimed_at), (None, true, Some(at(1))));
}

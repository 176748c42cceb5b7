//! What else belongs to people and orgs: trusted projects, seen sources, customers, deeds.

use quillon_core::ci::{CiProvider, CiTrust};
use quillon_core::id::{AccountId, InstallationId, OrgId};
use quillon_core::source::{MAX_SEEN_INSTALLATIONS, SeenInstallation, SeenSources};
use quillon_store::Written;

use crate::sample::{at, org_id, other_org_id, user_id};
use quillon_test_tables::{Db, Fault};

fn trust(org: OrgId, provider: CiProvider, project: &str) -> CiTrust {
    let (name, created_by) = ("acme/api".to_owned(), "ann".to_owned());
    CiTrust { org, provider, project: project.to_owned(), name, created_at: at(0), created_by }
}

#[tokio::test]
async fn a_project_is_trusted_by_the_org_that_said_so() {
    let db = Db::new().await;
    let trusts = [(CiProvider::Buildkite, "u"), (CiProvider::CircleCi, "42"), (CiProvider::GitLab, "42")]
        .map(|(provider, project)| trust(org_id(), provider, project));
    for trust in trusts.iter().rev() {
        db.fault("PutItem", Fault::LoseAnswer);
        assert_eq!(db.store.create_trust(trust).await.expect("an answer"), Written::Done);
    }
    assert_eq!(db.store.create_trust(&trusts[0]).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.trusts_of(org_id()).await.expect("an answer"), trusts);
    assert_eq!(db.store.trusts_of(other_org_id()).await.expect("an answer"), []);
    let found = async |org, provider, project: &str| db.store.trust(org, provider, project).await.expect("an answer");
    assert_eq!(found(org_id(), CiProvider::GitLab, "42").await, Some(trusts[2].clone()));
    assert_eq!(found(org_id(), CiProvider::GitLab, "u").await, None);
    assert_eq!(found(other_org_id(), CiProvider::GitLab, "42").await, None);

    let end = async |org| db.store.delete_trust(org, CiProvider::GitLab, "42").await.expect("an answer");
    assert_eq!(end(other_org_id()).await, Written::Lost);
    assert_eq!(end(org_id()).await, Written::Done);
    assert_eq!(end(org_id()).await, Written::Lost);
    assert_eq!(found(org_id(), CiProvider::GitLab, "42").await, None);
    assert_eq!(found(org_id(), CiProvider::CircleCi, "42").await, Some(trusts[1].clone()));
}

fn seen(number: u64) -> SeenInstallation {
    let login = format!("account-{number}");
    SeenInstallation { id: InstallationId(number), account: AccountId(number), login, is_org: true, is_admin: true }
}

#[tokio::test]
async fn what_a_person_administers_is_believed_for_15_minutes() {
    let db = Db::new().await;
    let sources = SeenSources { at: at(0), installations: vec![seen(1), seen(2)] };
    let found = async |person, seconds| db.store.seen_sources(user_id(person), at(seconds)).await.expect("an answer");
    assert_eq!(found(1, 0).await, None);
    db.store.save_seen_sources(user_id(1), &sources, at(0)).await.expect("saved");
    assert_eq!(found(1, 899).await, Some(sources));
    // The table deletes it days later.
    assert_eq!(found(1, 900).await, None);
    assert_eq!(found(2, 0).await, None);
    let fewer = SeenSources { at: at(10), installations: vec![] };
    db.store.save_seen_sources(user_id(1), &fewer, at(10)).await.expect("saved");
    assert_eq!(found(1, 10).await, Some(fewer));
    let many = SeenSources { at: at(20), installations: (1..=500).map(seen).collect() };
    db.store.save_seen_sources(user_id(1), &many, at(20)).await.expect("saved");
    assert_eq!(found(1, 20).await.map(|kept| kept.installations.len()), Some(MAX_SEEN_INSTALLATIONS));
}

#[tokio::test]
async fn a_customer_is_one_org() {
    let db = Db::new().await;
    let set = async |org| db.store.set_customer("cus_1", org).await.expect("an answer");
    assert_eq!(db.store.org_of_customer("cus_1").await.expect("an answer"), None);
    assert_eq!(set(org_id()).await, Written::Done);
    assert_eq!(set(org_id()).await, Written::Done);
    assert_eq!(set(other_org_id()).await, Written::Lost);
    assert_eq!(db.store.org_of_customer("cus_1").await.expect("an answer"), Some(org_id()));
    assert_eq!(db.store.org_of_customer("cus_2").await.expect("an answer"), None);
}

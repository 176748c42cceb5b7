//! Orgs and what belongs to them.

use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::id::{AgentId, InstallationId, RepositoryId, TokenId};
use quillon_core::org::{Agent, Enrolment, Installation, RateBudget, Repository, Scope, SourceMode, Token};
use quillon_store::{Page, Written};

use crate::sample::{at, installation, org, org_id, other_org_id, repository};
use quillon_test_tables::{Db, Fault};

#[tokio::test]
async fn a_name_belongs_to_one_org_whatever_the_case_of_its_letters() {
    let db = Db::new().await;
    let acme = org(org_id(), "Acme");
    assert_eq!(db.store.create_org(&acme).await.expect("an answer"), Written::Done);
    let squatter = org(other_org_id(), "aCME");
    assert_eq!(db.store.create_org(&squatter).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.org(other_org_id()).await.expect("an answer"), None);
    let found = db.store.org_by_name(&"ACME".parse().expect("a name")).await.expect("an answer");
    assert_eq!(found, Some(acme));
    assert_eq!(db.store.org_by_name(&"other".parse().expect("a name")).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_claim_of_an_installation_outlives_what_github_says_of_it() {
    let db = Db::new().await;
    let id = InstallationId(77);
    let claim = async |org, seconds| db.store.claim_installation(id, org, at(seconds)).await.expect("an answer");
    assert_eq!(claim(org_id(), 1).await, Written::Lost);
    db.store.save_installation(&installation(None)).await.expect("saved");
    assert_eq!(claim(org_id(), 1).await, Written::Done);
    assert_eq!(claim(org_id(), 2).await, Written::Done);
    assert_eq!(claim(other_org_id(), 3).await, Written::Lost);
    let selected = |stored| Some(Installation { mode: SourceMode::Selected, org: None, claimed_at: None, ..stored });
    assert!(db.store.change_installation(id, selected).await.expect("an answer").is_some());

    let suspended = Installation { is_suspended: true, ..installation(None) };
    db.store.save_installation(&suspended).await.expect("saved");
    let expected = Installation { org: Some(org_id()), claimed_at: Some(at(1)), mode: SourceMode::Selected, ..suspended };
    assert_eq!(db.store.installation(id).await.expect("an answer"), Some(expected.clone()));
    let listed = db.store.installations_of(org_id(), &Page::first(5)).await.expect("an answer").items;
    assert_eq!(listed, [expected]);
}

#[tokio::test]
async fn of_two_orgs_that_claim_an_installation_at_once_one_has_it() {
    let db = Db::new().await;
    db.store.save_installation(&installation(None)).await.expect("saved");
    let claim = |org| {
        let store = db.store.clone();
        async move { store.claim_installation(InstallationId(77), org, at(1)).await.expect("an answer") }
    };
    let (one, other) = tokio::join!(claim(org_id()), claim(other_org_id()));
    assert_ne!(one, other);
    let holder = if one.is_done() { org_id() } else { other_org_id() };
    assert_eq!(db.store.installation(InstallationId(77)).await.expect("an answer").and_then(|known| known.org), Some(holder));
}

#[tokio::test]
async fn a_released_installation_is_nobodys_and_remembers_that_it_was_claimed() {
    let db = Db::new().await;
    let id = InstallationId(77);
    db.store.save_installation(&installation(None)).await.expect("saved");
    assert!(db.store.claim_installation(id, org_id(), at(1)).await.expect("an answer").is_done());
    assert_eq!(db.store.release_installation(id, other_org_id()).await.expect("an answer"), Written::Lost);
    db.fault("PutItem", Fault::LoseAnswer);
    assert_eq!(db.store.release_installation(id, org_id()).await.expect("an answer"), Written::Done);
    let released = Installation { claimed_at: Some(at(1)), ..installation(None) };
    assert_eq!(db.store.installation(id).await.expect("an answer"), Some(released.clone()));
    assert_eq!(db.store.installations_of(org_id(), &Page::first(5)).await.expect("an answer").items, []);
    // What GitHub says does not give it back.
    db.store.save_installation(&installation(Some(org_id()))).await.expect("saved");
    assert_eq!(db.store.installation(id).await.expect("an answer"), Some(released));
    assert!(db.store.claim_installation(id, other_org_id(), at(9)).await.expect("an answer").is_done());
    let claimed = db.store.installation(id).await.expect("an answer").expect("known");
    assert_eq!((claimed.org, claimed.claimed_at), (Some(other_org_id()), Some(at(9))));
}

#[tokio::test]
async fn repositories_are_listed_by_name_and_found_by_id() {
    let db = Db::new().await;
    for (id, name) in [(1, "acme/web"), (2, "acme/api"), (3, "acme/cli")] {
        db.store.save_repository(org_id(), &repository(id, name)).await.expect("saved");
    }
    let renamed = Repository { is_enabled: false, ..repository(1, "acme/a-site") };
    db.store.save_repository(org_id(), &renamed).await.expect("saved");
    db.store.save_installation(&installation(Some(org_id()))).await.expect("saved");
    assert_eq!(db.store.repository(RepositoryId(1)).await.expect("an answer"), Some(renamed));
    assert_eq!(db.store.repository(RepositoryId(9)).await.expect("an answer"), None);
    let names = async |page: &Page| {
        let listed = db.store.repositories_of(org_id(), page).await.expect("an answer");
        (listed.items.iter().map(|repository| repository.name.to_string()).collect::<Vec<_>>(), listed.next)
    };
    let (first, next) = names(&Page::first(2)).await;
    assert_eq!(first, ["acme/a-site", "acme/api"]);
    assert_eq!(names(&Page { after: next, limit: 2 }).await, (vec!["acme/cli".to_owned()], None));
}

#[tokio::test]
async fn a_repository_is_found_by_its_name_of_today_whatever_its_case() {
    let db = Db::new().await;
    let gone = Repository { is_enabled: false, ..repository(1, "acme/api") };
    let here = repository(2, "Acme/API");
    for repository in [&gone, &here] {
        db.store.save_repository(org_id(), repository).await.expect("saved");
    }
    let found = async |org, name: &str| db.store.repository_by_name(org, &name.parse().expect("a name")).await.expect("an answer");
    assert_eq!(found(org_id(), "acme/Api").await, Some(here));
    assert_eq!(found(other_org_id(), "acme/api").await, None);
    assert_eq!(found(org_id(), "acme/ap").await, None);
}

async fn stored_repository(db: &Db) -> Option<Repository> {
    db.store.repository(RepositoryId(1)).await.expect("an answer")
}

fn hidden(stored: Repository) -> Option<Repository> {
    Some(Repository { is_private: true, is_enabled: false, ..stored })
}

#[tokio::test]
async fn a_repository_is_changed_by_the_org_that_has_its_installation() {
    let db = Db::new().await;
    let change = async |org| db.store.change_repository(org, RepositoryId(1), hidden).await.expect("an answer");
    assert_eq!(change(org_id()).await, None);
    let known = repository(1, "acme/api");
    db.store.save_repository(org_id(), &known).await.expect("saved");
    assert_eq!(change(org_id()).await, None, "nobody has claimed its installation");
    db.store.save_installation(&installation(Some(org_id()))).await.expect("saved");
    assert_eq!(change(other_org_id()).await, None);
    let declined = db.store.change_repository(org_id(), RepositoryId(1), |_| None).await.expect("an answer");
    assert_eq!((declined, stored_repository(&db).await), (None, Some(known.clone())));
    db.fault("PutItem", Fault::LoseAnswer);
    assert_eq!(change(org_id()).await, hidden(known.clone()));
    assert_eq!(stored_repository(&db).await, hidden(known));
    assert_eq!(db.store.repositories_of(org_id(), &Page::first(5)).await.expect("an answer").items.len(), 1);
}

#[tokio::test]
async fn what_is_noted_of_a_repository_and_what_is_set_at_once_both_count() {
    let db = Db::new().await;
    db.store.save_repository(org_id(), &repository(1, "acme/api")).await.expect("saved");
    db.store.save_installation(&installation(Some(org_id()))).await.expect("saved");
    let renamed = |stored: Option<Repository>| stored.map(|stored| Repository { name: "acme/web".parse().expect("a name"), ..stored });
    let note = db.store.note_repository(org_id(), RepositoryId(1), renamed);
    let (noted, set) = tokio::join!(note, db.store.change_repository(org_id(), RepositoryId(1), hidden));
    assert!(noted.expect("an answer").is_done() && set.expect("an answer").is_some());
    assert_eq!(stored_repository(&db).await, hidden(repository(1, "acme/web")));
}

#[tokio::test]
async fn an_unlisted_repository_is_in_no_list_until_it_is_noted_again() {
    let db = Db::new().await;
    let known = repository(1, "acme/api");
    db.store.save_repository(org_id(), &known).await.expect("saved");
    let unlist = async |installation| db.store.unlist_repository(RepositoryId(1), InstallationId(installation)).await.expect("an answer");
    assert_eq!(unlist(78).await, Written::Lost, "another installation reaches it");
    let listed = async |org| db.store.repositories_of(org, &Page::first(5)).await.expect("an answer").items.len();
    assert_eq!(listed(org_id()).await, 1);
    assert_eq!(unlist(77).await, Written::Done);
    assert_eq!(listed(org_id()).await, 0);
    assert_eq!(stored_repository(&db).await, Some(Repository { is_enabled: false, ..known }));
    let enabled = |stored: Option<Repository>| stored.map(|stored| Repository { is_enabled: true, ..stored });
    assert!(db.store.note_repository(other_org_id(), RepositoryId(1), enabled).await.expect("an answer").is_done());
    assert_eq!((listed(org_id()).await, listed(other_org_id()).await), (0, 1));
}

fn token(number: u128) -> Token {
    let scopes = vec![Scope::TelemetryWrite, Scope::ChecksRerun];
    let id = TokenId::from_parts(1, number);
    Token { expires_at: Some(at(100)), ..Token::new(id, &org(org_id(), "acme"), format!("token {number}"), scopes, String::new(), at(0)) }
}

#[tokio::test]
async fn a_token_works_until_it_expires_or_is_deleted() {
    let db = Db::new().await;
    assert_eq!(db.store.create_token(&token(1), "hash-1").await.expect("an answer"), Written::Done);
    assert_eq!(db.store.create_token(&token(2), "hash-1").await.expect("an answer"), Written::Lost);
    let endless = Token { expires_at: None, ..token(2) };
    assert_eq!(db.store.create_token(&endless, "hash-2").await.expect("an answer"), Written::Done);

    let found = async |hash: &str, seconds| db.store.token(hash, at(seconds)).await.expect("an answer");
    assert_eq!(found("hash-1", 99).await, Some(token(1)));
    assert_eq!(found("hash-1", 100).await, None);
    assert_eq!(found("hash-3", 0).await, None);
    assert_eq!(db.store.tokens_of(org_id()).await.expect("an answer"), [token(1), endless.clone()]);
    assert_eq!(db.store.tokens_of(other_org_id()).await.expect("an answer"), vec![]);

    assert_eq!(db.store.delete_token(other_org_id(), endless.id).await.expect("an answer"), Written::Lost);
    assert_eq!(found("hash-2", 0).await, Some(endless.clone()));
    assert_eq!(db.store.delete_token(org_id(), endless.id).await.expect("an answer"), Written::Done);
    assert_eq!(found("hash-2", 0).await, None);
    assert_eq!(db.store.delete_token(org_id(), endless.id).await.expect("an answer"), Written::Lost);
}

#[tokio::test]
async fn a_token_is_replaced_together_with_its_successor_or_not_at_all() {
    let db = Db::new().await;
    assert!(db.store.create_token(&token(1), "hash-1").await.expect("an answer").is_done());
    let replace = |stored| Some(Token { replaced_by: Some(token(2).id), ..stored });
    let elsewhere = Token { org: other_org_id(), ..token(2) };
    for (old, new, is_wanted) in [(1, elsewhere, true), (3, token(2), true), (1, token(2), false)] {
        let change = |stored| replace(stored).filter(|_| is_wanted);
        let written = db.store.rotate_token(token(old).id, &new, "hash-2", change).await;
        assert_eq!(written.expect("an answer"), Written::Lost);
        assert_eq!(db.store.token("hash-2", at(0)).await.expect("an answer"), None);
    }
    assert_eq!(db.store.rotate_token(token(1).id, &token(2), "hash-2", replace).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.token("hash-1", at(0)).await.expect("an answer"), replace(token(1)));
    assert_eq!(db.store.token("hash-2", at(0)).await.expect("an answer"), Some(token(2)));
}

#[tokio::test]
async fn a_token_is_touched_once_an_hour() {
    let db = Db::new().await;
    assert!(db.store.create_token(&token(1), "hash-1").await.expect("an answer").is_done());
    db.store.touch_token("hash-1", &token(1), at(10)).await.expect("touched");
    let touched = Token { last_used_at: Some(at(10)), ..token(1) };
    assert_eq!(db.store.token("hash-1", at(10)).await.expect("an answer"), Some(touched.clone()));
    db.sent_in_all();
    db.store.touch_token("hash-1", &touched, at(3_609)).await.expect("no news");
    assert_eq!(db.sent_in_all(), 0);
    // Somebody else has noted it meanwhile.
    db.store.touch_token("hash-1", &token(1), at(11)).await.expect("no news");
    assert_eq!(db.store.token("hash-1", at(10)).await.expect("an answer"), Some(touched.clone()));
    // A token that was revoked meanwhile does not come back.
    assert!(db.store.delete_token(org_id(), token(1).id).await.expect("an answer").is_done());
    db.store.touch_token("hash-1", &touched, at(4_000)).await.expect("nothing to touch");
    assert_eq!(db.store.token("hash-1", at(10)).await.expect("an answer"), None);
}

fn agent(number: u128, org: Option<quillon_core::id::OrgId>) -> Agent {
    Agent { id: AgentId::from_parts(1, number), name: "builder".to_owned(), org, runs_forks: false, enrolled_at: at(0) }
}

#[tokio::test]
async fn an_agent_is_known_by_its_token_until_it_is_deleted() {
    let db = Db::new().await;
    let (first, second) = (agent(1, None), agent(2, Some(org_id())));
    for (agent, hash) in [(&second, "two"), (&first, "one")] {
        assert_eq!(db.store.create_agent(agent, hash).await.expect("an answer"), Written::Done);
    }
    assert_eq!(db.store.create_agent(&first, "two").await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.agent("two").await.expect("an answer"), Some(second.clone()));
    assert_eq!(db.store.agent("three").await.expect("an answer"), None);
    assert_eq!(db.store.agents(&Page::first(10)).await.expect("an answer").items, [first.clone(), second.clone()]);
    assert_eq!(db.store.delete_agent(second.id).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.agent("two").await.expect("an answer"), None);
    assert_eq!(db.store.delete_agent(second.id).await.expect("an answer"), Written::Lost);
}

#[tokio::test]
async fn of_many_who_take_an_enrolment_one_gets_it() {
    let db = Db::new().await;
    let enrolment = Enrolment { org: Some(org_id()), expires_at: at(600) };
    assert_eq!(db.store.create_enrolment(&enrolment, "hash").await.expect("an answer"), Written::Done);
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = db.store.clone();
        racers.spawn(async move { store.take_enrolment("hash", at(0)).await.expect("an answer") });
    }
    let won: Vec<Enrolment> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(won, std::slice::from_ref(&enrolment));
    assert_eq!(db.store.take_enrolment("hash", at(0)).await.expect("an answer"), None);
    // A used right is not to be made again under the same token.
    assert_eq!(db.store.create_enrolment(&enrolment, "hash").await.expect("an answer"), Written::Lost);
}

#[tokio::test]
async fn an_enrolment_expires_and_survives_a_lost_answer() {
    let db = Db::new().await;
    let enrolment = Enrolment { org: None, expires_at: at(600) };
    assert!(db.store.create_enrolment(&enrolment, "hash").await.expect("an answer").is_done());
    assert_eq!(db.store.take_enrolment("hash", at(600)).await.expect("an answer"), None);
    assert_eq!(db.store.take_enrolment("other", at(0)).await.expect("an answer"), None);
    db.fault("PutItem", Fault::LoseAnswer);
    assert_eq!(db.store.take_enrolment("hash", at(599)).await.expect("an answer"), Some(enrolment));
}

#[tokio::test]
async fn a_rate_budget_counts_while_it_blocks() {
    let db = Db::new().await;
    let id = InstallationId(77);
    let budget = RateBudget { blocked_until: at(60), allows_final: true };
    assert_eq!(db.store.rate_budget(id, at(0)).await.expect("an answer"), None);
    db.store.save_rate_budget(id, &budget).await.expect("saved");
    assert_eq!(db.store.rate_budget(id, at(59)).await.expect("an answer"), Some(budget));
    assert_eq!(db.store.rate_budget(id, at(60)).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_cursor_of_a_schedule_is_replaced() {
    let db = Db::new().await;
    assert_eq!(db.store.cursor("heads #1").await.expect("an answer"), None);
    db.store.save_cursor("heads #1", "one").await.expect("saved");
    db.store.save_cursor("heads #1", "").await.expect("saved");
    assert_eq!(db.store.cursor("heads #1").await.expect("an answer"), Some(String::new()));
    assert_eq!(db.store.cursor("heads #2").await.expect("an answer"), None);
}

fn entry(seconds: i64, action: AuditAction) -> AuditEntry {
    AuditEntry {
        org: org_id(),
        at: at(seconds),
        who: "octocat".to_owned(),
        action,
        subject: "0123456789abcdef0123456789abcdef".to_owned(),
        detail: String::new(),
        from: None,
    }
}

#[tokio::test]
async fn a_deed_and_its_entries_are_stored_together_or_not_at_all() {
    let db = Db::new().await;
    let recorded = async || db.store.audit(org_id(), &Page::first(9)).await.expect("the log").items;
    let entries = [entry(2, AuditAction::TokenRotated), entry(1, AuditAction::TokenMade)];
    assert!(db.store.create_token(&token(1), "hash-1").await.expect("an answer").is_done());
    let store = db.store.recording(&entries).expect("storable");
    assert_eq!(store.create_token(&token(2), "hash-1").await.expect("an answer"), Written::Lost);
    assert_eq!(store.delete_token(org_id(), token(2).id).await.expect("an answer"), Written::Lost);
    assert_eq!(recorded().await, []);
    db.cut_after(1);
    store.delete_token(org_id(), token(1).id).await.expect_err("cut off");
    db.mend();
    assert_eq!((recorded().await, db.store.token("hash-1", at(0)).await.expect("an answer")), (vec![], Some(token(1))));
    for operation in ["TransactWriteItems", "Query"] {
        db.fault(operation, Fault::LoseAnswer);
    }
    assert_eq!(store.delete_token(org_id(), token(1).id).await.expect("an answer"), Written::Done);
    assert_eq!((recorded().await, db.store.token("hash-1", at(0)).await.expect("an answer")), (entries.to_vec(), None));
    // A deed of several writes.
    assert!(store.create_token(&token(3), "hash-3").await.expect("an answer").is_done());
    assert_eq!(recorded().await, entries);
}

#[tokio::test]
async fn what_was_done_stays_recorded_the_newest_first() {
    let db = Db::new().await;
    let deeds = [entry(1, AuditAction::TraceMadePublic), entry(1, AuditAction::TraceMadePublic), entry(2, AuditAction::TraceDeleted)];
    db.fault("PutItem", Fault::LoseAnswer);
    for deed in &deeds {
        db.store.append_audit(deed).await.expect("recorded");
    }
    let first = db.store.audit(org_id(), &Page::first(2)).await.expect("an answer");
    assert_eq!(first.items, [deeds[2].clone(), deeds[1].clone()]);
    let rest = db.store.audit(org_id(), &Page { after: first.next.clone(), limit: 2 }).await.expect("an answer");
    assert_eq!((rest.items, rest.next), (vec![deeds[0].clone()], None));
    assert_eq!(db.store.audit(other_org_id(), &Page::first(2)).await.expect("an answer").items, []);
    let foreign = db.store.audit(other_org_id(), &Page { after: first.next, limit: 2 }).await;
    assert!(matches!(foreign, Err(quillon_store::Error::InvalidCursor)));
}

//! The end of an org: what goes, what stays, and that an end that was cut off is carried on.

use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::ci::{CiProvider, CiTrust};
use quillon_core::id::{InstallationId, InviteId, OrgId, RepositoryId, TokenId};
use quillon_core::member::{Invite, Member, Roles};
use quillon_core::org::{DELETION_GRACE, Deletion, Installation, Org, Scope, Token};
use quillon_core::plan::Subscription;
use quillon_store::{Page, Written};

use crate::sample::{at, installation, member, org, org_id, other_org_id, repository, user_id};
use quillon_test_tables::Db;

fn due_s() -> i64 {
    DELETION_GRACE.as_secs()
}

fn deletion() -> Deletion {
    Deletion { by: "ann".to_owned(), at: at(0), due_at: at(due_s()) }
}

/// An org with one of everything under ids that begin with a number; its words end in it.
async fn furnished(db: &Db, id: OrgId, number: u64) {
    let store = &db.store;
    let acme = org(id, &format!("acme-{number}"));
    let owner = Member { org: id, ..member(1, Roles::BOTH) };
    assert!(store.create_org_with(&acme, &owner).await.expect("an answer").is_done());
    let read = store.admins(id).await.expect("an answer");
    let second = Member { org: id, ..member(2, Roles::MEMBER) };
    assert!(store.save_membership(&second, &read, &read.users).await.expect("an answer").is_done());
    let invite = Invite {
        id: InviteId::from_parts(number, 1),
        org: id,
        roles: Roles::MEMBER,
        invitee: "bob".parse().expect("a login"),
        invited_by: "ann".to_owned(),
        created_at: at(0),
        expires_at: at(10 * due_s()),
    };
    assert!(store.create_invite(&invite, &format!("invite-{number}")).await.expect("an answer").is_done());
    let token = Token::new(TokenId::from_parts(number, 1), &acme, "ci".to_owned(), vec![Scope::Admin], "ann".to_owned(), at(0));
    assert!(store.create_token(&token, &format!("token-{number}")).await.expect("an answer").is_done());
    let trust = CiTrust {
        org: id,
        provider: CiProvider::GitLab,
        project: "42".to_owned(),
        name: "acme/api".to_owned(),
        created_at: at(0),
        created_by: "ann".to_owned(),
    };
    assert!(store.create_trust(&trust).await.expect("an answer").is_done());
    let installed = Installation { id: InstallationId(number), ..installation(None) };
    store.save_installation(&installed).await.expect("saved");
    assert!(store.claim_installation(installed.id, id, at(1)).await.expect("an answer").is_done());
    store.save_repository(id, &repository(number, "acme/api")).await.expect("saved");
    let customer = format!("cus_{number}");
    assert!(store.set_customer(&customer, id).await.expect("an answer").is_done());
    let paying =
        |stored| Some(Org { subscription: Some(Subscription { customer: Some(customer.clone()), ..Subscription::free(at(0)) }), ..stored });
    assert!(store.change_org(id, paying).await.expect("an answer").is_some());
    let entry = AuditEntry {
        org: id,
        at: at(0),
        who: "ann".to_owned(),
        action: AuditAction::TraceDeleted,
        subject: "x".to_owned(),
        detail: String::new(),
        from: None,
    };
    store.append_audit(&entry).await.expect("recorded");
}

async fn set_deletion(db: &Db, id: OrgId, deletion: Option<Deletion>) {
    let changed = db.store.change_org(id, |stored| Some(Org { deletion: deletion.clone(), ..stored })).await;
    assert!(changed.expect("an answer").is_some());
}

async fn due(db: &Db, seconds: i64) -> Vec<OrgId> {
    db.store.orgs_due_deletion(at(seconds)).await.expect("an answer")
}

async fn purged(db: &Db, id: OrgId, seconds: i64) -> Written {
    db.store.purge_org(id, at(seconds)).await.expect("an answer")
}

/// How much there is of an org, by kind.
async fn count(db: &Db, id: OrgId, number: u64) -> Vec<usize> {
    let store = &db.store;
    let page = Page::first(10);
    vec![
        usize::from(store.org(id).await.expect("an answer").is_some()),
        usize::from(store.org_by_name(&format!("acme-{number}").parse().expect("a name")).await.expect("an answer").is_some()),
        store.count_members(id).await.expect("an answer"),
        store.admins(id).await.expect("an answer").users.len(),
        store.invites_of(id, at(0)).await.expect("an answer").len(),
        usize::from(store.token(&format!("token-{number}"), at(0)).await.expect("an answer").is_some()),
        store.trusts_of(id).await.expect("an answer").len(),
        store.installations_of(id, &page).await.expect("an answer").items.len(),
        store.repositories_of(id, &page).await.expect("an answer").items.len(),
        usize::from(store.org_of_customer(&format!("cus_{number}")).await.expect("an answer").is_some()),
    ]
}

const ALL: [usize; 10] = [1, 1, 2, 1, 1, 1, 1, 1, 1, 1];
const NOTHING: [usize; 10] = [0; 10];

#[tokio::test]
async fn an_org_whose_time_is_over_goes_with_all_that_belongs_to_it() {
    let db = Db::new().await;
    furnished(&db, org_id(), 1).await;
    furnished(&db, other_org_id(), 2).await;
    assert_eq!(due(&db, 10 * due_s()).await, []);
    set_deletion(&db, org_id(), Some(deletion())).await;
    assert_eq!((due(&db, due_s() - 1).await, due(&db, due_s()).await), (vec![], vec![org_id()]));
    assert_eq!(purged(&db, org_id(), due_s() - 1).await, Written::Lost);
    assert_eq!(purged(&db, other_org_id(), due_s()).await, Written::Lost);
    assert_eq!(count(&db, org_id(), 1).await, ALL);

    assert_eq!(purged(&db, org_id(), due_s()).await, Written::Done);
    assert_eq!(count(&db, org_id(), 1).await, NOTHING);
    assert_eq!(count(&db, other_org_id(), 2).await, ALL);
    assert_eq!(db.sort_keys("orgs", &format!("O#{}", org_id())).await, Vec::<String>::new());
    assert_eq!(due(&db, due_s()).await, []);
    assert_eq!(purged(&db, org_id(), due_s()).await, Written::Lost);

    // Whoever was in it is in the other one; the account can be claimed again, what was done stays recorded.
    let orgs = db.store.orgs_of(user_id(1)).await.expect("an answer");
    assert_eq!(orgs.iter().map(|member| member.org).collect::<Vec<_>>(), [other_org_id()]);
    let freed = db.store.installation(InstallationId(1)).await.expect("an answer").expect("known");
    assert_eq!((freed.org, freed.claimed_at), (None, Some(at(1))));
    assert_eq!(db.store.repository(RepositoryId(1)).await.expect("an answer"), None);
    assert_eq!(db.store.audit(org_id(), &Page::first(5)).await.expect("an answer").items.len(), 1);
    let again = org(OrgId::from_parts(5, 5), "ACME-1");
    assert_eq!(db.store.create_org(&again).await.expect("an answer"), Written::Done);
}

#[tokio::test]
async fn an_org_that_was_had_back_stays() {
    let db = Db::new().await;
    furnished(&db, org_id(), 1).await;
    set_deletion(&db, org_id(), Some(deletion())).await;
    set_deletion(&db, org_id(), None).await;
    assert_eq!(due(&db, due_s()).await, []);
    assert_eq!(purged(&db, org_id(), due_s()).await, Written::Lost);
    assert_eq!(count(&db, org_id(), 1).await, ALL);
    // And a deletion that was put off is due later.
    let later = Deletion { due_at: at(2 * due_s()), ..deletion() };
    set_deletion(&db, org_id(), Some(deletion())).await;
    set_deletion(&db, org_id(), Some(later)).await;
    assert_eq!(due(&db, due_s()).await, []);
    assert_eq!(purged(&db, org_id(), due_s()).await, Written::Lost);
    assert_eq!(due(&db, 2 * due_s()).await, [org_id()]);
}

#[tokio::test]
async fn nobody_has_an_org_back_that_is_being_deleted() {
    let db = Db::new().await;
    furnished(&db, org_id(), 1).await;
    set_deletion(&db, org_id(), Some(deletion())).await;
    let undelete = db.store.change_org(org_id(), |stored| Some(Org { deletion: None, ..stored }));
    let (undeleted, purged) = tokio::join!(undelete, db.store.purge_org(org_id(), at(due_s())));
    let is_back = undeleted.expect("an answer").is_some();
    assert_ne!(is_back, purged.expect("an answer").is_done(), "one of them has won");
    assert_eq!(count(&db, org_id(), 1).await, if is_back { ALL } else { NOTHING });
}

#[tokio::test]
async fn a_deletion_that_is_cut_off_anywhere_is_carried_on() {
    let db = Db::new().await;
    furnished(&db, org_id(), 1).await;
    set_deletion(&db, org_id(), Some(deletion())).await;
    db.sent_in_all();
    let mut cuts = 0;
    loop {
        // Every try gets one request further than the one before.
        db.cut_after(cuts);
        let result = db.store.purge_org(org_id(), at(due_s())).await;
        db.mend();
        if result.is_ok_and(Written::is_done) {
            break;
        }
        assert_eq!(due(&db, due_s()).await, [org_id()], "after {cuts} requests");
        // From the first write on nobody can join.
        if db.store.org(org_id()).await.expect("an answer").is_none() {
            let read = db.store.admins(org_id()).await.expect("an answer");
            let joining = member(3, Roles::BOTH);
            let after = quillon_core::member::admins_after(&read.users, joining.user, Some(joining.roles)).expect("one joins");
            assert_eq!(db.store.save_membership(&joining, &read, &after).await.expect("an answer"), Written::Lost);
        }
        cuts += 1;
        assert!(cuts < 100, "it never ends");
    }
    assert!(cuts >= 8, "{cuts}");
    assert_eq!(count(&db, org_id(), 1).await, NOTHING);
    assert_eq!(due(&db, due_s()).await, []);
}

#[tokio::test]
async fn two_who_delete_an_org_at_once_both_get_there() {
    let db = Db::new().await;
    furnished(&db, org_id(), 1).await;
    set_deletion(&db, org_id(), Some(deletion())).await;
    let (one, two) = tokio::join!(db.store.purge_org(org_id(), at(due_s())), db.store.purge_org(org_id(), at(due_s())));
    let done = [one, two].map(|written| written.expect("an answer").is_done());
    assert!(done.contains(&true));
    assert_eq!(count(&db, org_id(), 1).await, NOTHING);
    assert_eq!(due(&db, due_s()).await, []);
}

//! Orgs: made, renamed, set, deleted, had back, gone.

use quillon_core::access::Standing;
use quillon_core::audit::AuditAction;
use quillon_core::id::OrgId;
use quillon_core::member::Roles;
use quillon_core::org::{DELETION_GRACE, Org, Scope};
use quillon_core::plan::{Billing, Plan, Subscription, SubscriptionState};
use quillon_store::Page;
use quillon_tenancy::{Error, MAX_ORGS_MADE, SettingsChange, Tenancy, Viewer};

use crate::world::{INSTALLATION, World, at, deed, hours, is_refused, is_unknown, name};

#[tokio::test]
async fn whoever_makes_an_org_administers_it_and_sees_its_runs() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "Acme").await;
    assert_eq!(world.members(org.id).await, ["ann: admin and member"]);
    assert_eq!(world.deeds(org.id).await, [AuditAction::OrgMade]);
    let standing = |user| world.tenancy.standing_of_user(user, org.id);
    assert_eq!(standing(ann.id).await.expect("an answer"), Standing::Person(Roles::BOTH));
    assert_eq!(standing(ben.id).await.expect("an answer"), Standing::Stranger);
    assert!(is_refused(&world.tenancy.create_org(&ben, name("aCME"), &deed(at(1))).await), "whatever the case");
    // Who presses the button twice has one org.
    assert_eq!(world.tenancy.create_org(&ann, name("acme"), &deed(at(1))).await.expect("the same").id, org.id);
    assert!(is_refused(&world.tenancy.create_org(&ann, name("acme"), &deed(hours(1))).await), "later it is a mistake");
    let orgs = world.tenancy.orgs_of(&Viewer::Person(ann.clone()), &Page::first(10)).await.expect("a list").items;
    assert_eq!(orgs.iter().map(|org| org.name.as_str()).collect::<Vec<_>>(), ["Acme"]);
    assert_eq!(world.tenancy.orgs_of(&Viewer::Operator, &Page::first(10)).await.expect("a list").items, [org]);
    assert_eq!(world.tenancy.orgs_of(&Viewer::Person(ben), &Page::first(10)).await.expect("a list").items, []);
}

#[tokio::test]
async fn an_org_that_is_being_deleted_is_not_made_again() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    world.tenancy.delete_org(org.id, &deed(at(1))).await.expect("deleted");
    assert!(is_refused(&world.tenancy.create_org(&ann, name("acme"), &deed(at(2))).await));
}

#[tokio::test]
async fn a_person_makes_a_bounded_number_of_orgs() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    for number in 0..MAX_ORGS_MADE {
        world.org(&ann, &format!("acme-{number}")).await;
    }
    assert!(is_refused(&world.tenancy.create_org(&ann, name("one-more"), &deed(at(1))).await));
    let others = world.org(&ben, "others").await;
    world.join(others.id, &ann, Roles::MEMBER).await;
    assert_eq!(world.tenancy.memberships(ann.id).await.expect("a list").len(), MAX_ORGS_MADE + 1);
}

#[tokio::test]
async fn a_renamed_org_keeps_its_old_name_from_others() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    let other = world.org(&ben, "other").await;
    let renamed = world.tenancy.rename(org.id, name("acme-inc"), &deed(at(1))).await.expect("renamed");
    assert_eq!(renamed.name, name("acme-inc"));
    assert_eq!(world.deed_of(org.id, AuditAction::OrgRenamed).await, ("acme-inc".to_owned(), "from acme".to_owned()));
    assert!(is_refused(&world.tenancy.rename(other.id, name("ACME"), &deed(at(2))).await));
    assert!(is_refused(&world.tenancy.rename(other.id, name("acme-inc"), &deed(at(2))).await));
    assert_eq!(world.deeds(other.id).await, [AuditAction::OrgMade], "what was refused is no deed");
    world.tenancy.rename(org.id, name("Acme-Inc"), &deed(at(2))).await.expect("another spelling");
    world.tenancy.rename(org.id, name("acme"), &deed(at(3))).await.expect("its own old name");
    assert_eq!(world.tenancy.rename(org.id, name("acme"), &deed(at(4))).await.expect("as it is").id, org.id);
    assert_eq!(world.deeds(org.id).await.len(), 4, "what changed nothing is no deed");
    assert!(is_unknown(&world.tenancy.rename(OrgId::from_parts(1, 1), name("nobody"), &deed(at(1))).await));
}

#[tokio::test]
async fn settings_change_within_bounds() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    for concurrency in [0, 1_001, u32::MAX] {
        let change = SettingsChange { concurrency: Some(concurrency), ..SettingsChange::default() };
        assert!(matches!(world.tenancy.change_settings(org.id, change, &deed(at(1))).await, Err(Error::Invalid(_))));
    }
    let change = SettingsChange { concurrency: Some(5), public_traces: Some(false) };
    let changed = world.tenancy.change_settings(org.id, change, &deed(at(1))).await.expect("changed");
    assert_eq!((changed.concurrency, changed.public_traces), (5, false));
    assert_eq!(world.tenancy.change_settings(org.id, change, &deed(at(2))).await.expect("as it is"), changed);
    let expected = [AuditAction::OrgMade, AuditAction::OrgConcurrencyChanged, AuditAction::OrgTracesForbidden];
    let deeds = world.deeds(org.id).await;
    assert!(deeds.len() == 3 && expected.iter().all(|action| deeds.contains(action)), "{deeds:?}");
}

#[tokio::test]
async fn a_deleted_org_takes_nothing_in_and_can_be_had_back_in_time() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    let deleted = world.tenancy.delete_org(org.id, &deed(at(1))).await.expect("deleted");
    assert!(!deleted.is_open());
    let again = world.tenancy.delete_org(org.id, &deed(at(50))).await.expect("deleted already");
    assert_eq!(again.deletion, deleted.deletion, "the first one counts");
    assert_eq!(world.tenancy.standing_of_user(ann.id, org.id).await.expect("an answer"), Standing::Person(Roles::BOTH));
    assert!(is_refused(&world.tenancy.invite(org.id, "ben".parse().expect("a login"), Roles::MEMBER, &deed(at(2))).await));
    assert!(is_refused(&world.tenancy.create_token(org.id, "ci", &Scope::ALL, None, &deed(at(2))).await));
    assert!(is_refused(&world.tenancy.rename(org.id, name("other"), &deed(at(2))).await));

    let due = deleted.deletion.expect("a deletion").due_at;
    assert_eq!(due.duration_since(at(1)), DELETION_GRACE);
    assert_eq!(world.tenancy.orgs_to_purge(at(1)).await.expect("a list"), []);
    assert!(!world.tenancy.purge(org.id, at(1)).await.expect("an answer"), "not yet");
    let restored = world.tenancy.undelete_org(org.id, &deed(at(3))).await.expect("had back");
    assert!(restored.is_open());
    assert_eq!(world.tenancy.orgs_to_purge(due).await.expect("a list"), []);
    assert!(!world.tenancy.purge(org.id, due).await.expect("an answer"));
    assert_eq!(world.deeds(org.id).await, [AuditAction::OrgMade, AuditAction::OrgDeleted, AuditAction::OrgRestored]);

    let deleted = world.tenancy.delete_org(org.id, &deed(at(4))).await.expect("deleted");
    let due = deleted.deletion.expect("a deletion").due_at;
    assert!(is_refused(&world.tenancy.undelete_org(org.id, &deed(due)).await), "too late");
    assert_eq!(world.tenancy.orgs_to_purge(due).await.expect("a list"), [org.id]);
}

#[tokio::test]
async fn nothing_leads_to_an_org_that_is_gone() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    world.install(Some(org.id)).await;
    let (_, token) = world.tenancy.create_token(org.id, "ci", &Scope::ALL, None, &deed(at(1))).await.expect("made");
    let (_, link) = world.tenancy.invite(org.id, "ben".parse().expect("a login"), Roles::BOTH, &deed(at(1))).await.expect("invited");
    let due = world.tenancy.delete_org(org.id, &deed(at(2))).await.expect("deleted").deletion.expect("a deletion").due_at;
    assert!(world.tenancy.purge(org.id, due).await.expect("purged"));
    assert!(!world.tenancy.purge(org.id, due).await.expect("an answer"), "once");
    assert_eq!(world.tenancy.memberships(ann.id).await.expect("a list"), []);
    assert_eq!(world.tenancy.identify(token.expose(), at(3)).await.expect("an answer"), None);
    assert!(is_unknown(&world.tenancy.accept(link.expose(), &ben, &deed(at(3))).await));
    assert_eq!(world.db.store.installation(INSTALLATION).await.expect("an answer").expect("known").org, None);
    assert_eq!(world.tenancy.orgs_to_purge(due).await.expect("a list"), []);
    // The name is free, and who takes it has nothing of what was.
    let next = world.org(&ben, "acme").await;
    assert_ne!(next.id, org.id);
    assert_eq!(world.members(next.id).await, ["ben: admin and member"]);
}

#[tokio::test]
async fn a_plan_says_how_many_come_in_and_is_ended_before_its_org() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    let paid = Tenancy::new(world.db.store.clone()).with_billing(Billing::On);
    let individual = Subscription { plan: Plan::Individual, ..Subscription::free(at(0)) };
    let set = async |subscription: Option<Subscription>| {
        let change = |stored: Org| Some(Org { subscription: subscription.clone(), ..stored });
        world.db.store.change_org(org.id, change).await.expect("changed");
    };
    set(Some(individual.clone())).await;
    let (_, link) = paid.invite(org.id, "ben".parse().expect("a login"), Roles::MEMBER, &deed(at(1))).await.expect("invited");
    assert!(is_refused(&paid.accept(link.expose(), &ben, &deed(at(2))).await), "the plan is for one");
    assert!(is_refused(&paid.add_member(org.id, ben.id, Roles::MEMBER, &deed(at(2))).await));
    set(Some(Subscription { plan: Plan::Team, state: SubscriptionState::Active { until: None }, ..individual.clone() })).await;
    paid.accept(link.expose(), &ben, &deed(at(3))).await.expect("the plan has room");
    set(Some(individual)).await;
    paid.set_roles(org.id, ben.id, Roles::BOTH, &deed(at(4))).await.expect("who is in stays in");
}

#[tokio::test]
async fn an_org_that_an_installation_made_is_adopted_by_who_administers_the_account() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.tenancy.found_org(name("acme"), &deed(at(-2))).await.expect("founded");
    assert!(is_refused(&world.tenancy.found_org(name("ACME"), &deed(at(0))).await));
    assert_eq!(world.members(org.id).await, [""; 0]);
    world.install(Some(org.id)).await;
    assert!(is_refused(&world.tenancy.adopt(org.id, &ann, &deed(at(1))).await), "GitHub has said nothing");
    world.sees(&ann, false).await;
    assert_eq!(world.tenancy.adoptable(ann.id, at(1)).await.expect("a list"), []);
    assert!(is_refused(&world.tenancy.adopt(org.id, &ann, &deed(at(1))).await), "she is no admin there");
    world.sees(&ann, true).await;
    world.sees(&ben, true).await;
    assert_eq!(world.tenancy.adoptable(ann.id, at(15 * 60)).await.expect("a list"), [], "what GitHub said is old");
    assert_eq!(world.tenancy.adoptable(ann.id, at(1)).await.expect("a list"), std::slice::from_ref(&org));
    // A member who is no admin does not keep the first admin away.
    world.join(org.id, &ann, Roles::MEMBER).await;
    let (now, later) = (deed(at(1)), deed(at(2)));
    let (one, other) = tokio::join!(world.tenancy.adopt(org.id, &ann, &now), world.tenancy.adopt(org.id, &ben, &now));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let (first, second) = if one.is_ok() { (&ann, &ben) } else { (&ben, &ann) };
    world.tenancy.adopt(org.id, first, &later).await.expect("as it is");
    assert!(is_refused(&world.tenancy.adopt(org.id, second, &later).await), "it has an admin");
    assert_eq!(world.tenancy.adoptable(second.id, at(2)).await.expect("a list"), []);
    assert_eq!(world.db.store.admins(org.id).await.expect("the admins").users.len(), 1);
}

#[tokio::test]
async fn an_org_of_the_operator_gets_its_first_admin_from_the_operator() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.tenancy.found_org(name("acme"), &deed(at(-2))).await.expect("founded");
    world.join(org.id, &ann, Roles::MEMBER).await;
    world.join(org.id, &ben, Roles::BOTH).await;
    assert!(is_refused(&world.tenancy.set_roles(org.id, ben.id, Roles::MEMBER, &deed(at(1))).await), "the last admin");
    assert_eq!(world.members(org.id).await, ["ann: member", "ben: admin and member"]);
}

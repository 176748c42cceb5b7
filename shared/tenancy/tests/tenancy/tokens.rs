//! Tokens of orgs, and whose a credential is.

use jiff::SignedDuration;
use quillon_core::access::Standing;
use quillon_core::audit::AuditAction;
use quillon_core::id::{OrgId, TokenId};
use quillon_core::member::Roles;
use quillon_core::org::{MAX_TOKENS, Scope};
use quillon_core::person::User;
use quillon_tenancy::{Error, Principal};

use crate::world::{World, at, deed, hours, is_refused, is_unknown};

#[tokio::test]
async fn a_token_opens_its_own_org_with_its_own_scopes() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let (org, other) = (world.org(&ann, "acme").await, world.org(&ann, "other").await);
    let scopes = [Scope::ChecksRead, Scope::TelemetryWrite];
    let (token, text) = world.tenancy.create_token(org.id, " ci ", &scopes, Some(30), &deed(at(1))).await.expect("made");
    assert!(text.expose().starts_with("dag_acme_") && text.expose().ends_with(&token.hint), "{}", token.hint);
    assert_eq!((token.name.as_str(), token.created_by.as_str()), ("ci", "Ann (ann at github)"));
    let principal = world.tenancy.identify(text.expose(), at(2)).await.expect("an answer").expect("somebody");
    let Principal::Token(found) = principal else { panic!("{principal:?} is no token") };
    assert_eq!((found.org, found.scopes.as_slice()), (org.id, [Scope::TelemetryWrite, Scope::ChecksRead].as_slice()));
    assert_eq!(world.tenancy.identify(text.expose(), hours(30 * 24 + 1)).await.expect("an answer"), None, "expired");
    let (_, detail) = world.deed_of(org.id, AuditAction::TokenMade).await;
    assert_eq!(detail, format!("ending in {} with telemetry:write, checks:read", token.hint));
    assert!(!detail.contains(text.expose()));

    assert!(is_unknown(&world.tenancy.revoke_token(other.id, token.id, &deed(at(3))).await), "another org's");
    world.tenancy.revoke_token(org.id, token.id, &deed(at(3))).await.expect("revoked");
    assert_eq!(world.tenancy.identify(text.expose(), at(4)).await.expect("an answer"), None);
    assert!(is_unknown(&world.tenancy.revoke_token(org.id, token.id, &deed(at(4))).await));
}

#[tokio::test]
async fn nonsense_opens_nothing_and_costs_nothing() {
    let world = World::new().await;
    world.db.sent_in_all();
    let long = format!("dag_{}", "x".repeat(10_000));
    for text in ["", "x", "Bearer", "qat_", "qat_123", "qrt_0", &long, &format!("qat_{}", "G".repeat(64)), "qtt_x_y"] {
        assert_eq!(world.tenancy.identify(text, at(1)).await.expect("an answer"), None, "{text}");
    }
    assert_eq!(world.db.sent_in_all(), 0);
    assert_eq!(world.tenancy.identify("dag_acme_guessed", at(1)).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_use_is_written_down_once_an_hour_and_never_in_the_way() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    let (_, text) = world.tenancy.create_token(org.id, "ci", &Scope::ALL, None, &deed(at(0))).await.expect("made");
    let identify = async |now| world.tenancy.identify(text.expose(), now).await.expect("an answer");
    let used = async || world.tenancy.tokens(org.id).await.expect("a list")[0].last_used_at;
    world.db.cut_after(1);
    assert!(identify(at(1)).await.is_some(), "the note failed, the request did not");
    world.db.mend();
    assert_eq!(used().await, None);
    world.db.sent("PutItem");
    for second in 2..10 {
        assert!(identify(at(second)).await.is_some());
    }
    assert_eq!((used().await, world.db.sent("PutItem")), (Some(at(2)), 1));
    identify(hours(2)).await;
    assert_eq!(used().await, Some(hours(2)));
}

#[tokio::test]
async fn a_rotation_lets_both_work_for_a_while() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    let (old, old_text) = world.tenancy.create_token(org.id, "ci", &[Scope::TelemetryWrite], None, &deed(at(0))).await.expect("made");
    let day = SignedDuration::from_hours(24);
    let (new, text) = world.tenancy.rotate_token(org.id, old.id, day, &deed(at(1))).await.expect("rotated");
    assert_eq!((new.name.as_str(), &new.scopes, new.expires_at), ("ci", &old.scopes, None));
    for text in [&old_text, &text] {
        assert!(world.tenancy.identify(text.expose(), at(2)).await.expect("an answer").is_some());
    }
    assert_eq!(world.tenancy.identify(old_text.expose(), hours(25)).await.expect("an answer"), None);
    assert!(world.tenancy.identify(text.expose(), hours(25)).await.expect("an answer").is_some());
    assert!(is_refused(&world.tenancy.rotate_token(org.id, old.id, day, &deed(at(3))).await), "rotated before");
    let too_long = world.tenancy.rotate_token(org.id, new.id, day * 8, &deed(at(3))).await;
    assert!(matches!(too_long, Err(Error::Invalid(_))), "{too_long:?}");
    // None at all, for one that has leaked.
    let (_, next) = world.tenancy.rotate_token(org.id, new.id, SignedDuration::ZERO, &deed(at(4))).await.expect("rotated");
    assert_eq!(world.tenancy.identify(text.expose(), at(4)).await.expect("an answer"), None);
    assert!(world.tenancy.identify(next.expose(), at(4)).await.expect("an answer").is_some());
    let deeds = world.deeds(org.id).await;
    assert_eq!(deeds.iter().filter(|action| **action == AuditAction::TokenRotated).count(), 2);
    assert!(is_unknown(&world.tenancy.rotate_token(org.id, TokenId::from_parts(1, 1), day, &deed(at(4))).await));
    assert!(is_unknown(&world.tenancy.rotate_token(OrgId::from_parts(1, 1), new.id, day, &deed(at(4))).await));
}

#[tokio::test]
async fn an_org_has_a_bounded_number_of_tokens() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    for number in 0..MAX_TOKENS {
        let made = world.tenancy.create_token(org.id, &format!("token {number}"), &[Scope::ChecksRead], Some(1), &deed(at(0))).await;
        made.expect("made");
    }
    assert!(is_refused(&world.tenancy.create_token(org.id, "one more", &[Scope::ChecksRead], None, &deed(at(1))).await));
    let made = world.tenancy.create_token(org.id, "one more", &[Scope::ChecksRead], None, &deed(hours(25))).await;
    assert!(made.is_ok(), "those that expired make room");
}

#[tokio::test]
async fn a_token_that_makes_no_sense_is_not_made() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    for (name, scopes, days) in
        [("", &Scope::ALL[..], None), ("ci", &[][..], None), ("ci", &Scope::ALL[..], Some(0)), ("a\nb", &Scope::ALL[..], None)]
    {
        let made = world.tenancy.create_token(org.id, name, scopes, days, &deed(at(0))).await;
        assert!(matches!(made, Err(Error::Invalid(_))), "{name} {scopes:?} {days:?}");
    }
    assert_eq!(world.deeds(org.id).await, [AuditAction::OrgMade]);
    let unknown = world.tenancy.create_token(OrgId::from_parts(1, 1), "ci", &Scope::ALL, None, &deed(at(0))).await;
    assert!(is_unknown(&unknown));
}

#[tokio::test]
async fn what_a_person_is_to_an_org_follows_their_membership() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    let standing = async |user: &User| world.tenancy.standing_of_user(user.id, org.id).await.expect("an answer");
    assert_eq!(standing(&ann).await, Standing::Person(Roles::BOTH));
    assert_eq!(standing(&ben).await, Standing::Stranger);
    world.tenancy.add_member(org.id, ben.id, Roles::MEMBER, &deed(at(1))).await.expect("added");
    assert_eq!(standing(&ben).await, Standing::Person(Roles::MEMBER));
    world.tenancy.remove_member(org.id, ben.id, &deed(at(2))).await.expect("removed");
    assert_eq!(standing(&ben).await, Standing::Stranger);
}

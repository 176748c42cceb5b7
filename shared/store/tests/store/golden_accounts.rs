//! The stored form of people, sessions, memberships, logins and of what orgs trust: see [`crate::golden`].

use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::ci::{CiProvider, CiTrust};
use quillon_core::device::{DeviceGrant, Login, UserCode};
use quillon_core::id::{AccountId, InstallationId, InviteId, LoginId, SessionId};
use quillon_core::member::{Invite, Invitee, Member, Roles};
use quillon_core::org::{Deletion, Org};
use quillon_core::person::User;
use quillon_core::session::{Holder, Session};
use quillon_core::source::{SeenInstallation, SeenSources};
use quillon_store::{AccessRecord, RefreshRecord};

use crate::golden::assert_stored;
use crate::sample::{at, identity, member, org, org_id, user, user_id};
use quillon_test_tables::Db;

#[tokio::test]
async fn people_and_sessions() {
    let db = Db::new().await;
    let mut person = User { last_org: Some(org_id()), avatar_url: Some("https://example.com/1.png".to_owned()), ..user(1) };
    person.identities.push(identity("google", "g#1"));
    person.identities[1].email = Some("ann@example.com".to_owned());
    assert!(db.store.create_user(&person).await.expect("an answer").is_done());
    assert_stored(&db, "user", "orgs", &format!("U#{}", user_id(1)), "U").await;
    assert_stored(&db, "identity", "orgs", "PI#google#g%231", "PI").await;
    assert_eq!(db.store.user(user_id(1)).await.expect("an answer"), Some(person));

    let holders = [(Holder::Person(user_id(1)), "session", "01"), (Holder::Operator, "session-operator", "02")];
    for (number, (holder, name, hash)) in (1..).zip(holders) {
        let session = Session::begin(SessionId::from_parts(1, number), holder, "Firefox", Some("192.0.2.7".to_owned()), at(0));
        assert!(db.store.create_session(&session, hash).await.expect("an answer").is_done());
        assert_stored(&db, name, "orgs", &format!("S#{hash}"), "S").await;
        assert_eq!(db.store.session(hash, at(0)).await.expect("an answer"), Some(session));
    }

    let seen = SeenInstallation { id: InstallationId(77), account: AccountId(5), login: "acme".to_owned(), is_org: true, is_admin: true };
    let sources = SeenSources { at: at(0), installations: vec![seen] };
    db.store.save_seen_sources(user_id(1), &sources, at(1)).await.expect("saved");
    assert_stored(&db, "seen-sources", "orgs", &format!("U#{}", user_id(1)), "SRC").await;
}

#[tokio::test]
async fn memberships_and_invitations() {
    let db = Db::new().await;
    let partition = format!("O#{}", org_id());
    assert!(db.store.create_org_with(&org(org_id(), "Acme"), &member(1, Roles::BOTH)).await.expect("an answer").is_done());
    assert_stored(&db, "member", "orgs", &partition, &format!("M#{}", user_id(1))).await;
    assert_stored(&db, "admins", "orgs", &partition, "ADMINS").await;
    let read = db.store.admins(org_id()).await.expect("an answer");
    let second = Member { org: org_id(), ..member(2, Roles::MEMBER) };
    assert!(db.store.save_membership(&second, &read, &read.users).await.expect("an answer").is_done());
    assert_eq!(db.store.member(org_id(), user_id(2)).await.expect("an answer"), Some(second));

    let by_login = Invite {
        id: InviteId::from_parts(1, 1),
        org: org_id(),
        roles: Roles::BOTH,
        invitee: "ann-b".parse::<Invitee>().expect("a login"),
        invited_by: "Person 1".to_owned(),
        created_at: at(0),
        expires_at: at(600),
    };
    let by_email = Invite { id: InviteId::from_parts(1, 2), invitee: "ann@example.com".parse().expect("an address"), ..by_login.clone() };
    for (invite, name, hash) in [(by_login, "invite", "01"), (by_email, "invite-email", "02")] {
        assert!(db.store.create_invite(&invite, hash).await.expect("an answer").is_done());
        assert_stored(&db, name, "orgs", &format!("IV#{hash}"), "IV").await;
        assert_eq!(db.store.invite(hash, at(0)).await.expect("an answer"), Some(invite));
    }
}

#[tokio::test]
async fn devices_and_logins() {
    let db = Db::new().await;
    let grant = DeviceGrant::new(UserCode::of_entropy(7), "quillon on laptop", Some("192.0.2.7".to_owned()), true, at(0));
    assert!(db.store.create_device(&grant, "01").await.expect("an answer").is_done());
    assert_stored(&db, "device", "orgs", "DC#01", "DC").await;
    assert_stored(&db, "user-code", "orgs", &format!("UC#{}", grant.user_code), "UC").await;
    let approved = grant.answered(user_id(1), true, at(1)).expect("open");
    assert!(db.store.save_device("01", &grant, &approved).await.expect("an answer").is_done());
    assert_stored(&db, "device-approved", "orgs", "DC#01", "DC").await;

    assert_eq!(db.store.guess("192.0.2.7", at(0)).await.expect("an answer"), 1);
    assert_stored(&db, "guesses", "orgs", "GUESS#192.0.2.7", "GUESS").await;

    let login = Login::begin(LoginId::from_parts(1, 1), user_id(1), &approved, at(2));
    let access = AccessRecord { login: login.id, user: login.user, expires_at: Some(at(100)) };
    let refresh = RefreshRecord { login: login.id, generation: 1 };
    assert!(db.store.create_login(&login, &access, "02", Some((&refresh, "03"))).await.expect("an answer").is_done());
    assert_stored(&db, "login", "orgs", &format!("LGN#{}", login.id), "LGN").await;
    assert_stored(&db, "access-token", "orgs", "AT#02", "AT").await;
    assert_stored(&db, "refresh-token", "orgs", "RT#03", "RT").await;

    let endless = Login { id: LoginId::from_parts(1, 2), generation: 0, ..login };
    let access = AccessRecord { login: endless.id, expires_at: None, ..access };
    assert!(db.store.create_login(&endless, &access, "04", None).await.expect("an answer").is_done());
    assert_stored(&db, "login-endless", "orgs", &format!("LGN#{}", endless.id), "LGN").await;
    assert_stored(&db, "access-token-endless", "orgs", "AT#04", "AT").await;
}

#[tokio::test]
async fn what_an_org_trusts_pays_and_gives_up() {
    let db = Db::new().await;
    assert!(db.store.create_org(&org(org_id(), "Acme")).await.expect("an answer").is_done());
    assert!(db.store.rename_org(org_id(), &"fresh".parse().expect("a name"), at(0)).await.expect("an answer").is_done());
    assert_stored(&db, "org-name-left", "orgs", "ON#acme", "ON").await;

    let deletion = Deletion { by: "ann".to_owned(), at: at(0), due_at: at(600) };
    let deleted = |stored: Org| Some(Org { deletion: Some(deletion.clone()), ..stored });
    assert!(db.store.change_org(org_id(), deleted).await.expect("an answer").is_some());
    assert_stored(&db, "org-deleted", "orgs", &format!("O#{}", org_id()), "ORG").await;
    assert_stored(&db, "org-deletion", "orgs", &format!("O#{}", org_id()), "DEL").await;

    let trust = CiTrust {
        org: org_id(),
        provider: CiProvider::GitLab,
        project: "42".to_owned(),
        name: "acme/api".to_owned(),
        created_at: at(0),
        created_by: "ann".to_owned(),
    };
    assert!(db.store.create_trust(&trust).await.expect("an answer").is_done());
    assert_stored(&db, "ci-trust", "orgs", &format!("O#{}", org_id()), "CI#gitlab#42").await;

    assert!(db.store.set_customer("cus_1", org_id()).await.expect("an answer").is_done());
    assert_stored(&db, "customer", "orgs", "CUS#cus_1", "CUS").await;

    let entry = AuditEntry {
        org: org_id(),
        at: at(0),
        who: "ann".to_owned(),
        action: AuditAction::TraceDeleted,
        subject: "0123".to_owned(),
        detail: "by hand".to_owned(),
        from: Some("192.0.2.7".to_owned()),
    };
    db.store.append_audit(&entry).await.expect("recorded");
    let partition = format!("AUD#{}", org_id());
    let sort = db.sort_keys("orgs", &partition).await.remove(0);
    let mut item = db.raw("orgs", &partition, &sort).await.expect("the entry");
    // The end of its key is random.
    let kept = sort.split_once('#').expect("a time").0;
    item.insert("sk".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(format!("{kept}#…")));
    crate::golden::assert_golden("audit", &item);
}

//! Every step, stopped after each of its requests and taken again, or with an answer that is lost: it ends as if nothing had been.

use jiff::SignedDuration;
use quillon_core::ci::CiProvider;
use quillon_core::id::{OrgId, RepositoryId};
use quillon_core::member::Roles;
use quillon_core::org::{Org, Scope, SourceMode};
use quillon_core::person::{ProviderId, User};
use quillon_core::session::Holder;
use quillon_store::Page;
use quillon_tenancy::{Error, SettingsChange};
use quillon_test_tables::Fault;

use crate::world::{INSTALLATION, World, at, deed, hours, name, profile};

/// Most requests of a step: one that needs more is a mistake.
const MAX_REQUESTS: usize = 60;

/// What a step begins with: ann's org with ben in it, an installation, a token, an invitation for eve.
struct Scene {
    world: World,
    org: Org,
    ann: User,
    ben: User,
    eve: User,
    token: quillon_core::org::Token,
    invite: quillon_core::member::Invite,
    link: String,
}

impl Scene {
    async fn new(is_claimed: bool) -> Self {
        let world = World::new().await;
        let (ann, ben, eve) = (world.person("ann").await, world.person("ben").await, world.person("eve").await);
        let org = world.org(&ann, "acme").await;
        world.join(org.id, &ben, Roles::MEMBER).await;
        world.install(is_claimed.then_some(org.id)).await;
        world.sees(&ann, true).await;
        let (token, _) = world.tenancy.create_token(org.id, "ci", &Scope::ALL, None, &deed(at(0))).await.expect("made");
        let eve_as = "eve".parse().expect("a login");
        let (invite, link) = world.tenancy.invite(org.id, eve_as, Roles::BOTH, &deed(at(0))).await.expect("invited");
        Self { world, org, ann, ben, eve, token, invite, link: link.expose().clone() }
    }

    /// All that people can see of what is stored, without what differs from run to run.
    async fn state(&self) -> String {
        let (store, org) = (&self.world.db.store, self.org.id);
        let known = store.org(org).await.expect("an answer");
        let org_line = known.map(|org| format!("{} {} {} open {}", org.name, org.concurrency, org.public_traces, org.is_open()));
        let mut invites = Vec::new();
        for invite in store.invites_of(org, at(1)).await.expect("a list") {
            invites.push(format!("{} as {}", invite.invitee, invite.roles));
        }
        let tokens = store.tokens_of(org).await.expect("a list");
        let mut tokens: Vec<String> =
            tokens.iter().map(|token| format!("{} {:?} replaced {}", token.name, token.expires_at, token.replaced_by.is_some())).collect();
        tokens.sort();
        let trusts: Vec<String> = store.trusts_of(org).await.expect("a list").into_iter().map(|trust| trust.project).collect();
        let installation = store.installation(INSTALLATION).await.expect("an answer");
        let installation = installation.map(|known| (known.org == Some(org), known.mode, known.claimed_at));
        let mut checked = Vec::new();
        for repository in store.repositories_of(org, &Page::first(10)).await.expect("a list").items {
            checked.push((repository.id, repository.settings));
        }
        let mut people = Vec::new();
        for user in [&self.ann, &self.ben, &self.eve] {
            let known = store.user(user.id).await.expect("an answer").expect("a person");
            let accounts: Vec<String> = known.identities.iter().map(|known| format!("{}/{}", known.provider, known.login)).collect();
            let sessions = store.sessions_of(user.id, at(1)).await.expect("a list").len();
            let orgs = store.orgs_of(user.id).await.expect("a list").len();
            people.push(format!("{} {accounts:?} {sessions} sessions {orgs} orgs", known.name));
        }
        let members = self.world.members(org).await;
        format!("{org_line:?}\n{members:?}\n{invites:?}\n{tokens:?}\n{trusts:?}\n{installation:?}\n{checked:?}\n{people:#?}")
    }

    async fn deeds(&self) -> usize {
        self.world.deeds(self.org.id).await.len()
    }
}

/// Takes a step once without trouble, then stopped after every number of requests and again, then with every answer lost once.
async fn survives(
    is_claimed: bool,
    is_deed: bool,
    what: &str,
    prepare: impl AsyncFn(&Scene),
    step: impl AsyncFn(&Scene) -> Result<(), Error>,
) {
    let calm = Scene::new(is_claimed).await;
    prepare(&calm).await;
    let (before, deeds_before) = (calm.state().await, calm.deeds().await);
    calm.world.db.sent_in_all();
    step(&calm).await.expect(what);
    let requests = calm.world.db.sent_in_all();
    let (after, deeds_after) = (calm.state().await, calm.deeds().await);
    assert_ne!(before, after, "{what} does nothing");
    assert!(requests <= MAX_REQUESTS, "{what} sends {requests} requests");
    assert_eq!(deeds_after - deeds_before, usize::from(is_deed), "{what}");

    for sent in 0..requests {
        let scene = Scene::new(is_claimed).await;
        prepare(&scene).await;
        scene.world.db.cut_after(sent);
        let stopped = step(&scene).await;
        scene.world.db.mend();
        assert!(stopped.is_err(), "{what} ended without its request {sent}");
        if is_deed {
            let is_changed = scene.state().await != before;
            assert_eq!(scene.deeds().await > deeds_before, is_changed, "the entry of {what} when it was stopped after {sent}");
        }
        step(&scene).await.unwrap_or_else(|error| panic!("{what} again after {sent}: {error}"));
        assert_eq!(scene.state().await, after, "{what} stopped after {sent} and taken again");
    }

    for operation in ["PutItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem", "GetItem", "Query"] {
        let scene = Scene::new(is_claimed).await;
        prepare(&scene).await;
        for _ in 0..2 {
            scene.world.db.fault(operation, Fault::LoseAnswer);
        }
        step(&scene).await.unwrap_or_else(|error| panic!("{what} with lost answers of {operation}: {error}"));
        assert_eq!(scene.state().await, after, "{what} with lost answers of {operation}");
        assert_eq!(scene.deeds().await, deeds_after, "entries of {what} with lost answers of {operation}");
    }
}

async fn nothing(_: &Scene) {}

#[tokio::test]
async fn steps_of_people() {
    let google = || profile("google", "g", "ann@example.com");
    let link = async |scene: &Scene| scene.world.tenancy.link(scene.ann.id, &google(), at(1)).await.map(drop);
    survives(true, false, "link", nothing, link).await;
    let linked = async |scene: &Scene| link(scene).await.expect("linked");
    survives(true, false, "unlink", linked, async |scene| {
        // What is done already is refused: the person sees that the account is not linked.
        let unlinked = scene.world.tenancy.unlink(scene.ann.id, &ProviderId::google(), "g").await;
        unlinked.map(drop)
    })
    .await;
    survives(true, false, "sign in under another name", nothing, async |scene| {
        scene.world.tenancy.sign_in(&profile("github", "number of ann", "ann-b"), None, at(1)).await.map(drop)
    })
    .await;
    survives(true, false, "begin a session", nothing, async |scene| {
        scene.world.tenancy.begin_session(Holder::Person(scene.ann.id), "Firefox", None, at(1)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn steps_of_orgs() {
    survives(true, false, "make an org", nothing, async |scene| {
        scene.world.tenancy.create_org(&scene.ben, name("bens"), &deed(at(1))).await.map(drop)
    })
    .await;
    survives(true, true, "rename", nothing, async |scene| {
        scene.world.tenancy.rename(scene.org.id, name("other"), &deed(at(1))).await.map(drop)
    })
    .await;
    let change = SettingsChange { concurrency: Some(3), public_traces: None };
    survives(true, true, "change settings", nothing, async |scene| {
        scene.world.tenancy.change_settings(scene.org.id, change, &deed(at(1))).await.map(drop)
    })
    .await;
    let delete = async |scene: &Scene| scene.world.tenancy.delete_org(scene.org.id, &deed(at(1))).await.map(drop);
    survives(true, true, "delete", nothing, delete).await;
    let deleted = async |scene: &Scene| delete(scene).await.expect("deleted");
    survives(true, true, "have back", deleted, async |scene| scene.world.tenancy.undelete_org(scene.org.id, &deed(at(2))).await.map(drop))
        .await;
    survives(true, false, "purge", deleted, async |scene| {
        for org in scene.world.tenancy.orgs_to_purge(hours(15 * 24)).await? {
            scene.world.tenancy.purge(org, hours(15 * 24)).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn steps_of_members() {
    survives(true, true, "change roles", nothing, async |scene| {
        scene.world.tenancy.set_roles(scene.org.id, scene.ben.id, Roles::BOTH, &deed(at(1))).await.map(drop)
    })
    .await;
    let remove = async |scene: &Scene| scene.world.tenancy.remove_member(scene.org.id, scene.ben.id, &deed(at(1))).await;
    survives(true, true, "remove", nothing, remove).await;
    survives(true, true, "leave", nothing, async |scene| scene.world.tenancy.leave(scene.org.id, scene.ben.id, &deed(at(1))).await).await;
    survives(true, true, "add", nothing, async |scene| {
        scene.world.tenancy.add_member(scene.org.id, scene.eve.id, Roles::MEMBER, &deed(at(1))).await.map(drop)
    })
    .await;
    survives(true, true, "invite", nothing, async |scene| {
        scene.world.tenancy.invite(scene.org.id, "joe".parse().expect("a login"), Roles::MEMBER, &deed(at(1))).await.map(drop)
    })
    .await;
    survives(true, true, "invite again as less", nothing, async |scene| {
        scene.world.tenancy.invite(scene.org.id, "eve".parse().expect("a login"), Roles::MEMBER, &deed(at(1))).await.map(drop)
    })
    .await;
    survives(true, true, "take an invitation back", nothing, async |scene| {
        scene.world.tenancy.revoke_invite(scene.org.id, scene.invite.id, &deed(at(1))).await
    })
    .await;
    survives(true, true, "accept", nothing, async |scene| {
        scene.world.tenancy.accept(&scene.link, &scene.eve, &deed(at(1))).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn steps_of_tokens_and_projects() {
    survives(true, true, "make a token", nothing, async |scene| {
        scene.world.tenancy.create_token(scene.org.id, "new", &Scope::ALL, None, &deed(at(1))).await.map(drop)
    })
    .await;
    survives(true, true, "revoke a token", nothing, async |scene| {
        scene.world.tenancy.revoke_token(scene.org.id, scene.token.id, &deed(at(1))).await
    })
    .await;
    let trust =
        async |scene: &Scene| scene.world.tenancy.add_trust(scene.org.id, CiProvider::GitLab, "42", "api", &deed(at(1))).await.map(drop);
    survives(true, true, "trust", nothing, trust).await;
    let trusted = async |scene: &Scene| trust(scene).await.expect("trusted");
    survives(true, true, "trust no longer", trusted, async |scene| {
        scene.world.tenancy.delete_trust(scene.org.id, CiProvider::GitLab, "42", &deed(at(2))).await
    })
    .await;
}

#[tokio::test]
async fn steps_of_sources() {
    survives(false, true, "claim", nothing, async |scene| {
        scene.world.tenancy.claim(scene.org.id, INSTALLATION, &scene.ann, &deed(at(1))).await.map(drop)
    })
    .await;
    survives(true, true, "release", nothing, async |scene| scene.world.tenancy.release(scene.org.id, INSTALLATION, &deed(at(1))).await)
        .await;
    survives(true, true, "select", nothing, async |scene| {
        let set = scene.world.tenancy.set_mode(scene.org.id, INSTALLATION, SourceMode::Selected, &[RepositoryId(702)], &deed(at(1))).await;
        set.map(drop)
    })
    .await;
    survives(true, true, "turn off", nothing, async |scene| {
        scene.world.tenancy.set_autocheck(scene.org.id, RepositoryId(701), false, &deed(at(1))).await.map(drop)
    })
    .await;
}

/// A rotation that was stopped leaves the old token as it was; what it made has a text that nobody knows.
#[tokio::test]
async fn a_rotation_that_was_stopped_takes_nothing_away() {
    let day = SignedDuration::from_hours(24);
    let rotate = async |scene: &Scene| scene.world.tenancy.rotate_token(scene.org.id, scene.token.id, day, &deed(at(1))).await;
    let old = async |scene: &Scene, org: OrgId| {
        let tokens = scene.world.tenancy.tokens(org).await.expect("a list");
        tokens.into_iter().find(|token| token.id == scene.token.id).expect("the old one")
    };
    let calm = Scene::new(true).await;
    calm.world.db.sent_in_all();
    rotate(&calm).await.expect("rotated");
    let requests = calm.world.db.sent_in_all();
    for sent in 0..requests {
        let scene = Scene::new(true).await;
        scene.world.db.cut_after(sent);
        rotate(&scene).await.expect_err("stopped");
        scene.world.db.mend();
        assert_eq!(old(&scene, scene.org.id).await, scene.token, "after {sent}");
        let (new, text) = rotate(&scene).await.expect("again");
        assert_eq!(old(&scene, scene.org.id).await.replaced_by, Some(new.id));
        assert!(scene.world.tenancy.identify(text.expose(), at(2)).await.expect("an answer").is_some());
    }
}

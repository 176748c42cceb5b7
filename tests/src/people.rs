//! People, tokens and CI jobs of a world: whoever may come to its doors.

use quillon_core::id::OrgId;
use quillon_core::member::Roles;
use quillon_core::org::Scope;
use quillon_core::person::{Profile, ProviderId, User};
use quillon_tenancy::{Deed, DevicePoll, Tenancy};

use crate::World;
use crate::world::instance_key;

impl World {
    /// The write path of people, orgs and tokens, with the rights of the pages.
    #[must_use]
    pub fn tenancy(&self) -> Tenancy {
        Tenancy::new(self.system.functions().web.store.clone())
    }

    /// What goes into the audit log with what these words do.
    #[must_use]
    pub fn deed(&self) -> Deed<'static> {
        Deed { who: "the test", from: None, now: self.clock.now() }
    }

    /// Somebody who has signed in with GitHub, and the access token of a device of theirs.
    pub async fn person(&self, login: &str) -> (User, String) {
        let (tenancy, now) = (self.tenancy(), self.clock.now());
        let profile = Profile {
            provider: ProviderId::github(),
            subject: format!("subject of {login}"),
            login: login.to_owned(),
            name: login.to_owned(),
            email: None,
            avatar_url: None,
        };
        let user = tenancy.sign_in(&profile, None, now).await.expect("a person");
        let (grant, code) = tenancy.begin_device("a test", None, false, now).await.expect("a grant");
        tenancy.answer_device(&grant.user_code, &user, true, &self.deed()).await.expect("a yes");
        match tenancy.poll_device(code.expose(), now).await.expect("an answer") {
            DevicePoll::Granted(tokens) => (user, tokens.access.expose().clone()),
            other => panic!("{other:?}"),
        }
    }

    /// Somebody who has these roles in an org.
    pub async fn member(&self, org: OrgId, login: &str, roles: Roles) -> String {
        let (user, token) = self.person(login).await;
        self.tenancy().add_member(org, user.id, roles, &self.deed()).await.expect("a member");
        token
    }

    /// A token of an org with these scopes.
    pub async fn scoped_token(&self, org: OrgId, scopes: &[Scope]) -> String {
        let (_, token) = self.tenancy().create_token(org, "a test", scopes, None, &self.deed()).await.expect("a token");
        token.expose().clone()
    }

    /// A job of a CI system that an org trusts.
    pub async fn ci_token(&self, org: OrgId) -> String {
        let key = instance_key(&self.system).await;
        quillon_secrets::telemetry::mint_ci(&key, org, None, self.clock.now()).expose().clone()
    }
}

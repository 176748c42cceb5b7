//! Reading: the caller, their orgs, and what those have connected.

use async_graphql::{Context, ID, Object};

use super::error::Failure;
use super::feed;
use super::org::Org;
use super::sources::{self, Repo, Source, SourceRepository, WatchedRepository};
use super::telemetry::Trace;
use super::types::CheckCommitConnection;
use crate::Deps;
use crate::access::{Field, door};
use crate::credential::Asker;

/// Where queries begin.
pub(crate) struct Query;

#[Object]
impl Query {
    /// The caller. A token has no person behind it: it answers as one who is in the token's org alone, and so does a CI job.
    async fn user(&self) -> User {
        User
    }

    /// An org by its name; null when there is none that the caller may see.
    async fn org(&self, context: &Context<'_>, #[graphql(desc = "Without regard to case.")] name: String) -> Result<Option<Org>, Failure> {
        Ok(door::named(context, Field::Org, &name).await?.map(Org::new))
    }

    /// What a trace says about its commit and its CI; null when there is none that the caller may see.
    async fn trace(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "32 hex digits.")] id: ID,
        #[graphql(desc = "Whose trace it is.")] org: ID,
    ) -> Result<Option<Trace>, Failure> {
        Trace::find(context, &org, &id).await
    }

    /// The GitHub accounts that the caller's orgs have connected.
    #[graphql(complexity = "10 + child_complexity")]
    async fn sources(&self, context: &Context<'_>) -> Result<Vec<Source>, Failure> {
        let orgs = door::everywhere(context, Field::Sources).await?;
        sources::all(context.data_unchecked::<Deps>(), &orgs).await
    }

    /// The repositories of a connected account, and which of them are checked.
    #[graphql(complexity = "20 + child_complexity")]
    async fn source_repositories(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The account: the `id` of one of `sources`.")] installation_id: ID,
        #[graphql(desc = "The org that has connected it; needless, but it has to be right.")] org: Option<ID>,
    ) -> Result<Vec<SourceRepository>, Failure> {
        let (access, installation) = door::installation(context, Field::SourceRepositories, &installation_id, org.as_ref()).await?;
        sources::repositories_of(context.data_unchecked::<Deps>(), &access, &installation).await
    }

    /// Where a person connects a GitHub account: an address of this server, which sends the browser on to GitHub with a state of
    /// its own. What comes back to any other address could not be told from an attack.
    #[graphql(name = "githubOAuthURL")]
    async fn github_oauth_url(
        &self,
        context: &Context<'_>,
        #[graphql(name = "redirectURI", desc = "Not used: clients name the callback of the hosted service here.")] _redirect_uri: String,
    ) -> Result<String, Failure> {
        Ok(sources::connect_url(context).await?)
    }

    /// All repositories of the caller's orgs, by name.
    #[graphql(name = "getRepos", complexity = "20 + child_complexity")]
    async fn repos(&self, context: &Context<'_>) -> Result<Vec<Repo>, Failure> {
        let orgs = door::everywhere(context, Field::Repos).await?;
        sources::repos(context.data_unchecked::<Deps>(), &orgs).await
    }
}

/// Whoever holds the credential.
pub(crate) struct User;

#[Object]
impl User {
    /// The id of the person, or of the credential where there is no person behind it.
    async fn id(&self, context: &Context<'_>) -> ID {
        ID(context.data_unchecked::<Asker>().caller.id())
    }

    /// The orgs that the caller is in.
    #[graphql(complexity = "1 + 10 * child_complexity")]
    async fn orgs(&self, context: &Context<'_>) -> Result<Vec<Org>, Failure> {
        Ok(door::all(context, Field::UserOrgs).await?.into_iter().map(Org::new).collect())
    }

    /// The newest commits with checks over all orgs of the caller.
    #[graphql(complexity = "50 + child_complexity")]
    async fn checks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only these repositories, in any spelling; all when absent.")] repos: Option<Vec<String>>,
        #[graphql(desc = "At most so many commits; 100 when absent, and at most.")] first: Option<i32>,
    ) -> Result<CheckCommitConnection, Failure> {
        let orgs = door::everywhere(context, Field::UserChecks).await?;
        feed::list(context.data_unchecked::<Deps>(), &orgs, repos.as_deref(), first).await
    }

    /// The repositories whose commits are checked; what is not checked is left out.
    #[graphql(complexity = "50 + child_complexity")]
    async fn repositories(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only these, in any spelling; all when absent.")] refs: Option<Vec<String>>,
    ) -> Result<Vec<WatchedRepository>, Failure> {
        let orgs = door::everywhere(context, Field::UserRepositories).await?;
        sources::watched(context.data_unchecked::<Deps>(), &orgs, refs.as_deref()).await
    }
}

//! Changing: running checks again and stopping them, choosing repositories, saying who may read traces.

use std::collections::BTreeMap;

use async_graphql::{Context, ID, Object};
use quillon_core::attempt::{Attempt, CancelReason, MAX_CHECKS};
use quillon_core::id::AttemptId;
use quillon_core::name::RepositoryName;
use quillon_core::org::TraceAccess;
use quillon_core::run::{CheckLine, RunKey};

use super::error::Failure;
use super::portal;
use super::sources::{self, ConfigureSourceInput, MappedSource, OrgRepoSettingInput};
use super::types::Check;
use crate::Deps;
use crate::access::{Field, door};
use crate::credential::{Asker, OrgAccess, shorten};
use crate::error::ApiError;

/// Where mutations begin.
pub(crate) struct Mutation;

#[Object]
impl Mutation {
    /// Runs checks again at the commit that they ran on. Those that are still queued or running, and those that were run
    /// again since, are left out of the answer.
    async fn rerun_checks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose checks they are.")] org: ID,
        #[graphql(desc = "At most 512.")] check_ids: Vec<ID>,
        #[graphql(desc = "Whether no state of earlier runs may be reused.")] clean_slate: Option<bool>,
    ) -> Result<Vec<Check>, Failure> {
        let deps = context.data_unchecked::<Deps>();
        let (access, ids) = chosen(context, Field::RerunChecks, &org, &check_ids).await?;
        let who = context.data_unchecked::<Asker>().caller.name();
        let made = deps.workflow.rerun(&ids, &who, clean_slate.unwrap_or(false), deps.clock.now()).await?;
        checks(deps, &access, &made).await
    }

    /// Runs the failed load of a module again, and after it the checks that it finds.
    async fn rerun_load(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose check it is.")] org: ID,
        #[graphql(desc = "The load.")] check_id: ID,
    ) -> Result<Check, Failure> {
        let deps = context.data_unchecked::<Deps>();
        let (access, ids) = chosen(context, Field::RerunLoad, &org, std::slice::from_ref(&check_id)).await?;
        let who = context.data_unchecked::<Asker>().caller.name();
        let unknown = || ApiError::NotFound(format!("no check `{}` in `{}`", shorten(&check_id), access.org().name));
        let id = *ids.first().ok_or_else(unknown)?;
        let made = deps.workflow.rerun_load(id, &who, deps.clock.now()).await?;
        Ok(checks(deps, &access, &[made]).await?.pop().ok_or_else(unknown)?)
    }

    /// Stops checks that are queued or running; those that are over are left out of the answer.
    async fn cancel_checks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose checks they are.")] org: ID,
        #[graphql(desc = "At most 512.")] check_ids: Vec<ID>,
    ) -> Result<Vec<Check>, Failure> {
        let deps = context.data_unchecked::<Deps>();
        let (access, ids) = chosen(context, Field::CancelChecks, &org, &check_ids).await?;
        let reason = CancelReason::Requested { by: context.data_unchecked::<Asker>().caller.name() };
        let stopped = deps.workflow.cancel(&ids, &reason, deps.clock.now()).await?;
        checks(deps, &access, &stopped).await
    }

    /// Says which repositories of a connected account are checked: those that are listed, and none of its others.
    #[graphql(complexity = "50 + child_complexity")]
    async fn configure_source(&self, context: &Context<'_>, source: ConfigureSourceInput) -> Result<MappedSource, Failure> {
        sources::configure(context, source).await
    }

    /// An address at the payment provider where the org's plan, cards and invoices are; good for some minutes.
    #[graphql(complexity = "50")]
    async fn create_portal_session(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose plan it is.")] org: ID,
    ) -> Result<String, Failure> {
        let access = door::org(context, Field::CreatePortalSession, &org).await?;
        Ok(portal::url(context.data_unchecked::<Deps>(), &access, context.data_unchecked::<Asker>()).await?)
    }

    /// Says who may read the traces of a repository: everyone while it is public, or members only. True once it is so.
    #[graphql(complexity = "10")]
    async fn update_org_repo_setting(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose repository it is.")] org: ID,
        setting: OrgRepoSettingInput,
    ) -> Result<bool, Failure> {
        let access = door::org(context, Field::UpdateOrgRepoSetting, &org).await?;
        let traces = if setting.is_public { TraceAccess::Public } else { TraceAccess::Private };
        sources::set_traces(context, &access, &setting.repo, traces).await
    }

    /// Takes back what was said of who may read the traces of a repository: the rule says it again. True once it is so.
    #[graphql(complexity = "10")]
    async fn delete_org_repo_setting(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose repository it is.")] org: ID,
        #[graphql(desc = "The repository, in any spelling.")] repo_name: String,
    ) -> Result<bool, Failure> {
        let access = door::org(context, Field::DeleteOrgRepoSetting, &org).await?;
        sources::set_traces(context, &access, &repo_name, TraceAccess::Automatic).await
    }
}

/// The org and the checks that a mutation is about, once it is certain that the caller may change them.
async fn chosen(context: &Context<'_>, field: Field, org: &ID, check_ids: &[ID]) -> Result<(OrgAccess, Vec<AttemptId>), Failure> {
    let deps = context.data_unchecked::<Deps>();
    let access = door::org(context, field, org).await?;
    if check_ids.len() > MAX_CHECKS {
        return Err(
            ApiError::Unprocessable(format!("{} checks at once, at most {MAX_CHECKS} are taken: send fewer", check_ids.len())).into()
        );
    }
    let texts: Vec<String> = check_ids.iter().map(|id| id.0.clone()).collect();
    // Every id is looked up before anything is changed: a foreign one among them stops the whole.
    let ids = access.attempts(deps, &texts).await?.iter().map(|attempt| attempt.id).collect();
    Ok((access, ids))
}

/// Attempts as the API shows them.
async fn checks(deps: &Deps, access: &OrgAccess, attempts: &[Attempt]) -> Result<Vec<Check>, Failure> {
    let mut names: BTreeMap<&RunKey, RepositoryName> = BTreeMap::new();
    let mut checks = Vec::with_capacity(attempts.len());
    for attempt in attempts.iter().filter(|attempt| attempt.org == access.org().id) {
        let key = &attempt.key.run;
        if !names.contains_key(key) {
            let missing = || ApiError::Internal { cause: format!("attempt `{}` has no run", attempt.id) };
            names.insert(key, deps.store.run(key).await?.ok_or_else(missing)?.repository_name);
        }
        if let Some(name) = names.get(key) {
            checks.push(Check::new(&deps.options.forge, name, &key.commit.sha, &CheckLine::of(attempt)));
        }
    }
    Ok(checks)
}

//! An org: its plan, its checks, and what it has connected.

#![expect(clippy::unused_async, reason = "fields are asynchronous, whatever they wait for")]

use async_graphql::{Context, ID, Object, SimpleObject};
use quillon_core::plan::{Billing, Entitlements, Subscription as Paid, SubscriptionState, entitlements};

use super::error::Failure;
use super::feed;
use super::sources::{self, MappedSource, RepoSetting};
use super::spelling::Version;
use super::types::{CheckCommit, CheckCommitConnection, Time};
use crate::Deps;
use crate::access::{Field, door};
use crate::credential::OrgAccess;

/// The plan of an org where nothing is paid for.
const FREE: &str = "free";

/// An organization.
pub(crate) struct Org {
    access: OrgAccess,
}

impl Org {
    /// An org that a caller came to through a door.
    pub(crate) fn new(access: OrgAccess) -> Self {
        Self { access }
    }
}

#[Object]
impl Org {
    /// Its id.
    async fn id(&self) -> Result<ID, Failure> {
        door::within(Field::OrgId, &self.access)?;
        Ok(ID(self.access.org().id.to_string()))
    }

    /// Its name.
    async fn name(&self) -> Result<&str, Failure> {
        door::within(Field::OrgName, &self.access)?;
        Ok(self.access.org().name.as_str())
    }

    /// When it was made.
    async fn created_at(&self) -> Result<Time, Failure> {
        door::within(Field::OrgCreatedAt, &self.access)?;
        Ok(Time(self.access.org().created_at))
    }

    /// What it pays for; null where it has not chosen a plan.
    async fn subscription(&self, context: &Context<'_>) -> Result<Option<OrgSubscription>, Failure> {
        door::within(Field::OrgSubscription, &self.access)?;
        let billing = context.data_unchecked::<Deps>().options.billing;
        Ok(OrgSubscription::of(billing, self.access.org().subscription.as_ref()))
    }

    /// What its plan gives.
    async fn features(&self, context: &Context<'_>) -> Result<Vec<Feature>, Failure> {
        door::within(Field::OrgFeatures, &self.access)?;
        let deps = context.data_unchecked::<Deps>();
        let paid = self.access.org().subscription.as_ref();
        let gives = entitlements(deps.options.billing, paid, deps.clock.now());
        Ok(Feature::all(&gives, paid.filter(|_| deps.options.billing == Billing::On)))
    }

    /// The newest commits with checks.
    #[graphql(complexity = "50 + child_complexity")]
    async fn checks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only these repositories, in any spelling; all when absent.")] repos: Option<Vec<String>>,
        #[graphql(desc = "At most so many commits; 100 when absent, and at most.")] first: Option<i32>,
    ) -> Result<CheckCommitConnection, Failure> {
        door::within(Field::OrgChecks, &self.access)?;
        feed::list(context.data_unchecked::<Deps>(), std::slice::from_ref(&self.access), repos.as_deref(), first).await
    }

    /// The checks of one module at one version; empty when there are none.
    #[graphql(complexity = "20 + child_complexity")]
    async fn module_checks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The module: `<forge>/<owner>/<name>[/<path>]`, in any spelling.")] module_ref: String,
        #[graphql(desc = "A SHA, full or shortened, a branch, a tag, or `pull/<number>/head`; the default branch when empty.")]
        module_version: String,
    ) -> Result<Vec<CheckCommit>, Failure> {
        door::within(Field::OrgModuleChecks, &self.access)?;
        let deps = context.data_unchecked::<Deps>();
        let Some((repository, module)) = deps.options.forge.module(&module_ref) else { return Ok(vec![]) };
        let Some(repository) = deps.store.repository_by_name(self.access.org().id, &repository).await? else { return Ok(vec![]) };
        feed::module_checks(deps, &self.access, &repository, &module, &Version::parse(&module_version)).await
    }

    /// The GitHub accounts that it has connected, and which of their repositories are checked.
    #[graphql(complexity = "20 + child_complexity")]
    async fn mapped_sources(&self, context: &Context<'_>) -> Result<Vec<MappedSource>, Failure> {
        door::within(Field::OrgMappedSources, &self.access)?;
        sources::mapped(context.data_unchecked::<Deps>(), &self.access).await
    }

    /// Who may read the traces of one of its repositories: one entry where that was said, none where the rule says it.
    async fn repo_settings(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The repository, in any spelling.")] repo: String,
    ) -> Result<Vec<RepoSetting>, Failure> {
        door::within(Field::OrgRepoSettings, &self.access)?;
        let deps = context.data_unchecked::<Deps>();
        let Some(name) = deps.options.forge.repository(&repo) else { return Ok(vec![]) };
        let repository = deps.store.repository_by_name(self.access.org().id, &name).await?;
        Ok(repository.and_then(|repository| RepoSetting::of(&deps.options.forge, &repository)).into_iter().collect())
    }
}

/// What an org pays for.
#[derive(SimpleObject)]
pub(crate) struct OrgSubscription {
    /// `trialing`, `active`, `past_due` or `cancelled`.
    status: &'static str,
    /// When its trial began.
    trial_start: Option<Time>,
    /// When its trial ends.
    trial_end: Option<Time>,
    /// Its id at the payment provider; empty where there is none.
    #[graphql(name = "subscriptionID")]
    subscription_id: String,
    /// `free`, `individual` or `team`.
    #[graphql(name = "planID")]
    plan_id: &'static str,
    /// Whether the hosted cache is part of it: this server has none.
    has_caching: bool,
}

impl OrgSubscription {
    fn of(billing: Billing, paid: Option<&Paid>) -> Option<Self> {
        let (status, trial, subscription_id, plan_id) = match (billing, paid) {
            (Billing::Off, _) => ("active", None, String::new(), FREE),
            (Billing::On, None) => return None,
            (Billing::On, Some(paid)) => {
                (paid.state.word(), trial(&paid.state), paid.external.clone().unwrap_or_default(), paid.plan.word())
            }
        };
        let (trial_start, trial_end) = trial.unzip();
        Some(Self { status, trial_start, trial_end, subscription_id, plan_id, has_caching: false })
    }
}

fn trial(state: &SubscriptionState) -> Option<(Time, Time)> {
    match state {
        SubscriptionState::Trialing { started_at, ends_at } => Some((Time(*started_at), Time(*ends_at))),
        SubscriptionState::Active { .. } | SubscriptionState::PastDue { .. } | SubscriptionState::Cancelled { .. } => None,
    }
}

/// Something that a plan gives.
#[derive(SimpleObject)]
pub(crate) struct Feature {
    /// `traces` or `checks`.
    name: &'static str,
    /// `active` or `inactive`.
    status: &'static str,
    /// When its trial began.
    trial_start: Option<Time>,
    /// When its trial ends.
    trial_end: Option<Time>,
}

impl Feature {
    fn all(gives: &Entitlements, paid: Option<&Paid>) -> Vec<Self> {
        let (trial_start, trial_end) = paid.and_then(|paid| trial(&paid.state)).filter(|_| gives.checks).unzip();
        let status = if gives.checks { "active" } else { "inactive" };
        vec![
            Self { name: "traces", status: "active", trial_start: None, trial_end: None },
            Self { name: "checks", status, trial_start, trial_end },
        ]
    }
}

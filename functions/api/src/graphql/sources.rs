//! Git sources: the installations that orgs have claimed, their repositories, and who may read the traces of those.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::{Context, Enum, ID, InputObject, SimpleObject};
use quillon_core::id::{InstallationId, RepositoryId};
use quillon_core::name::RepositoryName;
use quillon_core::org::{Installation, Repository, SourceMode as Mode, TraceAccess};
use quillon_store::Page;

use super::error::Failure;
use super::spelling::{self, Forge};
use super::types::Time;
use crate::Deps;
use crate::access::{Field, door};
use crate::credential::{Asker, OrgAccess, shorten};
use crate::error::ApiError;

/// Most repositories of an org that an answer goes through. A list of what is checked is sent back whole to change it, so one that
/// was cut would turn off what it lacks.
const MAX_REPOSITORIES: usize = 5_000;

/// Most names that are looked up one by one before all repositories of an org are read.
const MAX_LOOKUPS: usize = 20;

/// Most accounts of an org.
const MAX_SOURCES: usize = 200;

/// A GitHub account that an org has connected.
#[derive(SimpleObject)]
pub(crate) struct Source {
    /// The login of the account.
    name: String,
    /// The number of the installation.
    id: ID,
    /// `github`.
    #[graphql(name = "type")]
    kind: &'static str,
    /// When it was connected; null where that was before this was kept.
    configured_at: Option<Time>,
    /// The org that has connected it.
    org_name: Option<String>,
    /// Where its owner says which repositories the App reaches.
    config_url: String,
}

/// Which repositories of an account are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum SourceMode {
    /// All that the App reaches, new ones too.
    All,
    /// Those that are chosen.
    Selected,
}

/// A GitHub account that an org has connected, and what is checked of it.
#[derive(SimpleObject, Clone)]
pub(crate) struct MappedSource {
    /// The login of the account.
    source_name: String,
    /// The number of the installation.
    installation_id: ID,
    /// Which repositories are checked.
    mode: SourceMode,
    /// Those that are, or would be were the App not suspended: `<forge>/<owner>/<name>`.
    repositories: Vec<String>,
}

/// A repository of a connected account.
#[derive(SimpleObject)]
pub(crate) struct SourceRepository {
    /// `<forge>/<owner>/<name>`.
    repository: String,
    /// Whether its commits are checked.
    selected: bool,
}

/// A repository whose commits are checked.
#[derive(SimpleObject)]
#[graphql(name = "Repository")]
pub(crate) struct WatchedRepository {
    /// `<forge>/<owner>/<name>`.
    #[graphql(name = "ref")]
    reference: String,
    /// Who may read its traces; null where the rule says it.
    settings: Option<RepoSetting>,
    /// The account that it is of.
    mapped_source: Option<MappedSource>,
}

/// What was said of who may read the traces of a repository.
#[derive(SimpleObject)]
pub(crate) struct RepoSetting {
    /// `<forge>/<owner>/<name>`.
    repo: String,
    /// Whether everyone may, while the repository itself is public.
    is_public: bool,
}

/// A repository.
#[derive(SimpleObject)]
pub(crate) struct Repo {
    /// Its name.
    name: String,
    /// With its owner.
    full_name: String,
    /// Whether it is private.
    private: bool,
}

/// Says which repositories of a connected account are checked.
#[derive(InputObject)]
pub(crate) struct ConfigureSourceInput {
    /// The account: the `id` of one of `sources`.
    pub(crate) installation_id: ID,
    /// All, or those that are listed.
    pub(crate) mode: SourceMode,
    /// All that are to be checked, in any spelling; all others are no longer. Empty with `ALL`.
    pub(crate) repositories: Vec<String>,
}

/// Says who may read the traces of a repository.
#[derive(InputObject)]
pub(crate) struct OrgRepoSettingInput {
    /// The repository, in any spelling.
    pub(crate) repo: String,
    /// Whether everyone may, while the repository itself is public.
    pub(crate) is_public: bool,
}

impl RepoSetting {
    /// What was said of a repository; none where the rule says it.
    pub(crate) fn of(forge: &Forge, repository: &Repository) -> Option<Self> {
        let is_public = match repository.settings.traces {
            TraceAccess::Automatic => return None,
            TraceAccess::Public => true,
            TraceAccess::Private => false,
        };
        Some(Self { repo: reference(forge, &repository.name), is_public })
    }
}

impl MappedSource {
    fn new(forge: &Forge, installation: &Installation, repositories: &[Repository]) -> Self {
        let chosen = repositories.iter().filter(|repository| is_chosen(installation, repository));
        Self {
            source_name: installation.login.clone(),
            installation_id: ID(installation.id.to_string()),
            mode: match installation.mode {
                Mode::All => SourceMode::All,
                Mode::Selected => SourceMode::Selected,
            },
            repositories: chosen.map(|repository| reference(forge, &repository.name)).collect(),
        }
    }
}

/// A repository as references to its modules begin.
fn reference(forge: &Forge, name: &RepositoryName) -> String {
    format!("{}/{name}", forge.address())
}

/// Whether a repository is among those of an installation that are to be checked.
fn is_chosen(installation: &Installation, repository: &Repository) -> bool {
    repository.installation == installation.id && repository.is_enabled && repository.settings.autocheck
}

/// Whether the commits of a repository are checked.
fn is_checked(installation: &Installation, repository: &Repository) -> bool {
    !installation.is_suspended && is_chosen(installation, repository)
}

/// The installations that an org has claimed.
async fn installations(deps: &Deps, access: &OrgAccess) -> Result<Vec<Installation>, ApiError> {
    let mut installations = Vec::new();
    let mut after = None;
    loop {
        let page = deps.store.installations_of(access.org().id, &Page { after, limit: 100 }).await?;
        // The index lags behind: one that was released meanwhile is somebody else's to show.
        installations.extend(page.items.into_iter().filter(|installation| installation.org == Some(access.org().id)));
        after = page.next;
        if after.is_none() || installations.len() >= MAX_SOURCES {
            return Ok(installations);
        }
    }
}

/// All repositories of an org, by name.
async fn repositories(deps: &Deps, access: &OrgAccess) -> Result<Vec<Repository>, ApiError> {
    let mut repositories = Vec::new();
    let mut after = None;
    loop {
        let page = deps.store.repositories_of(access.org().id, &Page { after, limit: 100 }).await?;
        repositories.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(repositories);
        }
        if repositories.len() >= MAX_REPOSITORIES {
            let name = &access.org().name;
            let text = format!(
                "`{name}` has more than {MAX_REPOSITORIES} repositories: use its settings at {}/{name}/settings",
                deps.options.public_url
            );
            return Err(ApiError::Unprocessable(text));
        }
    }
}

/// The accounts that orgs have connected.
pub(crate) async fn all(deps: &Deps, orgs: &[OrgAccess]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for access in orgs {
        for installation in installations(deps, access).await? {
            sources.push(Source {
                name: installation.login,
                id: ID(installation.id.to_string()),
                kind: "github",
                configured_at: installation.claimed_at.map(Time),
                org_name: Some(access.org().name.to_string()),
                config_url: format!("{}/settings/installations/{}", deps.options.github_url, installation.id),
            });
        }
    }
    Ok(sources)
}

/// The accounts that an org has connected, and what is checked of them.
pub(crate) async fn mapped(deps: &Deps, access: &OrgAccess) -> Result<Vec<MappedSource>, Failure> {
    let repositories = repositories(deps, access).await?;
    let installations = installations(deps, access).await?;
    Ok(installations.iter().map(|installation| MappedSource::new(&deps.options.forge, installation, &repositories)).collect())
}

/// The repositories of an account.
pub(crate) async fn repositories_of(
    deps: &Deps,
    access: &OrgAccess,
    installation: &Installation,
) -> Result<Vec<SourceRepository>, Failure> {
    let repositories = repositories(deps, access).await?;
    let of_account = repositories.iter().filter(|repository| repository.installation == installation.id && repository.is_enabled);
    let line = |repository: &Repository| SourceRepository {
        repository: reference(&deps.options.forge, &repository.name),
        selected: is_chosen(installation, repository),
    };
    Ok(of_account.map(line).collect())
}

/// All repositories of orgs.
pub(crate) async fn repos(deps: &Deps, orgs: &[OrgAccess]) -> Result<Vec<Repo>, Failure> {
    let mut repos = Vec::new();
    for access in orgs {
        let repositories = repositories(deps, access).await?;
        repos.extend(repositories.into_iter().filter(|repository| repository.is_enabled).map(|repository| Repo {
            name: repository.name.name().to_owned(),
            full_name: repository.name.to_string(),
            private: repository.is_private,
        }));
    }
    Ok(repos)
}

/// The repositories of orgs whose commits are checked, those that the references name or all.
pub(crate) async fn watched(deps: &Deps, orgs: &[OrgAccess], refs: Option<&[String]>) -> Result<Vec<WatchedRepository>, Failure> {
    let forge = &deps.options.forge;
    let wanted = refs.filter(|refs| !refs.is_empty()).map(|refs| spelling::repositories(forge, refs));
    let names: Option<BTreeSet<String>> = wanted.as_ref().map(|wanted| wanted.iter().map(spelling::folded).collect());
    let mut watched = Vec::new();
    for access in orgs {
        if let Some(wanted) = &wanted
            && wanted.len() <= MAX_LOOKUPS
            && !has_any(deps, access, wanted).await?
        {
            continue;
        }
        let repositories = repositories(deps, access).await?;
        let installations = installations(deps, access).await?;
        let of: BTreeMap<InstallationId, &Installation> =
            installations.iter().map(|installation| (installation.id, installation)).collect();
        let mut sources: BTreeMap<InstallationId, MappedSource> = BTreeMap::new();
        for repository in &repositories {
            let Some(installation) = of.get(&repository.installation).filter(|installation| is_checked(installation, repository)) else {
                continue;
            };
            if names.as_ref().is_none_or(|names| names.contains(&spelling::folded(&repository.name))) {
                let source = sources.entry(installation.id).or_insert_with(|| MappedSource::new(forge, installation, &repositories));
                watched.push(WatchedRepository {
                    reference: reference(forge, &repository.name),
                    settings: RepoSetting::of(forge, repository),
                    mapped_source: Some(source.clone()),
                });
            }
        }
    }
    Ok(watched)
}

/// Whether an org has one of the repositories, so that its others are worth reading.
async fn has_any(deps: &Deps, access: &OrgAccess, wanted: &[RepositoryName]) -> Result<bool, ApiError> {
    for name in wanted {
        if deps.store.repository_by_name(access.org().id, name).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where a person connects an account: our own sign-in, which comes back to the settings of their org where that is clear.
pub(crate) async fn connect_url(context: &Context<'_>) -> Result<String, ApiError> {
    let deps = context.data_unchecked::<Deps>();
    let orgs = context.data_unchecked::<Asker>().orgs(deps).await?;
    let next = match orgs.as_slice() {
        [access] => format!("/{}/settings?tab=Git+Sources", access.org().name),
        [] | [_, ..] => "/".to_owned(),
    };
    let next = percent_encoding::utf8_percent_encode(&next, percent_encoding::NON_ALPHANUMERIC);
    Ok(format!("{}/auth/github?purpose=sources&next={next}", deps.options.public_url))
}

/// Says which repositories of an account are checked.
pub(crate) async fn configure(context: &Context<'_>, wanted: ConfigureSourceInput) -> Result<MappedSource, Failure> {
    let deps = context.data_unchecked::<Deps>();
    let (access, installation) = door::installation(context, Field::ConfigureSource, &wanted.installation_id, None).await?;
    let (mode, chosen) = match wanted.mode {
        SourceMode::All if wanted.repositories.is_empty() => (Mode::All, vec![]),
        SourceMode::All => {
            return Err(ApiError::Unprocessable("`ALL` takes no list: send `SELECTED`, or an empty list".to_owned()).into());
        }
        SourceMode::Selected => (Mode::Selected, wanted.repositories),
    };
    let known = repositories(deps, &access).await?;
    let reached = known.iter().filter(|repository| repository.installation == installation.id && repository.is_enabled);
    let reached: BTreeMap<String, RepositoryId> = reached.map(|repository| (spelling::folded(&repository.name), repository.id)).collect();
    let mut selected = Vec::with_capacity(chosen.len());
    let mut unknown = Vec::new();
    for text in &chosen {
        match deps.options.forge.repository(text).and_then(|name| reached.get(&spelling::folded(&name))) {
            Some(id) => selected.push(*id),
            None => unknown.push(format!("`{}`", shorten(text))),
        }
    }
    if !unknown.is_empty() {
        unknown.truncate(10);
        return Err(ApiError::Unprocessable(format!(
            "the account `{}` gives no access to {}: let the App reach it at {}/settings/installations/{}, and try again",
            installation.login,
            unknown.join(", "),
            deps.options.github_url,
            installation.id
        ))
        .into());
    }
    selected.sort();
    selected.dedup();
    let asker = context.data_unchecked::<Asker>();
    let who = asker.caller.name();
    let changed = deps.tenancy.set_mode(access.org().id, installation.id, mode, &selected, &asker.deed(&who, deps.clock.now())).await?;
    Ok(MappedSource::new(&deps.options.forge, &changed, &repositories(deps, &access).await?))
}

/// Says who may read the traces of a repository of an org.
pub(crate) async fn set_traces(context: &Context<'_>, access: &OrgAccess, repo: &str, traces: TraceAccess) -> Result<bool, Failure> {
    let deps = context.data_unchecked::<Deps>();
    let unknown = || ApiError::NotFound(format!("no repository `{}` in `{}`", shorten(repo), access.org().name));
    let name = deps.options.forge.repository(repo).ok_or_else(unknown)?;
    let repository = deps.store.repository_by_name(access.org().id, &name).await?.ok_or_else(unknown)?;
    if repository.settings.traces == traces {
        return Ok(true);
    }
    let asker = context.data_unchecked::<Asker>();
    let who = asker.caller.name();
    deps.tenancy.set_repository_traces(access.org().id, repository.id, traces, &asker.deed(&who, deps.clock.now())).await?;
    Ok(true)
}

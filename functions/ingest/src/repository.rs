//! Which repository of an org a trace belongs to: its labels name a remote, the org's installations say whether it has that.

use jiff::Timestamp;
use quillon_core::id::{OrgId, RepositoryId};
use quillon_core::name::RepositoryName;
use quillon_core::trace::card::Claim;
use quillon_core::trace::label::Remote;
use quillon_otlp::Batch;

use crate::Deps;

/// The forge of this instance, as remotes name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forge {
    /// What the remotes of its repositories begin with, `github.com/`.
    prefix: Option<String>,
}

impl Forge {
    /// The forge at an address such as `https://github.com`.
    pub(crate) fn at(url: &str) -> Self {
        // Spelled by the same rules as the remotes of labels, whatever those do to schemes and ports.
        let sample: Option<Remote> = format!("{}/owner/name", url.trim_end_matches('/')).parse().ok();
        Self { prefix: sample.and_then(|sample| sample.folded().strip_suffix("owner/name").map(str::to_owned)) }
    }

    /// What the remotes of its repositories begin with, without a slash at the end.
    pub(crate) fn host(&self) -> Option<&str> {
        self.prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'))
    }

    /// The repository of this forge that a remote is.
    fn name(&self, remote: &Remote) -> Option<RepositoryName> {
        remote.folded().strip_prefix(self.prefix.as_deref()?)?.parse().ok()
    }
}

/// What a batch of this sender proves: its labels may only name a repository that the sender's own org has.
pub(crate) async fn claim(deps: &Deps, claim: &Claim, batch: &Batch, now: Timestamp) -> Result<Claim, quillon_store::Error> {
    // A job's token says its repository by itself.
    let is_proved = claim.attempt.is_some() || claim.repository.is_some();
    let name = batch.headline.remote().filter(|_| !is_proved).and_then(|remote| deps.forge.name(remote));
    let Some(name) = name else { return Ok(*claim) };
    Ok(Claim { repository: find(deps, claim.org, name, now).await?, ..*claim })
}

async fn find(deps: &Deps, org: OrgId, name: RepositoryName, now: Timestamp) -> Result<Option<RepositoryId>, quillon_store::Error> {
    let key = (org, name);
    if let Some(known) = deps.repositories.value(&key, now) {
        return Ok(known);
    }
    let found = deps.store.repository_by_name(org, &key.1).await?.map(|repository| repository.id);
    deps.repositories.keep(key, found, now);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(forge: &str, remote: &str) -> Option<String> {
        Forge::at(forge).name(&remote.parse().expect("a remote")).map(|name| name.to_string())
    }

    #[test]
    fn only_remotes_of_this_forge_are_its_repositories() {
        for remote in ["https://github.com/Acme/API.git", "git@github.com:acme/api", "ssh://git@github.com/acme/api"] {
            assert_eq!(name("https://github.com", remote).as_deref(), Some("acme/api"), "{remote}");
        }
        for remote in
            ["https://gitlab.com/acme/api", "https://github.com.example/acme/api", "https://github.com/acme/api/more", "github.com/acme"]
        {
            assert_eq!(name("https://github.com/", remote), None, "{remote}");
        }
        assert_eq!(name("http://127.0.0.1:8080/forge", "http://127.0.0.1:8080/forge/acme/hello.git").as_deref(), Some("acme/hello"));
        assert_eq!(name("http://127.0.0.1:8080/forge", "http://127.0.0.1:8080/acme/hello"), None);
        assert_eq!(name("nonsense url", "https://github.com/acme/api"), None);
    }
}

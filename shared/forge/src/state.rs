//! The forge's memory: everything small is held here and written through to [`Storage`], one row per change.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ForgeError,
    model::{Account, Installation, Pull, Repository, Selection, Violation},
    objects::CommitInfo,
    people::{Membership, Profile, UserToken, membership_ids},
    storage::Storage,
};

/// Commits that are remembered before the memory starts anew; git is asked again then.
const COMMITS_REMEMBERED: usize = 8192;
/// Violations that are kept; the first ones tell the story.
const VIOLATIONS_KEPT: usize = 1000;
/// First id that is given out.
const FIRST_ID: u64 = 1001;

/// An installation access token, known by its hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) installation: u64,
    pub(crate) permissions: BTreeMap<String, String>,
    /// The repositories it was narrowed to, if it was.
    pub(crate) repositories: Option<Vec<u64>>,
    pub(crate) expires_at: Timestamp,
}

/// What is known about merging one pull request.
#[derive(Debug, Clone)]
pub(crate) struct Merging {
    pub(crate) head: String,
    pub(crate) base: String,
    pub(crate) nulls_left: u32,
    /// `Some(Some(sha))` = merges as that commit, `Some(None)` = conflicts.
    pub(crate) result: Option<Option<String>>,
}

/// Requests of one installation in the current hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateWindow {
    pub(crate) reset: i64,
    pub(crate) used: u32,
}

pub(crate) struct State {
    pub(crate) storage: Storage,
    next_id: u64,
    pub(crate) accounts: BTreeMap<u64, Account>,
    pub(crate) installations: BTreeMap<u64, Installation>,
    pub(crate) repositories: BTreeMap<u64, Repository>,
    /// By repository and number.
    pub(crate) pulls: BTreeMap<(u64, u64), Pull>,
    /// Refs as they were last announced, by repository.
    pub(crate) refs: BTreeMap<u64, BTreeMap<String, String>>,
    /// Former `owner/name` in lower case → repository.
    pub(crate) redirects: BTreeMap<String, u64>,
    /// By SHA-256 of the token in hexadecimal.
    pub(crate) tokens: BTreeMap<String, Token>,
    /// By organization and person.
    pub(crate) memberships: BTreeMap<(u64, u64), Membership>,
    pub(crate) profiles: BTreeMap<u64, Profile>,
    /// Tokens of people, by SHA-256 in hexadecimal.
    pub(crate) user_tokens: BTreeMap<String, UserToken>,
    pub(crate) merging: HashMap<u64, Merging>,
    commits: HashMap<(u64, String), CommitInfo>,
    /// Attempts that wait, in the order in which they will be made.
    pub(crate) waiting: VecDeque<u64>,
    pub(crate) rates: HashMap<u64, RateWindow>,
    violations: Vec<Violation>,
}

impl State {
    pub(crate) fn load(storage: Storage) -> Result<State, ForgeError> {
        let by_id = |id: &str| id.parse::<u64>().unwrap_or_default();
        let mut refs: BTreeMap<u64, BTreeMap<String, String>> = BTreeMap::new();
        for (repository, name, sha) in storage.refs()? {
            refs.entry(repository).or_default().insert(name, sha);
        }
        Ok(State {
            next_id: storage.all("counter")?.first().map_or(FIRST_ID, |(_, id)| *id),
            accounts: storage.all("account")?.into_iter().map(|(id, account)| (by_id(&id), account)).collect(),
            installations: storage.all("installation")?.into_iter().map(|(id, found)| (by_id(&id), found)).collect(),
            repositories: storage.all("repository")?.into_iter().map(|(id, found)| (by_id(&id), found)).collect(),
            pulls: storage.all::<Pull>("pull")?.into_iter().map(|(_, pull)| ((pull.repository, pull.number), pull)).collect(),
            refs,
            redirects: storage.all("redirect")?.into_iter().collect(),
            tokens: storage.all("token")?.into_iter().collect(),
            memberships: storage.all("membership")?.into_iter().map(|(id, found)| (membership_ids(&id), found)).collect(),
            profiles: storage.all("profile")?.into_iter().map(|(id, profile)| (by_id(&id), profile)).collect(),
            user_tokens: storage.all("user-token")?.into_iter().collect(),
            merging: HashMap::new(),
            commits: HashMap::new(),
            waiting: storage.open_deliveries()?.into(),
            rates: HashMap::new(),
            violations: Vec::new(),
            storage,
        })
    }

    /// Writes all of `change` or nothing of it to the file.
    pub(crate) fn atomically<T>(&mut self, change: impl FnOnce(&mut State) -> Result<T, ForgeError>) -> Result<T, ForgeError> {
        self.storage.batch("BEGIN IMMEDIATE")?;
        match change(self) {
            Ok(value) => {
                self.storage.batch("COMMIT")?;
                Ok(value)
            }
            Err(error) => {
                self.storage.batch("ROLLBACK")?;
                Err(error)
            }
        }
    }

    pub(crate) fn fresh_id(&mut self) -> Result<u64, ForgeError> {
        let id = self.next_id;
        self.next_id += 1;
        self.storage.put("counter", "next", &self.next_id)?;
        Ok(id)
    }

    pub(crate) fn save_account(&mut self, account: Account) -> Result<(), ForgeError> {
        self.storage.put("account", &account.id.to_string(), &account)?;
        self.accounts.insert(account.id, account);
        Ok(())
    }

    pub(crate) fn save_installation(&mut self, installation: Installation) -> Result<(), ForgeError> {
        self.storage.put("installation", &installation.id.to_string(), &installation)?;
        self.installations.insert(installation.id, installation);
        Ok(())
    }

    /// Removes an installation. Its tokens stay known until long after they expired: using one is no mistake of the client.
    pub(crate) fn remove_installation(&mut self, id: u64) -> Result<(), ForgeError> {
        self.storage.remove("installation", &id.to_string())?;
        self.installations.remove(&id);
        Ok(())
    }

    pub(crate) fn save_repository(&mut self, repository: Repository) -> Result<(), ForgeError> {
        self.storage.put("repository", &repository.id.to_string(), &repository)?;
        self.repositories.insert(repository.id, repository);
        Ok(())
    }

    pub(crate) fn remove_repository(&mut self, id: u64) -> Result<(), ForgeError> {
        self.storage.remove("repository", &id.to_string())?;
        self.storage.forget_repository(id)?;
        self.repositories.remove(&id);
        self.refs.remove(&id);
        self.commits.retain(|(repository, _), _| *repository != id);
        let gone: Vec<_> = self.pulls.range((id, 0)..=(id, u64::MAX)).map(|(key, _)| *key).collect();
        for key in gone {
            self.storage.remove("pull", &pull_key(key))?;
            self.pulls.remove(&key);
        }
        let stale: Vec<_> = self.redirects.iter().filter(|(_, to)| **to == id).map(|(name, _)| name.clone()).collect();
        for name in stale {
            self.storage.remove("redirect", &name)?;
            self.redirects.remove(&name);
        }
        Ok(())
    }

    pub(crate) fn save_pull(&mut self, pull: Pull) -> Result<(), ForgeError> {
        let key = (pull.repository, pull.number);
        self.storage.put("pull", &pull_key(key), &pull)?;
        self.pulls.insert(key, pull);
        Ok(())
    }

    pub(crate) fn save_redirect(&mut self, full_name: &str, repository: Option<u64>) -> Result<(), ForgeError> {
        let name = full_name.to_ascii_lowercase();
        match repository {
            Some(repository) => {
                self.storage.put("redirect", &name, &repository)?;
                self.redirects.insert(name, repository);
            }
            None => {
                self.storage.remove("redirect", &name)?;
                self.redirects.remove(&name);
            }
        }
        Ok(())
    }

    pub(crate) fn save_ref(&mut self, repository: u64, name: &str, sha: Option<&str>) -> Result<(), ForgeError> {
        self.storage.put_ref(repository, name, sha)?;
        let refs = self.refs.entry(repository).or_default();
        match sha {
            Some(sha) => refs.insert(name.to_owned(), sha.to_owned()),
            None => refs.remove(name),
        };
        Ok(())
    }

    pub(crate) fn save_token(&mut self, hash: String, token: Token, now: Timestamp) -> Result<(), ForgeError> {
        // A day is kept beyond the expiry, so that an old token is told apart from one that never was.
        let expired: Vec<String> = self
            .tokens
            .iter()
            .filter(|(_, old)| old.expires_at.as_second() + 86_400 < now.as_second())
            .map(|(hash, _)| hash.clone())
            .collect();
        for hash in expired {
            self.remove_token(&hash)?;
        }
        self.storage.put("token", &hash, &token)?;
        self.tokens.insert(hash, token);
        Ok(())
    }

    pub(crate) fn remove_token(&mut self, hash: &str) -> Result<(), ForgeError> {
        self.storage.remove("token", hash)?;
        self.tokens.remove(hash);
        Ok(())
    }

    pub(crate) fn account(&self, id: u64) -> Result<&Account, ForgeError> {
        self.accounts.get(&id).ok_or_else(|| ForgeError::Missing(format!("account {id}")))
    }

    pub(crate) fn repository(&self, id: u64) -> Result<&Repository, ForgeError> {
        self.repositories.get(&id).ok_or_else(|| ForgeError::Missing(format!("repository {id}")))
    }

    pub(crate) fn installation(&self, id: u64) -> Result<&Installation, ForgeError> {
        self.installations.get(&id).ok_or_else(|| ForgeError::Missing(format!("installation {id}")))
    }

    pub(crate) fn pull(&self, repository: u64, number: u64) -> Result<&Pull, ForgeError> {
        self.pulls
            .get(&(repository, number))
            .ok_or_else(|| ForgeError::Missing(format!("pull request {number} of repository {repository}")))
    }

    pub(crate) fn pulls_of(&self, repository: u64) -> impl DoubleEndedIterator<Item = &Pull> {
        self.pulls.range((repository, 0)..=(repository, u64::MAX)).map(|(_, pull)| pull)
    }

    pub(crate) fn account_by_login(&self, login: &str) -> Option<&Account> {
        self.accounts.values().find(|account| account.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn repository_by_name(&self, owner: &str, name: &str) -> Option<&Repository> {
        let owner = self.account_by_login(owner)?.id;
        self.repositories.values().find(|found| found.owner == owner && found.name.eq_ignore_ascii_case(name))
    }

    /// The repository that had this name before.
    pub(crate) fn moved_repository(&self, owner: &str, name: &str) -> Option<&Repository> {
        let id = self.redirects.get(&format!("{owner}/{name}").to_ascii_lowercase())?;
        self.repositories.get(id)
    }

    /// The login, or a word for an account that is gone.
    pub(crate) fn login(&self, account: u64) -> &str {
        self.accounts.get(&account).map_or("ghost", |account| account.login.as_str())
    }

    pub(crate) fn full_name(&self, repository: &Repository) -> String {
        format!("{}/{}", self.login(repository.owner), repository.name)
    }

    pub(crate) fn ref_sha(&self, repository: u64, name: &str) -> Option<&str> {
        self.refs.get(&repository)?.get(name).map(String::as_str)
    }

    /// Whether an installation covers a repository, suspended or not.
    pub(crate) fn covers(&self, installation: &Installation, repository: &Repository) -> bool {
        installation.account == repository.owner
            && match &installation.selection {
                Selection::All => true,
                Selection::Selected(ids) => ids.contains(&repository.id),
            }
    }

    /// The installation that covers a repository.
    pub(crate) fn installation_of(&self, repository: &Repository) -> Option<&Installation> {
        self.installations.values().find(|installation| self.covers(installation, repository))
    }

    pub(crate) fn remember_commit(&mut self, repository: u64, commit: CommitInfo) {
        if self.commits.len() >= COMMITS_REMEMBERED {
            self.commits.clear();
        }
        self.commits.insert((repository, commit.sha.clone()), commit);
    }

    pub(crate) fn known_commit(&self, repository: u64, sha: &str) -> Option<&CommitInfo> {
        self.commits.get(&(repository, sha.to_owned()))
    }

    pub(crate) fn violate(&mut self, violation: Violation) {
        tracing::warn!(%violation, "the forge was asked for something that GitHub would refuse");
        if self.violations.len() < VIOLATIONS_KEPT {
            self.violations.push(violation);
        }
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(crate) fn clear_violations(&mut self) {
        self.violations.clear();
    }
}

fn pull_key((repository, number): (u64, u64)) -> String {
    format!("{repository}/{number}")
}

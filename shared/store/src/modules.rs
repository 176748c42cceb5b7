//! Modules as their last load described them, in table `modules`.
//!
//! | pk | sk | gsi1 |
//! |---|---|---|
//! | `MOD#<repository>#<path>` | `M` | `O#<org>` / `<name>#<repository>` |

use jiff::Timestamp;
use quillon_core::attempt::ListedCheck;
use quillon_core::id::{CommitSha, OrgId, RepositoryId};
use quillon_core::name::ModulePath;
use quillon_core::protocol::ModuleReport;
use serde::{Deserialize, Serialize};

use crate::attempts::cut_all;
use crate::compressed::Compressed;
use crate::error::Error;
use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, segment};
use crate::{Result, Store};

/// Longest path within a key, in bytes.
const MAX_PATH: usize = 1_600;

/// Longest author's name within a key, in bytes.
const MAX_NAME: usize = 200;

/// Largest description of an API, as JSON in bytes.
const MAX_API: usize = 256 * 1024;

/// A module as its last load described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleRecord {
    /// Whose it is.
    pub org: OrgId,
    /// In which repository.
    pub repository: RepositoryId,
    /// In which directory.
    pub path: ModulePath,
    /// What the load found out.
    pub report: ModuleReport,
    /// Its checks.
    pub checks: Vec<ListedCheck>,
    /// At which commit.
    pub sha: CommitSha,
    /// When.
    pub loaded_at: Timestamp,
}

/// A record as it is stored. The API is JSON of any depth and with any numbers, which items do not take: it is kept as text.
#[derive(Serialize, Deserialize)]
struct Body {
    org: OrgId,
    repository: RepositoryId,
    path: ModulePath,
    report: ModuleReport,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api: Option<Compressed>,
    checks: Vec<ListedCheck>,
    sha: CommitSha,
    loaded_at: Timestamp,
}

fn key(repository: RepositoryId, path: &ModulePath) -> Key {
    Key::new(format!("MOD#{repository}#{}", segment(path.as_str(), MAX_PATH)), "M")
}

/// A module among those of its org, by the author's name for it; the name alone could be empty.
fn place(record: &ModuleRecord) -> Place {
    Place::in_gsi1(format!("O#{}", record.org), format!("{}#{}", segment(&record.report.name, MAX_NAME), record.repository))
}

fn compress(key: &Key, api: &serde_json::Value) -> Result<Compressed> {
    let json = serde_json::to_vec(api).map_err(|error| Error::unstorable(key, error))?;
    if json.len() > MAX_API {
        return Err(Error::unstorable(key, format!("the description of its API has {} bytes, at most {MAX_API} are kept", json.len())));
    }
    Compressed::of(&json).map_err(|error| Error::unstorable(key, error))
}

fn open(key: &Key, api: &Compressed) -> Result<serde_json::Value> {
    let json = api.open(MAX_API).map_err(|error| Error::corrupt(key, error))?;
    serde_json::from_slice(&json).map_err(|error| Error::corrupt(key, error))
}

impl Store {
    /// Saves what a load found out about a module, in place of an earlier load.
    ///
    /// # Errors
    /// Transient, refused, or unstorable when the description of its API is too large.
    pub async fn save_module(&self, record: &ModuleRecord) -> Result<()> {
        let key = key(record.repository, &record.path);
        let api = record.report.api.as_ref().map(|api| compress(&key, api)).transpose()?;
        let body = Body {
            org: record.org,
            repository: record.repository,
            path: record.path.clone(),
            report: ModuleReport { api: None, ..record.report.clone() },
            api,
            checks: cut_all(&record.checks),
            sha: record.sha.clone(),
            loaded_at: record.loaded_at,
        };
        let item = Item::new(Kind::Module, key, &body, &place(record))?;
        self.access.put("save a module", &self.tables.modules, item).await
    }

    /// A module as its last load described it.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn module(&self, repository: RepositoryId, path: &ModulePath) -> Result<Option<ModuleRecord>> {
        let key = key(repository, path);
        let Some(item) = self.access.get("read a module", &self.tables.modules, &key).await? else { return Ok(None) };
        let body: Body = decode(Kind::Module, item)?;
        let api = body.api.as_ref().map(|api| open(&key, api)).transpose()?;
        Ok(Some(ModuleRecord {
            org: body.org,
            repository: body.repository,
            path: body.path,
            report: ModuleReport { api, ..body.report },
            checks: body.checks,
            sha: body.sha,
            loaded_at: body.loaded_at,
        }))
    }
}

//! The files of the dagger CLI in the user's configuration directory, and the one beside them that says which server they are of.
//!
//! The CLI guards each with `<file>.lock` and believes a token without `expiry` for ever.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use quillon_core::Sensitive;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Membership;

/// Largest file that is read, in bytes; the CLI's own are a few hundred.
const MAX_FILE: u64 = 1 << 20;

/// `credentials.json`: who is signed in.
#[derive(Serialize, Deserialize)]
pub(super) struct Credentials {
    access_token: String,
    #[serde(default)]
    token_type: String,
}

impl Credentials {
    /// Of a token that lasts as long as its login.
    pub(super) fn new(token: &Sensitive<String>) -> Self {
        Self { access_token: token.expose().clone(), token_type: "Bearer".to_owned() }
    }

    pub(super) fn token(&self) -> Sensitive<String> {
        Sensitive::new(self.access_token.clone())
    }
}

/// Which server the credentials are of; the CLI has no place for that.
#[derive(Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) server: String,
    /// SHA-256 of the token: the CLI may have replaced it.
    token: String,
}

impl Login {
    pub(super) fn new(server: String, token: &Sensitive<String>) -> Self {
        Self { server, token: hash(token) }
    }

    /// Whether it speaks of this token.
    pub(super) fn is_of(&self, token: &Sensitive<String>) -> bool {
        self.token == hash(token)
    }
}

fn hash(token: &Sensitive<String>) -> String {
    hex::encode(Sha256::digest(token.expose()))
}

/// Where the files are.
pub(super) struct Directories {
    pub(super) dagger: PathBuf,
    quillon: PathBuf,
}

impl Directories {
    /// As the CLI finds them: `XDG_CONFIG_HOME` where it is absolute, else the system's place.
    pub(super) fn of(environment: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = match (absolute("XDG_CONFIG_HOME"), absolute("HOME")) {
            (Some(config), _) => config,
            (None, Some(home)) if cfg!(target_os = "macos") => home.join("Library/Application Support"),
            (None, Some(home)) => home.join(".config"),
            (None, None) => bail!("neither `HOME` nor `XDG_CONFIG_HOME` is set: where to keep the login is not known"),
        };
        Ok(Self { dagger: config.join("dagger"), quillon: config.join("quillon") })
    }

    /// Who is signed in.
    pub(super) fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        read(&self.dagger.join("credentials.json"))
    }

    /// Which server they are signed in to.
    pub(super) fn login(&self) -> anyhow::Result<Option<Login>> {
        read(&self.quillon.join("login.json"))
    }

    /// The org that they work in; one that cannot be read is none.
    pub(super) fn org(&self) -> Option<Membership> {
        read(&self.dagger.join("org")).ok().flatten()
    }

    /// Keeps a login; whoever looks meanwhile sees the old one or the new one.
    pub(super) fn save_login(&self, credentials: &Credentials, login: &Login) -> anyhow::Result<()> {
        // First of which server it is: a token without that would never be sent to be revoked.
        replace(&self.quillon.join("login.json"), &serde_json::to_string(login)?)?;
        replace(&self.dagger.join("credentials.json"), &serde_json::to_string(credentials)?)
    }

    /// Keeps the org.
    pub(super) fn save_org(&self, org: &str) -> anyhow::Result<()> {
        replace(&self.dagger.join("org"), org)
    }

    /// Forgets the org.
    pub(super) fn remove_org(&self) -> anyhow::Result<()> {
        remove(&self.dagger.join("org"))
    }

    /// Forgets everything.
    pub(super) fn remove_login(&self) -> anyhow::Result<()> {
        remove(&self.dagger.join("credentials.json"))?;
        self.remove_org()?;
        remove(&self.quillon.join("login.json"))
    }
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> anyhow::Result<Option<T>> {
    let too_large = fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_FILE);
    if too_large {
        bail!("`{}` is too large to be a login: remove it", path.display());
    }
    match fs::read_to_string(path) {
        Ok(text) => {
            let value = serde_json::from_str(&text);
            // The error of the parser would show what is in the file.
            value.map(Some).map_err(|_| anyhow::anyhow!("`{}` is damaged: remove it, then run `quillon login`", path.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// Writes a file for its owner only; a reader sees what was there or what is written, and Ctrl-C leaves one of the two.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let fail = || format!("cannot write `{}`", path.display());
    let directory = path.parent().with_context(fail)?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).with_context(fail)?;
    let _lock = lock(path)?;
    let draft = beside(path, ".new");
    // What an interrupted attempt left may be readable for others, or a link that leads elsewhere.
    remove_file(&draft).with_context(fail)?;
    let write = || {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().with_context(fail)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let _lock = lock(path)?;
    remove_file(path).with_context(|| format!("cannot remove `{}`", path.display()))
}

fn remove_file(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Waits for the lock that the CLI takes too; it is given back with the file.
fn lock(path: &Path) -> anyhow::Result<File> {
    let path = beside(path, ".lock");
    let take = || {
        let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        file.lock()?;
        Ok::<File, std::io::Error>(file)
    };
    take().with_context(|| format!("cannot lock `{}`", path.display()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

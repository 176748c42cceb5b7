//! The data directory: what outlives a process, and what commands beside a running `up` find there.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use url::Url;

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct Data(PathBuf);

/// How to reach the running instance of a data directory; readable by its owner only.
#[derive(Serialize, Deserialize)]
pub(crate) struct Contact {
    /// Where it listens.
    pub(crate) url: Url,
    /// The operator's key.
    pub(crate) operator_key: String,
    /// The access key of the control endpoint.
    pub(crate) access_key: String,
    /// Credential for pushing to the embedded forge; none with GitHub.
    #[serde(default)]
    pub(crate) push_token: Option<String>,
    /// Process id, for people.
    pub(crate) pid: u32,
}

impl Contact {
    /// An instance of which nothing but the operator's key is known.
    pub(crate) fn elsewhere(mut url: Url, operator_key: &str) -> anyhow::Result<Self> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.query().is_some() || url.fragment().is_some() {
            bail!("`{url}` is not the address of a server: give it as `https://host`");
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self { url, operator_key: operator_key.to_owned(), access_key: String::new(), push_token: None, pid: 0 })
    }
}

impl Data {
    /// Makes the directory where it is missing, for its owner only.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).with_context(|| format!("cannot make the data directory `{}`", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot use the data directory `{}`", path.display()))?;
        Ok(Self(path))
    }

    /// Where the embedded engines keep their files.
    pub(crate) fn cloud(&self) -> PathBuf {
        self.0.join("cloud")
    }

    /// Where the embedded forge keeps its files.
    pub(crate) fn forge(&self) -> PathBuf {
        self.0.join("forge")
    }

    /// Where an agent of this machine keeps its files.
    pub(crate) fn agent(&self, number: usize) -> anyhow::Result<PathBuf> {
        let path = self.0.join("agents").join(number.to_string());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(path)
    }

    /// A random text that is made once and kept.
    pub(crate) fn secret(&self, name: &str) -> anyhow::Result<String> {
        let path = self.0.join(name);
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Ok(_) | Err(_) => {
                let text = random_hex()?;
                write_private(&path, text.as_bytes())?;
                Ok(text)
            }
        }
    }

    /// Writes a file for its owner only; what is there is replaced at once or not at all.
    pub(crate) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        write_private(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Leaves word of the running instance.
    pub(crate) fn announce(&self, contact: &Contact) -> anyhow::Result<()> {
        self.write("instance.json", &serde_json::to_string_pretty(contact)?).map(drop)
    }

    /// Takes the word back.
    pub(crate) fn withdraw(&self) {
        // Somebody may have removed the whole directory; there is nothing more to take back then.
        let _ = fs::remove_file(self.0.join("instance.json"));
    }

    /// Finds the running instance of a directory.
    pub(crate) fn contact(path: &Path) -> anyhow::Result<Contact> {
        let file = path.join("instance.json");
        match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("`{}` is damaged: start `quillon up` again", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("no `quillon up` runs with `--data {}`: start it, or name the directory of the one that runs", path.display())
            }
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", file.display())),
        }
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path).with_context(|| format!("cannot write `{}`", path.display()))
}

fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the machine gives no random numbers"))?;
    Ok(hex::encode(bytes))
}

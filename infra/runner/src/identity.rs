//! Who the agent is for the server: enrolled once with a one-time token, kept in a file that only its owner can read.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use quillon_core::Sensitive;
use quillon_core::id::AgentId;
use quillon_core::protocol::EnrollAnswer;
use serde::{Deserialize, Serialize};
use url::Url;

/// An enrolled agent.
pub(crate) struct Identity {
    /// Its id.
    pub(crate) agent: AgentId,
    /// Its credential.
    pub(crate) token: Sensitive<String>,
}

/// The form of the file.
#[derive(Serialize, Deserialize)]
struct Stored {
    server: String,
    agent: AgentId,
    token: String,
}

/// Why an identity file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Reading or writing failed.
    #[error("identity file `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody else may have read it.
    #[error("identity file `{0}` can be read by other users; run `chmod 600` on it, or remove it and enrol again")]
    Exposed(PathBuf),
    /// It is not one of ours.
    #[error("identity file `{path}` is damaged ({source}); remove it and enrol again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It belongs to another server.
    #[error("identity file `{path}` belongs to `{server}`; name another file with `--identity`")]
    OtherServer {
        /// The file.
        path: PathBuf,
        /// Its server.
        server: String,
    },
}

/// Reads the identity for a server; nothing when there is no file yet.
pub(crate) fn load(path: &Path, server: &Url) -> Result<Option<Identity>, IdentityError> {
    let io = |source| IdentityError::Io { path: path.to_owned(), source };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(IdentityError::Exposed(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(io)?;
    let stored: Stored = serde_json::from_str(&text).map_err(|source| IdentityError::Damaged { path: path.to_owned(), source })?;
    if stored.server != server.as_str() {
        return Err(IdentityError::OtherServer { path: path.to_owned(), server: stored.server });
    }
    Ok(Some(Identity { agent: stored.agent, token: Sensitive::new(stored.token) }))
}

/// Keeps a new identity, whole or not at all.
pub(crate) fn save(path: &Path, server: &Url, answer: EnrollAnswer) -> Result<Identity, IdentityError> {
    let io = |source| IdentityError::Io { path: path.to_owned(), source };
    let stored = Stored { server: server.to_string(), agent: answer.agent, token: answer.token };
    let text = serde_json::to_vec_pretty(&stored).map_err(|source| IdentityError::Damaged { path: path.to_owned(), source })?;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory).map_err(io)?;
    }
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(io)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&fresh, path).map_err(io)?;
    Ok(Identity { agent: stored.agent, token: Sensitive::new(stored.token) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Url {
        text.parse().expect("url")
    }

    #[test]
    fn an_identity_survives_in_a_file_that_only_its_owner_reads() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("deep/identity.json");
        let here = server("http://127.0.0.1:1/");
        assert!(load(&path, &here).expect("no file").is_none());
        let agent = AgentId::from_parts(1, 2);
        save(&path, &here, EnrollAnswer { agent, token: "secret".to_owned() }).expect("saved");
        assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
        let loaded = load(&path, &here).expect("readable").expect("there");
        assert_eq!((loaded.agent, loaded.token.expose().as_str()), (agent, "secret"));

        assert!(matches!(load(&path, &server("http://other/")), Err(IdentityError::OtherServer { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        assert!(matches!(load(&path, &here), Err(IdentityError::Exposed(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        fs::write(&path, "{").expect("write");
        assert!(matches!(load(&path, &here), Err(IdentityError::Damaged { .. })));
    }
}

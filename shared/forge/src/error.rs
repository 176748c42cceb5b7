//! The one error of the forge's operations, shaped by what a caller can do about it.

/// Why an operation of the forge did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// The account, repository, pull request, ref or commit does not exist.
    #[error("{0} does not exist in the forge")]
    Missing(String),
    /// The name is taken.
    #[error("{0} exists already in the forge; choose another name")]
    Taken(String),
    /// An argument is not what GitHub or git would accept.
    #[error("{what} `{value}` is not valid: {why}")]
    Invalid {
        /// What kind of thing it is.
        what: &'static str,
        /// The value as given.
        value: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// The state forbids it: an archived repository, a closed pull request.
    #[error("{0}")]
    Refused(String),
    /// `git` could not be run or failed.
    #[error("`git {command}` failed: {detail}; git 2.38 or newer is needed")]
    Git {
        /// The git subcommand.
        command: String,
        /// What it wrote to stderr.
        detail: String,
    },
    /// The database could not be read or written.
    #[error("the forge's database failed; another process may have it open")]
    Storage(#[from] rusqlite::Error),
    /// A stored document could not be read.
    #[error("the forge's database holds a document that this version cannot read")]
    Document(#[from] serde_json::Error),
    /// A file of the root directory could not be read or written.
    #[error("`{path}` cannot be used as state of the forge")]
    Files {
        /// Which file or directory.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The App's key could not be generated or read.
    #[error("the App's private key cannot be used: {0}")]
    Key(String),
}

impl ForgeError {
    pub(crate) fn files(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> ForgeError {
        let path = path.display().to_string();
        move |source| ForgeError::Files { path, source }
    }
}

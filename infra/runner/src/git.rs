//! Runs git with nothing of the machine's configuration, no prompts, no hooks, and HTTP as the only transport.
//!
//! The credential travels in the environment of the one git process that needs it (`GIT_CONFIG_*`, see
//! <https://git-scm.com/docs/git-config#ENVIRONMENT>): never in an argument, never in a file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use quillon_core::Sensitive;
use quillon_core::protocol::GitCredential;
use quillon_core::text::shorten;
use tokio::process::Command;
use url::Url;

use crate::process::{Ended, Finished, Keep, Patience, drive, exit_code};
use crate::stop::{Stop, Stops};

/// Most that a git command may answer, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// How much of git's complaints is kept, in bytes.
const MAX_COMPLAINT: usize = 4 * 1024;

/// How long git may take to clean up its lock files.
const PATIENCE: Patience = Patience { interrupt: Duration::from_millis(0), terminate: Duration::from_secs(2) };

/// How long the output of a git that has ended is read.
const DRAIN: Duration = Duration::from_millis(500);

/// What of the agent's environment git needs to reach a server.
const PASSED: [&str; 11] = [
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Fixed for every git process: nothing of the repository's content or the machine's configuration may start a program.
const SETTINGS: [(&str, &str); 9] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("protocol.file.allow", "never"),
    ("protocol.ext.allow", "never"),
    ("credential.helper", ""),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("gc.autoDetach", "false"),
    ("maintenance.autoDetach", "false"),
];

/// Why a git command has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// The work was stopped.
    #[error("stopped")]
    Stopped(Stop),
    /// Git said no.
    #[error("`git {command}` failed with exit code {code}: {complaint}")]
    Failed {
        /// The subcommand.
        command: String,
        /// Exit code.
        code: i32,
        /// The end of what it printed.
        complaint: String,
    },
    /// Git could not be run.
    #[error("git cannot be run ({0}); install git 2.38 or newer")]
    Spawn(std::io::Error),
}

/// What git answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    complaint: String,
}

/// Files in the place of pipes, for what may be long.
#[derive(Default)]
pub(crate) struct Streams {
    /// Read by git; nothing to read without.
    pub(crate) stdin: Option<File>,
    /// Written by git; kept in the [`Answer`] without.
    pub(crate) stdout: Option<File>,
}

/// The header that opens one server to git.
pub(crate) struct Access {
    scope: String,
    header: Sensitive<String>,
}

impl Access {
    /// Basic authentication, sent to the server of `url` only.
    pub(crate) fn new(url: &Url, credential: &GitCredential) -> Self {
        let pair = format!("{}:{}", credential.username, credential.password);
        let header = format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        Self { scope: format!("http.{}/.extraHeader", url.origin().ascii_serialization()), header: Sensitive::new(header) }
    }
}

/// How a job runs git.
pub(crate) struct Git<'a> {
    /// The agent's environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// Stops commands that run.
    pub(crate) stops: Stops,
    /// The right to read the repository, when it is known yet.
    pub(crate) access: Option<Access>,
}

impl Git<'_> {
    /// Runs a command that must succeed and answers with its trimmed standard output.
    pub(crate) async fn ask(&mut self, directory: &Path, arguments: &[&str]) -> Result<String, GitError> {
        let answer = self.run(directory, arguments, &[], Streams::default()).await?;
        if answer.code != 0 {
            return Err(answer.into_error(arguments));
        }
        Ok(answer.stdout.trim_end().to_owned())
    }

    /// Runs a command whose exit code says something. The first argument is the subcommand.
    pub(crate) async fn run(
        &mut self,
        directory: &Path,
        arguments: &[&str],
        variables: &[(&str, OsString)],
        streams: Streams,
    ) -> Result<Answer, GitError> {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(directory).env_clear().envs(self.variables()).envs(variables.iter().cloned());
        let keep = match streams.stdout {
            Some(stdout) => Keep::Redirected { tail: MAX_COMPLAINT, stdout },
            None => Keep::Split { tail: MAX_COMPLAINT, stdout: MAX_ANSWER },
        };
        let stdin = streams.stdin.map_or_else(Stdio::null, Stdio::from);
        let finished = drive(command, stdin, keep, &mut self.stops, |_| PATIENCE, DRAIN).await.map_err(GitError::Spawn)?;
        let Finished { ended, tail, stdout, is_stdout_cut } = finished;
        match ended {
            Ended::Stopped(stop) => Err(GitError::Stopped(stop)),
            Ended::Exited(_) if is_stdout_cut => Err(GitError::Failed {
                command: arguments.first().copied().unwrap_or_default().to_owned(),
                code: 0,
                complaint: "its answer is too long".to_owned(),
            }),
            Ended::Exited(status) => {
                Ok(Answer { code: exit_code(status), stdout: String::from_utf8_lossy(&stdout).into_owned(), complaint: tail.into_text().0 })
            }
        }
    }

    fn variables(&self) -> BTreeMap<String, OsString> {
        let mut variables: BTreeMap<String, OsString> =
            PASSED.iter().filter_map(|name| Some(((*name).to_owned(), self.environment.get(*name)?.into()))).collect();
        let fixed = [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", "/bin/false"),
            ("GIT_ALLOW_PROTOCOL", "http:https"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("LC_ALL", "C"),
            ("HOME", "/nonexistent"),
        ];
        variables.extend(fixed.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        let secret = self.access.iter().map(|access| (access.scope.as_str(), access.header.expose().as_str()));
        let mut count = 0;
        for (key, value) in SETTINGS.into_iter().chain(secret) {
            variables.insert(format!("GIT_CONFIG_KEY_{count}"), key.into());
            variables.insert(format!("GIT_CONFIG_VALUE_{count}"), value.into());
            count += 1;
        }
        variables.insert("GIT_CONFIG_COUNT".to_owned(), count.to_string().into());
        variables
    }
}

impl Answer {
    /// The error that this answer is to somebody who wanted success.
    pub(crate) fn into_error(self, arguments: &[&str]) -> GitError {
        let mut complaint = String::new();
        for line in self.complaint.lines().filter(|line| !line.trim().is_empty()) {
            let _ = write!(complaint, "{}{}", if complaint.is_empty() { "" } else { "; " }, line.trim());
        }
        let command = arguments.first().copied().unwrap_or_default().to_owned();
        GitError::Failed { command, code: self.code, complaint: shorten(&complaint, 400) }
    }
}

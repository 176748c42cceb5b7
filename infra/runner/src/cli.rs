//! The `dagger` CLI: which one, its command lines, and the environment it gets.
//!
//! Command lines, tried against v0.21.8 and v1.0.0-beta.11:
//!
//! | manifest | arguments | why |
//! |---|---|---|
//! | `dagger.json` | `-m .` | without it 1.0 lists nothing when the module does not load |
//! | `dagger.json` with toolchains or a blueprint | none | 1.0 refuses them as modules, it takes them for a workspace |
//! | `dagger-module.toml` | `-m .` | without it 1.0 does not look for one; v0.21 does not know it |
//! | `dagger.toml` | none | a workspace is found from the directory; v0.21 does not know it |

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use quillon_core::module::Manifest;
use quillon_core::name::Task;
use quillon_core::protocol::Job;
use tokio::process::Command;

use crate::checkout::Workspace;
use crate::config::{AgentConfig, RunAs};
use crate::manifest::ModuleFile;

/// Variables of the agent that the CLI sees when they are set: how to reach an engine and the network.
const PASSED: [&str; 14] = [
    "PATH",
    "LANG",
    "DOCKER_HOST",
    "_EXPERIMENTAL_DAGGER_RUNNER_HOST",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Variables that the CLI always sees.
const FIXED: [(&str, &str); 5] =
    [("CI", "true"), ("DAGGER_NO_UPDATE_CHECK", "1"), ("DAGGER_NO_NAG", "1"), ("DO_NOT_TRACK", "1"), ("NO_COLOR", "1")];

/// The CLI to drive: a program, possibly with leading arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cli {
    /// The program and what stands before every argument.
    pub command: Vec<OsString>,
    /// Whether it is a stand-in that knows only executables in `checks/`.
    pub is_stand_in: bool,
}

/// There is no CLI to drive.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no `dagger` on PATH; install it (https://docs.dagger.io/install) or name one with `--dagger PATH`; it also needs a container runtime, or an engine named by `_EXPERIMENTAL_DAGGER_RUNNER_HOST`"
)]
pub struct NoCli;

impl Cli {
    /// The named program; else `dagger` on `PATH`; else the stand-in, when the caller has one.
    pub fn find(named: Option<PathBuf>, environment: &BTreeMap<String, String>, stand_in: Option<Vec<OsString>>) -> Result<Self, NoCli> {
        if let Some(path) = named {
            return Ok(Self { command: vec![path.into_os_string()], is_stand_in: false });
        }
        let path = environment.get("PATH").map(String::as_str).unwrap_or_default();
        let found = std::env::split_paths(path).map(|directory| directory.join("dagger")).find(|program| is_executable(program));
        match (found, stand_in) {
            (Some(program), _) => Ok(Self { command: vec![program.into_os_string()], is_stand_in: false }),
            (None, Some(command)) if !command.is_empty() => Ok(Self { command, is_stand_in: true }),
            (None, Some(_) | None) => Err(NoCli),
        }
    }

    /// A command of it with these arguments and nothing else.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.command.split_first() {
            Some((program, leading)) => {
                let mut command = Command::new(program);
                command.args(leading);
                command
            }
            None => Command::new("dagger"),
        };
        command.args(arguments).env_clear();
        command
    }
}

fn is_executable(program: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    program.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The version of a CLI, as far as command lines differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CliVersion {
    /// 0 for v0.21, 1 for 1.0.
    pub major: u32,
    /// 21 for v0.21.
    pub minor: u32,
}

impl CliVersion {
    /// Reads what `dagger version` prints: `dagger v0.21.8 (…)` or `version:     v1.0.0-beta.11`.
    #[must_use]
    pub fn parse(output: &str) -> Option<Self> {
        output.split_whitespace().find_map(|word| {
            let mut numbers = word.strip_prefix('v')?.split('.');
            Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
        })
    }

    /// Whether it reads a kind of manifest at all. What it does not know it passes over without an error.
    pub(crate) fn knows(self, manifest: Manifest) -> bool {
        match manifest {
            Manifest::Json => true,
            Manifest::ModuleToml | Manifest::Workspace => self.major >= 1,
        }
    }
}

/// The arguments for a job.
pub(crate) fn arguments<'a>(job: &'a Job, module: &ModuleFile) -> Vec<&'a str> {
    let mut arguments = match &job.task {
        Task::Load => vec!["check", "-l"],
        Task::Check(name) => vec!["check", name.as_str()],
    };
    let is_module = match job.manifest {
        Manifest::Json => !module.has_toolchains(),
        Manifest::ModuleToml => true,
        Manifest::Workspace => false,
    };
    if is_module {
        arguments.extend(["-m", "."]);
    }
    arguments.push("--progress=logs");
    arguments
}

/// What the CLI gets to see, for a job or for asking its version.
pub(crate) struct Surroundings {
    variables: BTreeMap<String, OsString>,
    run_as: Option<RunAs>,
}

impl Surroundings {
    /// Those of a job in its workspace.
    pub(crate) fn of(config: &AgentConfig, workspace: &Workspace) -> Self {
        let passed = PASSED.iter().copied().chain(config.pass_env.iter().map(String::as_str));
        let mut variables: BTreeMap<String, OsString> =
            passed.filter_map(|name| Some((name.to_owned(), config.environment.get(name)?.into()))).collect();
        variables.extend(FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        let home = config.shared_home.clone().unwrap_or_else(|| workspace.home());
        variables.insert("HOME".to_owned(), home.into_os_string());
        variables.insert("TMPDIR".to_owned(), workspace.temporary().into_os_string());
        Self { variables, run_as: config.run_as }
    }

    /// Adds a variable.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// Puts a command into these surroundings.
    pub(crate) fn apply(&self, command: &mut Command, directory: &Path) {
        command.current_dir(directory).env_clear().envs(&self.variables);
        if let Some(user) = self.run_as {
            // The standard library also drops all other groups when root becomes somebody else.
            command.uid(user.uid).gid(user.gid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_lines_are_read() {
        for (output, version) in [
            ("dagger v0.21.8 (unix:///run/engine.sock) linux/amd64\n", Some((0, 21))),
            ("version:     v1.0.0-beta.11\ncommit:      unknown\n", Some((1, 0))),
            ("version:     v1.0.0-demo.0.1.0 (quillon demo engine)\n", Some((1, 0))),
            ("dagger devel\n", None),
            ("", None),
        ] {
            assert_eq!(CliVersion::parse(output).map(|version| (version.major, version.minor)), version, "{output}");
        }
        let old = CliVersion { major: 0, minor: 21 };
        assert!(old.knows(Manifest::Json) && !old.knows(Manifest::ModuleToml) && !old.knows(Manifest::Workspace));
    }

    #[test]
    fn the_stand_in_is_the_last_choice() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = |text: &str| BTreeMap::from([("PATH".to_owned(), text.to_owned())]);
        let stand_in = || Some(vec!["demo".into()]);
        let nowhere = path(&directory.path().display().to_string());
        assert!(Cli::find(None, &nowhere, None).is_err());
        assert!(Cli::find(None, &nowhere, stand_in()).expect("found").is_stand_in);
        let program = directory.path().join("dagger");
        std::fs::write(&program, "#!/bin/sh").expect("write");
        assert!(Cli::find(None, &nowhere, stand_in()).expect("found").is_stand_in, "not executable");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
        assert!(!Cli::find(None, &nowhere, stand_in()).expect("found").is_stand_in);
        let named = Cli::find(Some("/opt/dagger".into()), &nowhere, stand_in()).expect("found");
        assert_eq!(named.command, [OsString::from("/opt/dagger")]);
    }
}

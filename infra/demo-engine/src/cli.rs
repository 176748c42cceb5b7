//! The command line: the documented options of `dagger check` and `dagger version`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::Environment;
use crate::check::{Check, select};
use crate::manifest::{self, Start};
use crate::run::{Plan, run_checks};
use crate::terminal::Terminal;

/// What `version` prints; real versions have the same form, so that an agent can tell which command lines are understood.
const VERSION: &str = concat!("v1.0.0-demo.", env!("CARGO_PKG_VERSION"));

#[derive(Parser)]
#[command(
    name = "dagger",
    about = "A stand-in for the dagger CLI: runs the executables in `checks/` of a module",
    disable_version_flag = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

#[derive(Args)]
struct Global {
    /// Directory of the module to load.
    #[arg(short = 'm', long = "mod", global = true, value_name = "PATH")]
    module: Option<PathBuf>,
    /// Directory of the workspace to load.
    #[arg(short = 'W', long, global = true, value_name = "PATH")]
    workspace: Option<PathBuf>,
    /// How progress is shown.
    #[arg(long, global = true, env = "DAGGER_PROGRESS", default_value = "auto")]
    progress: Progress,
}

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// As `plain`.
    Auto,
    /// A numbered line for everything that happens.
    Plain,
    /// A summary at the end.
    Report,
    /// What the checks print.
    Logs,
    /// As `plain`.
    Tty,
    /// A character for every check.
    Dots,
}

#[derive(Subcommand)]
enum Command {
    /// Verify your project.
    #[command(alias = "checks")]
    Check(CheckArgs),
    /// Print the version.
    Version,
}

#[derive(Args)]
struct CheckArgs {
    /// Names of checks, prefixes of names, or globs such as `go:*`; all checks without.
    patterns: Vec<String>,
    /// List the checks.
    #[arg(short, long)]
    list: bool,
    /// Cancel the remaining checks on the first failure.
    #[arg(long)]
    failfast: bool,
    /// Leave out generators, of which there are none here.
    #[arg(long)]
    no_generate: bool,
    /// Leave out the checks that match.
    #[arg(long, value_name = "PATTERN")]
    skip: Vec<String>,
}

/// Parses the command line and does what it says.
pub(crate) async fn run(args: Vec<String>, environment: Environment) -> u8 {
    let words = std::iter::once("dagger".to_owned()).chain(args.iter().cloned());
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout with exit code 0. A wrong option ends with 1, as with the real one.
            let _ = error.print();
            return u8::from(error.use_stderr());
        }
    };
    let terminal = Terminal::new(cli.global.progress);
    let command_line = std::iter::once("dagger".to_owned()).chain(args).collect();
    match cli.command {
        Command::Version => {
            terminal.answer(&format!("version:     {VERSION} (quillon demo engine)"));
            0
        }
        Command::Check(check) => match run_check(&check, &cli.global, &terminal, command_line, environment).await {
            Ok(code) => code,
            Err(error) => {
                terminal.error(&error.to_string());
                1
            }
        },
    }
}

/// Why `check` did not come to run anything.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error(transparent)]
    Load(#[from] manifest::LoadError),
    #[error("no checks matched pattern {0:?}")]
    NoMatch(String),
    #[error("no checks matched any of the patterns: {}", quoted(.0))]
    NoMatches(Vec<String>),
}

fn quoted(patterns: &[String]) -> String {
    patterns.iter().map(|pattern| format!("{pattern:?}")).collect::<Vec<_>>().join(", ")
}

async fn run_check(
    args: &CheckArgs,
    global: &Global,
    terminal: &Terminal,
    command_line: Vec<String>,
    environment: Environment,
) -> Result<u8, CheckError> {
    let start = match (&global.module, &global.workspace) {
        (Some(module), _) => Start::Module(module.clone()),
        (None, Some(workspace)) => Start::Workspace(workspace.clone()),
        (None, None) => Start::Workspace(PathBuf::from(".")),
    };
    let loaded = manifest::load(&start)?;
    let checks: Vec<Check> = select(loaded.checks, &args.patterns, &args.skip);
    if args.list {
        terminal.list(&checks);
        return Ok(0);
    }
    if checks.is_empty() {
        match args.patterns.as_slice() {
            [] => {}
            [pattern] => return Err(CheckError::NoMatch(pattern.clone())),
            patterns => return Err(CheckError::NoMatches(patterns.to_vec())),
        }
    }
    let plan = Plan { checks, root: loaded.root, is_failfast: args.failfast, command_line, environment };
    Ok(Box::pin(run_checks(plan, terminal)).await)
}

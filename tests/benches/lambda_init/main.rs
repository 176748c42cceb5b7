//! What the init phase of every function costs: from the start of its process to the first request for an event.
//!
//! The binaries are those that are deployed: built in the folder of their function, one by one, so that no other package adds
//! features. Each is started with the roots of its layer and with those of the system, in turns.

#[path = "../common/figure.rs"]
mod figure;

mod process;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use figure::Report;
use quillon_lambda_emulator::{Account, RuntimeApi, Sandbox};
use serde_json::{Value, json};

use process::{cpu_of, rss_of};

/// Starts of each binary with each of the two lists of roots.
const RUNS: usize = 15;

/// Where the TLS stack finds its roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Roots {
    Layer,
    System,
}

/// What one start cost.
struct Start {
    cpu: Duration,
    wall: Duration,
    rss: u64,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let account = Account::open().await;
    for function in &account.cloud.template().functions {
        let name = function.crate_name.trim_start_matches("quillon-");
        let binary = build(name)?;
        say(&format!("{name}: starting it {} times", 2 * RUNS));
        let (mut layer, mut system) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            layer.push(start(&account, &function.logical_id, &binary, Roots::Layer).await?);
            system.push(start(&account, &function.logical_id, &binary, Roots::System).await?);
        }
        let sizes = Report::new("lambda_init", json!({ "function": name, "arch": std::env::consts::ARCH }));
        sizes.print("binary_size", float(binary.metadata()?.len()) / 1e6, "MB");
        sizes.print("zip_size", float(deflated(&binary)?) / 1e6, "MB");
        for (roots, starts) in [("layer", layer), ("system", system)] {
            let conditions = json!({ "function": name, "arch": std::env::consts::ARCH, "roots": roots, "runs": RUNS });
            print(&Report::new("lambda_init", conditions), &starts);
        }
    }
    Ok(())
}

fn print(report: &Report, starts: &[Start]) {
    let sorted = |figure: fn(&Start) -> f64| {
        let mut all: Vec<f64> = starts.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    for (name, all, unit) in [
        ("cpu", sorted(|start| start.cpu.as_secs_f64() * 1_000.0), "ms"),
        ("wall", sorted(|start| start.wall.as_secs_f64() * 1_000.0), "ms"),
        ("rss", sorted(|start| float(start.rss) / 1e6), "MB"),
    ] {
        report.print(&format!("{name}_min"), all.first().copied().unwrap_or_default(), unit);
        report.print(&format!("{name}_median"), all.get(all.len() / 2).copied().unwrap_or_default(), unit);
    }
}

async fn start(account: &Account, function: &str, binary: &Path, roots: Roots) -> anyhow::Result<Start> {
    let mut environment = account.environment(function).await;
    match roots {
        Roots::Layer => {}
        Roots::System => {
            environment.remove("SSL_CERT_FILE").context("the template names no roots")?;
        }
    }
    let api = RuntimeApi::open("arn:aws:lambda:us-east-1:000000000000:function:init").await;
    let mut sandbox = Sandbox::start(function, binary, &environment, Duration::from_secs(10), api);
    let wall = sandbox.ready().await;
    // From here on it waits for its first event.
    let start = Start { cpu: cpu_of(sandbox.pid()).await?, wall, rss: rss_of(sandbox.pid())? };
    sandbox.end().await;
    Ok(start)
}

/// Builds a function as `sam build` does, for this machine.
fn build(name: &str) -> anyhow::Result<PathBuf> {
    say(&format!("{name}: building it, which takes minutes"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("functions").join(name);
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--release", "--message-format=json-render-diagnostics", "--target-dir"]);
    // Its own, because the profile is another one than that of the other binaries in `target/release`.
    command.arg(root.join("target/init")).current_dir(&folder).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cargo does not start in {}", folder.display()))?;
    if !output.status.success() {
        bail!("`{name}` does not build");
    }
    let messages = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let binary = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    binary.with_context(|| format!("`{name}` has no binary"))
}

/// Bytes of a file when it is deflated as hard as possible, which is what a zip does with it.
fn deflated(file: &Path) -> anyhow::Result<u64> {
    let output = Command::new("gzip").args(["-9", "-c"]).arg(file).output().context("`gzip` does not start")?;
    if !output.status.success() {
        bail!("`gzip` failed");
    }
    Ok(output.stdout.len() as u64)
}

#[expect(clippy::print_stderr, reason = "a build takes minutes")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

//! From a push to its statuses, over `quillon up` with every queue between: alone, in bursts, and with the real agent.
//!
//! A push begins when its delivery leaves the forge (git's own work is over then), and a status is there when the forge has stored
//! it. The forge, and the agents that have every result at hand, live in this process, on the same processors; the processor time
//! is that of `up` alone.

#[path = "../common/figure.rs"]
mod figure;
#[path = "../common/sample.rs"]
mod sample;
#[path = "../common/stage.rs"]
mod stage;
#[path = "../common/statuses.rs"]
mod statuses;

mod agents;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use figure::Report;
use sample::Sample;
use serde_json::json;
use stage::Stage;
use statuses::Seen;
use tokio::task::JoinSet;

use agents::{InstantAgents, RealAgent};

/// Jobs that the agents in this process have at once.
const WORKERS: usize = 8;
/// Pushes that are not counted: caches fill, connections open, an org is made.
const WARM_UP: usize = 10;
/// Pushes one after the other.
const ALONE: usize = 50;
/// Pushes with the real agent, one after the other.
const REAL: usize = 20;
/// How long one push may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a burst may take until nothing more is expected of it.
const BURST_PATIENCE: Duration = Duration::from_secs(150);
/// Pause between pushes of an idle machine.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> anyhow::Result<ExitCode> {
    if let Some(done) = stage::act_as_quillon() {
        return done;
    }
    stage::runtime()?.block_on(run())?;
    Ok(ExitCode::SUCCESS)
}

async fn run() -> anyhow::Result<()> {
    let stage = Stage::start().await?;
    let instant = InstantAgents::start(&stage, WORKERS).await?;
    let main = stage.push_main().await?;
    stage.forge.deliver_all().await?;
    stage.statuses.over(&main, PATIENCE).await?;
    let warm_up = stage.push_branches("warm", WARM_UP).await?;
    one_by_one(&stage, &warm_up).await?;

    if is_wanted("alone") {
        alone(&stage, "instant results, in the process of the forge", "alone", ALONE).await?;
    }
    if is_wanted("burst") {
        burst(&stage, &instant, 100, Duration::from_secs(2)).await?;
        burst(&stage, &instant, 500, Duration::from_secs(10)).await?;
    }
    drop(instant);

    if is_wanted("agent") {
        let _agent = RealAgent::start(&stage, 2)?;
        let first = stage.push_branches("agent-warm", 3).await?;
        one_by_one(&stage, &first).await?;
        alone(&stage, "`quillon agent` with the demo engine, its own process", "agent", REAL).await?;
    }
    Ok(())
}

/// Whether a part is to be measured: all are, unless some are named on the command line.
fn is_wanted(part: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|name| name == part)
}

/// The times of pushes that find the machine idle.
#[derive(Default)]
struct Times {
    first: Sample,
    over: Sample,
}

async fn one_by_one(stage: &Stage, shas: &[String]) -> anyhow::Result<Times> {
    let mut times = Times::default();
    for sha in shas {
        let began = Instant::now();
        stage.forge.deliver_next().await?.context("no delivery waits")?;
        let seen = stage.statuses.over(sha, PATIENCE).await?;
        times.first.extend(seen.first.map(|at| at - began));
        times.over.extend(seen.over.map(|at| at - began));
        tokio::time::sleep(PAUSE).await;
    }
    Ok(times)
}

async fn alone(stage: &Stage, agent: &str, prefix: &str, count: usize) -> anyhow::Result<()> {
    let shas = stage.push_branches(prefix, count).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let report = Report::new(
        "push",
        json!({ "pushes": count, "at_once": 1, "checks_per_push": 1, "agent": agent, "storage": "directory", "server": "`quillon up`, its own process" }),
    );
    let (cpu, asked) = (stage.cpu()?, stage.forge.requests().len());
    let times = one_by_one(stage, &shas).await?;
    report.print("first_status_p50", times.first.percentile_ms(50), "ms");
    report.print("first_status_p99", times.first.percentile_ms(99), "ms");
    report.print("final_status_p50", times.over.percentile_ms(50), "ms");
    report.print("final_status_p99", times.over.percentile_ms(99), "ms");
    print_cost(stage, &report, cpu, asked, count)
}

/// What the control plane spent since then, per push.
fn print_cost(stage: &Stage, report: &Report, cpu: Duration, asked: usize, pushes: usize) -> anyhow::Result<()> {
    let pushes = f64::from(u32::try_from(pushes)?);
    let asked = f64::from(u32::try_from(stage.forge.requests().len().saturating_sub(asked))?);
    report.print("cpu_per_push", (stage.cpu()? - cpu).as_secs_f64() * 1_000.0 / pushes, "ms");
    report.print("github_requests_per_push", asked / pushes, "requests");
    Ok(())
}

async fn burst(stage: &Stage, agents: &InstantAgents, pushes: usize, within: Duration) -> anyhow::Result<()> {
    let shas = stage.push_branches(&format!("burst-{pushes}"), pushes).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let report = Report::new(
        "push",
        json!({
            "pushes": pushes, "within_s": within.as_secs(), "checks_per_push": 1, "storage": "directory",
            "agent": format!("instant results, {WORKERS} jobs at once, in the process of the forge"), "server": "`quillon up`, its own process",
        }),
    );
    let (leased_before, _) = agents.leased();
    let (cpu, asked) = (stage.cpu()?, stage.forge.requests().len());
    let began = Instant::now();
    let refused = deliver(stage, pushes, within).await?;
    let mut all = Vec::with_capacity(pushes);
    for sha in &shas {
        let left = BURST_PATIENCE.saturating_sub(began.elapsed());
        // One that is not over by then is lost, which the figures show.
        let _ = stage.statuses.over(sha, left).await;
        all.push(stage.statuses.of(sha));
    }
    let (leased, twice) = agents.leased();
    let drained = all.iter().filter_map(|seen| seen.over).max().map_or(0.0, |last| (last - began).as_secs_f64());
    let count = |is_so: fn(&Seen) -> bool| f64::from(u32::try_from(all.iter().filter(|seen| is_so(seen)).count()).unwrap_or(u32::MAX));
    report.print("burst_drained", drained, "s");
    report.print("burst_lost", count(|seen| seen.over.is_none()), "pushes");
    report.print("burst_refused", f64::from(refused), "deliveries");
    report.print("burst_with_a_status_twice", count(has_doubled), "pushes");
    report.print(
        "burst_attempts_per_push",
        f64::from(u32::try_from(leased - leased_before)?) / f64::from(u32::try_from(pushes)?),
        "attempts",
    );
    report.print("burst_attempts_leased_twice", f64::from(u32::try_from(twice)?), "attempts");
    print_cost(stage, &report, cpu, asked, pushes)
}

/// Lets the waiting deliveries go at an even pace, each on its own; how many were not accepted.
async fn deliver(stage: &Stage, pushes: usize, within: Duration) -> anyhow::Result<u32> {
    let mut ticks = tokio::time::interval(within / u32::try_from(pushes)?);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut deliveries = JoinSet::new();
    for _ in 0..pushes {
        ticks.tick().await;
        let forge = stage.forge.clone();
        deliveries.spawn(async move { forge.deliver_next().await });
    }
    let mut refused = 0;
    while let Some(delivered) = deliveries.join_next().await {
        let outcome = delivered??.and_then(|record| record.outcome);
        refused += u32::from(outcome.is_none_or(|outcome| outcome.status_code != 202));
    }
    Ok(refused)
}

fn has_doubled(seen: &Seen) -> bool {
    let mut posts = seen.posts.clone();
    posts.sort();
    posts.windows(2).any(|pair| pair[0] == pair[1])
}

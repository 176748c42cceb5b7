//! Whether history costs anything: the Checks page and a push, with a thousand and with a million checks stored.

#[path = "../common/figure.rs"]
mod figure;
#[path = "../common/sample.rs"]
mod sample;

mod seed;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use figure::Report;
use http::Request;
use http::header::{COOKIE, HOST, SET_COOKIE};
use quillon::engine::Storage;
use quillon::engine::meter::Tally;
use quillon::engine::wire::Service;
use quillon_core::id::RepositoryId;
use quillon_core::run::CommitKey;
use quillon_tests::{Setup, World};
use sample::Sample;
use serde_json::json;
use tempfile::TempDir;

/// Checks of a commit.
const CHECKS: usize = 10;
/// Commits of the small and of the large history.
const COMMITS: [usize; 2] = [100, 100_000];
/// How long the larger history may take to be written.
const PATIENCE: Duration = Duration::from_secs(180);
/// Requests and pushes that are counted.
const COUNTED: usize = 30;
/// Requests and pushes before those.
const WARM_UP: usize = 5;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let directory = TempDir::new()?;
    let setup = Setup { storage: Storage::Directory(directory.path().to_owned()), ..Setup::default() };
    let mut world = World::with(setup.clone()).await;
    let names: Vec<String> = (1..=CHECKS).map(|number| format!("app:check-{number}")).collect();
    world.module_has(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let original = world.push("main").await;
    world.settle().await;
    let original = world.stored(&original).await;
    let checks = world.system.settings("Scheduler").reader().required("TABLE_CHECKS");

    let mut stored = 0;
    let mut measured = vec![];
    for wanted in COMMITS {
        let began = Instant::now();
        // The files have one owner at a time.
        world.restart(&Setup::default()).await;
        stored += seed::copy(&directory.path().join("tables.db"), &checks, &original, stored, wanted - stored, PATIENCE)?;
        let seeded = began.elapsed();
        let began = Instant::now();
        world.restart(&setup).await;
        let opened = began.elapsed();
        let key = CommitKey { repository: RepositoryId(world.repository.id), sha: seed::copied(stored - 1)? };
        let copy = world.system.store().commit(&key).await?;
        anyhow::ensure!(copy.attempts.len() == CHECKS + 1, "the last copy has {} attempts", copy.attempts.len());
        let report = Report::new(
            "scale",
            json!({
                "stored_checks": stored * CHECKS, "stored_commits": stored, "requests": COUNTED, "checks_per_push": CHECKS,
                "storage": "directory", "seeded_by": "rows of one real commit copied in SQLite", "seeding_s": seeded.as_secs(),
            }),
        );
        report.print("open", opened.as_secs_f64() * 1_000.0, "ms");
        measured.push(measure(&mut world, &report).await?);
    }
    let [small, large] = measured.as_slice() else { return Ok(()) };
    let report = Report::new("scale", json!({ "from_checks": COMMITS[0] * CHECKS, "to_checks": stored * CHECKS }));
    for (figure, small, large) in [
        ("page_p50_ratio", small.page_ms, large.page_ms),
        ("page_read_units_ratio", small.page_reads, large.page_reads),
        ("push_p50_ratio", small.push_ms, large.push_ms),
        ("push_read_units_ratio", small.push_reads, large.push_reads),
        ("push_write_units_ratio", small.push_writes, large.push_writes),
    ] {
        report.print(figure, large / small, "ratio");
    }
    Ok(())
}

struct Measured {
    page_ms: f64,
    page_reads: f64,
    push_ms: f64,
    push_reads: f64,
    push_writes: f64,
}

async fn measure(world: &mut World, report: &Report) -> anyhow::Result<Measured> {
    let cookie = sign_in(world).await?;
    let (page, page_used) = pages(world, &cookie).await?;
    let (push, push_used) = pushes(world).await?;
    let measured = Measured {
        page_ms: page.percentile_ms(50),
        page_reads: page_used.read_units / count(),
        push_ms: push.percentile_ms(50),
        push_reads: push_used.read_units / count(),
        push_writes: push_used.write_units / count(),
    };
    report.print("page_p50", measured.page_ms, "ms");
    report.print("page_p99", page.percentile_ms(99), "ms");
    report.print("page_read_units", measured.page_reads, "RRU");
    report.print("push_p50", measured.push_ms, "ms");
    report.print("push_p99", push.percentile_ms(99), "ms");
    report.print("push_read_units", measured.push_reads, "RRU");
    report.print("push_write_units", measured.push_writes, "WRU");
    Ok(measured)
}

fn count() -> f64 {
    f64::from(u32::try_from(COUNTED).unwrap_or(u32::MAX))
}

/// The Checks page as HTML, through the web function.
async fn pages(world: &World, cookie: &str) -> anyhow::Result<(Sample, Tally)> {
    let mut times = Sample::default();
    let mut before = usage(world);
    for number in 0..WARM_UP + COUNTED {
        if number == WARM_UP {
            before = usage(world);
        }
        let request = Request::get("/acme/checks").header(HOST, "quillon.test").header(COOKIE, cookie).body(Bytes::new())?;
        let began = Instant::now();
        let page = world.system.http(request).await;
        let took = began.elapsed();
        anyhow::ensure!(
            page.status() == 200 && page.body().len() > 10_000,
            "the page is {} with {} bytes",
            page.status(),
            page.body().len()
        );
        if number >= WARM_UP {
            times.extend([took]);
        }
    }
    Ok((times, since(world, before)))
}

/// Pushes from the delivery to the last status: every function, one batch at a time, with an agent that has every result at hand.
async fn pushes(world: &mut World) -> anyhow::Result<(Sample, Tally)> {
    let mut times = Sample::default();
    let mut before = usage(world);
    for number in 0..WARM_UP + COUNTED {
        if number == WARM_UP {
            before = usage(world);
        }
        world.advance(Duration::from_secs(1));
        let sha = world.push("main").await;
        let began = Instant::now();
        world.settle().await;
        let took = began.elapsed();
        world.expect_status(&sha, "quillon", "success");
        if number >= WARM_UP {
            times.extend([took]);
        }
    }
    Ok((times, since(world, before)))
}

fn usage(world: &World) -> quillon::engine::meter::Usage {
    world.system.cloud().engines().usage()
}

fn since(world: &World, before: quillon::engine::meter::Usage) -> Tally {
    usage(world).since(&before).total(Service::DynamoDb)
}

async fn sign_in(world: &World) -> anyhow::Result<String> {
    let path = format!("/operator/sign-in?key={}", world.operator_key);
    let answer = world.system.http(Request::get(path).header(HOST, "quillon.test").body(Bytes::new())?).await;
    let cookie = answer.headers().get(SET_COOKIE).context("no session")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

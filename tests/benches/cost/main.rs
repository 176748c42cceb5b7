//! What a push with ten checks costs on AWS: every call is counted by the meter of the embedded engines and priced with list prices.
//!
//! The clock is moved by hand, so five minutes of heartbeats pass in no time. Nothing is coalesced: every message is handled before
//! the next one is sent, so every message is an invocation of its own. What an installation costs while nothing happens is apart.

#[path = "../common/figure.rs"]
mod figure;

mod bill;
mod price;

use std::time::Duration;

use bill::{Bill, Mark, Trigger, Used, float};
use bytes::Bytes;
use figure::Report;
use quillon_core::attempt::{HEARTBEAT, ListedCheck, Report as Outcome};
use quillon_core::id::CommitSha;
use quillon_core::name::Task;
use quillon_core::protocol::LeaseGrant;
use quillon_tests::World;
use serde_json::{Value, json};

/// Checks of the module.
const CHECKS: usize = 10;
/// How long a check takes.
const CHECK: Duration = Duration::from_secs(300);
/// How long a load takes.
const LOAD: Duration = Duration::from_secs(40);
/// More rounds than this without an end is a loop.
const MAX_ROUNDS: usize = 1_000;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let mut costing = Costing { world: World::new().await, bill: Bill::default() };
    // The first push makes the org and the repository, which later ones find.
    costing.push("main").await?;
    costing.bill = Bill::default();
    let sha = costing.push("main").await?;
    let statuses = costing.world.statuses(&sha);
    anyhow::ensure!(statuses.len() == CHECKS + 2 && statuses.iter().all(|line| line.ends_with("success")), "not all green: {statuses:?}");
    print_push(&costing.bill);
    print_idle(&mut costing).await
}

fn print_push(bill: &Bill) {
    let about = json!({
        "checks": CHECKS, "check_s": CHECK.as_secs(), "load_s": LOAD.as_secs(), "heartbeat_s": HEARTBEAT.as_secs(),
        "prices": "us-east-1 list, free tiers left out", "storage": "memory, manual clock", "includes": "one sweep a minute",
    });
    let report = Report::new("cost", about.clone());
    let total = bill.total();
    report.print("usd_per_push", total.usd(), "USD");
    report.print("usd_per_check", total.usd() / float(CHECKS as u64), "USD");
    for (figure, value, unit) in parts(&total) {
        report.print(&format!("{figure}_per_push"), value, unit);
    }
    for (part, usd) in [
        ("writes", total.write_units * price::WRITE_UNIT),
        ("reads", total.read_units * price::READ_UNIT),
        ("sqs", total.sqs * price::SQS_REQUEST),
        ("secrets", total.secrets * price::SECRET_CALL),
        ("http_api", total.http * price::HTTP_REQUEST),
        ("invocations", total.invocations * price::INVOCATION),
        ("function_time_assumed", total.gb_seconds() * price::GB_SECOND),
    ] {
        report.print(&format!("usd_of_{part}_per_push"), usd, "USD");
    }
    for (consumer, used) in &bill.consumers {
        let mut detailed = about.clone();
        for (figure, value, _) in parts(used) {
            detailed[figure] = json!(value);
        }
        Report::new("cost", detailed).print(&format!("usd_per_push_of_{consumer}"), used.usd(), "USD");
    }
    for (operation, tally) in &bill.operations {
        let mut detailed = about.clone();
        detailed["calls"] = json!(tally.calls);
        detailed["read_units"] = json!(tally.read_units);
        Report::new("cost", detailed).print(&format!("write_units_per_push_of_{operation}"), tally.write_units, "WRU");
    }
}

fn parts(used: &Used) -> [(&'static str, f64, &'static str); 8] {
    [
        ("invocations", used.invocations, "invocations"),
        ("http_requests", used.http, "requests"),
        ("write_units", used.write_units, "WRU"),
        ("read_units", used.read_units, "RRU"),
        ("sqs_requests", used.sqs, "requests"),
        ("secret_calls", used.secrets, "calls"),
        ("aws_calls", used.aws_calls, "calls"),
        ("github_calls", used.github_calls, "calls"),
    ]
}

/// What goes on while nothing happens: an agent that waits for work, and the sweep.
async fn print_idle(costing: &mut Costing) -> anyhow::Result<()> {
    costing.bill = Bill::default();
    costing.lease().await;
    costing.sweep().await;
    let report = Report::new("cost", json!({ "state": "idle", "lease_wait_s": 20, "prices": "us-east-1 list, free tiers left out" }));
    let of = |consumer: &str| costing.bill.consumers.get(consumer).copied().unwrap_or_default();
    let polls = 3_600.0 / 20.0;
    // A poll that finds nothing keeps its function waiting for as long as it may.
    let waiting = 20.0 * price::MEMORY_GB * price::GB_SECOND;
    report.print("usd_per_hour_of_a_waiting_agent", polls * (of("Api lease").usd() + waiting), "USD");
    report.print("usd_per_hour_of_the_sweep", 60.0 * of("Scheduler sweep").usd(), "USD");
    Ok(())
}

/// A world whose every step is charged to somebody.
struct Costing {
    world: World,
    bill: Bill,
}

impl Costing {
    /// Pushes a commit and does all that follows, until nothing is left to do.
    async fn push(&mut self, branch: &str) -> anyhow::Result<CommitSha> {
        let sha = self.world.push(branch).await;
        let mark = Mark::now(&self.world);
        let delivered = self.world.forge.deliver_all().await?;
        anyhow::ensure!(delivered == 1, "a push is one delivery, not {delivered}");
        self.bill.charge(&self.world, &mark, "Webhook", Trigger::Http);
        self.drain().await;
        for _ in 0..2 {
            let jobs = self.lease_all().await;
            self.work(&jobs).await;
        }
        // Agents that wait hear of every offer, also of those that somebody else took.
        self.lease_all().await;
        Ok(sha)
    }

    /// Works on jobs side by side for as long as they take, with a heartbeat each, and ends them one after the other.
    async fn work(&mut self, jobs: &[LeaseGrant]) {
        let is_load = jobs.iter().any(|job| job.job.task == Task::Load);
        let beats = if is_load { LOAD } else { CHECK }.as_secs() / HEARTBEAT.unsigned_abs().as_secs();
        for beat in 1..=beats {
            self.world.advance(HEARTBEAT.unsigned_abs());
            for job in jobs {
                let body = json!({ "attempt": job.attempt, "lease": job.lease, "elapsed_s": beat * 20 });
                self.call("heartbeat", &job.job_token, &body).await;
                self.drain().await;
            }
            if beat % 3 == 0 {
                self.sweep().await;
                self.drain().await;
            }
        }
        for job in jobs {
            let report = match job.job.task {
                Task::Load => Outcome::Listed { checks: listed() },
                Task::Check(_) => Outcome::Passed,
            };
            let output = "a line of output like any other, as checks write them\n".repeat(40);
            let body = json!({ "attempt": job.attempt, "lease": job.lease, "report": report, "output": output, "is_output_cut": false });
            self.call("result", &job.job_token, &body).await;
            self.drain().await;
        }
    }

    /// Leases until there is nothing left, and nothing left to hear of; each job gets its credential for git.
    async fn lease_all(&mut self) -> Vec<LeaseGrant> {
        let mut jobs = vec![];
        for _ in 0..MAX_ROUNDS {
            let leased = self.lease().await;
            self.drain().await;
            match leased {
                Some(job) => {
                    let body = json!({ "attempt": job.attempt, "lease": job.lease });
                    self.call("git-credential", &job.job_token, &body).await;
                    jobs.push(job);
                }
                None if self.hints().await == 0 => break,
                None => {}
            }
        }
        jobs
    }

    /// Offers that nobody has heard of yet.
    async fn hints(&self) -> u64 {
        let depths = self.world.system.cloud().queue_depths().await;
        depths.iter().find(|depth| depth.logical_id == "OffersQueue").map_or(0, |depth| depth.visible)
    }

    async fn lease(&mut self) -> Option<LeaseGrant> {
        let mark = Mark::now(&self.world);
        let leased = self.world.agent.lease(&self.world.system).await;
        self.bill.charge(&self.world, &mark, "Api lease", Trigger::Http);
        leased
    }

    async fn call(&mut self, call: &str, token: &str, body: &Value) {
        let request = http::Request::post(format!("/runner/v1/{call}"))
            .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_string()));
        let Ok(request) = request else { return };
        let mark = Mark::now(&self.world);
        self.world.system.http(request).await;
        self.bill.charge(&self.world, &mark, &format!("Api {call}"), Trigger::Http);
    }

    async fn sweep(&mut self) {
        let mark = Mark::now(&self.world);
        // A sweep that fails is repeated a minute later.
        let _ = self.world.fire("sweep").await;
        self.bill.charge(&self.world, &mark, "Scheduler sweep", Trigger::Event);
    }

    /// Lets the functions handle what is in their queues.
    async fn drain(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let mut handled = 0;
            for mapping in self.world.system.cloud().mappings() {
                let mark = Mark::now(&self.world);
                let messages = mapping.step(|event| self.world.system.batch(&mapping.function, event)).await;
                // A look at an empty queue is the service's own, which costs the same whether there is work or not.
                if messages > 0 {
                    self.bill.charge(&self.world, &mark, &mapping.function, Trigger::Event);
                }
                handled += messages;
            }
            if handled == 0 {
                return;
            }
        }
    }
}

fn listed() -> Vec<ListedCheck> {
    (1..=CHECKS).filter_map(|number| Some(ListedCheck { name: format!("app:check-{number}").parse().ok()?, description: None })).collect()
}

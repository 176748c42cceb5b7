//! The telemetry of a `dagger check` that never ran: OTLP requests as the stock CLI sends them, of any size, the same for the
//! same seed.
//!
//! Shapes, names and attributes are modelled on recorded runs: a live and a final record of every span, heartbeats, batches of at
//! most 2,048 spans every 100 ms, calls with payloads and digests that repeat, cache evidence, wait and error-origin links, checks,
//! tests, logs with colours and carriage returns, metrics of commands. Nothing is held but what is under way, so that a trace of a
//! million spans takes no more memory than a small one.

mod call;
mod lane;
mod outbox;
mod random;
mod record;

use std::collections::VecDeque;

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use quillon_core::trace::{SpanId, TraceId};

use lane::{CHECK_SPANS, FAILURE_SPANS, Lane, Step, execution};
use outbox::Outbox;
use random::{Random, digest};
use record::{CLI_VERSION, Ending, Failure, Plan, Source, text, truth};

/// Fewest spans of a trace: what every run has, and two small checks.
pub const MIN_SPANS: u64 = 64;

/// About how many spans a check has.
const SPANS_PER_CHECK: u64 = 1_500;
const MAX_CHECKS: u64 = 250;
/// How many checks run at one time.
const LANES: u64 = 8;
/// Every so many checks one fails: the second, the eleventh and so on.
const FAILS_EVERY: u64 = 9;
const HEARTBEAT_NS: u64 = 30_000_000_000;
/// 2026-01-05T10:00:00Z.
const START_NS: u64 = 1_767_607_200_000_000_000;

const MILLISECOND: u64 = 1_000_000;

/// A request that the CLI sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// When.
    pub at: Timestamp,
    /// What.
    pub body: Body,
}

/// The body of a request, by its signal.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Log records.
    Logs(ExportLogsServiceRequest),
    /// Metric points.
    Metrics(ExportMetricsServiceRequest),
}

impl Request {
    /// The path that it is posted to.
    #[must_use]
    pub fn path(&self) -> &'static str {
        match self.body {
            Body::Traces(_) => "/v1/traces",
            Body::Logs(_) => "/v1/logs",
            Body::Metrics(_) => "/v1/metrics",
        }
    }

    /// Its bytes, `application/x-protobuf`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match &self.body {
            Body::Traces(request) => request.encode_to_vec(),
            Body::Logs(request) => request.encode_to_vec(),
            Body::Metrics(request) => request.encode_to_vec(),
        }
    }
}

/// What was sent so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Different spans.
    pub spans: u64,
    /// Records of spans; each is sent at least twice unless it never ends.
    pub records: u64,
    /// Log records.
    pub logs: u64,
    /// Metric points.
    pub points: u64,
    /// Checks that ended.
    pub checks: u64,
    /// Those of them that did not pass.
    pub failed_checks: u64,
}

/// A run that is made up while it is read, request by request.
#[derive(Debug, Clone)]
pub struct Generated {
    outbox: Outbox,
    main: Lane,
    lanes: Vec<Lane>,
    phase: Phase,
    out: VecDeque<Request>,
    spans: u64,
    /// Spans that no check has been given.
    unshared: u64,
    checks: u64,
    begun: u64,
    may_fail: bool,
    ends: bool,
    failure: Option<Failure>,
    beat_ns: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Opening,
    Checking,
    Completing,
    Closing,
    Done,
}

impl Generated {
    /// A run with this many spans, at least [`MIN_SPANS`]. Some of its checks fail.
    #[must_use]
    pub fn new(seed: u64, spans: u64) -> Self {
        let mut random = Random::new(seed);
        let (high, low) = (random.number() | 1, random.number());
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&high.to_be_bytes());
        trace[8..].copy_from_slice(&low.to_be_bytes());
        let mut outbox = Outbox::new(trace, random, START_NS);
        outbox.labels = LABELS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self {
            outbox,
            main: Lane::new(START_NS, None),
            lanes: Vec::new(),
            phase: Phase::New,
            out: VecDeque::new(),
            spans: spans.max(MIN_SPANS),
            unshared: 0,
            checks: 0,
            begun: 0,
            may_fail: true,
            ends: true,
            failure: None,
            beat_ns: START_NS,
        }
    }

    /// The same without failures.
    #[must_use]
    pub fn passing(mut self) -> Self {
        self.may_fail = false;
        self
    }

    /// The same, but the command never says that it ended.
    #[must_use]
    pub fn left_running(mut self) -> Self {
        self.ends = false;
        self
    }

    /// The same at another time.
    #[must_use]
    pub fn starting_at(mut self, start: Timestamp) -> Self {
        let start_ns = u64::try_from(start.as_nanosecond()).unwrap_or(START_NS);
        self.outbox.begin_at(start_ns);
        self.main.now_ns = start_ns;
        self.beat_ns = start_ns;
        self
    }

    /// The same with another value of a label of the CLI.
    #[must_use]
    pub fn with_label(mut self, name: &str, value: &str) -> Self {
        self.outbox.labels.retain(|(known, _)| known != name);
        self.outbox.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same as a part of a trace that somebody else began: the command's span is below that span.
    #[must_use]
    pub fn under(mut self, trace: TraceId, parent: SpanId) -> Self {
        self.outbox.trace = *trace.as_bytes();
        self.main = Lane::new(self.main.now_ns, Some(*parent.as_bytes()));
        self
    }

    /// The same in as few requests as there can be: each is sent when it is full and not every 100 ms.
    #[must_use]
    pub fn in_full_batches(mut self) -> Self {
        self.outbox.is_patient = true;
        self
    }

    /// The id of the trace.
    #[must_use]
    pub fn trace(&self) -> [u8; 16] {
        self.outbox.trace
    }

    /// What was sent so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.outbox.counts
    }

    /// Takes one step of whatever is behind all others.
    fn advance(&mut self) {
        match self.phase {
            Phase::New => {
                self.main.then(opening());
                self.phase = Phase::Opening;
            }
            Phase::Opening if self.main.is_done() => self.fork(),
            Phase::Opening => self.main.advance(&mut self.outbox),
            Phase::Checking => self.check(),
            Phase::Completing if self.main.is_done() => self.close(),
            Phase::Completing => self.main.advance(&mut self.outbox),
            Phase::Closing if self.main.is_done() => {
                self.phase = Phase::Done;
                self.outbox.flush(self.main.now_ns, true, &mut self.out);
            }
            Phase::Closing => self.main.advance(&mut self.outbox),
            Phase::Done => {}
        }
        let now_ns = self.now_ns();
        if self.phase != Phase::Done && self.outbox.is_due(now_ns) {
            self.beat(now_ns);
            self.outbox.flush(now_ns, false, &mut self.out);
        }
    }

    fn now_ns(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.now_ns).min().unwrap_or(self.main.now_ns)
    }

    /// Begins as many checks as may run at one time.
    fn fork(&mut self) {
        // One span is sent at the end.
        self.unshared = self.spans.saturating_sub(self.outbox.counts.spans + 1);
        self.checks = (self.unshared / SPANS_PER_CHECK).clamp(2, MAX_CHECKS);
        let base = self.main.stack.last().map(|open| open.id);
        self.lanes = (0..self.checks.min(LANES)).map(|nth| Lane::new(self.main.now_ns + nth * MILLISECOND, base)).collect();
        self.phase = Phase::Checking;
    }

    fn check(&mut self) {
        let Some(at) = (0..self.lanes.len()).min_by_key(|&at| self.lanes[at].now_ns) else { return self.join() };
        let lane = &mut self.lanes[at];
        if !lane.is_done() {
            return lane.advance(&mut self.outbox);
        }
        if let Some(failure) = lane.take_failure() {
            self.failure.get_or_insert(failure);
        }
        if self.begun == self.checks {
            self.main.now_ns = self.main.now_ns.max(lane.now_ns);
            self.lanes.swap_remove(at);
            return;
        }
        let share = self.unshared / (self.checks - self.begun);
        self.unshared -= share;
        let fails = self.may_fail && self.begun % FAILS_EVERY == 1 && share > CHECK_SPANS + FAILURE_SPANS;
        lane.begin_check(&mut self.outbox, &check_name(self.begun), share, fails);
        self.begun += 1;
    }

    /// All checks have ended.
    fn join(&mut self) {
        let complete = Plan::new(Source::Engine, "dagger.io/engine.server", "wcprof.session_complete").with([
            truth("wcprof.session_complete"),
            text("wcprof.session_span_count", self.spans.to_string()),
            truth("dagger.io/ui.internal"),
        ]);
        self.main.then([Step::Open(Box::new(complete), vec![Step::Wait(MILLISECOND), Step::CloseUnset])]);
        self.phase = Phase::Completing;
    }

    /// The command ends, if it does.
    fn close(&mut self) {
        self.phase = Phase::Closing;
        if !self.ends {
            return;
        }
        if let Some(failure) = self.failure.take() {
            self.main.fail_with(failure);
        }
        let others = self.main.stack.len().saturating_sub(1);
        self.main.then(std::iter::once(Step::CloseExecution).chain(vec![Step::Close; others]).collect::<Vec<_>>());
    }

    /// Sends what is under way again, as the CLI does every 30 s.
    fn beat(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.beat_ns) >= HEARTBEAT_NS {
            self.beat_ns = now_ns;
            for open in std::iter::once(&self.main).chain(&self.lanes).flat_map(|lane| &lane.stack) {
                self.outbox.span(open, &Ending::Running);
            }
        }
    }
}

impl Iterator for Generated {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        while self.out.is_empty() && self.phase != Phase::Done {
            self.advance();
        }
        self.out.pop_front()
    }
}

/// The labels of the CLI's process.
const LABELS: &[(&str, &str)] = &[
    ("dagger.io/ci", "true"),
    ("dagger.io/ci.vendor", "GitHub"),
    ("dagger.io/client.arch", "amd64"),
    ("dagger.io/client.machine_id", "b2e452a5e7e5f6e708467c87d8018cc0424599aafa0600a6e3006828a057137d"),
    ("dagger.io/client.os", "linux"),
    ("dagger.io/client.version", CLI_VERSION),
    ("dagger.io/git.author.email", "robin@acme.example"),
    ("dagger.io/git.author.name", "Robin Acme"),
    ("dagger.io/git.branch", "main"),
    ("dagger.io/git.ref", "3f1c9ad2be07a4c9a51b74e1c0f6ce8de2a1b7c4"),
    ("dagger.io/git.remote", "github.com/acme/shop"),
    ("dagger.io/git.title", "checkout: add the tax before the total"),
    ("dagger.io/vcs.event.type", "push"),
    ("dagger.io/vcs.job.name", "check"),
    ("dagger.io/vcs.triggerer.login", "robin"),
    ("dagger.io/vcs.workflow.name", "ci"),
];

/// The name of the nth check.
fn check_name(nth: u64) -> String {
    const MODULES: [&str; 8] = ["go", "web", "docs", "api", "worker", "cli", "infra", "e2e"];
    const FUNCTIONS: [&str; 6] = ["lint", "test", "build", "format", "generate", "vulncheck"];
    let at = |number: u64, of: usize| usize::try_from(number % of as u64).unwrap_or(0);
    let (module, function) = (MODULES[at(nth, MODULES.len())], FUNCTIONS[at(nth / 8, FUNCTIONS.len())]);
    match nth / 48 {
        0 => format!("{module}:{function}"),
        more => format!("{module}:{function}-{more}"),
    }
}

/// What every run begins with; the command, its request and the group of its checks stay open.
fn opening() -> [Step; 1] {
    let client = |name: &str| Plan::new(Source::Cli, "dagger.io/engine.client", name);
    let core = |name: &str| {
        let digest = digest(&[name]);
        Plan::new(Source::Engine, "dagger.io/core", name).with([text("dagger.io/dag.digest", digest)])
    };
    let span = |plan: Plan, inside: Vec<Step>| {
        let steps = std::iter::once(Step::Wait(2 * MILLISECOND)).chain(inside).chain([Step::Wait(MILLISECOND), Step::Close]);
        Step::Open(Box::new(plan), steps.collect())
    };
    let stays = |plan: Plan, inside: Vec<Step>| Step::Open(Box::new(plan), inside);
    let rpc = || {
        let scope = "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc";
        let plan = Plan::new(Source::Cli, scope, "moby.buildkit.v1.Control/Info");
        let plan = plan.with([text("rpc.system", "grpc"), text("rpc.service", "moby.buildkit.v1.Control"), text("rpc.method", "Info")]);
        Step::Open(Box::new(plan), vec![Step::Wait(MILLISECOND), Step::CloseUnset])
    };
    let consume = |signal: &str| span(client(&format!("consuming /v1/{signal}")), vec![]);
    let request = || Plan::new(Source::Engine, "dagger.io/engine.server", "POST /query").with([truth("dagger.io/ui.passthrough")]);

    let encapsulate = || [truth("dagger.io/ui.encapsulate")];
    let connect = span(
        client("connect"),
        vec![
            span(client("starting engine"), vec![]),
            span(client("connecting to engine").with(encapsulate()), vec![span(client("creating client"), vec![rpc(), rpc()])]),
            span(client("starting session").with(encapsulate()), vec![]),
            span(
                client("subscribing to telemetry").with([truth("dagger.io/ui.encapsulated")]),
                vec![consume("traces"), consume("logs"), consume("metrics")],
            ),
        ],
    );
    let load = span(
        request(),
        vec![
            span(core("Query.currentWorkspace").with([truth("dagger.io/ui.passthrough")]), vec![]),
            span(core("Workspace.checks"), vec![span(core("Query.moduleSource").with([truth("dagger.io/ui.internal")]), vec![])]),
        ],
    );
    let group = execution("CheckGroup.run".to_owned(), &digest(&["CheckGroup.run"]));
    let run = stays(request(), vec![stays(core("CheckGroup.run"), vec![stays(group, vec![])])]);
    let checks = Plan::new(Source::Cli, "dagger.io/cli", "checks").with([truth("dagger.io/ui.passthrough")]);
    let connected = format!("10:00:00 INF connected name=engine-0 client-version={CLI_VERSION} server-version={CLI_VERSION}\n");
    let root = Plan::new(Source::Cli, "dagger.io/cli", "dagger check");
    [stays(root, vec![Step::Wait(MILLISECOND), connect, Step::Log(1, connected), stays(checks, vec![load, run])])]
}

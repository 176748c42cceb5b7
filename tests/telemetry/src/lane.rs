//! What happens one after the other: the spans of one check, or of the command itself.

use super::call::COMMANDS;
use super::outbox::Outbox;
use super::record::{Blame, Ending, Failure, Open, Plan, Source, boolean, hex, text, truth};

/// How deep calls call others.
const DEPTH: u8 = 5;
/// Spans that a failing check needs for its failure: the call, its execution, the command, a suite and a test.
pub(super) const FAILURE_SPANS: u64 = 5;
/// Spans that a check has whatever happens in it: the group's and its own.
pub(super) const CHECK_SPANS: u64 = 2;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;

/// Something that happens in a lane.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A span starts, and where there is room for it these steps come next; the last of them ends it, if it is to end.
    Open(Box<Plan>, Vec<Step>),
    /// The innermost span ends.
    Close,
    /// The innermost span ends without a status.
    CloseUnset,
    /// The innermost span, in which the call around it was executed, ends.
    CloseExecution,
    /// The innermost span, a check, ends.
    CloseCheck,
    /// Time goes by, nanoseconds.
    Wait(u64),
    /// A call that may call others, so deep.
    Call(u8),
    /// A call is executed: its name, its digest, how deep, whether it runs a command.
    Execute(String, String, u8, bool),
    /// A command runs.
    Command,
    /// A command runs and fails.
    FailingCommand,
    /// Calls until the lane's share of spans is used.
    Work,
    /// A write of the innermost span.
    Log(i64, String),
    /// The metrics of the innermost span are read for the nth time.
    Sample(u64),
    /// The call around the innermost two spans fails, and all around it.
    Fail(String),
}

/// A sequence of steps.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) now_ns: u64,
    /// The span around all of the lane.
    base: Option<[u8; 8]>,
    pub(super) stack: Vec<Open>,
    /// What comes, the next step last.
    steps: Vec<Step>,
    /// How many spans may still start.
    share: u64,
    /// How many of those are kept for the end.
    kept: u64,
    failure: Option<Failure>,
    is_origin_closed: bool,
}

impl Lane {
    pub(super) fn new(now_ns: u64, base: Option<[u8; 8]>) -> Self {
        Self { now_ns, base, stack: Vec::new(), steps: Vec::new(), share: u64::MAX, kept: 0, failure: None, is_origin_closed: false }
    }

    /// Whether nothing is left to happen.
    pub(super) fn is_done(&self) -> bool {
        self.steps.is_empty()
    }

    /// Adds steps to what comes next, in their order.
    pub(super) fn then(&mut self, steps: impl IntoIterator<Item = Step, IntoIter: DoubleEndedIterator>) {
        self.steps.extend(steps.into_iter().rev());
    }

    /// Begins a check with its share of spans.
    pub(super) fn begin_check(&mut self, outbox: &mut Outbox, name: &str, share: u64, fails: bool) {
        (self.share, self.kept) = (share, if fails { FAILURE_SPANS } else { 0 });
        let group = Plan::new(Source::Engine, "dagger.io/core", name);
        let check = Plan::new(Source::Engine, "dagger.io/core", name).with([
            truth("dagger.io/ui.rollup.logs"),
            truth("dagger.io/ui.rollup.spans"),
            text("dagger.io/check.name", name),
        ]);
        self.open(outbox, group);
        self.now_ns += 3 * MICROSECOND;
        self.open(outbox, check);
        let work = if fails { vec![Step::Work, Step::FailingCommand] } else { vec![Step::Work] };
        self.then(work.into_iter().chain([Step::CloseCheck, Step::Close]));
    }

    /// What went wrong since this was last asked.
    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.is_origin_closed = false;
        self.failure.take()
    }

    /// Lets everything around fail with an error that began elsewhere.
    pub(super) fn fail_with(&mut self, failure: Failure) {
        (self.failure, self.is_origin_closed) = (Some(failure), true);
    }

    /// Takes the next step.
    pub(super) fn advance(&mut self, outbox: &mut Outbox) {
        let Some(step) = self.steps.pop() else { return };
        match step {
            Step::Close => self.close(outbox),
            Step::CloseUnset => {
                if let Some(open) = self.stack.pop() {
                    outbox.span(&open, &Ending::Unset(self.now_ns));
                }
            }
            Step::CloseExecution => self.close_execution(outbox),
            Step::CloseCheck => {
                if let Some(check) = self.stack.last_mut() {
                    check.plan.ending.push(boolean("dagger.io/check.passed", self.failure.is_none()));
                }
                outbox.checked(self.failure.is_none());
                self.close(outbox);
            }
            // What failed is left as it is.
            _ if self.failure.is_some() => {}
            Step::Open(plan, inside) => {
                if self.open(outbox, *plan) {
                    self.then(inside);
                }
            }
            Step::Wait(duration_ns) => self.now_ns += duration_ns,
            Step::Call(depth) => self.call(outbox, depth),
            Step::Execute(name, digest, depth, is_command) => self.execute(outbox, name, &digest, depth, is_command),
            Step::Command => self.command(outbox),
            Step::FailingCommand => self.failing_command(outbox),
            Step::Work => {
                if self.share > self.kept {
                    self.then([Step::Call(DEPTH), Step::Work]);
                }
            }
            Step::Log(stream, body) => {
                if let Some(open) = self.stack.last() {
                    outbox.log(open, self.now_ns, stream, body);
                }
            }
            Step::Sample(nth) => {
                if let Some(open) = self.stack.last() {
                    outbox.sample(open.id, self.now_ns, nth);
                }
            }
            Step::Fail(message) => {
                let origin = self.stack.iter().rev().nth(2).or(self.stack.last());
                self.failure = origin.map(|origin| Failure { origin: origin.id, message });
            }
        }
    }

    /// Starts a span where there is room for it.
    fn open(&mut self, outbox: &mut Outbox, plan: Plan) -> bool {
        let parent = self.stack.last().map(|open| open.id).or(self.base);
        if self.share <= self.kept {
            return false;
        }
        self.share -= 1;
        let is_remote = self.stack.is_empty() && parent.is_some() && plan.source == Source::Cli;
        let open = Open { plan, id: outbox.random.span_id(), parent, is_remote, start_ns: self.now_ns, executed: None };
        outbox.started(&open);
        self.stack.push(open);
        true
    }

    fn close(&mut self, outbox: &mut Outbox) {
        let Some(open) = self.stack.pop() else { return };
        // Around each check there is a span of the same name that keeps the marker and has no link.
        let is_group = self.stack.is_empty() && open.plan.source == Source::Engine;
        // Requests succeed whatever they answer.
        let is_request = matches!(open.plan.name.as_str(), "POST /query" | "checks");
        match &self.failure {
            Some(failure) if !is_request => {
                let blame = match (self.is_origin_closed, is_group) {
                    (false, _) => Blame::Nobody,
                    (true, false) => Blame::Link,
                    (true, true) => Blame::Marker,
                };
                outbox.span(&open, &Ending::Failed(self.now_ns, failure, blame));
                self.is_origin_closed |= failure.origin == open.id;
            }
            _ => outbox.span(&open, &Ending::Ok(self.now_ns)),
        }
        self.now_ns += 2 * MICROSECOND;
    }

    fn close_execution(&mut self, outbox: &mut Outbox) {
        if let [.., call, execution] = self.stack.as_mut_slice() {
            call.executed = Some((execution.id, execution.start_ns, self.now_ns));
        }
        self.close(outbox);
    }

    fn call(&mut self, outbox: &mut Outbox, depth: u8) {
        let called = outbox.call();
        let name = called.plan.name.clone();
        if !self.open(outbox, called.plan) {
            return;
        }
        let pause = outbox.random.between(40 * MICROSECOND, 700 * MICROSECOND);
        if called.is_cached {
            self.then([Step::Wait(pause), Step::Close]);
        } else {
            let execute = Step::Execute(name, called.digest, depth, called.is_exec);
            self.then([Step::Wait(pause), execute, Step::Wait(8 * MICROSECOND), Step::Close]);
        }
    }

    fn execute(&mut self, outbox: &mut Outbox, name: String, digest: &str, depth: u8, is_command: bool) {
        if !self.open(outbox, execution(name, digest)) {
            return;
        }
        let calls = if depth == 0 { 0 } else { outbox.random.below(4) };
        let mut steps = Vec::new();
        for _ in 0..calls {
            steps.push(Step::Wait(outbox.random.between(20 * MICROSECOND, 2 * MILLISECOND)));
            steps.push(Step::Call(depth - 1));
        }
        if is_command && outbox.random.chance(12) {
            steps.push(Step::Command);
        }
        steps.push(Step::Wait(outbox.random.between(100 * MICROSECOND, 6 * MILLISECOND)));
        let publish = Plan::new(Source::Engine, "dagger.io/dagql", "dagql.publishResult").with([
            truth("dagger.io/ui.passthrough"),
            truth("dagger.io/ui.internal"),
            text("wcprof.op.kind", "internal"),
        ]);
        steps.push(Step::Open(Box::new(publish), vec![Step::Wait(12 * MICROSECOND), Step::Close]));
        steps.push(Step::CloseExecution);
        self.then(steps);
    }

    fn command(&mut self, outbox: &mut Outbox) {
        let args: &[&str] = outbox.random.pick::<&[&str]>(COMMANDS);
        if !self.open(outbox, command(args)) {
            return;
        }
        let mut steps = Vec::new();
        let writes = outbox.random.between(4, 40);
        for nth in 0..writes {
            steps.push(Step::Wait(outbox.random.between(MILLISECOND, 30 * MILLISECOND)));
            steps.push(Step::Log(if nth % 7 == 3 { 2 } else { 1 }, line(nth, writes)));
            if nth % 8 == 0 {
                steps.push(Step::Sample(nth));
            }
        }
        if outbox.random.chance(15) {
            steps.push(suite(outbox.random.between(1, 6), false));
        }
        steps.extend([Step::Log(1, String::new()), Step::Log(2, String::new()), Step::Close]);
        self.then(steps);
    }

    /// A command that fails, with exactly [`FAILURE_SPANS`] spans.
    fn failing_command(&mut self, outbox: &mut Outbox) {
        self.kept = 0;
        let called = outbox.failing_call();
        let args = COMMANDS[0];
        let execution = execution(called.plan.name.clone(), &called.digest);
        let mut run = Vec::new();
        for nth in 0..12 {
            run.extend([Step::Wait(9 * MILLISECOND), Step::Log(1, line(nth, 12))]);
        }
        run.extend([
            suite(1, true),
            Step::Log(2, "\u{1b}[31;1m--- FAIL: TestCheckout (0.42s)\u{1b}[0m\n    checkout_test.go:48: total = 41, want 42\n".to_owned()),
            Step::Log(2, "FAIL\tgithub.com/acme/shop/checkout\t0.431s\nFAIL\n".to_owned()),
            Step::Log(1, String::new()),
            Step::Log(2, String::new()),
            Step::Fail(format!("process {:?} did not complete successfully: exit code: 1", args.join(" "))),
            Step::Close,
        ]);
        let execute = vec![Step::Open(Box::new(command(args)), run), Step::CloseExecution];
        let call = vec![Step::Wait(50 * MICROSECOND), Step::Open(Box::new(execution), execute), Step::Close];
        self.then([Step::Open(Box::new(called.plan), call)]);
    }
}

/// The span in which a call is executed.
pub(super) fn execution(name: String, digest: &str) -> Plan {
    Plan::new(Source::Engine, "dagger.io/dagql", name).with([
        truth("dagger.io/ui.passthrough"),
        text("wcprof.op.kind", "call_exec"),
        text("dagger.io/dag.digest", digest),
    ])
}

fn command(args: &[&str]) -> Plan {
    let list: Vec<String> = args.iter().map(|arg| format!("{arg:?}")).collect();
    Plan::new(Source::Engine, "dagger.io/engine.buildkit", format!("exec {}", args.join(" "))).with([
        text("wcprof.op.kind", "exec"),
        text("wcprof.work_type", "user"),
        text("wcprof.exec.argv", format!("[{}]", list.join(","))),
    ])
}

/// A test suite as a module's own telemetry reports it.
fn suite(cases: u64, fails: bool) -> Step {
    const SCOPE: &str = "github.com/acme/shop/gotest";
    let verdict = |name, bad, good| text(name, if fails { bad } else { good });
    let suite = Plan::new(Source::Module, SCOPE, "github.com/acme/shop/checkout")
        .with([text("test.suite.name", "github.com/acme/shop/checkout")])
        .ending_with([verdict("test.suite.run.status", "failure", "success")]);
    let case =
        |nth: u64| {
            let name = if fails { "TestCheckout".to_owned() } else { format!("TestCart/{nth:02}") };
            let case = Plan::new(Source::Module, SCOPE, name.as_str())
                .with([text("test.case.name", name.as_str())])
                .ending_with([verdict("test.case.result.status", "fail", "pass")]);
            Step::Open(Box::new(case), vec![Step::Wait(4 * MILLISECOND), Step::CloseUnset])
        };
    Step::Open(Box::new(suite), (0..cases).map(case).chain([Step::CloseUnset]).collect())
}

/// A write of a command: coloured lines, several at once, parts of lines and lines that overwrite themselves.
fn line(nth: u64, of: u64) -> String {
    match nth % 6 {
        0 => format!("\u{1b}[32mok\u{1b}[0m  \tgithub.com/acme/shop/internal/cart{nth}\t0.{:03}s\n", nth * 37 % 1_000),
        1 => format!("\rdownloading modules \u{1b}[36m{:3}%\u{1b}[0m", nth * 100 / of.max(1)),
        2 => format!("go: downloading golang.org/x/sync v0.{nth}.0\ngo: downloading github.com/acme/money v1.{nth}.2\n"),
        3 => format!("\u{1b}[33mwarning\u{1b}[0m: cache {} is stale, fetching again\n", hex(&nth.to_be_bytes())),
        4 => "compiling ".to_owned(),
        _ => format!("shop/checkout ({nth}/{of})\r\n"),
    }
}

//! Runs checks side by side: a process each, output as it comes, SIGINT stops them all.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::Environment;
use crate::check::Check;
use crate::labels;
use crate::telemetry::{Running, Stream, Telemetry, flag, text};
use crate::terminal::{Terminal, View};

/// Most checks that run at a time.
const MAX_PARALLEL: usize = 8;

/// How long a stopped check may take before it is killed, and how long its output may stay open after its end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What to run, and where.
pub(crate) struct Plan {
    /// The selected checks.
    pub(crate) checks: Vec<Check>,
    /// The root of the repository, in which they run.
    pub(crate) root: PathBuf,
    /// Whether the first failure stops the others.
    pub(crate) is_failfast: bool,
    /// The command line, for the name of the trace.
    pub(crate) command_line: Vec<String>,
    /// The environment of the engine.
    pub(crate) environment: Environment,
}

/// What a check's process tells the loop that owns terminal and telemetry.
enum Event {
    Started,
    Output(Stream, Vec<u8>),
    Ended(Result<(), String>),
}

/// A check under way.
struct Job {
    view: View,
    began: Instant,
    span: Option<Running>,
    exec: Option<Running>,
}

/// Runs the checks of a plan and answers with the exit code: 0 when all passed, 1 when one did not, 2 when a signal came.
pub(crate) async fn run_checks(plan: Plan, terminal: &Terminal) -> u8 {
    let telemetry = Telemetry::start(&plan.environment, || labels::resource(&plan.root, &plan.command_line, &plan.environment)).await;
    let root_name = plan.environment.get("DAGGER_TRACE_NAME").cloned().unwrap_or_else(|| plan.command_line.join(" "));
    let root = telemetry.span(&root_name, None, Vec::new());
    let group = telemetry.span("checks", Some(&root), vec![flag("dagger.io/ui.passthrough", true)]);

    let (results, is_interrupted) = Box::pin(drive(&plan, terminal, &telemetry, &group)).await;

    terminal.summary(&results);
    let failed: Vec<&(String, Result<(), String>)> = results.iter().filter(|(_, result)| result.is_err()).collect();
    let verdict = match failed.as_slice() {
        _ if is_interrupted => Err("context canceled".to_owned()),
        [] => Ok(()),
        [(name, Err(message))] => Err(format!("{name}: {message}")),
        many => Err(format!("{} checks failed", many.len())),
    };
    telemetry.end(group, &verdict, Vec::new());
    telemetry.end(root, &verdict, Vec::new());
    telemetry.finish().await;
    match verdict {
        Ok(()) => 0,
        Err(_) if is_interrupted => {
            terminal.say("Canceled.");
            2
        }
        Err(message) => {
            terminal.error(&message);
            1
        }
    }
}

/// Starts all processes and follows them to their end; answers with the results and whether a signal came.
async fn drive(plan: &Plan, terminal: &Terminal, telemetry: &Telemetry, group: &Running) -> (Vec<(String, Result<(), String>)>, bool) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return (vec![("signals".to_owned(), Err("the process cannot receive signals".to_owned()))], false);
    };
    let (stop, stopped) = watch::channel(false);
    let (events, mut inbox) = mpsc::channel::<(usize, Event)>(256);
    let slots = Arc::new(Semaphore::new(MAX_PARALLEL));
    let mut tasks = JoinSet::new();
    let mut jobs: Vec<Option<Job>> = plan.checks.iter().map(|_| None).collect();
    let mut results: Vec<Option<Result<(), String>>> = plan.checks.iter().map(|_| None).collect();

    for (index, check) in plan.checks.iter().enumerate() {
        let execution = Execution {
            index,
            executable: check.executable.clone(),
            root: plan.root.clone(),
            environment: child_environment(&plan.environment),
            events: events.clone(),
            stopped: stopped.clone(),
        };
        let slots = Arc::clone(&slots);
        tasks.spawn(async move {
            let _slot = slots.acquire_owned().await;
            execution.run().await;
        });
    }
    drop(events);

    let mut is_interrupted = false;
    loop {
        let event = tokio::select! {
            event = inbox.recv() => event,
            _ = interrupt.recv(), if !*stop.borrow() => { is_interrupted = true; stop.send_replace(true); continue }
            _ = terminate.recv(), if !*stop.borrow() => { is_interrupted = true; stop.send_replace(true); continue }
        };
        let Some((index, event)) = event else { break };
        let Some(check) = plan.checks.get(index) else { continue };
        match event {
            Event::Started => jobs[index] = Some(Job::start(index, check, terminal, telemetry, group)),
            Event::Output(stream, bytes) => {
                if let Some(job) = &mut jobs[index] {
                    terminal.output(&mut job.view, job.began.elapsed(), &bytes);
                    if let Some(exec) = &job.exec {
                        telemetry.log(exec, stream, &bytes);
                    }
                }
            }
            Event::Ended(result) => {
                if let Some(job) = &mut jobs[index] {
                    job.end(terminal, telemetry, &result);
                }
                if result.is_err() && plan.is_failfast {
                    stop.send_replace(true);
                }
                results[index] = Some(result);
            }
        }
    }
    while tasks.join_next().await.is_some() {}
    // A signal to the whole group can end the checks before it is seen here.
    tokio::select! {
        biased;
        _ = interrupt.recv(), if !*stop.borrow() => is_interrupted = true,
        () = std::future::ready(()) => {}
    }
    let unfinished = || Err("not run".to_owned());
    let results = plan.checks.iter().zip(results).map(|(check, result)| (check.name.clone(), result.unwrap_or_else(unfinished)));
    (results.collect(), is_interrupted)
}

impl Job {
    fn start(index: usize, check: &Check, terminal: &Terminal, telemetry: &Telemetry, group: &Running) -> Self {
        let attributes = vec![
            text("dagger.io/check.name", &check.name),
            flag("dagger.io/ui.rollup.logs", true),
            flag("dagger.io/ui.rollup.spans", true),
        ];
        let span = telemetry.span(&check.name, Some(group), attributes);
        let exec = telemetry.span(&format!("exec {}", check.executable.display()), Some(&span), Vec::new());
        let view = View::new(index + 1, &check.name);
        terminal.started(&view);
        Self { view, began: Instant::now(), span: Some(span), exec: Some(exec) }
    }

    fn end(&mut self, terminal: &Terminal, telemetry: &Telemetry, result: &Result<(), String>) {
        terminal.ended(&mut self.view, self.began.elapsed(), result);
        if let Some(exec) = self.exec.take() {
            telemetry.end_of_stream(&exec);
            telemetry.end(exec, result, Vec::new());
        }
        if let Some(span) = self.span.take() {
            telemetry.end(span, result, vec![flag("dagger.io/check.passed", result.is_ok())]);
        }
    }
}

/// What the checks inherit: everything but the credential, as a check of the real engine sees nothing of the host.
fn child_environment(environment: &Environment) -> Environment {
    environment.iter().filter(|(name, _)| !name.starts_with("DAGGER_CLOUD_")).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// One process.
struct Execution {
    index: usize,
    executable: PathBuf,
    root: PathBuf,
    environment: Environment,
    events: mpsc::Sender<(usize, Event)>,
    stopped: watch::Receiver<bool>,
}

impl Execution {
    async fn run(mut self) {
        if *self.stopped.borrow() {
            self.tell(Event::Ended(Err("context canceled".to_owned()))).await;
            return;
        }
        self.tell(Event::Started).await;
        let result = self.execute().await;
        self.tell(Event::Ended(result)).await;
    }

    async fn tell(&self, event: Event) {
        // The loop reads until every sender is gone, so this fails only when the loop itself has ended.
        let _ = self.events.send((self.index, event)).await;
    }

    async fn execute(&mut self) -> Result<(), String> {
        let mut command = command(&self.executable, &self.root, &self.environment);
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", self.executable.display()))?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(forward(stdout, Stream::Stdout, self.index, self.events.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(forward(stderr, Stream::Stderr, self.index, self.events.clone()));
        }
        let stopped = async { self.stopped.wait_for(|stopped| *stopped).await.is_ok() };
        let ended = tokio::select! {
            status = child.wait() => Some(status),
            _ = stopped => None,
        };
        let status = match ended {
            Some(status) => status,
            None => {
                signal_tree(pid, Signal::TERM);
                if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                    signal_tree(pid, Signal::KILL);
                }
                child.wait().await
            }
        };
        // What the check left behind in the background may hold its output open for ever.
        let _ = tokio::time::timeout(PATIENCE, async { while readers.join_next().await.is_some() {} }).await;
        if *self.stopped.borrow() {
            return Err("context canceled".to_owned());
        }
        verdict(status.map_err(|error| error.to_string())?)
    }
}

fn command(executable: &Path, root: &Path, environment: &Environment) -> Command {
    let mut command = Command::new(executable);
    command.current_dir(root).env_clear().envs(environment);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    if !leads_its_group() {
        command.process_group(0);
    }
    command
}

/// Whether the whole process group is ours. Then checks stay in it, so that whoever kills the group kills them too.
fn leads_its_group() -> bool {
    rustix::process::getpgrp() == rustix::process::getpid()
}

/// Signals a check and what it started.
fn signal_tree(pid: Option<Pid>, signal: Signal) {
    let Some(pid) = pid else { return };
    // A process that is gone already is what was wanted.
    let _ = match (leads_its_group(), signal == Signal::KILL) {
        (true, true) => rustix::process::kill_process(pid, signal),
        (true, false) => rustix::process::kill_current_process_group(signal),
        (false, _) => rustix::process::kill_process_group(pid, signal),
    };
}

async fn forward(mut from: impl AsyncRead + Unpin, stream: Stream, index: usize, events: mpsc::Sender<(usize, Event)>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 || events.send((index, Event::Output(stream, buffer[..count].to_vec()))).await.is_err() {
            break;
        }
    }
}

fn verdict(status: ExitStatus) -> Result<(), String> {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("exit code: {code}")),
        (None, Some(signal)) => Err(format!("killed by signal {signal}")),
        (None, None) => Err("ended for an unknown reason".to_owned()),
    }
}

//! Drives a process: its own process group, output bounded, stopped by SIGINT, SIGTERM, SIGKILL in this order.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::stop::{Stop, Stops};
use crate::tail::Tail;

/// How much of the output is kept, and how.
#[derive(Debug)]
pub(crate) enum Keep {
    /// The end of both outputs in their exact order, of this size in bytes.
    Merged(usize),
    /// The end of the standard error and the beginning of the standard output.
    Split {
        /// Size of the end, in bytes.
        tail: usize,
        /// Size of the standard output, in bytes.
        stdout: usize,
    },
    /// The end of the standard error; the standard output goes to a file.
    Redirected {
        /// Size of the end, in bytes.
        tail: usize,
        /// Where the standard output goes.
        stdout: std::fs::File,
    },
}

/// How long a process may take to end after a signal, before the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After SIGINT.
    pub(crate) interrupt: Duration,
    /// After SIGTERM.
    pub(crate) terminate: Duration,
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// Because it was stopped.
    Stopped(Stop),
}

/// What is left of a process.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) ended: Ended,
    /// The end of its output.
    pub(crate) tail: Tail,
    /// The beginning of its standard output, when that was asked for.
    pub(crate) stdout: Vec<u8>,
    /// Whether `stdout` is not all of it.
    pub(crate) is_stdout_cut: bool,
}

/// The exit code as a shell counts it: 128 + number for a signal.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// Starts a command and follows it to its end. What remains of its process group afterwards is killed.
///
/// `patience` says how long each stage may take for a reason to stop; [`Stop::Gone`] kills at once.
pub(crate) async fn drive(
    mut command: Command,
    stdin: Stdio,
    keep: Keep,
    stops: &mut Stops,
    patience: impl Fn(Stop) -> Patience,
    drain: Duration,
) -> io::Result<Finished> {
    command.stdin(stdin).process_group(0).kill_on_drop(true);
    let (tail_size, stdout_size) = match &keep {
        Keep::Merged(tail) | Keep::Redirected { tail, .. } => (*tail, 0),
        Keep::Split { tail, stdout } => (*tail, *stdout),
    };
    let (mut child, mut first, mut second) = spawn(&mut command, keep)?;
    // The command holds the writing end of the pipe; while it lives there is no end of file.
    drop(command);
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let mut finished = Finished { ended: Ended::Stopped(Stop::Gone), tail: Tail::new(tail_size), stdout: Vec::new(), is_stdout_cut: false };
    let mut stage = Stage::Running;
    let mut status: Option<ExitStatus> = None;
    let mut drained_at: Option<Instant> = None;
    let (mut one, mut other) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);

    while status.is_none() || first.is_some() || second.is_some() {
        let known = stage.reason();
        tokio::select! {
            count = read(&mut first, &mut one) => {
                let room = stdout_size.saturating_sub(finished.stdout.len());
                if stdout_size == 0 {
                    finished.tail.push(&one[..count]);
                }
                finished.is_stdout_cut |= stdout_size > 0 && count > room;
                finished.stdout.extend_from_slice(&one[..count.min(room)]);
            }
            count = read(&mut second, &mut other) => finished.tail.push(&other[..count]),
            ended = child.wait(), if status.is_none() => {
                status = Some(ended?);
                group.finish();
                drained_at = Some(Instant::now() + drain);
            }
            stop = stops.other_than(known), if status.is_none() => stage = stage.stop(stop, patience(stop), &group),
            () = until(stage.deadline()), if status.is_none() => stage = stage.press(&group),
            () = until(drained_at) => break,
        }
    }
    finished.ended = match (stage.reason(), status) {
        (None, Some(status)) => Ended::Exited(status),
        (Some(stop), _) => Ended::Stopped(stop),
        (None, None) => Ended::Stopped(Stop::Gone),
    };
    Ok(finished)
}

type Output = Box<dyn AsyncRead + Send + Unpin>;

fn spawn(command: &mut Command, keep: Keep) -> io::Result<(Child, Option<Output>, Option<Output>)> {
    match keep {
        Keep::Merged(_) => {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
            Ok((command.spawn()?, Some(Box::new(reader)), None))
        }
        Keep::Redirected { stdout, .. } => {
            let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn()?;
            let stderr = child.stderr.take().map(|stderr| Box::new(stderr) as Output);
            Ok((child, None, stderr))
        }
        Keep::Split { .. } => {
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            let stdout = child.stdout.take().map(|stdout| Box::new(stdout) as Output);
            let stderr = child.stderr.take().map(|stderr| Box::new(stderr) as Output);
            Ok((child, stdout, stderr))
        }
    }
}

/// Reads once; an output that has ended is taken away, and none is waited for.
async fn read(output: &mut Option<Output>, buffer: &mut [u8]) -> usize {
    let Some(open) = output else { return std::future::pending().await };
    let count = open.read(buffer).await.unwrap_or(0);
    if count == 0 {
        *output = None;
    }
    count
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.0 {
            // A group that is gone already is what was wanted.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Kills what is left, once: its number may soon be another group's.
    fn finish(&mut self) {
        self.signal(Signal::KILL);
        self.0 = None;
    }
}

/// Kills what is left when the work is dropped in the middle.
impl Drop for Group {
    fn drop(&mut self) {
        self.finish();
    }
}

/// How far the stopping of a process has come.
#[derive(Clone, Copy)]
enum Stage {
    Running,
    Interrupted { stop: Stop, until: Instant, then: Duration },
    Terminated { stop: Stop, until: Instant },
    Killed { stop: Stop },
}

impl Stage {
    fn reason(self) -> Option<Stop> {
        match self {
            Self::Running => None,
            Self::Interrupted { stop, .. } | Self::Terminated { stop, .. } | Self::Killed { stop } => Some(stop),
        }
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Running | Self::Killed { .. } => None,
            Self::Interrupted { until, .. } | Self::Terminated { until, .. } => Some(until),
        }
    }

    /// Begins to stop, or goes on with a stronger reason and less patience.
    fn stop(self, stop: Stop, patience: Patience, group: &Group) -> Self {
        if stop == Stop::Gone {
            group.signal(Signal::KILL);
            return Self::Killed { stop };
        }
        let now = Instant::now();
        match self {
            Self::Running => {
                group.signal(Signal::INT);
                Self::Interrupted { stop, until: now + patience.interrupt, then: patience.terminate }
            }
            Self::Interrupted { until, .. } => {
                Self::Interrupted { stop, until: until.min(now + patience.interrupt), then: patience.terminate }
            }
            Self::Terminated { until, .. } => Self::Terminated { stop, until: until.min(now + patience.terminate) },
            Self::Killed { .. } => Self::Killed { stop },
        }
    }

    /// The process did not react in time.
    fn press(self, group: &Group) -> Self {
        match self {
            Self::Interrupted { stop, then, .. } => {
                group.signal(Signal::TERM);
                Self::Terminated { stop, until: Instant::now() + then }
            }
            Self::Terminated { stop, .. } => {
                group.signal(Signal::KILL);
                Self::Killed { stop }
            }
            Self::Running | Self::Killed { .. } => self,
        }
    }
}

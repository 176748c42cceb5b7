//! What the kernel says of a process.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// Processor time of all its threads, to the nanosecond: the first field of
/// [schedstat](https://docs.kernel.org/scheduler/sched-stats.html). Threads that have ended are not in it.
pub(crate) async fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    // The kernel adds up when a thread stops running: the request that it waits for the answer of may just have been sent.
    while is_running(pid)? {
        tokio::task::yield_now().await;
    }
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        total += text.split_whitespace().next().context("no schedstat")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

/// Memory that it has in use, in bytes.
pub(crate) fn rss_of(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

/// Whether its main thread is on a processor, or waits for one.
fn is_running(pid: u32) -> anyhow::Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("no process name")?;
    Ok(fields.starts_with('R'))
}

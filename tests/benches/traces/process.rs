//! What the kernel says of this process.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// Processor time of all its threads, ended ones too; in hundredths of a second
/// ([proc_pid_stat](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html), `utime` and `stime`).
pub(crate) fn cpu() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("no process name")?;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = || anyhow::Ok(fields.next().context("no times")?.parse::<u64>()?);
    Ok(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// Most memory that it has had in use since [`forget_peak`], in megabytes.
pub(crate) fn peak() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// Begins to measure the peak anew, where the kernel lets us
/// ([proc_pid_clear_refs](https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html)).
pub(crate) fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

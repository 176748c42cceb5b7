//! Keeps the agent's memory, environment and open files from the processes that it starts.

/// Makes this process unreadable for others of the same user (`/proc/<pid>/environ`, `mem`, `fd`, ptrace).
///
/// See <https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html>. Does not keep root out: as root use `--run-as`.
#[cfg(target_os = "linux")]
pub(crate) fn forbid_inspection() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Other systems restrict inspection by themselves, or not at all.
#[cfg(not(target_os = "linux"))]
pub(crate) fn forbid_inspection() -> std::io::Result<()> {
    Ok(())
}

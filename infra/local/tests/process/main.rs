//! The `quillon` binary as a process: the demo, and an instance that is killed and comes back.

#[cfg(test)]
mod instance;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::instance::{Instance, QUILLON, repository};

    #[test]
    fn the_demo_ends_with_green_and_red_statuses() {
        let output = Command::new(QUILLON).args(["demo", "--once", "--listen", "127.0.0.1:0"]).output().expect("the demo");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        for line in ["✓ quillon/hello/lint ", "✕ quillon/hello/spelling ", "✕ quillon ", "1 failed, 3 succeeded"] {
            assert!(text.contains(line), "`{line}` is missing in\n{text}");
        }
    }

    #[test]
    fn what_was_pushed_before_a_kill_is_finished_after_it() {
        let directory = TempDir::new().expect("a directory");
        let repository = repository(directory.path());
        // Nobody can run the check yet: it is stored, and that is all.
        let first = Instance::start(directory.path(), 0);
        let pushed = first.quillon(&["push", repository.to_str().expect("a path"), "--no-wait"]);
        assert!(pushed.contains("pushed "), "{pushed}");
        first.kill();
        let second = Instance::start(directory.path(), 1);
        let checks = second.quillon(&["push", repository.to_str().expect("a path")]);
        assert!(checks.contains("✓ module module:lint"), "{checks}");
    }

    #[test]
    fn a_token_is_printed_alone() {
        let directory = TempDir::new().expect("a directory");
        let instance = Instance::start(directory.path(), 0);
        let token = instance.quillon(&["admin", "token", "create", "--org", "acme"]);
        assert!(token.starts_with("dag_acme_") && token.trim_end().lines().count() == 1, "{token}");
        let queues = instance.quillon(&["dlq", "list"]);
        assert_eq!(queues.lines().count(), 4, "events, dispatch, seal and status have a dead-letter queue each: {queues}");
    }

    #[test]
    fn bad_settings_are_reported_together() {
        let directory = TempDir::new().expect("a directory");
        let output = Command::new(QUILLON)
            .args(["up", "--listen", "127.0.0.1:0", "--data"])
            .arg(directory.path().join("data"))
            .env("QUILLON_GITHUB_APP_ID", "seven")
            .output()
            .expect("up");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        for name in ["QUILLON_GITHUB_APP_ID", "QUILLON_GITHUB_APP_PRIVATE_KEY", "QUILLON_GITHUB_WEBHOOK_SECRET", "QUILLON_PUBLIC_URL"] {
            assert!(text.contains(name), "`{name}` is missing in {text}");
        }
    }
}

//! The `quillon` binary as a process: the demo, and an instance that is killed and comes back.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod login;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::{Value, json};
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
    fn an_instance_elsewhere_is_operated_with_its_key() {
        let directory = TempDir::new().expect("a directory");
        let instance = Instance::start(directory.path(), 0);
        let (url, key) = (instance.url(), instance.contact("operator_key"));
        let run = |arguments: &[&str], key: &str| {
            let output = instance.beside_nothing(arguments, key);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
        };
        let enrolled = run(&["admin", "--server", &url, "agent", "enrol"], &key).expect("a token");
        assert_eq!(enrolled.trim().lines().count(), 1, "{enrolled}");
        let made = run(&["admin", "org", "create", "beta", "--server", &url], &key).expect("an org");
        assert!(made.contains("\"beta\""), "{made}");
        let link = run(&["admin", "sign-in", "--server", &url], &key).expect("a link");
        assert_eq!(link.trim(), format!("{url}/operator/sign-in?key={key}"));
        for (arguments, key, words) in [
            (vec!["admin", "org", "list", "--server", url.as_str()], "", "`QUILLON_OPERATOR_KEY` is not set"),
            (vec!["admin", "org", "list", "--server", url.as_str()], "0123", "has another operator's key"),
            (vec!["admin", "org", "list", "--server", "file:///etc"], "0123", "is not the address of a server"),
            (vec!["admin", "org", "list"], key.as_str(), "no `quillon up` runs"),
        ] {
            let error = run(&arguments, key).expect_err("a refusal");
            assert!(error.contains(words), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn the_operator_keeps_orgs() {
        let directory = TempDir::new().expect("a directory");
        let instance = Instance::start(directory.path(), 0);
        let json = |arguments: &[&str]| -> Value { serde_json::from_str(&instance.quillon(arguments)).expect("JSON") };
        let made = json(&["admin", "org", "create", "beta"]);
        let renamed = json(&["admin", "org", "rename", "beta", "gamma"]);
        assert_eq!((&renamed["id"], &renamed["name"]), (&made["id"], &json!("gamma")));
        assert!(json(&["admin", "org", "delete", "gamma"])["deletion"]["due_at"].is_string());
        assert_eq!(json(&["admin", "org", "restore", "gamma"]).get("deletion"), None);
        assert_eq!(json(&["admin", "org", "concurrency", "gamma", "3"])["concurrency"], 3);
        let repository = repository(directory.path());
        instance.quillon(&["push", repository.to_str().expect("a path"), "--as", "acme/module", "--no-wait"]);
        let installation = &json(&["admin", "installation", "list"])[0];
        assert_eq!(installation["login"], "acme");
        assert_eq!(json(&["admin", "member", "list", "--org", "gamma"]), json!([]));
        let stranger = "usr_00000000000000000000000000";
        for (arguments, words) in [
            (vec!["admin", "org", "create", "GAMMA"], "is taken"),
            (vec!["admin", "member", "add", "--org", "gamma", stranger], "there is no such"),
            (vec!["admin", "member", "remove", "--org", "gamma", stranger], "there is no such"),
            (vec!["admin", "installation", "claim", "7", "--org", "gamma"], "no installation `7`"),
        ] {
            let error = instance.refused(&arguments);
            assert!(error.contains(words), "{arguments:?}: {error}");
        }
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

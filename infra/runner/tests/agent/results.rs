//! What an agent reports.

use quillon_core::attempt::Report;
use quillon_core::module::Manifest;
use quillon_core::protocol::MAX_OUTPUT;

use crate::fixture::{Fixture, merged_with};

#[tokio::test]
async fn a_load_lists_the_checks_and_says_what_the_module_is() {
    let fixture = Fixture::new().await;
    let head = fixture.push_check("true");
    let lease = fixture.offer(fixture.job(&head, "load"));
    let agent = fixture.agent();
    let result = fixture.server.result(lease).await;
    let Report::Listed { checks } = result.report else { panic!("{:?}", result.report) };
    assert_eq!(checks.len(), 1);
    assert_eq!((checks[0].name.as_str(), checks[0].description.as_deref()), ("hello:one", Some("Does one.")));
    let module = result.module.expect("a module");
    assert_eq!((module.name.as_str(), module.engine_version.as_deref(), module.sdk.as_deref()), ("hello", Some("v0.21.8"), Some("dang")));
    assert!(result.output.contains("loading in src"), "{}", result.output);
    assert_eq!(result.integration, None);
    agent.stop().await;
}

#[tokio::test]
async fn the_exit_code_decides_and_the_output_is_in_order() {
    let fixture = Fixture::new().await;
    let head = fixture.push(
        "main",
        &[
            ("dagger.json", r#"{"name":"hello"}"#),
            ("checks/passes", "echo one; echo two >&2; echo three"),
            ("checks/fails", "echo broken >&2; exit 3"),
            ("checks/dies", "kill -9 $$"),
            ("checks/talks", "i=0; while [ $i -lt 3000 ]; do echo 'a line of forty characters or a bit more'; i=$((i+1)); done; echo end"),
        ],
    );
    let offer = |name: &str| fixture.offer(fixture.job(&head, &format!("check:hello:{name}")));
    let (passes, fails, dies, talks) = (offer("passes"), offer("fails"), offer("dies"), offer("talks"));
    let agent = fixture.agent();
    let result = fixture.server.result(passes).await;
    assert_eq!((result.report, result.output.as_str(), result.is_output_cut), (Report::Passed, "one\ntwo\nthree\n", false));
    let result = fixture.server.result(fails).await;
    assert_eq!((result.report, result.output.as_str()), (Report::Failed { exit_code: 3 }, "broken\n"));
    assert_eq!(fixture.server.result(dies).await.report, Report::Failed { exit_code: 137 });
    let result = fixture.server.result(talks).await;
    assert!(result.is_output_cut && result.output.len() <= MAX_OUTPUT && result.output.ends_with("end\n"));
    agent.stop().await;
}

#[tokio::test]
async fn loads_that_fail_are_told_apart_from_lists_that_cannot_be_read() {
    let fixture = Fixture::new().await;
    let broken = fixture.push("main", &[("dagger.json", "{}"), ("broken", "")]);
    let strange = fixture.push("strange", &[("strange", "")]);
    let fine_but_strange = {
        std::fs::remove_file(fixture.path().join("clone/broken")).expect("remove");
        fixture.push("strange", &[])
    };
    assert_ne!(strange, fine_but_strange);
    let failing = fixture.offer(fixture.job(&broken, "load"));
    let unreadable = fixture.offer(fixture.job(&fine_but_strange, "load"));
    let agent = fixture.agent();
    let result = fixture.server.result(failing).await;
    assert_eq!(result.report, Report::Failed { exit_code: 7 });
    assert!(result.output.contains("Error: the module is broken") && result.module.is_none());
    let Report::Errored { message } = fixture.server.result(unreadable).await.report else { panic!("not an error") };
    assert!(message.contains("`something strange`"), "{message}");
    agent.stop().await;
}

#[tokio::test]
async fn head_and_base_are_merged_into_the_same_commit_every_time() {
    let fixture = Fixture::new().await;
    fixture.push("main", &[("dagger.json", r#"{"name":"hello"}"#), ("checks/one", "cat base head && git log -1 --format=%an:%s")]);
    let head = fixture.push("feature", &[("head", "from head\n")]);
    let base = fixture.push("main", &[("base", "from base\n")]);
    let job = || merged_with(fixture.job(&head, "check:hello:one"), &base, "refs/heads/feature");
    let (first, second) = (fixture.offer(job()), fixture.offer(job()));
    let agent = fixture.agent();
    let result = fixture.server.result(first).await;
    assert_eq!(result.report, Report::Passed, "{}", result.output);
    assert_eq!(result.output, format!("from base\nfrom head\nQuillon:Merge {head} into main\n"));
    assert!(result.integration.is_some());
    assert_eq!(fixture.server.result(second).await.integration, result.integration);
    agent.stop().await;

    // Another machine, with nothing of the first one's cache.
    std::fs::remove_dir_all(fixture.path().join("work")).expect("remove");
    let third = fixture.offer(job());
    let agent = fixture.agent();
    assert_eq!(fixture.server.result(third).await.integration, result.integration);
    agent.stop().await;
}

#[tokio::test]
async fn a_conflict_is_a_result_of_its_own_and_runs_nothing() {
    let fixture = Fixture::new().await;
    fixture.push("main", &[("dagger.json", "{}"), ("file", "one\n"), ("checks/one", "echo ran")]);
    let head = fixture.push("feature", &[("file", "two\n")]);
    let base = fixture.push("main", &[("file", "three\n")]);
    let lease = fixture.offer(merged_with(fixture.job(&head, "load"), &base, "refs/heads/feature"));
    let agent = fixture.agent();
    let result = fixture.server.result(lease).await;
    assert_eq!(result.report, Report::Conflict { base: "main".parse().expect("name") });
    assert_eq!((result.output.as_str(), result.integration), ("", None));
    agent.stop().await;
}

#[tokio::test]
async fn modules_below_the_root_run_in_their_directory_and_links_do_not_lead_out() {
    let fixture = Fixture::new().await;
    let clone = fixture.path().join("clone");
    std::os::unix::fs::symlink("/etc", clone.join("outside")).expect("symlink");
    let head = fixture.push("main", &[("ci/dagger-module.toml", "name = \"ci\""), ("ci/checks/one", "basename \"$(pwd)\"")]);
    let mut job = fixture.job(&head, "check:hello:one");
    job.module = "ci".parse().expect("path");
    job.manifest = Manifest::ModuleToml;
    let inside = fixture.offer(job.clone());
    job.module = "outside".parse().expect("path");
    let outside = fixture.offer(job.clone());
    job.module = "nowhere".parse().expect("path");
    let nowhere = fixture.offer(job);
    let agent = fixture.agent();
    assert_eq!(fixture.server.result(inside).await.output, "ci\n");
    for (lease, part) in [(outside, "out of the repository"), (nowhere, "No such file")] {
        let Report::Errored { message } = fixture.server.result(lease).await.report else { panic!("not an error") };
        assert!(message.contains(part), "{message}");
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_commit_that_is_gone_is_an_error_that_says_so() {
    let fixture = Fixture::new().await;
    let head = fixture.push_check("true");
    let gone = "0123456789abcdef0123456789abcdef01234567".parse().expect("sha");
    let mut job = fixture.job(&gone, "load");
    let forced_away = fixture.offer(job.clone());
    job.head_ref = "refs/heads/deleted".to_owned();
    let deleted = fixture.offer(job);
    let after = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = fixture.agent();
    for lease in [forced_away, deleted] {
        let Report::Errored { message } = fixture.server.result(lease).await.report else { panic!("not an error") };
        assert_eq!(message, "commit 0123456 is no longer in the repository");
    }
    assert_eq!(fixture.server.result(after).await.report, Report::Passed);
    agent.stop().await;
}

#[tokio::test]
async fn a_damaged_mirror_is_fetched_anew() {
    let fixture = Fixture::new().await;
    let head = fixture.push_check("echo fine");
    let first = fixture.offer(fixture.job(&head, "check:hello:one"));
    let mut config = fixture.config();
    config.jobs = 1;
    let agent = crate::fixture::Agent::start(config);
    fixture.server.result(first).await;
    agent.stop().await;
    let mirror = std::fs::read_dir(fixture.path().join("work/mirrors")).expect("mirrors").next().expect("one").expect("entry").path();
    for pack in std::fs::read_dir(mirror.join("objects/pack")).expect("packs").flatten() {
        if pack.path().extension().is_some_and(|extension| extension == "pack") {
            std::fs::remove_file(pack.path()).expect("remove");
            std::fs::write(pack.path(), b"PACK").expect("write");
        }
    }
    let second = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = fixture.agent();
    let result = fixture.server.result(second).await;
    assert_eq!((result.report, result.output.as_str()), (Report::Passed, "fine\n"));
    agent.stop().await;
}

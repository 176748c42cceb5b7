//! What the code of a commit can see of the agent, and what the agent leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use quillon_core::attempt::Report;
use quillon_core::trust::Trust;

use crate::fixture::Fixture;
use crate::server::{AGENT_TOKEN, ENROLMENT, GIT_PASSWORD, TELEMETRY_TOKEN, basic, job_token};

/// Prints everything that a process can find out about itself and about the one that started it.
const LOOK_AROUND: &str = r#"
echo "== env"; env
echo "== self"; tr '\0' '\n' </proc/self/environ
echo "== parent"; tr '\0' '\n' 2>&1 </proc/$PPID/environ || echo "parent: denied"
echo "== memory"; head -c 1 /proc/$PPID/mem 2>&1 || echo "memory: denied"
echo "== files"; ls -l /proc/$PPID/fd 2>&1 || echo "files: denied"
echo "== command line"; tr '\0' ' ' </proc/$PPID/cmdline
echo "== repository"; cat .git/config; git log --format='%H' | wc -l
echo "== home"; ls -A "$HOME"; pwd
echo "== done"
"#;

#[tokio::test]
async fn a_check_sees_nothing_of_the_agents_credentials() {
    let fixture = Fixture::new().await;
    fixture.takes_telemetry.set(true);
    let head = fixture.push("main", &[("dagger.json", "{}"), ("checks/one", LOOK_AROUND)]);
    let log = fixture.path().join("git.log");
    let real = Command::new("sh").args(["-c", "command -v git"]).output().expect("sh");
    let real = String::from_utf8_lossy(&real.stdout).trim().to_owned();
    fixture.program("git", &format!("#!/bin/sh\necho \"$@\" >>'{}'\nexec {real} \"$@\"\n", log.display()));
    fs::write(&log, "").expect("write");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).expect("chmod");
    let token_file = fixture.path().join("token");
    fs::write(&token_file, ENROLMENT).expect("write");
    fs::set_permissions(&token_file, fs::Permissions::from_mode(0o600)).expect("chmod");
    let lease = fixture.offer(fixture.job(&head, "check:hello:one"));

    let mut command = Command::new(env!("CARGO_BIN_EXE_quillon-agent"));
    command.args(["--server", &fixture.server.address, "--jobs", "1", "--enrol-token-file"]).arg(&token_file);
    command.arg("--work-dir").arg(fixture.path().join("work")).args(["--identity"]).arg(fixture.path().join("identity.json"));
    if rustix::process::geteuid().is_root() {
        // What root runs as itself can read everything; that is what `--run-as` is for.
        command.args(["--run-as", "nobody"]);
    }
    command.env_clear().envs(fixture.environment()).stdin(Stdio::null()).stderr(Stdio::null());
    let mut agent = command.spawn().expect("agent");
    let result = fixture.server.result(lease).await;
    rustix::process::kill_process(rustix::process::Pid::from_child(&agent), rustix::process::Signal::TERM).expect("signal");
    assert!(agent.wait().expect("ends").success());

    assert_eq!(result.report, Report::Passed, "{}", result.output);
    let secrets = [ENROLMENT, AGENT_TOKEN, GIT_PASSWORD, &basic(GIT_PASSWORD), &job_token(lease), TELEMETRY_TOKEN, "owner-secret-3"];
    for secret in secrets {
        assert!(!result.output.contains(secret), "{secret} in {}", result.output);
    }
    for part in [
        "parent: denied",
        "memory: denied",
        "files: denied",
        "CI=true",
        "TRACEPARENT=00-",
        "DAGGER_CLOUD_URL=http://127.0.0.1:",
        "DO_NOT_TRACK=1",
        "== done",
    ] {
        assert!(result.output.contains(part), "{part} not in {}", result.output);
    }
    let arguments = fs::read_to_string(&log).expect("log");
    assert!(arguments.contains("fetch"), "{arguments}");
    for secret in [GIT_PASSWORD, &basic(GIT_PASSWORD)] {
        assert!(!arguments.contains(secret), "{arguments}");
        assert_eq!(files_with(&fixture.path().join("work"), secret), Vec::<String>::new());
    }
}

/// All files below a directory that contain a text.
fn files_with(directory: &Path, text: &str) -> Vec<String> {
    let output = Command::new("grep").args(["-rlaF", text]).arg(directory).output().expect("grep");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn code_of_forks_is_refused_before_anything_is_fetched() {
    let fixture = Fixture::new().await;
    let head = fixture.push_check("echo ran");
    let mut job = fixture.job(&head, "check:hello:one");
    job.trust = Trust::Fork;
    let refused = fixture.offer(job.clone());
    let agent = fixture.agent();
    let result = fixture.server.result(refused).await;
    let Report::Errored { message } = result.report else { panic!("{:?}", result.report) };
    assert!(message.contains("--run-forks") && result.output.is_empty(), "{message}");
    fixture.server.with(|model| assert_eq!(model.git_requests, 0));
    agent.stop().await;

    let mut config = fixture.config();
    config.runs_forks = true;
    let allowed = fixture.offer(job);
    let agent = crate::fixture::Agent::start(config);
    assert_eq!(fixture.server.result(allowed).await.report, Report::Passed);
    agent.stop().await;
}

#[tokio::test]
async fn hooks_and_settings_of_a_repository_start_nothing() {
    let fixture = Fixture::new().await;
    let witness = fixture.path().join("witness");
    let attack = format!("#!/bin/sh\ntouch '{}'\n", witness.display());
    let head = fixture.push(
        "main",
        &[
            ("dagger.json", "{}"),
            (".gitattributes", "* filter=evil diff=evil merge=evil\n"),
            (".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% witness\n"),
            ("hooks/post-checkout", &attack),
            (".env", "TOKEN=cmd:true\n"),
            ("checks/one", "cat ../.env; ls -A ..; git status --short"),
        ],
    );
    let lease = fixture.offer(fixture.job(&head, "check:hello:one"));
    let agent = fixture.agent();
    let result = fixture.server.result(lease).await;
    assert_eq!(
        (result.report, result.output.as_str()),
        (Report::Passed, ".env\nhome\nsrc\ntmp\n"),
        "an empty `.env` ends the search upwards"
    );
    assert!(!witness.exists());
    agent.stop().await;
}

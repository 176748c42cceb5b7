//! The engine as a process: the command line, the exit codes and the telemetry that the agent and the server rely on.
#![expect(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

struct Repository(tempfile::TempDir);

impl Repository {
    /// A repository with one module `hello` and these checks.
    fn with_checks(checks: &[(&str, &str)]) -> Self {
        let repository = Self(tempfile::tempdir().expect("temporary directory"));
        fs::create_dir(repository.path().join(".git")).expect("mkdir");
        fs::create_dir_all(repository.path().join("ci/checks")).expect("mkdir");
        fs::write(repository.path().join("dagger.json"), r#"{"name":"hello","source":"ci"}"#).expect("write");
        for (name, script) in checks {
            let file = repository.path().join("ci/checks").join(name);
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("write");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quillon-demo-engine"));
        command.args(args).current_dir(self.path()).env_remove("DAGGER_CLOUD_URL").env_remove("DAGGER_PROGRESS");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("engine runs")
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn lists_checks_with_their_descriptions() {
    let repository = Repository::with_checks(&[("lint.sh", "# Checks the style."), ("unitTests", "true")]);
    let output = repository.run(&["check", "-l", "--progress=plain"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "hello:lint   # Checks the style.\nhello:unit-tests\n");
    assert_eq!(stdout(&repository.run(&["check", "-l", "unit-tests", "-m", "."])), "hello:unit-tests\n");
}

#[test]
fn the_exit_code_of_a_check_decides_and_it_runs_in_the_root() {
    let repository = Repository::with_checks(&[("passes", "echo out; echo err >&2; test -f dagger.json"), ("fails", "exit 3")]);
    let passed = repository.run(&["check", "hello:passes", "--progress=plain"]);
    assert_eq!(passed.status.code(), Some(0), "{}", stderr(&passed));
    for part in ["hello:passes", "| out", "| err", "hello:passes DONE"] {
        assert!(stderr(&passed).contains(part), "{part} in {}", stderr(&passed));
    }
    let failed = repository.run(&["check", "fails", "--progress=plain"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("Error: hello:fails: exit code: 3"), "{}", stderr(&failed));
    assert_eq!(repository.run(&["check"]).status.code(), Some(1), "one failure fails the whole");
    assert_eq!(repository.run(&["check", "--skip", "fails"]).status.code(), Some(0));
}

#[test]
fn patterns_without_a_match_and_broken_modules_end_with_one() {
    let repository = Repository::with_checks(&[("lint", "true")]);
    let output = repository.run(&["check", "nope"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(1), "Error: no checks matched pattern \"nope\"\n".to_owned()));
    fs::write(repository.path().join("dagger.json"), "{").expect("write");
    let output = repository.run(&["check", "-l"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("Error: loading modules: "), "{}", stderr(&output));
    assert_eq!(repository.run(&["check", "--nonsense"]).status.code(), Some(1));
}

#[test]
fn the_version_is_of_the_form_that_agents_read() {
    let output = Repository::with_checks(&[]).run(&["version"]);
    assert!(stdout(&output).starts_with("version:     v1.0.0-demo"), "{}", stdout(&output));
}

/// Waits until the check has said that it runs, by reading the engine's progress.
fn read_until(stream: &mut impl std::io::Read, wanted: &str) -> String {
    let mut seen = String::new();
    let mut byte = [0];
    while !seen.contains(wanted) && stream.read(&mut byte).expect("readable") == 1 {
        seen.push(char::from(byte[0]));
    }
    seen
}

#[test]
fn sigint_stops_the_check_and_everything_it_started() {
    for leads_group in [true, false] {
        // Only the check's descendants hold the other end of the FIFO: its end of file proves that all of them are gone.
        let repository = Repository::with_checks(&[("slow", "exec 9>life; (sleep 600 9>&9) & echo ready; sleep 600")]);
        let life = repository.path().join("life");
        assert!(Command::new("mkfifo").arg(&life).status().expect("mkfifo").success());
        let mut command = repository.command(&["check", "slow", "--progress=plain"]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        if leads_group {
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        let mut engine = command.spawn().expect("engine runs");
        let mut held = fs::File::open(&life).expect("the check opened it");
        let mut progress = engine.stderr.take().expect("piped");
        assert!(read_until(&mut progress, "ready").contains("ready"));
        let pid = rustix::process::Pid::from_child(&engine);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signal");
        assert_eq!(engine.wait().expect("ends").code(), Some(2));
        let mut rest = String::new();
        progress.read_to_string(&mut rest).expect("utf-8");
        assert!(rest.contains("Canceled."), "{rest}");
        held.read_to_end(&mut Vec::new()).expect("nobody holds it any more");
    }
}

type Received = Arc<Mutex<Vec<(String, String, Vec<u8>)>>>;

async fn collect(State(received): State<Received>, uri: Uri, headers: HeaderMap, body: Bytes) {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    received.lock().expect("lock").push((uri.path().to_owned(), authorization, body.to_vec()));
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

#[tokio::test]
async fn telemetry_is_live_and_hangs_under_the_given_parent() {
    let received = Received::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let app = axum::Router::new().fallback(collect).with_state(Arc::clone(&received));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let repository = Repository::with_checks(&[("lint", "echo hello from lint; test -z \"$DAGGER_CLOUD_TOKEN\"; exit 4")]);
    let mut command = repository.command(&["check", "hello:lint"]);
    command.env("DAGGER_CLOUD_URL", format!("http://{address}")).env("DAGGER_CLOUD_TOKEN", "dag_acme_x");
    command.env("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output().expect("engine runs")).await.expect("joined");
    assert_eq!(output.status.code(), Some(1));
    server.abort();

    let (mut spans, mut logs, mut resources): (Vec<Span>, Vec<_>, Vec<_>) = Default::default();
    for (path, authorization, body) in received.lock().expect("lock").iter() {
        assert_eq!(authorization, "Basic ZGFnX2FjbWVfeDo=");
        match path.as_str() {
            "/v1/traces" => {
                for resource_spans in ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP").resource_spans {
                    resources.push(resource_spans.resource.expect("resource").attributes);
                    spans.extend(resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans));
                }
            }
            "/v1/logs" => {
                let request = ExportLogsServiceRequest::decode(body.as_slice()).expect("OTLP");
                logs.extend(request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs).flat_map(|scope| scope.log_records));
            }
            other => panic!("unknown path {other}"),
        }
    }
    let finished = |name: &str| spans.iter().find(|span| span.name == name && span.end_time_unix_nano > 0).expect(name);
    let root = finished("dagger check hello:lint");
    assert_eq!(root.parent_span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    let group = finished("checks");
    assert_eq!(value(&group.attributes, "dagger.io/ui.passthrough"), Some(&Value::BoolValue(true)));
    let check = finished("hello:lint");
    assert_eq!((&check.parent_span_id, &group.parent_span_id), (&group.span_id, &root.span_id));
    assert_eq!(value(&check.attributes, "dagger.io/check.passed"), Some(&Value::BoolValue(false)));
    assert_eq!(check.status.as_ref().map(|status| status.message.as_str()), Some("exit code: 4"));
    let live = spans.iter().find(|span| span.span_id == check.span_id && span.end_time_unix_nano == 0).expect("sent at its start");
    assert_eq!(value(&live.attributes, "dagger.io/check.passed"), None);
    let exec = spans.iter().find(|span| span.parent_span_id == check.span_id).expect("exec span");
    let said = logs.iter().filter(|log| log.span_id == exec.span_id).filter_map(|log| log.body.as_ref()?.value.clone());
    assert!(said.into_iter().any(|body| body == Value::StringValue("hello from lint\n".to_owned())));
    assert!(spans.iter().all(|span| span.trace_id == check.trace_id && span.trace_id[0] == 0x0a));
    assert!(resources.iter().all(|resource| value(resource, "service.name") == Some(&Value::StringValue("dagger-cli".to_owned()))));
}

#[test]
fn a_server_that_refuses_telemetry_fails_no_check() {
    let repository = Repository::with_checks(&[("lint", "true")]);
    let mut command = repository.command(&["check"]);
    command.env("DAGGER_CLOUD_URL", "http://127.0.0.1:1").env("DAGGER_CLOUD_TOKEN", "dag_acme_x");
    assert_eq!(command.output().expect("engine runs").status.code(), Some(0));
}

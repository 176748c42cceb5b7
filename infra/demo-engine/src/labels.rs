//! The resource of a run's telemetry: who runs, and on which commit, as far as the checkout tells.

use std::path::Path;
use std::process::Stdio;

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use tokio::process::Command;

use crate::Environment;
use crate::telemetry::{attribute, text};

/// The attributes of the resource, all texts but the command line.
pub(crate) async fn resource(root: &Path, command_line: &[String], environment: &Environment) -> Vec<KeyValue> {
    let is_ci =
        ["CI", "BUILD_NUMBER", "RUN_ID", "TF_BUILD"].iter().any(|name| environment.get(*name).is_some_and(|value| !value.is_empty()));
    let words = command_line.iter().map(|word| AnyValue { value: Some(Value::StringValue(word.clone())) }).collect();
    let mut attributes = vec![
        text("service.name", "dagger-cli"),
        text("service.version", concat!("v1.0.0-demo.", env!("CARGO_PKG_VERSION"))),
        text("os.type", std::env::consts::OS),
        text("dagger.io/client.os", std::env::consts::OS),
        text("dagger.io/client.arch", std::env::consts::ARCH),
        text("dagger.io/client.version", concat!("v1.0.0-demo.", env!("CARGO_PKG_VERSION"))),
        text("dagger.io/ci", if is_ci { "true" } else { "false" }),
        attribute("process.command_args", Value::ArrayValue(ArrayValue { values: words })),
    ];
    attributes.extend(git_labels(root).await);
    let own = environment.get("OTEL_RESOURCE_ATTRIBUTES").map(String::as_str).unwrap_or_default();
    attributes.extend(own.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, value)| text(key.trim(), value.trim())));
    attributes
}

/// The labels `dagger.io/git.*` of a checkout; those that git cannot tell are left out.
async fn git_labels(root: &Path) -> Vec<KeyValue> {
    let Some(commit) = git(root, &["log", "-1", "--format=%H%x00%an%x00%ae%x00%cn%x00%ce%x00%s"]).await else { return Vec::new() };
    let keys = ["ref", "author.name", "author.email", "committer.name", "committer.email", "title"];
    let mut labels: Vec<KeyValue> = keys.iter().zip(commit.split('\0')).map(|(key, value)| label(key, value)).collect();
    let queries: [(&str, &[&str]); 3] = [
        ("remote", &["config", "--get", "remote.origin.url"]),
        ("branch", &["symbolic-ref", "--short", "-q", "HEAD"]),
        ("tag", &["tag", "--points-at", "HEAD"]),
    ];
    for (key, args) in queries {
        let answer = git(root, args).await;
        if let Some(line) = answer.as_deref().and_then(|answer| answer.lines().next()).filter(|line| !line.is_empty()) {
            labels.push(if key == "remote" { label(key, &plain_remote(line)) } else { label(key, line) });
        }
    }
    labels
}

fn label(key: &str, value: &str) -> KeyValue {
    text(&format!("dagger.io/git.{key}"), value)
}

async fn git(root: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(args).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// A remote's address without scheme, user, port and `.git`: `host/owner/name`.
fn plain_remote(url: &str) -> String {
    let (address, is_url) = url.split_once("://").map_or((url, false), |(_, rest)| (rest, true));
    let (authority, path) = if is_url { address.split_once('/') } else { address.split_once(':') }.unwrap_or((address, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host);
    format!("{host}/{}", path.trim_start_matches('/').trim_end_matches('/').trim_end_matches(".git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_host_and_path() {
        for (url, plain) in [
            ("https://github.com/acme/api.git", "github.com/acme/api"),
            ("https://user:pass@github.com/acme/api", "github.com/acme/api"),
            ("http://127.0.0.1:8800/acme/api.git", "127.0.0.1/acme/api"),
            ("git@github.com:acme/api.git", "github.com/acme/api"),
            ("ssh://git@host:22/acme/api/", "host/acme/api"),
        ] {
            assert_eq!(plain_remote(url), plain);
        }
    }
}

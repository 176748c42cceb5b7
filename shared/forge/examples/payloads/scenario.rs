//! One story that makes GitHub send each of its webhooks, with a clock that stands still between steps.

use std::{
    collections::BTreeMap,
    error::Error,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::Timestamp;
use quillon_forge::{AccountKind, Delivery, FileChange, Forge, ForgeConfig, NewPull, Person, Selection};

/// Where the files are, seen from this package.
pub(crate) const FOLDER: &str = "../../events/github";

/// 2026-01-05T08:00:00Z.
const START: i64 = 1_767_600_000;

/// Name of the file without its ending → pretty-printed body.
pub(crate) async fn payloads(root: &Path) -> Result<BTreeMap<&'static str, String>, Box<dyn Error>> {
    let clock = Arc::new(AtomicI64::new(START));
    let read = clock.clone();
    let mut config = ForgeConfig::new(
        root.to_owned(),
        "https://github.example".parse()?,
        "https://quillon.example/github/webhook".parse()?,
        "the webhook secret of the examples",
        Arc::new(move || Timestamp::from_second(read.load(Ordering::Relaxed)).unwrap_or(Timestamp::UNIX_EPOCH)),
    );
    config.delivery = Delivery::Held;
    let forge = Forge::open(config).await?;
    let mut story = Story { forge: forge.clone(), clock, bodies: BTreeMap::new() };
    let mona = Person::new("Mona Lisa", "mona@users.noreply.github.com");

    let acme = forge.create_account("acme", AccountKind::Organization)?;
    let umbrella = forge.create_account("umbrella", AccountKind::Organization)?;
    let mona_account = forge.create_account("mona", AccountKind::User)?;
    let hubot = forge.create_account("hubot", AccountKind::User)?;
    let forge = forge.acting_as(mona_account.id);
    story.forge = forge.clone();
    let hello = forge.create_repository(acme.id, "hello", false).await?.id;

    forge.ping()?;
    story.take("ping")?;
    let installation = forge.install(acme.id, Selection::Selected(vec![hello]))?.id;
    story.take("installation-created")?;
    forge.install(umbrella.id, Selection::All)?;
    let other = forge.create_repository(acme.id, "other", true).await?.id;
    forge.add_repositories(installation, &[other])?;
    story.take("installation_repositories-added")?;
    forge.remove_repositories(installation, &[other])?;
    story.take("installation_repositories-removed")?;
    forge.suspend(installation)?;
    story.take("installation-suspend")?;
    forge.unsuspend(installation)?;
    story.take("installation-unsuspend")?;

    let module = [
        FileChange::write("README.md", "# hello\n"),
        FileChange::write("dagger.json", "{\"name\": \"hello\", \"engineVersion\": \"v0.21.0\"}\n"),
        FileChange::script("checks/lint", "#!/bin/sh\nexit 0\n"),
    ];
    let first = forge.commit_and_push(hello, "main", &module, "Start the module", &mona).await?;
    story.step();
    let second =
        forge.commit(hello, "main", &[FileChange::write("README.md", "# Hello\n")], "Capitalize the title\n\nIt is a name.", &mona).await?;
    forge.push(hello, "main", &second).await?;
    story.take("push-branch")?;
    forge.push_tag(hello, "v1.0.0", &second).await?;
    story.take("push-tag")?;
    forge.push(hello, "topic", &second).await?;
    story.step();
    let rewritten = forge.commit_on(hello, Some(&first), &[FileChange::write("a.txt", "a\n")], "Begin again", &mona).await?;
    forge.force_push(hello, "topic", &rewritten).await?;
    story.take("push-forced")?;
    forge.delete_branch(hello, "topic").await?;
    story.take("push-branch-deleted")?;

    let change = forge.commit(hello, "main", &[FileChange::write("feature.txt", "one\n")], "Add a feature", &mona).await?;
    forge.push(hello, "feature", &change).await?;
    let pull = forge.open_pull(NewPull::new(hello, "feature", "main", "Add a feature").draft()).await?.number;
    story.take("pull_request-opened")?;
    forge.ready_for_review(hello, pull)?;
    story.take("pull_request-ready_for_review")?;
    forge.commit_and_push(hello, "feature", &[FileChange::write("feature.txt", "two\n")], "Improve the feature", &mona).await?;
    story.take("pull_request-synchronize")?;
    forge.push(hello, "release", &second).await?;
    forge.edit_base(hello, pull, "release").await?;
    story.take("pull_request-edited")?;
    forge.close(hello, pull)?;
    story.take("pull_request-closed")?;
    forge.reopen(hello, pull).await?;
    story.take("pull_request-reopened")?;
    forge.merge_group(hello, "main", &[pull]).await?;
    story.take("merge_group-checks_requested")?;

    let stranger = forge.acting_as(hubot.id);
    let fork = stranger.fork(hello, hubot.id).await?.id;
    stranger
        .commit_and_push(fork, "fix", &[FileChange::write("fix.txt", "fixed\n")], "Fix it", &Person::new("Hubot", "hubot@example.com"))
        .await?;
    stranger.open_pull(NewPull::new(hello, "fix", "main", "Fix it").from_fork(fork)).await?;
    story.take("pull_request-opened-fork")?;

    forge.rename(hello, "hello-world")?;
    story.take("repository-renamed")?;
    forge.set_private(hello, true)?;
    story.take("repository-privatized")?;
    forge.set_private(hello, false)?;
    story.take("repository-publicized")?;
    forge.archive(hello)?;
    story.take("repository-archived")?;
    forge.unarchive(hello)?;
    forge.transfer(hello, umbrella.id)?;
    story.take("repository-transferred")?;
    forge.delete_repository(hello).await?;
    story.take("repository-deleted")?;
    forge.uninstall(installation)?;
    story.take("installation-deleted")?;
    Ok(story.bodies)
}

struct Story {
    forge: Forge,
    clock: Arc<AtomicI64>,
    bodies: BTreeMap<&'static str, String>,
}

impl Story {
    fn step(&self) {
        self.clock.fetch_add(60, Ordering::Relaxed);
    }

    /// Keeps the newest webhook, which must be of the event and action that the name says.
    fn take(&mut self, name: &'static str) -> Result<(), Box<dyn Error>> {
        self.step();
        let record = self.forge.deliveries()?.pop().ok_or("nothing was sent")?;
        let mut said = vec![record.event];
        said.extend(record.action);
        if !name.starts_with(&said.join("-")) {
            return Err(format!("expected {name}, but {} was sent", said.join("-")).into());
        }
        let body: serde_json::Value = serde_json::from_slice(&self.forge.delivery_body(record.id)?)?;
        self.bodies.insert(name, format!("{}\n", serde_json::to_string_pretty(&body)?));
        Ok(())
    }
}

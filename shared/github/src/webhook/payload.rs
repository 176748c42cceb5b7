//! The few fields of GitHub's payloads that a hint is made of.
//!
//! Own narrow structs on purpose: a field that we do not need may be missing, null or new. What is needed and missing is
//! structural damage and refused; a name that we cannot use (an absurd ref) is passed over with the reason.
//! The payloads: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>.

use std::fmt;
use std::marker::PhantomData;

use quillon_core::hint::{Hint, RepositoryChange, Subject};
use quillon_core::id::{CommitSha, InstallationId, PullNumber, RepositoryId};
use quillon_core::name::{BranchName, Ref};
use quillon_core::text::shorten;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};

use super::{Parsed, Rejection, Verified};

/// Branches of GitHub's merge queue: their pushes say nothing that `merge_group` does not say better.
const QUEUE_BRANCHES: &str = "gh-readonly-queue/";

/// Longest login that a hint carries, in characters; GitHub's are shorter.
const MAX_LOGIN: usize = 100;

/// `edited` whatever was edited: whether the base was is only in the body, which a list of deliveries does not have.
const PULL_ACTIONS: [&str; 6] = ["opened", "synchronize", "reopened", "ready_for_review", "edited", "closed"];
const INSTALLATION_ACTIONS: [&str; 5] = ["created", "deleted", "suspend", "unsuspend", "new_permissions_accepted"];
const INSTALLATION_REPOSITORIES_ACTIONS: [&str; 2] = ["added", "removed"];

/// Whether a delivery of this event and action can lead to a hint, as far as that can be said without its body.
#[must_use]
pub fn is_wanted(event: &str, action: Option<&str>) -> bool {
    let action = action.unwrap_or_default();
    match event {
        "push" => true,
        "pull_request" => PULL_ACTIONS.contains(&action),
        "merge_group" => matches!(action, "checks_requested" | "destroyed"),
        "repository" => change_of(action).is_some(),
        "installation" => INSTALLATION_ACTIONS.contains(&action),
        "installation_repositories" => INSTALLATION_REPOSITORIES_ACTIONS.contains(&action),
        _ => false,
    }
}

/// Reads what a genuine delivery means.
///
/// # Errors
/// [`Rejection::BadBody`] when the body is not JSON, or lacks something that GitHub documents as always there.
pub fn parse(delivery: &Verified<'_>) -> Result<Parsed, Rejection> {
    let envelope: Envelope = read(delivery)?;
    let read = match delivery.event {
        "push" => push(&read(delivery)?),
        "pull_request" => pull_request(&read(delivery)?),
        "merge_group" => merge_group(&read(delivery)?),
        "repository" => repository(&read(delivery)?),
        "installation" => installation(delivery, &read(delivery)?, &INSTALLATION_ACTIONS),
        "installation_repositories" => installation(delivery, &read(delivery)?, &INSTALLATION_REPOSITORIES_ACTIONS),
        "ping" => Err(Passed("a ping changes nothing".to_owned())),
        other => Err(Passed(format!("the event `{other}` changes nothing here"))),
    };
    Ok(match (read, envelope.installation) {
        (Err(Passed(reason)), _) => Parsed::Ignored { reason },
        (Ok(_), None) => Parsed::Ignored { reason: "no installation in the payload: sent by a webhook that is not the App's".to_owned() },
        (Ok(subject), Some(installation)) => Parsed::Hint(Hint {
            delivery: delivery.delivery.clone(),
            event: delivery.event.to_owned(),
            sender: envelope.sender.and_then(|sender| sender.0.login).map(|login| shorten(&login, MAX_LOGIN)),
            installation: InstallationId(installation.0.id),
            subject,
        }),
    })
}

/// Why a delivery is passed over.
struct Passed(String);

impl Passed {
    fn action(event: &str, action: &str) -> Self {
        Self(format!("the action `{}` of `{event}` changes nothing here", shorten(action, 60)))
    }
}

fn push(push: &Push) -> Result<Subject, Passed> {
    let is_known = push.reference.starts_with("refs/heads/") || push.reference.starts_with("refs/tags/");
    if !is_known {
        return Err(Passed(format!("`{}` is neither a branch nor a tag", shorten(&push.reference, 100))));
    }
    let reference: Ref = push.reference.parse().map_err(|error| Passed(format!("the ref cannot be checked: {error}")))?;
    match &reference {
        Ref::Branch(branch) if branch.as_str().starts_with(QUEUE_BRANCHES) => {
            Err(Passed("branches of the merge queue are checked when `merge_group` asks for it".to_owned()))
        }
        Ref::Branch(_) | Ref::Tag(_) | Ref::Pull(_) => Ok(Subject::Ref { repository: push.repository.0.id(), reference }),
    }
}

fn pull_request(pull: &PullRequest) -> Result<Subject, Passed> {
    let subject = Subject::Pull { repository: pull.repository.0.id(), number: PullNumber(pull.number) };
    match pull.action.as_str() {
        action if PULL_ACTIONS.contains(&action) => Ok(subject),
        other => Err(Passed::action("pull_request", other)),
    }
}

fn merge_group(event: &MergeGroup) -> Result<Subject, Passed> {
    let repository = event.repository.0.id();
    let head_sha = event.merge_group.0.head_sha.clone();
    let branch = |text: &str| match text.parse() {
        Ok(Ref::Branch(name)) => Ok(name),
        Ok(Ref::Tag(_) | Ref::Pull(_)) | Err(_) => Err(Passed(format!("`{}` is not a branch that can be checked", shorten(text, 100)))),
    };
    match event.action.as_str() {
        "checks_requested" => {
            let base: BranchName = branch(&event.merge_group.0.base_ref)?;
            let head: BranchName = branch(&event.merge_group.0.head_ref)?;
            Ok(Subject::MergeGroup { repository, head_sha, base, head })
        }
        "destroyed" => Ok(Subject::MergeGroupGone { repository, head_sha }),
        other => Err(Passed::action("merge_group", other)),
    }
}

fn repository(event: &RepositoryEvent) -> Result<Subject, Passed> {
    let change = change_of(&event.action).ok_or_else(|| Passed::action("repository", &event.action))?;
    Ok(Subject::Repository { repository: event.repository.0.id(), change })
}

fn change_of(action: &str) -> Option<RepositoryChange> {
    match action {
        "renamed" => Some(RepositoryChange::Renamed),
        "transferred" => Some(RepositoryChange::Transferred),
        "privatized" => Some(RepositoryChange::Privatized),
        "publicized" => Some(RepositoryChange::Publicized),
        "archived" => Some(RepositoryChange::Archived),
        "unarchived" => Some(RepositoryChange::Unarchived),
        "deleted" => Some(RepositoryChange::Deleted),
        "edited" => Some(RepositoryChange::Edited),
        _ => None,
    }
}

fn installation(delivery: &Verified<'_>, event: &InstallationEvent, wanted: &[&str]) -> Result<Subject, Passed> {
    if wanted.contains(&event.action.as_str()) { Ok(Subject::Installation) } else { Err(Passed::action(delivery.event, &event.action)) }
}

fn read<T: DeserializeOwned>(delivery: &Verified<'_>) -> Result<T, Rejection> {
    let refused = |detail: String| Rejection::BadBody { event: delivery.event.to_owned(), detail: shorten(&detail, 200) };
    if delivery.body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        let advice = "it does not begin with `{`; set the content type of the webhook to `application/json`";
        return Err(refused(advice.to_owned()));
    }
    serde_json::from_slice(delivery.body).map(|Object(payload)| payload).map_err(|error| refused(error.to_string()))
}

/// A JSON object. A struct alone would be read out of an array too, field by field.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// What every payload may have.
#[derive(Deserialize)]
struct Envelope {
    installation: Option<Object<Numbered>>,
    sender: Option<Object<Sender>>,
}

#[derive(Deserialize)]
struct Sender {
    login: Option<String>,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

impl Numbered {
    fn id(&self) -> RepositoryId {
        RepositoryId(self.id)
    }
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    repository: Object<Numbered>,
}

#[derive(Deserialize)]
struct PullRequest {
    action: String,
    number: u64,
    repository: Object<Numbered>,
}

#[derive(Deserialize)]
struct MergeGroup {
    action: String,
    merge_group: Object<MergeGroupHead>,
    repository: Object<Numbered>,
}

#[derive(Deserialize)]
struct MergeGroupHead {
    head_sha: CommitSha,
    head_ref: String,
    base_ref: String,
}

#[derive(Deserialize)]
struct RepositoryEvent {
    action: String,
    repository: Object<Numbered>,
}

#[derive(Deserialize)]
struct InstallationEvent {
    action: String,
}

#[cfg(test)]
mod tests;

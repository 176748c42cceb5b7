//! What each event and action means, as a table; and that no body can do harm.

use proptest::prelude::*;
use quillon_core::hint::Subject;
use serde_json::{Value, json};

use super::*;
use crate::webhook::signature;

const SECRET: &str = "s3cret";
const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

/// Signs and parses; the secret and the headers are right.
fn parse_bytes(event: &str, body: &[u8]) -> Result<Parsed, Rejection> {
    let mut headers = http::HeaderMap::new();
    for (name, value) in [
        ("x-github-event", event),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-hub-signature-256", &signature(SECRET, body)),
    ] {
        headers.insert(http::HeaderName::from_static(name), value.parse().expect("a header value"));
    }
    parse(&super::super::verify(&[SECRET], &headers, body).expect("genuine"))
}

/// `base` under an installation and in a repository, with a sender.
fn payload(base: &Value) -> Value {
    let mut whole = json!({ "installation": { "id": 7, "node_id": "x" }, "repository": { "id": 42, "private": true }, "sender": { "login": "ada", "id": 1 } });
    for (key, value) in base.as_object().expect("an object") {
        whole[key] = value.clone();
    }
    whole
}

/// What a payload means, in one line: the subject, or `ignored: <reason>`, or `refused: <detail>`.
fn meaning(event: &str, base: &Value) -> String {
    meaning_of(event, payload(base).to_string().as_bytes())
}

fn meaning_of(event: &str, body: &[u8]) -> String {
    match parse_bytes(event, body) {
        Ok(Parsed::Hint(hint)) => match hint.subject {
            Subject::Ref { repository, reference } => format!("{repository} {reference}"),
            Subject::Pull { repository, number } => format!("{repository} pull {number}"),
            Subject::MergeGroup { repository, head_sha, base, head } => format!("{repository} group {} {base} {head}", head_sha.short()),
            Subject::MergeGroupGone { repository, head_sha } => format!("{repository} group gone {}", head_sha.short()),
            Subject::Repository { repository, change } => format!("{repository} {change:?}"),
            Subject::Installation => "installation".to_owned(),
        },
        Ok(Parsed::Ignored { reason }) => format!("ignored: {reason}"),
        Err(rejection) => format!("refused: {rejection}"),
    }
}

#[test]
fn a_hint_carries_the_keys_and_nothing_else() {
    let body = payload(&json!({ "ref": "refs/heads/main", "after": SHA, "commits": [{ "message": "secret plan" }] })).to_string();
    let Ok(Parsed::Hint(hint)) = parse_bytes("push", body.as_bytes()) else { panic!("a hint") };
    assert_eq!(
        serde_json::to_value(&hint).expect("serializes"),
        json!({
            "delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "event": "push", "sender": "ada", "installation": 7,
            "subject": { "type": "ref", "repository": 42, "ref": "refs/heads/main" },
        })
    );
}

#[test]
fn pushes() {
    let push = |name: &str| meaning("push", &json!({ "ref": name, "before": SHA, "after": SHA, "forced": true }));
    assert_eq!(push("refs/heads/feature/x"), "42 refs/heads/feature/x");
    assert_eq!(push("refs/tags/v1.0"), "42 refs/tags/v1.0");
    assert_eq!(meaning("push", &json!({ "ref": "refs/heads/gone", "deleted": true, "after": "0".repeat(40) })), "42 refs/heads/gone");
    assert_eq!(meaning("push", &json!({ "ref": "refs/heads/new", "created": true, "before": "0".repeat(40) })), "42 refs/heads/new");
    for (name, reason) in [
        ("refs/notes/commits", "`refs/notes/commits` is neither a branch nor a tag"),
        ("main", "`main` is neither a branch nor a tag"),
        ("refs/pull/3/head", "`refs/pull/3/head` is neither a branch nor a tag"),
        ("refs/heads/gh-readonly-queue/main/pr-1-abc", "branches of the merge queue are checked when `merge_group` asks for it"),
    ] {
        assert_eq!(push(name), format!("ignored: {reason}"));
    }
}

#[test]
fn refs_that_we_cannot_name_are_passed_over_and_not_echoed_whole() {
    for name in ["refs/heads/", "refs/heads/-x", "refs/heads/a\nb", &format!("refs/heads/{}", "x".repeat(5_000))] {
        let meaning = meaning("push", &json!({ "ref": name }));
        assert!(meaning.starts_with("ignored: the ref cannot be checked: ") && meaning.len() < 300, "{meaning}");
    }
}

#[test]
fn pull_requests() {
    let pull = |action: &str| meaning("pull_request", &json!({ "action": action, "number": 3, "pull_request": { "head": null } }));
    for action in ["opened", "synchronize", "reopened", "ready_for_review", "edited", "closed"] {
        assert_eq!(pull(action), "42 pull 3", "{action}");
    }
    for action in ["labeled", "converted_to_draft", "assigned", "a new one"] {
        assert_eq!(pull(action), format!("ignored: the action `{action}` of `pull_request` changes nothing here"));
    }
}

#[test]
fn merge_groups() {
    let group = |action: &str, base: &str, head: &str| {
        meaning(
            "merge_group",
            &json!({ "action": action, "merge_group": { "head_sha": SHA, "head_ref": head, "base_ref": base, "base_sha": SHA } }),
        )
    };
    let head = "refs/heads/gh-readonly-queue/main/pr-1-abc";
    assert_eq!(group("checks_requested", "refs/heads/main", head), "42 group 0123456 main gh-readonly-queue/main/pr-1-abc");
    assert_eq!(group("destroyed", "refs/heads/main", head), "42 group gone 0123456");
    assert_eq!(group("checks_requested", "main", head), "ignored: `main` is not a branch that can be checked");
    assert_eq!(group("renamed", "refs/heads/main", head), "ignored: the action `renamed` of `merge_group` changes nothing here");
    let without_sha =
        meaning("merge_group", &json!({ "action": "destroyed", "merge_group": { "head_sha": "HEAD", "head_ref": "", "base_ref": "" } }));
    assert!(
        without_sha.starts_with("refused: the body is not a `merge_group` payload in JSON: `HEAD` is not a commit SHA"),
        "{without_sha}"
    );
}

#[test]
fn repositories_and_installations() {
    for (action, change) in [
        ("renamed", "Renamed"),
        ("transferred", "Transferred"),
        ("privatized", "Privatized"),
        ("publicized", "Publicized"),
        ("archived", "Archived"),
        ("unarchived", "Unarchived"),
        ("deleted", "Deleted"),
        ("edited", "Edited"),
    ] {
        assert_eq!(meaning("repository", &json!({ "action": action })), format!("42 {change}"));
    }
    assert_eq!(
        meaning("repository", &json!({ "action": "created" })),
        "ignored: the action `created` of `repository` changes nothing here"
    );
    for action in ["created", "deleted", "suspend", "unsuspend", "new_permissions_accepted"] {
        assert_eq!(meaning("installation", &json!({ "action": action })), "installation");
    }
    for action in ["added", "removed"] {
        assert_eq!(meaning("installation_repositories", &json!({ "action": action })), "installation");
        assert!(meaning("installation", &json!({ "action": action })).starts_with("ignored: "));
    }
}

#[test]
fn everything_else_is_ignored_with_its_reason() {
    assert_eq!(meaning("ping", &json!({ "zen": "x", "hook": {} })), "ignored: a ping changes nothing");
    assert_eq!(meaning("star", &json!({ "action": "created" })), "ignored: the event `star` changes nothing here");
    assert_eq!(meaning("projects_v2_item", &json!({})), "ignored: the event `projects_v2_item` changes nothing here");
    let body = json!({ "ref": "refs/heads/main", "repository": { "id": 1 } }).to_string();
    let Ok(Parsed::Ignored { reason }) = parse_bytes("push", body.as_bytes()) else { panic!("ignored") };
    assert_eq!(reason, "no installation in the payload: sent by a webhook that is not the App's");
}

#[test]
fn damaged_bodies_are_refused_with_what_is_wrong() {
    for (event, body, detail) in [
        ("push", "", "it does not begin with `{`"),
        ("push", "payload=%7B%7D", "set the content type of the webhook to `application/json`"),
        ("push", "[]", "it does not begin with `{`"),
        ("push", "null", "it does not begin with `{`"),
        ("star", "{", "EOF while parsing"),
        ("ping", "{} {}", "trailing characters"),
        ("push", "{}", "missing field `ref`"),
        ("push", r#"{"ref":"refs/heads/main"}"#, "missing field `repository`"),
        ("push", r#"{"ref":7,"repository":{"id":1}}"#, "expected a string"),
        ("push", r#"{"ref":"refs/heads/main","repository":{"id":-1}}"#, "invalid value"),
        ("push", r#"{"ref":"refs/heads/main","repository":[1]}"#, "invalid type: sequence, expected an object"),
        ("push", r#"{"ref":"refs/heads/main","repository":{"id":1},"installation":[7]}"#, "invalid type: sequence, expected an object"),
        ("push", r#"{"ref":"refs/heads/main","repository":{"id":1},"installation":{}}"#, "missing field `id`"),
        ("push", r#"{"ref":"a","ref":"b","repository":{"id":1}}"#, "duplicate field `ref`"),
        ("pull_request", r#"{"action":"opened","repository":{"id":1}}"#, "missing field `number`"),
        ("installation", r#"{"installation":{"id":1}}"#, "missing field `action`"),
    ] {
        let rejection = parse_bytes(event, body.as_bytes()).expect_err(body);
        assert_eq!(rejection.status().as_u16(), 400);
        assert!(rejection.to_string().contains(detail), "{body}: {rejection}");
    }
}

#[test]
fn labels_may_be_absent_and_stay_short() {
    let sender =
        |sender: Value| match parse_bytes("push", payload(&json!({ "ref": "refs/heads/x", "sender": sender })).to_string().as_bytes()) {
            Ok(Parsed::Hint(hint)) => hint.sender,
            other => panic!("{other:?}"),
        };
    assert_eq!(sender(Value::Null), None);
    assert_eq!(sender(json!({ "id": 1 })), None);
    assert_eq!(sender(json!({ "login": "x".repeat(1_000) })).map(|login| login.chars().count()), Some(MAX_LOGIN));
}

const EVENTS: [&str; 8] =
    ["push", "pull_request", "merge_group", "repository", "installation", "installation_repositories", "ping", "check_run"];

/// All that a payload needs for any event, so that only the action decides.
fn complete(action: &str) -> Value {
    let group = json!({ "head_sha": SHA, "head_ref": "refs/heads/gh-readonly-queue/main/pr-1-abc", "base_ref": "refs/heads/main" });
    json!({ "action": action, "number": 3, "ref": "refs/heads/main", "changes": { "base": {} }, "merge_group": group })
}

#[test]
fn what_is_wanted_without_a_body_is_what_gives_a_hint_with_one() {
    let actions = [
        "opened",
        "synchronize",
        "reopened",
        "ready_for_review",
        "closed",
        "edited",
        "labeled",
        "checks_requested",
        "destroyed",
        "renamed",
        "transferred",
        "privatized",
        "publicized",
        "archived",
        "unarchived",
        "deleted",
        "created",
        "suspend",
        "unsuspend",
        "new_permissions_accepted",
        "added",
        "removed",
        "",
    ];
    for event in EVENTS {
        for action in actions {
            let is_hint = !meaning(event, &complete(action)).starts_with("ignored");
            assert_eq!(is_wanted(event, Some(action)), is_hint, "{event} {action}");
        }
    }
    assert!(is_wanted("push", None) && !is_wanted("pull_request", None));
}

/// The payloads that the forge sent are the ones of `events/`; what each means is pinned in `events.txt`.
#[test]
fn the_recorded_payloads_mean_what_they_meant() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/github");
    let mut files: Vec<_> = std::fs::read_dir(directory).expect("the directory").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut meanings = String::new();
    for file in &files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let event = name.split('-').next().expect("an event");
        let body: Value = serde_json::from_slice(&std::fs::read(file).expect("readable")).expect("JSON");
        // Without what `payload` adds: these are whole.
        let meaning = meaning_of(event, body.to_string().as_bytes());
        meanings.push_str(&format!("{name}: {meaning}\n"));
    }
    assert_eq!(meanings, include_str!("events.txt"), "if this is meant, write the left side to `events.txt`");
}

#[test]
fn a_payload_that_broke_off_is_refused() {
    let body = include_bytes!("../../../../../events/github/push-branch.json");
    let end = body.trim_ascii_end().len();
    for cut in (0..end).step_by(7).chain([end - 1]) {
        let rejection = parse_bytes("push", &body[..cut]).expect_err("broken off");
        assert_eq!(rejection.status().as_u16(), 400);
    }
}

/// Any JSON, with our field names among the keys so that it comes far.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("ref"),
        Just("action"),
        Just("repository"),
        Just("installation"),
        Just("id"),
        Just("number"),
        Just("merge_group"),
        Just("head_sha"),
        Just("base_ref"),
        Just("head_ref"),
        Just("sender"),
        Just("login"),
        Just("changes"),
        Just("base"),
    ]
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "refs/(heads|tags|pull)/\\PC{0,20}".prop_map(Value::from),
        Just(Value::from("opened")),
        Just(Value::from("checks_requested")),
        Just(Value::from(SHA)),
    ];
    leaf.prop_recursive(3, 40, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_judged(event in 0..EVENTS.len(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_bytes(EVENTS[event], &body);
    }

    #[test]
    fn any_json_is_judged_and_every_hint_fits_a_message(event in 0..EVENTS.len(), body in any_json()) {
        if let Ok(Parsed::Hint(hint)) = parse_bytes(EVENTS[event], body.to_string().as_bytes()) {
            prop_assert!(serde_json::to_vec(&hint).expect("serializes").len() < 2_000);
        }
    }

    #[test]
    fn a_genuine_payload_with_one_byte_changed_is_judged(at in 0_usize..200, byte in any::<u8>()) {
        let mut body = payload(&json!({ "action": "opened", "number": 3, "ref": "refs/heads/main" })).to_string().into_bytes();
        let at = at % body.len();
        body[at] = byte;
        for event in EVENTS {
            let _ = parse_bytes(event, &body);
        }
    }

    #[test]
    fn no_signature_but_the_right_one_is_accepted(body in proptest::collection::vec(any::<u8>(), 0..50), forged in any::<[u8; 32]>(), flip in 0_usize..256) {
        let genuine = signature(SECRET, &body);
        let mut bytes = hex::decode(&genuine[7..]).expect("hex");
        bytes[flip / 8] ^= 1 << (flip % 8);
        for wrong in [hex::encode(forged), hex::encode(&bytes)] {
            let mut headers = http::HeaderMap::new();
            headers.insert("x-github-event", http::HeaderValue::from_static("push"));
            headers.insert("x-github-delivery", http::HeaderValue::from_static("72d3162e-cc78-11e3-81ab-4c9367dc0958"));
            headers.insert("x-hub-signature-256", format!("sha256={wrong}").parse().expect("a header value"));
            prop_assert_eq!(super::super::verify(&[SECRET], &headers, &body).map(|_| ()), Err(Rejection::BadSignature));
        }
    }
}

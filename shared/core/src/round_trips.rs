//! Every id, name and message as text: what is written can be read again, no two things are written alike, nothing panics.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use proptest::prelude::*;
use proptest::sample::select;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fixture::arbitrary::{branch, check_name, lane, module_path, reference, report, text};
use crate::hint::{Hint, Subject};
use crate::id::{
    AccountId, AgentId, AppId, AttemptId, CommitSha, DeliveryId, InstallationId, LeaseId, OrgId, PullNumber, RepositoryId, RunId, TokenId,
    TraceParent,
};
use crate::lane::{KnownRun, Lane, Placement, glob_matches, place};
use crate::message::{DispatchMessage, Envelope, EventMessage, OfferMessage, SealMessage, StatusMessage, VERSION, decode};
use crate::module::{Discovery, MAX_MODULES, discover};
use crate::name::{BranchName, CheckName, ModulePath, Ref, RepositoryName, Task, from_key_segment, key_segment};
use crate::org::{OrgName, RepositorySettings};
use crate::report::Rank;
use crate::trust::Trust;

/// What a text that is read as a `T` is written as can be read as the same again, in text and in JSON.
fn reads_back<T: FromStr + Display + Debug + PartialEq + Serialize + DeserializeOwned>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    assert_eq!(value.to_string().parse().ok().as_ref(), Some(&value), "{text:?}");
    let json = serde_json::to_string(&value).expect("serializes");
    assert_eq!(serde_json::from_str::<T>(&json).ok().as_ref(), Some(&value), "{json}");
}

/// Reads a text as everything that there is.
fn reads_back_as_anything(text: &str) {
    reads_back::<OrgId>(text);
    reads_back::<RunId>(text);
    reads_back::<AttemptId>(text);
    reads_back::<LeaseId>(text);
    reads_back::<AgentId>(text);
    reads_back::<TokenId>(text);
    reads_back::<AppId>(text);
    reads_back::<InstallationId>(text);
    reads_back::<RepositoryId>(text);
    reads_back::<AccountId>(text);
    reads_back::<PullNumber>(text);
    reads_back::<CommitSha>(text);
    reads_back::<DeliveryId>(text);
    reads_back::<RepositoryName>(text);
    reads_back::<BranchName>(text);
    reads_back::<Ref>(text);
    reads_back::<ModulePath>(text);
    reads_back::<CheckName>(text);
    reads_back::<Task>(text);
    reads_back::<Lane>(text);
    reads_back::<Trust>(text);
    reads_back::<OrgName>(text);
    reads_back::<Rank>(text);
}

/// Texts that are nearly something: the right form, and then perhaps a character too many, too few or another.
fn near_misses() -> impl Strategy<Value = String> {
    let form = prop_oneof![
        "(org|run|att|lse|agt|tok)_[0-9a-zA-Z]{26}",
        "[+0-9]{1,21}",
        "[0-9a-f]{40}",
        "[0-9a-f]{64}",
        "[0-9a-fA-F-]{8,64}",
        "refs/(heads|tags|pull)/[a-z0-9/.]{1,8}(/head)?",
        "(trusted|fork):(head|into:|queue:)[a-z%0-9#]{0,8}",
        "(check:)?[a-z:*-]{1,8}",
        "[a-z.]{1,5}/[a-z.]{1,5}",
        "[0-9]{1,11}\\.[0-9]{1,11}\\.[01]",
        "load|fork|trusted|\\.",
    ];
    (form, 0..80_usize, proptest::option::of(any::<char>()), 0..3_u8).prop_map(|(form, place, other, kind)| {
        let mut characters: Vec<char> = form.chars().collect();
        let place = place % (characters.len() + 1);
        match (kind, other) {
            (1, Some(other)) => characters.insert(place, other),
            (2, _) if place < characters.len() => drop(characters.remove(place)),
            (_, _) => {}
        }
        characters.into_iter().collect()
    })
}

fn subjects() -> impl Strategy<Value = Subject> {
    let repository = || any::<u64>().prop_map(RepositoryId);
    let sha = || "[0-9a-f]{40}".prop_filter_map("not a sha", |sha| sha.parse::<CommitSha>().ok());
    prop_oneof![
        (repository(), reference()).prop_map(|(repository, reference)| Subject::Ref { repository, reference }),
        (repository(), any::<u64>()).prop_map(|(repository, number)| Subject::Pull { repository, number: PullNumber(number) }),
        (repository(), sha(), branch(), branch()).prop_map(|(repository, head_sha, base, head)| Subject::MergeGroup {
            repository,
            head_sha,
            base,
            head
        }),
        (repository(), sha()).prop_map(|(repository, head_sha)| Subject::MergeGroupGone { repository, head_sha }),
        Just(Subject::Installation),
    ]
}

fn hints() -> impl Strategy<Value = Hint> {
    (any::<u64>(), proptest::option::of("[a-z0-9-]{1,39}(\\[bot\\])?"), subjects()).prop_map(|(installation, sender, subject)| Hint {
        delivery: "0123abcd-0123-0123-0123-0123456789ab".parse().expect("a delivery"),
        event: "pull_request".to_owned(),
        sender,
        installation: InstallationId(installation),
        subject,
    })
}

fn envelope<M>(message: M) -> Envelope<M> {
    Envelope { v: VERSION, message, cause: "gh:0123abcd-0123-0123-0123-0123456789ab".to_owned(), traceparent: None }
}

/// Matching by the definition, for patterns so short that it ends.
fn matches_by_definition(glob: &[char], name: &[char]) -> bool {
    match (glob.split_first(), name.split_first()) {
        (None, rest) => rest.is_none(),
        (Some(('*', others)), rest) => {
            matches_by_definition(others, name) || rest.is_some_and(|(_, shorter)| matches_by_definition(glob, shorter))
        }
        (Some((wanted, others)), Some((found, shorter))) => (*wanted == '?' || wanted == found) && matches_by_definition(others, shorter),
        (Some(_), None) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_is_too_hostile_to_be_read(text in text(), near in near_misses()) {
        for text in [&text, &near] {
            reads_back_as_anything(text);
            let _ = (from_key_segment(text), decode::<EventMessage>(text).is_ok(), decode::<StatusMessage>(text).is_ok());
            prop_assert!(OrgName::of_login(text).is_none_or(|name| name.as_str().parse::<OrgName>().is_ok()));
        }
    }

    #[test]
    fn what_is_no_id_is_echoed_shortly(text in text()) {
        let Err(error) = text.parse::<RunId>() else { return Ok(()) };
        prop_assert!(error.to_string().chars().count() <= 80 + "`` is not an id of the form `run_…`".chars().count());
    }

    #[test]
    fn names_and_lanes_are_read_as_they_were_written(
        lane in lane(), reference in reference(), branch in branch(), module in module_path(), check in check_name(),
    ) {
        prop_assert_eq!(lane.to_string().parse(), Ok(lane));
        prop_assert_eq!(reference.to_string().parse(), Ok(reference));
        prop_assert_eq!(branch.to_string().parse(), Ok(branch));
        prop_assert_eq!(module.to_string().parse(), Ok(module));
        prop_assert_eq!(Task::Check(check.clone()).to_string().parse(), Ok(Task::Check(check)));
    }

    #[test]
    fn different_lanes_are_written_differently(one in lane(), other in lane()) {
        prop_assert_eq!(one == other, one.to_string() == other.to_string());
        // A lane is one segment of a key.
        prop_assert!(!one.to_string().contains('#'));
    }

    #[test]
    fn ids_are_read_as_they_were_written_and_sort_by_time(ms in 0..1_u64 << 48, later in 0..1_u64 << 48, entropy in any::<u128>()) {
        let (one, other) = (AttemptId::from_parts(ms, entropy), AttemptId::from_parts(later, entropy));
        prop_assert_eq!(one.to_string().parse(), Ok(one));
        prop_assert_eq!(one.cmp(&other), ms.cmp(&later));
        prop_assert_eq!(one.to_string().cmp(&other.to_string()), ms.cmp(&later));
        let trace = TraceParent::of(one);
        prop_assert!(trace.trace_id.bytes().any(|digit| digit != b'0') && trace.span_id.bytes().any(|digit| digit != b'0'));
        prop_assert_eq!((trace.trace_id.len(), trace.span_id.len()), (32, 16));
    }

    #[test]
    fn a_key_segment_holds_any_text_and_no_other(one in text(), other in text(), near in near_misses()) {
        for text in [&one, &other, &near] {
            let segment = key_segment(text);
            prop_assert_eq!(&from_key_segment(&segment), text);
            prop_assert!(segment.is_ascii() && !segment.contains(['#', ' ']) && !segment.contains(|c: char| c.is_control()));
        }
        prop_assert_eq!(one == other, key_segment(&one) == key_segment(&other));
        // Encoding what is encoded already is another text.
        prop_assert_eq!(from_key_segment(&from_key_segment(&key_segment(&key_segment(&one)))), one);
    }

    #[test]
    fn messages_are_read_as_they_were_written_and_stay_small(hint in hints(), reference in reference(), number in any::<u64>(), trust in any::<bool>()) {
        fn check<M: Serialize + DeserializeOwned + Debug + PartialEq>(message: M) {
            let envelope = envelope(message);
            let body = serde_json::to_string(&envelope).expect("serializes");
            assert!(body.len() < 2_048, "{} bytes: {body}", body.len());
            assert_eq!(decode::<M>(&body).expect(&body), envelope);
        }
        let (installation, repository) = (InstallationId(number), RepositoryId(number));
        check(EventMessage::Delivery(hint));
        check(EventMessage::Look { installation, repository, reference });
        check(EventMessage::SweepHeads { installation, repository });
        check(EventMessage::Claim { installation, org: OrgId::from_parts(number, 7) });
        check(DispatchMessage::Admit { org: OrgId::from_parts(number, 7) });
        check(StatusMessage::Report { repository, sha: "a".repeat(40).parse().expect("a sha") });
        let trace = crate::trace::TraceId::of_bytes(&(u128::from(number) + 1).to_be_bytes()).expect("not zero");
        check(SealMessage::Seal { org: OrgId::from_parts(number, 7), trace });
        check(OfferMessage::Offer { trust: if trust { Trust::Trusted } else { Trust::Fork } });
    }

    #[test]
    fn reports_are_read_as_they_were_written(report in report()) {
        let text = serde_json::to_string(&report).expect("serializes");
        prop_assert_eq!(serde_json::from_str::<crate::attempt::Report>(&text).expect(&text), report);
    }

    #[test]
    fn a_place_is_a_known_lane_or_a_new_run_of_the_same_trust(
        wanted in lane(), asked_by in reference(), known in proptest::collection::vec((lane(), any::<bool>(), proptest::collection::vec(reference(), 0..3)), 0..5),
    ) {
        let runs: Vec<KnownRun<'_>> = known.iter().map(|(lane, is_over, refs)| KnownRun { lane, is_over: *is_over, refs }).collect();
        let is_known = |lane: &Lane| known.iter().any(|(known, _, _)| known == lane);
        match place(&wanted, &asked_by, &runs) {
            Placement::Join(lane) => prop_assert!(is_known(&lane) && lane.trust == wanted.trust && (lane == wanted || !is_known(&wanted))),
            Placement::Start { supersedes } => {
                prop_assert!(!is_known(&wanted));
                for lane in supersedes {
                    let is_unfinished = known.iter().any(|(known, is_over, _)| *known == lane && !is_over);
                    prop_assert!(is_unfinished && lane.trust == wanted.trust && lane.merge_base().is_some());
                }
            }
        }
    }

    #[test]
    fn globs_match_as_defined(glob in "[ab*?/]{0,6}", name in "[ab/]{0,7}") {
        let (pattern, characters): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
        prop_assert_eq!(glob_matches(&glob, &name), matches_by_definition(&pattern, &characters));
    }

    #[test]
    fn modules_are_found_in_any_order_of_files(
        mut files in proptest::collection::vec(files(), 0..50).prop_shuffle(), ignored in proptest::collection::vec(text(), 0..2),
    ) {
        let found = discover(files.iter().map(String::as_str), &ignored);
        if let Discovery::Modules(modules) = &found {
            prop_assert!(modules.len() <= MAX_MODULES);
            prop_assert!(modules.iter().skip(1).all(|module| !module.path.is_root()), "the root is not first");
            prop_assert!(modules.iter().all(|module| !module.path.as_str().split('/').any(|part| part == "vendor")));
        }
        files.reverse();
        prop_assert_eq!(discover(files.iter().map(String::as_str), &ignored), found);
    }

    #[test]
    fn shortened_texts_keep_to_any_limit(text in text(), limit in 1..200_usize) {
        let short = crate::text::shorten(&text, limit);
        prop_assert!(short.chars().count() <= limit && !short.contains(|c: char| c.is_control()));
        prop_assert!(crate::text::first_line(&text, limit).chars().count() <= limit);
    }

    #[test]
    fn any_two_times_have_a_duration(from in crate::fixture::arbitrary::time(), to in crate::fixture::arbitrary::time()) {
        prop_assert!(crate::text::duration(from, to).len() <= 16);
    }

    #[test]
    fn settings_that_are_not_known_are_refused(name in "[a-z_]{1,20}") {
        let known = ["unmerged_branches", "ignored_directories", "supersede_default_branch", "timeout_s"];
        let text = format!("{{\"{name}\":null}}");
        prop_assume!(!known.contains(&name.as_str()));
        prop_assert!(serde_json::from_str::<RepositorySettings>(&text).is_err());
    }
}

fn files() -> impl Strategy<Value = String> {
    let directory = prop_oneof![4 => "([a-d!+]/){0,3}", 1 => "(vendor|node_modules|\\.\\.)/[ab]/", 1 => text()];
    let file = select(["dagger.json", "dagger.toml", "dagger-module.toml", "main.go"].as_slice());
    (directory, file).prop_map(|(directory, file)| format!("{directory}{file}"))
}

#[test]
fn the_root_comes_before_directories_whose_names_sort_first() {
    let Discovery::Modules(modules) = discover(["+x/dagger.json", "dagger.json", "(app)/dagger.json"], &[]) else { panic!("too many") };
    assert_eq!(modules.iter().map(|module| module.path.as_str()).collect::<Vec<_>>(), [".", "(app)", "+x"]);
}

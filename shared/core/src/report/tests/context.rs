//! Names of contexts: readable, stable while attempts appear, and never shared.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::attempt::{Attempt, Outcome};
use crate::fixture::arbitrary::{check_name, module_path};
use crate::fixture::{at, attempt, commit, expanding, finished, links, parsed, run, superseded, task, trusted_lane};
use crate::name::{CheckName, ModulePath, RepositoryName, Task};
use crate::report::{AGGREGATE, Contexts, desired, module_label};
use crate::rerun::expand;

fn repository() -> RepositoryName {
    parsed("acme/api")
}

/// The contexts of checks of a module, in the order of the checks.
fn contexts(module: &str, checks: &[&str]) -> Vec<String> {
    let names: Vec<CheckName> = checks.iter().map(|check| parsed(check)).collect();
    let contexts = Contexts::new(&repository(), &parsed(module), &names);
    names.into_iter().map(|name| contexts.of(&Task::Check(name))).collect()
}

fn load_context(module: &str) -> String {
    Contexts::new(&repository(), &parsed(module), []).of(&Task::Load)
}

#[test]
fn a_module_at_the_root_is_called_like_the_repository() {
    assert_eq!(contexts(".", &["lint"]), ["quillon/api/lint"]);
    assert_eq!(load_context("."), "quillon/api/load");
    assert_eq!(module_label(&repository(), &ModulePath::root()), "api");
}

#[test]
fn any_other_module_is_called_by_its_path() {
    assert_eq!(contexts("services/web", &["lint"]), ["quillon/services/web/lint"]);
    assert_eq!(load_context("services/web"), "quillon/services/web/load");
}

#[test]
fn a_directory_called_like_the_repository_is_not_taken_for_its_root() {
    assert_eq!(contexts("api", &["lint"]), ["quillon/./api/lint"]);
    assert_eq!(load_context("api"), "quillon/./api/load");
    assert_eq!(contexts("api/api", &["lint"]), ["quillon/api/api/lint"]);
}

#[test]
fn the_module_segment_is_dropped_unless_checks_would_share_a_name() {
    assert_eq!(contexts(".", &["go:lint", "go:test"]), ["quillon/api/lint", "quillon/api/test"]);
    assert_eq!(contexts(".", &["go:lint", "js:lint", "js:test"]), ["quillon/api/go:lint", "quillon/api/js:lint", "quillon/api/test"]);
    assert_eq!(contexts(".", &["lint", "go:lint"]), ["quillon/api/lint", "quillon/api/go:lint"]);
    // What is left of the third would be the whole of the first.
    assert_eq!(
        contexts(".", &["go:lint", "js:lint", "x:go:lint"]),
        ["quillon/api/go:lint", "quillon/api/js:lint", "quillon/api/x:go:lint"]
    );
    assert_eq!(contexts(".", &["go:"]), ["quillon/api/go:"]);
}

#[test]
fn a_check_that_is_listed_twice_is_one_check() {
    assert_eq!(contexts(".", &["go:lint", "go:lint"]), ["quillon/api/lint", "quillon/api/lint"]);
}

#[test]
fn the_name_of_the_load_is_reserved() {
    for name in ["load", "go:load"] {
        let [context]: [String; 1] = contexts(".", &[name]).try_into().expect("one");
        assert!(context.starts_with("quillon/api/load~"), "{context}");
        assert_eq!(context.len(), "quillon/api/load~".len() + 8);
    }
}

#[test]
fn what_sets_contexts_apart_is_kept_out_of_the_names_of_checks() {
    for (name, start) in [("a/load", "quillon/api/a-load~"), ("lint#2", "quillon/api/lint-2~"), ("x~y", "quillon/api/x-y~")] {
        let [context]: [String; 1] = contexts(".", &[name]).try_into().expect("one");
        assert!(context.starts_with(start), "{context}");
    }
}

#[test]
fn too_long_names_end_with_a_hash_of_the_whole() {
    let long = |end: &str| format!("{}{end}", "x".repeat(195));
    let [one, other]: [String; 2] = contexts(".", &[&long("a"), &long("b")]).try_into().expect("two");
    assert_eq!(one.chars().count(), 199);
    assert!(one.starts_with("quillon/api/xxx") && one != other);
    assert_eq!(one[..190], other[..190]);
}

#[test]
fn a_context_has_no_characters_that_github_refuses() {
    let [bug, rocket]: [String; 2] = contexts(".", &["go:🐛", "go:🚀"]).try_into().expect("two");
    assert!(bug.starts_with("quillon/api/\u{fffd}~") && bug != rocket, "{bug}");
}

#[test]
fn contexts_keep_their_names_while_the_attempts_of_a_load_are_written() {
    let run = run(1, trusted_lane());
    let load = expanding(attempt(&run, ".", "load"), &["go:lint", "js:lint", "go:test"]);
    let written = expand(&run, &load, &[&load], at(9));
    let names = |load: &Attempt, checks: &[Attempt]| {
        let attempts = [std::slice::from_ref(load), checks].concat();
        let names: BTreeSet<String> = desired(&commit(vec![run.clone()], attempts), &links()).into_keys().collect();
        names
    };
    let whole = names(&finished(load.clone(), Outcome::Success), &written);
    assert!(whole.contains("quillon/api/go:lint") && whole.contains("quillon/api/test"), "{whole:?}");
    // Also when the load is stopped half way, and a check that was written by then is run again.
    let again = written[0].next(1, None, false, at(99));
    for load in [load.clone(), finished(load, Outcome::Cancelled(superseded()))] {
        for count in 0..=3 {
            let partly = names(&load, &written[..count]);
            assert!(partly.is_subset(&whole), "{partly:?}");
        }
        let partly = names(&load, std::slice::from_ref(&again));
        assert!(partly.is_subset(&whole), "{partly:?}");
    }
}

#[test]
fn links_lead_to_the_page_that_the_stock_cli_prints() {
    let run = run(1, trusted_lane());
    let attempts = vec![finished(attempt(&run, ".", "load"), Outcome::Success), attempt(&run, "services/web", "go:lint")];
    let desired = desired(&commit(vec![run], attempts), &links());
    let page = |context: &str| desired[context].target_url.replace(&"a".repeat(40), "SHA");
    assert_eq!(page("quillon/services/web/lint"), "https://quillon.example/acme/checks/github.com/acme/api/services/web@SHA?check=go:lint");
    assert_eq!(page("quillon/api/load"), "https://quillon.example/acme/checks/github.com/acme/api@SHA?check=load");
    assert_eq!(page(AGGREGATE), "https://quillon.example/acme/checks/github.com/acme/api@SHA");
    assert_eq!(task("go:lint").label(), "go:lint");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_two_tasks_of_a_commit_share_a_context(
        modules in proptest::collection::btree_map(module_path(), proptest::collection::btree_set(check_name(), 0..8), 1..6),
    ) {
        let mut taken = BTreeSet::new();
        for (module, checks) in &modules {
            let contexts = Contexts::new(&repository(), module, checks);
            for task in checks.iter().cloned().map(Task::Check).chain([Task::Load]) {
                let context = contexts.of(&task);
                prop_assert!(context.starts_with("quillon/") && context.chars().count() <= 200, "{}", context);
                prop_assert!(context.chars().all(|c| c <= '\u{ffff}' && !c.is_control()), "{:?}", context);
                prop_assert!(taken.insert(context.clone()), "{} is shared", context);
            }
        }
        // The aggregate, and the context that follows a full one, are nobody's.
        prop_assert!(!taken.contains(AGGREGATE));
        let continued = taken.iter().find(|context| taken.contains(&format!("{context}#2")));
        prop_assert_eq!(continued, None);
    }
}

//! Everything that other people write is text: every field of every page filled with markup, and no trace of it as markup.

use std::collections::BTreeSet;

use quillon_core::attempt::{AttemptState, Cancel, CancelReason, Outcome};
use quillon_core::name::{BranchName, Task};
use quillon_core::run::RunRef;
use quillon_web::page::check::{CheckPage, Wanted, find};
use quillon_web::page::checks::{ChecksPage, Feed};
use quillon_web::page::commit::CommitPage;
use quillon_web::page::filter::Filter;
use quillon_web::page::frame::Refresh;
use quillon_web::page::log::Log;
use quillon_web::page::notice::Notice;

use crate::fixture::*;
use crate::framed;

/// Free text: markup, quotes, direction marks, escapes, control characters.
const TEXT: &str = "</bdi><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;{{x}}\u{202e}\u{2066}\u{1b}[31m\u{0}\u{7}\u{85}`";

/// Text of addresses and settings, where encoding keeps the rest out.
const MARKUP: &str = "\"></title><script>alert(1)</script>'&";

/// What git takes as a branch.
const BRANCH: &str = "\"><script>alert(1)</script>'&\u{202e}x";

/// What the CLI may list as a check.
const CHECK: &str = "m:\"><script>alert(1)</script>'&\u{202e}x";

/// What a tree may hold as a directory.
const MODULE: &str = "\"><script>alert(1)<b>'& \u{202e}x";

fn hostile(state: AttemptState) -> Fixture {
    let mut fixture = Fixture::new(1, "acme/api", 60).say(TEXT, TEXT).pull(1, TEXT).attempt_in(MODULE, Task::Load, 1, 60, passed(59, 58));
    fixture = fixture.attempt_in(MODULE, check(CHECK), 1, 60, failed(50, 40)).attempt_in(MODULE, check(CHECK), 2, 50, state);
    fixture.run.commit.author_login = Some(TEXT.to_owned());
    let branch: BranchName = BRANCH.parse().expect("git takes it");
    fixture.run.refs.push(RunRef { reference: quillon_core::name::Ref::Branch(branch.clone()), title: Some(TEXT.to_owned()) });
    fixture.run.refs.push(RunRef { reference: quillon_core::name::Ref::Tag(branch.clone()), title: None });
    fixture.run.events[0].kind = TEXT.to_owned();
    fixture.run.events[0].actor = Some(TEXT.to_owned());
    fixture.run.unreportable = Some(TEXT.to_owned());
    fixture.run.key.lane.base = quillon_core::lane::Base::Branch(branch);
    for attempt in &mut fixture.attempts {
        attempt.key.run = fixture.run.key.clone();
        attempt.description = Some(TEXT.to_owned());
        attempt.requested_by = Some(TEXT.to_owned());
    }
    fixture.summarized()
}

/// Every page, with every state that carries a text.
fn pages() -> Vec<String> {
    let cancel = |reason| Outcome::Cancelled(Cancel { reason, at: before(9) });
    let branch: BranchName = BRANCH.parse().expect("git takes it");
    let states = [
        queued(50),
        running(50),
        stopping(50, TEXT),
        expanding(50, &[CHECK]),
        ended(50, 10, Outcome::Error { message: TEXT.to_owned() }),
        ended(50, 10, Outcome::Conflict { base: branch.clone() }),
        ended(50, 10, cancel(CancelReason::Requested { by: TEXT.to_owned() })),
        ended(50, 10, cancel(CancelReason::RefDeleted { reference: quillon_core::name::Ref::Branch(branch.clone()) })),
    ];
    let mut pages = Vec::new();
    for state in states {
        let fixture = hostile(state);
        let name = fixture.run.repository_name.clone();
        let names = std::collections::BTreeMap::new();
        let mut conflict = fixture.run.clone();
        conflict.state = quillon_core::run::RunState::Conflict { base: branch.clone() };
        conflict.key.commit.sha = "1111111111111111111111111111111111111111".parse().expect("a SHA");
        let runs = [fixture.run.clone(), conflict];
        let (mut filter, mut problems) =
            Filter::read([("repository", "acme/api"), ("branch", &BRANCH.replace('\u{202e}', "")), ("state", TEXT)].into_iter());
        filter.after = Some(TEXT.to_owned());
        problems.push(TEXT.to_owned());
        let feed = Feed { runs: &runs, next: Some(TEXT.to_owned()), looked_at: 2, names: &names };
        let mut forms = forms();
        forms.back = MARKUP.to_owned();
        let checks = with_scene(|scene| ChecksPage::new(&feed, &filter, problems, forms.clone(), scene));
        pages.push(framed(MARKUP, &checks, Refresh::Live));

        let commit = fixture.commit();
        let whole = with_scene(|scene| CommitPage::new(&commit, &name, forms.clone(), scene)).expect("a page");
        pages.push(framed(MARKUP, &whole, Refresh::Live));

        let found = find(&commit, &MODULE.parse().expect("a module"), CHECK, &Wanted::default()).expect("an attempt");
        let log = Log::new(&format!("{TEXT}\n\u{1b}]8;;javascript:alert(1)\u{7}{TEXT}\u{1b}]8;;\u{7}\n\u{1b}[31m{TEXT}"), true);
        let one = with_scene(|scene| CheckPage::new(&found, &name, log, forms.clone(), scene)).expect("a page");
        pages.push(framed(MARKUP, &one, Refresh::Live));
    }
    pages.push(framed(MARKUP, &Notice::refused(TEXT), Refresh::Never));
    pages.push(framed(MARKUP, &Notice::bad_form(TEXT), Refresh::Never));
    pages.push(framed(MARKUP, &Notice::wrong_host(MARKUP), Refresh::Never));
    pages.extend(crate::traces::hostile_pages(TEXT));
    pages
}

/// The tags of a page with their attributes. Only what templates write has an unescaped `<`.
fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let name: String = rest.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
        rest = &rest[name.len()..];
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('>').or_else(|| rest.strip_prefix("/>")) {
                rest = after;
                break;
            }
            let key: String = rest.chars().take_while(|c| !c.is_whitespace() && !matches!(c, '=' | '>')).collect();
            assert!(!key.is_empty(), "a tag `{name}` does not end: {}", rest.chars().take(80).collect::<String>());
            rest = &rest[key.len()..];
            let mut value = String::new();
            if let Some(quoted) = rest.strip_prefix("=\"") {
                let end = quoted.find('"').expect("the value ends");
                value = quoted[..end].to_owned();
                rest = &quoted[end + 1..];
            }
            attributes.push((key, value));
        }
        tags.push((name.trim_end_matches('/').to_owned(), attributes));
    }
    tags
}

#[test]
fn nothing_that_others_write_becomes_markup() {
    let known: BTreeSet<&str> = "!doctype html head meta title link script noscript body a svg symbol path circle rect use header span bdi nav form \
        input button main p footer dialog h1 h2 h3 h4 dl div dt dd kbd label datalist option select section article details summary ul ol li \
        time strong code pre"
        .split_whitespace()
        .collect();
    for page in pages() {
        for (name, attributes) in tags(&page) {
            let bare = name.trim_start_matches('/');
            assert!(known.contains(bare), "an unknown tag `{name}`");
            for (key, value) in attributes {
                assert!(!key.starts_with("on") && key != "style" && key != "src" || bare == "script", "`{key}` in `{name}`");
                let is_link = matches!(key.as_str(), "href" | "action" | "formaction" | "src");
                let is_ours = value.starts_with('#') || (value.starts_with('/') && !value.starts_with("//"));
                assert!(!is_link || is_ours || value.starts_with("https://github.com/acme/api"), "`{name} {key}` leads to `{value}`");
            }
        }
        let scripts = page.matches("<script").count();
        let expected = if page.contains("id=\"trace\"") { 4 } else { 3 };
        assert_eq!(scripts, expected, "scripts that are not ours");
        assert_eq!(page.matches("<img").count(), 0);
        for character in page.chars() {
            let is_hidden = matches!(character, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(!is_hidden && (!character.is_control() || character == '\n'), "{character:?} in {}", around(&page, character));
        }
    }
}

/// Where a character is in a page.
fn around(page: &str, character: char) -> String {
    let at = page.find(character).unwrap_or_default();
    page[page.floor_char_boundary(at.saturating_sub(120))..at].to_owned()
}

#[test]
fn markup_stays_readable_as_text() {
    let page = pages().remove(0);
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "askama's numeric escapes");
    assert!(framed("x", &Notice::refused(TEXT), Refresh::Never).contains("&#60;img"));
}

//! Every route for everybody: who gets it is what the table in the core says, and nothing else decides it.
#![expect(clippy::expect_used, reason = "a table that does not answer fails its test")]

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use quillon_core::access::{Needs, Standing, Verdict, allows};
use quillon_core::member::Roles;
use quillon_core::org::Org;
use quillon_core::trace::card::Claim;
use quillon_otlp::{Encoding, Limits, Signal, decode};
use quillon_telemetry::{Body, Generated};
use quillon_web::link::settings::{AccountAction, MembersAction, SettingsAction, Step, Tab};
use quillon_web::link::{Action, TraceAction, TraceView};
use quillon_web::route::{ExportForm, Route};

use crate::world::State::Passed;
use crate::world::{Answer, Browser, World};

/// Numbers of [`kind`].
const KINDS: usize = 21;

/// Which route it is. A new one does not compile before it is listed here, and the test fails before it has an address.
fn kind(route: &Route) -> usize {
    match route {
        Route::Home => 0,
        Route::Checks(_) => 1,
        Route::Commit(_) => 2,
        Route::Act(..) => 3,
        Route::Traces(_) => 4,
        Route::TraceSetup(None) => 5,
        Route::TraceSetup(Some(_)) => 6,
        Route::Trace(..) => 7,
        Route::TraceAct(..) => 8,
        Route::SignIn => 9,
        Route::OperatorSignIn => 10,
        Route::SignOut => 11,
        Route::Account => 12,
        Route::AccountAct(_) => 13,
        Route::NewOrg => 14,
        Route::Welcome(..) => 15,
        Route::Invite(_) => 16,
        Route::Activate => 17,
        Route::Settings(..) => 18,
        Route::SettingsAct(..) => 19,
        Route::AuditExport(..) => 20,
        Route::Asset | Route::Unknown => KINDS,
    }
}

/// Every address of an org and of nobody in particular, what ends something last.
fn addresses(org: &str, trace: &str) -> Vec<String> {
    let mut paths: Vec<String> =
        ["/", "/sign-in", "/operator/sign-in", "/account", "/orgs/new", "/activate", "/traces/setup"].map(str::to_owned).into();
    paths.push(format!("/invite/{}", "0".repeat(64)));
    paths.extend(["checks", "traces", "traces/setup"].map(|page| format!("/{org}/{page}")));
    paths.push(format!("/{org}/checks/github.com/acme/api@{:040x}", 1));
    paths.extend(TraceView::ALL.map(|view| format!("/{org}/traces/{trace}/{}", view.word())));
    paths.extend(Tab::ALL.map(|tab| format!("/{org}/settings?tab={}", tab.word().replace(' ', "+"))));
    paths.extend(ExportForm::ALL.map(|form| format!("/{org}/settings/{}", form.word())));
    paths.extend(Step::ALL.map(|step| format!("/{org}/welcome/{}", step.word())));
    paths.extend([Action::Rerun, Action::RerunLoad, Action::Cancel].map(|action| format!("/{org}/checks/{}", action.word())));
    paths.extend(TraceAction::ALL.map(|action| format!("/{org}/traces/{trace}/{}", action.word())));
    let leave = SettingsAction::Members(MembersAction::Leave);
    paths.extend(SettingsAction::all().filter(|action| *action != leave).map(|action| format!("/{org}/settings/{}", action.word())));
    paths.extend(AccountAction::ALL.map(AccountAction::path));
    paths.push(format!("/{org}/settings/{}", leave.word()));
    paths.push("/sign-out".to_owned());
    paths
}

/// An address that is nothing whatever one may: the same of an org that there is not.
fn of_no_org(path: &str) -> String {
    path.replacen("/acme/", "/nobody/", 1)
}

/// A browser, and what its person is to the org `acme`.
struct Somebody<'a> {
    name: &'static str,
    browser: Option<Browser<'a>>,
    standing: Standing,
}

async fn send(world: &World, somebody: &Somebody<'_>, method: &Method, path: &str) -> Answer {
    match (&somebody.browser, *method == Method::POST) {
        (Some(browser), true) => browser.press(path, "").await,
        (Some(browser), false) => browser.get(path).await,
        (None, _) => world.send(method.clone(), path, &[], "csrf=0").await,
    }
}

/// What is the same for every page of one browser.
fn without_token(answer: &Answer) -> String {
    answer.without_way_back().split("name=\"csrf\" value=\"").map(|part| part.trim_start_matches(|c: char| c.is_ascii_hexdigit())).collect()
}

async fn private_trace(world: &World, org: &Org) -> String {
    let mut generated = Generated::new(1, 20).starting_at(world.now());
    let claim = Claim { org: org.id, attempt: None, repository: None };
    for request in generated.by_ref() {
        let signal = match request.body {
            Body::Traces(_) => Signal::Traces,
            Body::Logs(_) => Signal::Logs,
            Body::Metrics(_) => Signal::Metrics,
        };
        let decoded = decode(signal, Encoding::Protobuf, &request.encode(), &Limits::default(), request.at).expect("a request");
        for batch in &decoded.batches {
            world.deps.traces.append(&claim, batch, request.at).await.expect("a table");
        }
    }
    hex::encode(generated.trace())
}

#[tokio::test]
async fn every_route_is_for_those_whom_the_table_names() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let repository = world.repository(&acme, 1, "acme/api").await;
    world.run(&acme, &repository, 1, "main", &[("load", Passed)]).await;
    let trace = private_trace(&world, &acme).await;
    world.pass(60);
    // Stays, so that nobody is the last one who leaves.
    world.join(&acme, &world.person(99, "keeper").await, Roles::BOTH).await;
    let stranger = world.person(4, "stranger").await;
    world.join(&globex, &stranger, Roles::BOTH).await;
    let mut everybody = vec![
        Somebody { name: "nobody", browser: None, standing: Standing::Stranger },
        Somebody { name: "a stranger", browser: Some(world.browser_of(&stranger).await), standing: Standing::Stranger },
    ];
    for (subject, name, roles) in [(1, "member", Roles::MEMBER), (2, "admin", Roles::ADMIN), (3, "both", Roles::BOTH)] {
        let user = world.person(subject, name).await;
        world.join(&acme, &user, roles).await;
        everybody.push(Somebody { name, browser: Some(world.browser_of(&user).await), standing: Standing::Person(roles) });
    }
    everybody.push(Somebody { name: "the operator", browser: Some(world.sign_in().await), standing: Standing::Operator });

    let paths = addresses("acme", &trace);
    let route_of = |path: &str| Route::of(path.split('?').next().unwrap_or(path), path.split_once('?').map(|(_, query)| query));
    let seen: BTreeSet<usize> = paths.iter().map(|path| kind(&route_of(path))).collect();
    assert_eq!(seen, (0..KINDS).collect(), "a route without an address here");

    let mut refused = 0;
    for somebody in &everybody {
        for path in &paths {
            let route = route_of(path);
            for method in [Method::GET, Method::POST] {
                let answer = send(&world, somebody, &method, path).await;
                let at = format!("{} {method} {path}: {}", somebody.name, answer.status);
                if !route.takes(&method) {
                    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{at}");
                    continue;
                }
                let is_signed_in = somebody.browser.is_some();
                let asks_to_sign_in = || match method == Method::POST {
                    true => answer.status == StatusCode::UNAUTHORIZED,
                    false => answer.status == StatusCode::SEE_OTHER && answer.header("location").starts_with("/sign-in"),
                };
                let verdict = match route.needs() {
                    Needs::Nothing => Verdict::Allowed,
                    Needs::SignedIn | Needs::In(_) | Needs::Operator if !is_signed_in => {
                        assert!(asks_to_sign_in(), "{at}");
                        continue;
                    }
                    Needs::SignedIn => Verdict::Allowed,
                    Needs::Operator => {
                        if somebody.standing == Standing::Operator {
                            Verdict::Allowed
                        } else {
                            Verdict::Hidden
                        }
                    }
                    Needs::In(permission) | Needs::InOrPublic(permission) => allows(&somebody.standing, permission),
                };
                match verdict {
                    Verdict::Allowed => {
                        let is_denied = answer.status == StatusCode::UNAUTHORIZED
                            || answer.status == StatusCode::FORBIDDEN && !is_known_refusal(&route, somebody);
                        assert!(!is_denied, "{at}: {}", answer.text);
                        let is_there =
                            answer.status.is_success() || answer.status.is_redirection() || answer.status == StatusCode::BAD_REQUEST;
                        assert!(is_there || method == Method::POST || is_missing(&route) || is_known_refusal(&route, somebody), "{at}");
                    }
                    Verdict::Refused(refusal) => {
                        refused += 1;
                        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{at}");
                        let text = refusal.to_string().replace('`', "");
                        let word = text.split_once("role ").map_or(text.as_str(), |(_, rest)| rest.split(':').next().unwrap_or(rest));
                        assert!(answer.text.contains(&format!("<code>{word}</code>")), "{at}: {}", answer.text);
                    }
                    Verdict::Hidden => {
                        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{at}");
                        let nothing = send(&world, somebody, &method, &of_no_org(path)).await;
                        assert_eq!(nothing.status, StatusCode::NOT_FOUND);
                        assert!(without_token(&answer) == without_token(&nothing), "{at}: it tells that the org is there");
                    }
                }
            }
        }
    }
    assert!(refused > 40, "{refused} refusals were seen");
    // Nobody of all these could leave but those who are in, and nothing of globex was touched.
    let left = world.deps.tenancy.members(acme.id, &quillon_store::Page::first(50)).await.expect("a table").items;
    assert_eq!(left.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["KEEPER"]);
}

/// What there is none of: an invitation without its secret, the operator's link without its key.
fn is_missing(route: &Route) -> bool {
    matches!(route, Route::Invite(_))
}

/// What is refused for another reason than a role: a wrong key, and what takes a person.
fn is_known_refusal(route: &Route, somebody: &Somebody<'_>) -> bool {
    let takes_a_person = matches!(
        route,
        Route::Activate | Route::Invite(_) | Route::AccountAct(_) | Route::SettingsAct(_, SettingsAction::Members(MembersAction::Leave))
    );
    let claims = matches!(route, Route::SettingsAct(_, SettingsAction::Sources(_)));
    matches!(route, Route::OperatorSignIn) || somebody.standing == Standing::Operator && (takes_a_person || claims)
}

#[tokio::test]
async fn no_form_of_another_page_does_anything() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::BOTH).await;
    world.join(&acme, &world.person(2, "ben").await, Roles::BOTH).await;
    let (browser, other) = (world.browser_of(&ann).await, world.browser_of(&ann).await);
    let (token, foreign) = (browser.token("/account").await, other.token("/account").await);
    assert_ne!(token, foreign);
    let cookie = ("cookie", browser.cookie.as_str());
    let trace = "0123456789abcdef0123456789abcdef";
    for path in addresses("acme", trace) {
        let route = Route::of(path.split('?').next().unwrap_or(&path), None);
        if !route.takes(&Method::POST) {
            continue;
        }
        for (headers, token) in [
            (vec![cookie], ""),
            (vec![cookie], foreign.as_str()),
            (vec![cookie, ("origin", "https://evil.example")], token.as_str()),
            (vec![cookie, ("origin", "null")], token.as_str()),
            (vec![cookie, ("sec-fetch-site", "cross-site")], token.as_str()),
            (vec![cookie, ("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:8800")], token.as_str()),
        ] {
            let body = format!("csrf={token}&name=taken&confirm=acme&role=admin&invitee=eve&everywhere=1");
            let answer = world.send(Method::POST, &path, &headers, &body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
        }
    }
    assert_eq!(browser.get("/acme/settings").await.status, StatusCode::OK, "the session, the org and the membership are still there");
    let entries = world.deps.store.audit(acme.id, &quillon_store::Page::first(50)).await.expect("a table").items;
    assert!(entries.iter().all(|entry| entry.who == "the operator"), "nothing was done: {entries:?}");
}

//! Every call against the forge, and every way in which GitHub fails.

mod world;

use std::time::Duration;

use http::Method;
use quillon_core::Sensitive;
use quillon_core::id::{AppId, CommitSha, InstallationId, PullNumber, RepositoryId};
use quillon_core::name::Ref;
use quillon_core::report::StatusState;
use quillon_forge::{AccountKind, Answer, Delivery, Fault, NewPull, RateLimit};

use super::*;
use crate::error::Retry;
use crate::view::{NewStatus, Posted};
use world::{World, ada};

const NOWHERE: &str = "0123456789abcdef0123456789abcdef01234567";

fn reference(text: &str) -> Ref {
    text.parse().expect("a ref")
}

fn sha(text: &str) -> CommitSha {
    text.parse().expect("a SHA")
}

fn status(context: &str) -> NewStatus<'_> {
    NewStatus { context, state: StatusState::Success, description: "passed in 3s", target_url: "https://ci.example/acme/checks/x" }
}

/// The reaction that an outcome asks for.
fn reaction<T>(outcome: Result<T, Error>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(Error::RateLimited { .. }) => "limited",
        Err(Error::Transient { .. }) => "transient",
        Err(Error::NotFound { .. }) => "not found",
        Err(Error::Forbidden { .. }) => "forbidden",
        Err(Error::Unauthorized { .. }) => "unauthorized",
        Err(Error::StatusLimit) => "status limit",
        Err(Error::Refused { .. }) => "refused",
        Err(Error::Unreadable { .. }) => "unreadable",
        Err(Error::Settings { .. }) => "settings",
    }
}

#[tokio::test]
async fn a_repository_is_found_by_its_number_whatever_it_is_called() {
    let world = World::new().await;
    let view = world.client().repository(world.repository()).await.expect("found");
    assert_eq!((view.id, view.name.to_string(), view.default_branch.as_str()), (world.repository(), "acme/hello".to_owned(), "main"));
    assert!(view.is_private && !view.is_archived);
    world.forge.rename(world.hello.id, "bye").expect("renamed");
    world.forge.archive(world.hello.id).expect("archived");
    let view = world.client().repository(world.repository()).await.expect("found");
    assert_eq!((view.name.to_string(), view.is_archived), ("acme/bye".to_owned(), true));
    assert_eq!(reaction(world.client().repository(RepositoryId(1)).await), "not found");
    world.assert_no_violations();
}

#[tokio::test]
async fn heads_of_branches_and_tags() {
    let world = World::new().await;
    let (client, id) = (world.client(), world.repository());
    assert_eq!(client.head(id, &reference("refs/heads/main")).await, Ok(None), "an empty repository has no heads");
    let first = world.push("main", "a").await;
    let forge = &world.forge;
    forge.push_tag(world.hello.id, "v1", first.as_str()).await.expect("tagged");
    let tag = forge.push_annotated_tag(world.hello.id, "v2", first.as_str(), "two", &ada()).await.expect("tagged");
    assert_ne!(tag, first.as_str());
    for (name, expected) in [
        ("refs/heads/main", Some(&first)),
        ("refs/heads/mai", None),
        ("refs/heads/gone", None),
        ("refs/tags/v1", Some(&first)),
        ("refs/tags/v2", Some(&first)),
        ("refs/tags/v3", None),
    ] {
        assert_eq!(client.head(id, &reference(name)).await.as_ref().map(Option::as_ref), Ok(expected), "{name}");
    }
    world.assert_no_violations();
}

#[tokio::test]
async fn odd_but_legal_branch_names_are_asked_for_as_they_are() {
    let world = World::new().await;
    for name in ["feature/a#b", "50%", "a&b=c", "ümläut", "a+b"] {
        let head = world.push(name, "a").await;
        assert_eq!(world.client().head(world.repository(), &reference(&format!("refs/heads/{name}"))).await, Ok(Some(head)), "{name}");
    }
    world.assert_no_violations();
}

#[tokio::test]
async fn a_missing_repository_is_not_a_deleted_branch() {
    let world = World::new().await;
    world.push("main", "a").await;
    world.forge.delete_repository(world.hello.id).await.expect("deleted");
    let client = world.client();
    assert_eq!(reaction(client.head(world.repository(), &reference("refs/heads/main")).await), "not found");
    assert_eq!(reaction(client.pull(world.repository(), PullNumber(1)).await), "not found");
    world.assert_no_violations();
}

#[tokio::test]
async fn what_a_commit_says_and_holds() {
    let world = World::new().await;
    world.push("main", "dagger.json").await;
    let head = world.push("main", "ci/dagger.json").await;
    let (client, id) = (world.client(), world.repository());
    let label = client.commit(id, &head).await.expect("found");
    assert_eq!(
        (label.message.as_str(), label.author_name.as_str(), label.author_email.as_str()),
        ("Add ci/dagger.json", "Ada", "ada@example.com")
    );
    let tree = client.tree(id, &head).await.expect("found");
    assert_eq!((tree.paths, tree.is_truncated), (vec!["ci/dagger.json".to_owned(), "dagger.json".to_owned()], false));
    assert_eq!(reaction(client.commit(id, &sha(NOWHERE)).await), "not found");
    assert_eq!(reaction(client.tree(id, &sha(NOWHERE)).await), "not found");
    world.assert_no_violations();
}

#[tokio::test]
async fn a_cut_tree_says_so() {
    let world = World::with(|config| config.tree_limit = 1).await;
    world.push("main", "a").await;
    let head = world.push("main", "b").await;
    let tree = world.client().tree(world.repository(), &head).await.expect("found");
    assert_eq!((tree.paths.len(), tree.is_truncated), (1, true));
}

#[tokio::test]
async fn a_pull_request_from_its_opening_to_its_end() {
    let world = World::new().await;
    let (client, id) = (world.client(), world.repository());
    world.push("main", "a").await;
    let head = world.push("topic", "b").await;
    let opened = world.forge.open_pull(NewPull::new(world.hello.id, "topic", "main", "Say b")).await.expect("opened");
    let number = PullNumber(opened.number);
    let view = client.pull(id, number).await.expect("asked").expect("found");
    assert_eq!((view.number, view.title.as_str(), view.is_open), (number, "Say b", true));
    assert_eq!((&view.head_sha, view.head_repository), (&head, Some(id)));
    assert_eq!((view.base_ref.as_str(), view.mergeable), ("main", None));
    let view = client.pull(id, number).await.expect("asked").expect("found");
    assert_eq!(view.mergeable, Some(true));
    let page = client.open_pulls(id, 1).await.expect("listed");
    assert_eq!((page.items.len(), page.items[0].number, page.items[0].mergeable, page.next), (1, number, None, None));
    let by_pull = Ref::Pull(number);
    assert_eq!(client.head(id, &by_pull).await, Ok(Some(head)));
    world.forge.merge(world.hello.id, opened.number).await.expect("merged");
    let view = client.pull(id, number).await.expect("asked").expect("found");
    assert!(!view.is_open);
    assert_eq!(client.head(id, &by_pull).await, Ok(None));
    assert_eq!(client.open_pulls(id, 1).await.map(|page| page.items), Ok(vec![]));
    assert_eq!(client.pull(id, PullNumber(99)).await, Ok(None));
    world.assert_no_violations();
}

#[tokio::test]
async fn a_fork_is_told_by_the_number_of_its_repository() {
    let world = World::new().await;
    world.push("main", "a").await;
    let eve = world.forge.create_account("eve", AccountKind::User).expect("an account");
    let fork = world.forge.fork(world.hello.id, eve.id).await.expect("forked");
    let changes = [quillon_forge::FileChange::write("b", "b")];
    world.forge.commit_and_push(fork.id, "evil", &changes, "b", &ada()).await.expect("pushed");
    let new = NewPull { head_repository: fork.id, ..NewPull::new(world.hello.id, "evil", "main", "Let me in") };
    let opened = world.forge.open_pull(new).await.expect("opened");
    let pull = async || world.client().pull(world.repository(), PullNumber(opened.number)).await.expect("asked").expect("found");
    assert_eq!(pull().await.head_repository, Some(RepositoryId(fork.id)));
    world.forge.delete_repository(fork.id).await.expect("deleted");
    assert_eq!(pull().await.head_repository, None);
}

#[tokio::test]
async fn listings_have_pages() {
    let world = World::new().await;
    let head = world.push("main", "a").await;
    for number in 0..100 {
        world.forge.push(world.hello.id, &format!("b{number:02}"), head.as_str()).await.expect("pushed");
    }
    let first = world.client().branches(world.repository(), 1).await.expect("listed");
    let second = world.client().branches(world.repository(), 2).await.expect("listed");
    assert_eq!((first.items.len(), first.next, second.items.len(), second.next), (100, Some(2), 1, None));
    let mut names: Vec<&str> = first.items.iter().chain(&second.items).map(|branch| branch.name.as_str()).collect();
    names.dedup();
    assert_eq!((names.len(), &first.items[0].sha), (101, &head));
    world.assert_no_violations();
}

#[tokio::test]
async fn a_status_is_posted_and_tells_the_budget() {
    let world = World::with(|config| config.status_limit = 2).await;
    let head = world.push("main", "a").await;
    let (client, id) = (world.client(), world.repository());
    let Posted { rate_remaining, rate_reset } = client.post_status(id, &head, &status("quillon")).await.expect("posted");
    assert!(rate_remaining.is_some_and(|remaining| remaining < 5_000) && rate_reset.is_some());
    let posted = world.forge.statuses(world.hello.id, head.as_str()).expect("listed");
    let [posted] = posted.as_slice() else { panic!("one status") };
    assert_eq!((posted.context.as_str(), posted.state.as_str()), ("quillon", "success"));
    assert_eq!(
        (posted.description.as_deref(), posted.target_url.as_deref()),
        (Some("passed in 3s"), Some("https://ci.example/acme/checks/x"))
    );
    assert_eq!(reaction(client.post_status(id, &head, &status("quillon")).await), "ok");
    assert_eq!(client.post_status(id, &head, &status("quillon")).await, Err(Error::StatusLimit));
    assert_eq!(reaction(client.post_status(id, &head, &status("quillon/other")).await), "ok");
    assert_eq!(reaction(client.post_status(id, &sha(NOWHERE), &status("quillon")).await), "refused");
    world.assert_no_violations();
    world.forge.archive(world.hello.id).expect("archived");
    assert_eq!(reaction(client.post_status(id, &head, &status("quillon")).await), "forbidden");
}

#[tokio::test]
async fn the_app_sees_its_installations_and_they_their_repositories() {
    let world = World::new().await;
    let view = world.app.installation_info(world.installation()).await.expect("found");
    assert_eq!((view.id, view.account.0, view.login.as_str(), view.is_suspended), (world.installation(), world.hello.owner, "acme", false));
    assert_eq!(world.app.installations(1).await.map(|page| (page.items, page.next)), Ok((vec![view], None)));
    let repositories = world.client().repositories(1).await.expect("listed");
    assert_eq!((repositories.items.len(), repositories.items[0].id, repositories.next), (1, world.repository(), None));
    assert_eq!(reaction(world.app.installation_info(InstallationId(1)).await), "not found");
    world.assert_no_violations();
}

#[tokio::test]
async fn a_suspended_or_removed_installation_is_forbidden_and_never_a_missing_branch() {
    let world = World::new().await;
    world.push("main", "a").await;
    let main = reference("refs/heads/main");
    let head = async |app: &App| reaction(app.installation(world.installation()).head(world.repository(), &main).await);
    let fresh = || App::new(&world.settings).expect("good settings");
    assert_eq!(head(&world.app).await, "ok");
    world.forge.suspend(world.installed.id).expect("suspended");
    assert_eq!((head(&world.app).await, head(&fresh()).await), ("forbidden", "forbidden"));
    assert!(world.app.installation_info(world.installation()).await.expect("found").is_suspended);
    assert_eq!(reaction(world.app.read_token(world.installation(), world.repository()).await), "forbidden");
    world.forge.unsuspend(world.installed.id).expect("unsuspended");
    assert_eq!(head(&world.app).await, "ok");
    world.forge.uninstall(world.installed.id).expect("uninstalled");
    assert_eq!((head(&world.app).await, head(&fresh()).await), ("forbidden", "forbidden"));
    assert_eq!(reaction(world.app.read_token(world.installation(), world.repository()).await), "forbidden");
    assert_eq!(reaction(world.app.installation_info(world.installation()).await), "not found");
}

#[tokio::test]
async fn one_token_serves_many_calls_and_an_ended_one_is_replaced() {
    let world = World::new().await;
    for _ in 0..3 {
        // A client of its own each time: they share the token.
        assert_eq!(reaction(world.client().repository(world.repository()).await), "ok");
    }
    assert_eq!(world.asked("/access_tokens").len(), 1);
    let ended = Fault::Status {
        method: Some(Method::GET),
        path_contains: "/repositories/".to_owned(),
        status: 401,
        body: r#"{"message":"Bad credentials"}"#.to_owned(),
        retry_after: None,
        times: 1,
    };
    world.forge.fault(ended);
    assert_eq!(reaction(world.client().repository(world.repository()).await), "ok");
    assert_eq!(world.asked("/access_tokens").len(), 2);
    world.assert_no_violations();
}

#[tokio::test]
async fn an_agent_s_token_reads_one_repository_and_nothing_else() {
    let world = World::new().await;
    let token = world.app.read_token(world.installation(), world.repository()).await.expect("given");
    assert!(!token.expose().is_empty());
    assert_eq!(format!("{token:?}"), "***");
    let other = world.app.read_token(world.installation(), RepositoryId(1)).await;
    assert_eq!(reaction(other), "refused");
    world.assert_no_violations();
}

#[tokio::test]
async fn deliveries_are_listed_back_to_the_first_and_redelivered() {
    let world = World::new().await;
    world.forge.settle().await;
    let before = world.forge.deliveries().expect("listed").len();
    world.forge.set_delivery(Delivery::Held);
    for _ in 0..120 {
        world.forge.ping().expect("sent");
    }
    world.forge.deliver_all().await.expect("delivered");
    let first = world.app.deliveries(None).await.expect("listed");
    assert_eq!(first.items.len(), 100);
    let second = world.app.deliveries(first.next.as_deref()).await.expect("listed");
    assert_eq!((second.items.len(), second.next), (20 + before, None));
    let newest = first.items.first().expect("some");
    assert_eq!(newest.event, "ping");
    assert!(first.items.iter().zip(first.items.iter().skip(1)).all(|(newer, older)| newer.id > older.id));
    world.app.redeliver(newest.id).await.expect("accepted");
    world.forge.deliver_all().await.expect("delivered");
    let again = world.app.deliveries(None).await.expect("listed");
    let again = again.items.first().expect("some");
    assert_eq!((&again.guid, again.id > newest.id), (&newest.guid, true));
    assert_eq!(reaction(world.app.redeliver(999_999).await), "not found");
    world.assert_no_violations();
}

#[tokio::test]
async fn limits_say_when_to_go_on() {
    let world = World::new().await;
    let head = world.push("main", "a").await;
    let limited = async |limit, path: &str| {
        world.forge.fault(Fault::RateLimited { limit, path_contains: path.to_owned(), retry_after: 90, times: 1 });
        world.client().post_status(world.repository(), &head, &status("quillon")).await
    };
    // Once on the way to the token, then on the call itself.
    for path in ["/access_tokens", "/statuses/"] {
        let Err(Error::RateLimited { retry: Retry::At(reset), .. }) = limited(RateLimit::Primary, path).await else { panic!("a reset") };
        assert!(reset > jiff::Timestamp::UNIX_EPOCH);
        let Err(Error::RateLimited { retry, .. }) = limited(RateLimit::Secondary, path).await else { panic!("a pause") };
        assert_eq!(retry, Retry::After(Duration::from_secs(90)));
        assert_eq!(reaction(world.client().post_status(world.repository(), &head, &status("quillon")).await), "ok");
    }
    world.assert_no_violations();
}

#[tokio::test]
async fn outages_are_transient_and_a_lost_answer_may_have_had_its_effect() {
    let world = World::new().await;
    let head = world.push("main", "a").await;
    let post = async || reaction(world.client().post_status(world.repository(), &head, &status("quillon")).await);
    world.forge.fault(Fault::Down { times: 1 });
    assert_eq!(post().await, "transient");
    assert_eq!(post().await, "ok");
    for answer in [Answer::Cut, Answer::Status(502), Answer::Status(504)] {
        let before = world.forge.statuses(world.hello.id, head.as_str()).expect("listed").len();
        let fault = Fault::TimeoutAfterWrite { method: Some(Method::POST), path_contains: "/statuses/".to_owned(), answer, times: 1 };
        world.forge.fault(fault);
        assert_eq!(post().await, "transient", "{answer:?}");
        assert_eq!(world.forge.statuses(world.hello.id, head.as_str()).expect("listed").len(), before + 1);
    }
    world.assert_no_violations();
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_unreadable() {
    let world = World::new().await;
    let odd = |status, body: &str| {
        let path_contains = format!("/repositories/{}", world.hello.id);
        world.forge.fault(Fault::Status { method: None, path_contains, status, body: body.to_owned(), retry_after: None, times: 1 });
        world.client()
    };
    for (status, body, expected) in [
        (200, "<html>", "unreadable"),
        (200, "{}", "unreadable"),
        (200, "null", "unreadable"),
        (301, "{}", "refused"),
        (451, "{}", "forbidden"),
        (404, "<html>", "not found"),
        (500, "<html>", "transient"),
    ] {
        assert_eq!(reaction(odd(status, body).repository(world.repository()).await), expected, "{status} {body}");
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_transient() {
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let api_url = format!("http://{}/api/v3", listener.local_addr().expect("an address"));
    drop(listener);
    let app = App::new(&AppSettings { api_url, ..world.settings.clone() }).expect("good settings");
    let Err(Error::Transient { detail }) = app.installations(1).await else { panic!("transient") };
    assert!(detail.to_lowercase().contains("refused"), "{detail}");
    assert_eq!(reaction(app.installation(world.installation()).repository(world.repository()).await), "transient");
}

#[tokio::test]
async fn wrong_credentials_are_a_matter_of_the_settings() {
    let world = World::new().await;
    let with = |app_id, key: &str| {
        let settings = AppSettings { app_id, private_key: Sensitive::new(key.to_owned()), ..world.settings.clone() };
        App::new(&settings).expect("well formed")
    };
    let other_key = with(world.settings.app_id, &world::new_key().await);
    let other_app = with(AppId(4_711), world.settings.private_key.expose());
    for app in [other_key, other_app] {
        assert_eq!(reaction(app.installations(1).await), "unauthorized");
        assert_eq!(reaction(app.installation(world.installation()).repository(world.repository()).await), "unauthorized");
        assert_eq!(reaction(app.read_token(world.installation(), world.repository()).await), "unauthorized");
    }
}

#[tokio::test]
async fn settings_are_checked_before_anything_is_sent_and_the_key_is_never_shown() {
    let world = World::new().await;
    let key = world.settings.private_key.expose().clone();
    let refused = |change: &dyn Fn(&mut AppSettings)| {
        let mut settings = world.settings.clone();
        change(&mut settings);
        App::new(&settings).expect_err("refused").to_string()
    };
    for key in ["", "hunter2", "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\n"] {
        let said = refused(&|settings| settings.private_key = Sensitive::new(key.to_owned()));
        assert!(said.contains("`private key`") && !said.contains("hunter2"), "{said}");
    }
    for url in ["", "api.github.com", "ftp://x", "file:///x", "https://user:pass@github.com", "https://github.com?x=1"] {
        assert!(refused(&|settings| settings.api_url = url.to_owned()).contains("`API URL`"), "{url}");
        assert!(refused(&|settings| settings.web_url = url.to_owned()).contains("`URL`"), "{url}");
    }
    let shown = format!("{:?} {:?} {:?}", world.app, world.client(), world.settings);
    assert!(!shown.contains("PRIVATE KEY") && !key.is_empty(), "{shown}");
    assert_eq!(world.asked(""), []);
}

#[tokio::test]
async fn a_slot_keeps_the_app_until_the_key_changes() {
    let world = World::new().await;
    let slot = AppSlot::new(world.settings.api_url.clone(), world.settings.web_url.clone(), world.settings.app_id);
    assert!(slot.app(&Sensitive::new("rubbish".to_owned())).is_err());
    let first = slot.app(&world.settings.private_key).expect("made");
    let second = slot.app(&world.settings.private_key).expect("kept");
    assert!(Arc::ptr_eq(&first.inner, &second.inner));
    let third = slot.app(&Sensitive::new(world::new_key().await)).expect("made");
    assert!(!Arc::ptr_eq(&first.inner, &third.inner));
}

#[tokio::test]
async fn where_git_and_people_find_it() {
    let world = World::new().await;
    let name = "acme/hello".parse().expect("a name");
    assert_eq!(world.app.clone_url(&name), format!("{}/acme/hello.git", world.settings.web_url));
    assert!(world.app.host().starts_with("127.0.0.1:"));
    let at = |web_url: &str| App::new(&AppSettings { web_url: web_url.to_owned(), ..world.settings.clone() }).expect("good settings");
    assert_eq!(
        (at("https://github.com/").host(), at("https://github.com/").clone_url(&name)),
        ("github.com".to_owned(), "https://github.com/acme/hello.git".to_owned())
    );
}

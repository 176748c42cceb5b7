//! Settings, Visibility: the org's switch, repositories with a rule of their own, and single traces by their link.
#![expect(clippy::expect_used, reason = "a table that does not answer fails its test")]

use http::{Method, StatusCode};
use quillon_core::id::{AccountId, InstallationId, RepositoryId};
use quillon_core::member::Roles;
use quillon_core::org::{Installation, Org, Repository, TraceAccess};
use quillon_core::trace::id::TraceId;
use quillon_store::Page;
use quillon_telemetry::Generated;

use crate::traces::{claim, send};
use crate::world::World;

const TAB: &str = "/acme/settings?tab=Visibility";

async fn with_repository(world: &World, org: &Org) -> Repository {
    let installation = Installation::new(InstallationId(1), Some(org.id), AccountId(1), "acme-inc".to_owned());
    world.deps.store.save_installation(&installation).await.expect("a table");
    world.repository(org, 1, "acme/api").await
}

async fn access(world: &World) -> TraceAccess {
    world.deps.store.repository(RepositoryId(1)).await.expect("a table").expect("a repository").settings.traces
}

async fn deeds(world: &World, org: &Org) -> Vec<String> {
    let log = world.deps.store.audit(org.id, &Page::first(20)).await.expect("a table").items;
    log.iter().map(|entry| format!("{} {} {}", entry.who, entry.action.word(), entry.subject)).collect()
}

#[tokio::test]
async fn the_switch_of_the_org_is_an_admins_and_is_written_down() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::ADMIN).await;
    let admin = world.browser_of(&ann).await;
    assert!(admin.get(TAB).await.text.contains("can be read by everyone"));
    for (value, is_public) in [("no", false), ("no", false), ("yes", true)] {
        let done = admin.press("/acme/settings/public-traces", &format!("public={value}")).await;
        assert_eq!(done.header("location"), "/acme/settings?tab=Visibility&done=visibility-changed");
        assert_eq!(world.deps.store.org(acme.id).await.expect("a table").expect("an org").public_traces, is_public);
    }
    assert_eq!(admin.press("/acme/settings/public-traces", "public=maybe").await.status, StatusCode::BAD_REQUEST);
    let written = deeds(&world, &acme).await;
    assert_eq!(written.iter().filter(|deed| deed.contains("org_traces_")).count(), 2, "{written:?}");
}

#[tokio::test]
async fn a_repository_gets_a_rule_of_its_own_by_name_and_loses_it_again() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::ADMIN).await;
    let admin = world.browser_of(&ann).await;
    with_repository(&world, &acme).await;
    let theirs = Installation::new(InstallationId(2), Some(globex.id), AccountId(2), "globex-inc".to_owned());
    world.deps.store.save_installation(&theirs).await.expect("a table");
    let foreign = Repository {
        id: RepositoryId(2),
        installation: InstallationId(2),
        name: "globex/web".parse().expect("a name"),
        ..world.repository(&acme, 1, "acme/api").await
    };
    world.deps.store.save_repository(globex.id, &foreign).await.expect("a table");

    let path = "/acme/settings/repository-traces";
    assert_eq!(admin.press(path, "name=ACME%2Fapi&access=public").await.status, StatusCode::SEE_OTHER);
    assert_eq!(access(&world).await, TraceAccess::Public);
    let page = admin.get(TAB).await.text;
    assert!(
        page.contains("<strong><bdi>acme/api</bdi></strong>")
            && page.contains("name=\"repository\" value=\"1\"")
            && !page.contains("globex")
    );
    for (fields, status) in [
        ("name=globex%2Fweb&access=public", StatusCode::CONFLICT),
        ("name=%3Cscript%3E&access=public", StatusCode::CONFLICT),
        ("repository=2&access=public", StatusCode::NOT_FOUND),
        ("repository=x&access=public", StatusCode::NOT_FOUND),
        ("repository=1&access=everybody", StatusCode::BAD_REQUEST),
    ] {
        let refused = admin.press(path, fields).await;
        assert_eq!(refused.status, status, "{fields}");
        assert!(!refused.text.contains("<script>\"") && !refused.text.contains("`<script>`"), "{}", refused.text);
    }
    assert_eq!(admin.press(path, "repository=1&access=automatic").await.status, StatusCode::SEE_OTHER);
    assert_eq!(access(&world).await, TraceAccess::Automatic);
    assert!(admin.get(TAB).await.text.contains("None: the rule above holds for all."));
}

#[tokio::test]
async fn an_admin_who_reads_no_traces_decides_about_one_by_its_link() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let (ann, ben) = (world.person(1, "ann").await, world.person(2, "ben").await);
    world.join(&acme, &ann, Roles::ADMIN).await;
    world.join(&globex, &ben, Roles::BOTH).await;
    let (admin, other) = (world.browser_of(&ann).await, world.browser_of(&ben).await);
    let sent = send(&world, &claim(&acme, None), Generated::new(1, 80)).await;
    let link = format!("http%3A%2F%2F127.0.0.1%3A8800%2Facme%2Ftraces%2F{}%3Fspan%3D1", sent.trace);
    assert_eq!(admin.get(&sent.path).await.status, StatusCode::FORBIDDEN, "an admin is no member");
    let anonymous = async || world.send(Method::GET, &sent.path, &[], "").await.status;
    assert_eq!(anonymous().await, StatusCode::NOT_FOUND);

    let path = "/acme/settings/trace-visibility";
    let unsure = admin.press(path, &format!("trace={link}&to=public")).await;
    assert!(unsure.status == StatusCode::BAD_REQUEST && unsure.text.contains(&sent.trace.to_string()), "what was typed is kept");
    assert_eq!(
        admin.press(path, &format!("trace={link}&to=public&confirm=yes")).await.header("location"),
        "/acme/settings?tab=Visibility&done=trace-public"
    );
    assert_eq!(anonymous().await, StatusCode::OK);
    admin.press(path, &format!("trace={}&to=private", sent.trace)).await;
    assert_eq!(anonymous().await, StatusCode::NOT_FOUND);
    let written = deeds(&world, &acme).await;
    assert!(written.iter().any(|deed| deed.contains("ANN") && deed.contains(&format!("trace_made_public {}", sent.trace))), "{written:?}");

    let unknown = TraceId::of_bytes(&[7; 16]).expect("a trace id");
    for text in [unknown.to_string(), "%3Cscript%3E".to_owned(), String::new()] {
        let refused = admin.press(path, &format!("trace={text}&to=private")).await;
        assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("no such trace"), "{text}");
    }
    let foreign = other.press("/globex/settings/trace-visibility", &format!("trace={link}&to=public&confirm=yes")).await;
    assert_eq!(foreign.status, StatusCode::CONFLICT);
    assert_eq!(other.press(path, &format!("trace={link}&to=public&confirm=yes")).await.status, StatusCode::NOT_FOUND);

    let delete = "/acme/settings/delete-trace";
    assert_eq!(admin.press(delete, &format!("trace={link}&confirm=00000000")).await.status, StatusCode::BAD_REQUEST);
    let short: String = sent.trace.to_string().chars().take(8).collect();
    assert_eq!(admin.press(delete, &format!("trace={link}&confirm={short}")).await.status, StatusCode::SEE_OTHER);
    assert_eq!(admin.press(delete, &format!("trace={link}&confirm={short}")).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn members_look_and_change_nothing() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let (ben, eve) = (world.person(2, "ben").await, world.person(3, "eve").await);
    world.join(&acme, &ben, Roles::MEMBER).await;
    let repository = with_repository(&world, &acme).await;
    let sent = send(&world, &claim(&acme, Some(&repository)), Generated::new(1, 80)).await;
    let (member, stranger) = (world.browser_of(&ben).await, world.browser_of(&eve).await);
    let page = member.get(TAB).await;
    assert!(page.status == StatusCode::OK && page.text.contains("The rule") && !page.text.contains("/acme/settings/"));
    for (word, fields) in [
        ("public-traces", "public=no".to_owned()),
        ("repository-traces", "repository=1&access=public".to_owned()),
        ("trace-visibility", format!("trace={}&to=public&confirm=yes", sent.trace)),
        ("delete-trace", format!("trace={0}&confirm={0}", sent.trace)),
    ] {
        let path = format!("/acme/settings/{word}");
        assert_eq!(member.press(&path, &fields).await.status, StatusCode::FORBIDDEN, "{word}");
        assert_eq!(stranger.press(&path, &fields).await.status, StatusCode::NOT_FOUND, "{word}");
        assert_eq!(world.send(Method::POST, &path, &[], &fields).await.status, StatusCode::UNAUTHORIZED, "{word}");
    }
    assert_eq!(access(&world).await, TraceAccess::Automatic);
}

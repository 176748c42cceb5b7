//! Settings, Git Sources: who connects which account, which repositories are checked, and how.
#![expect(clippy::expect_used, reason = "a table that does not answer fails its test")]

use http::{Method, StatusCode};
use quillon_core::id::{AccountId, InstallationId, RepositoryId};
use quillon_core::member::Roles;
use quillon_core::message::EventMessage;
use quillon_core::org::{Installation, Org, Repository, RepositorySettings, SourceMode, TraceAccess};
use quillon_core::person::User;
use quillon_core::source::{SeenInstallation, SeenSources};
use quillon_store::Page;

use crate::world::State::Passed;
use crate::world::World;

const TAB: &str = "/acme/settings?tab=Git+Sources";

/// An installation as GitHub's webhook leaves it behind.
async fn installed(world: &World, id: u64, login: &str, org: Option<&Org>) {
    let installation = Installation::new(InstallationId(id), None, AccountId(id), login.to_owned());
    world.deps.store.save_installation(&installation).await.expect("a table");
    if let Some(org) = org {
        assert!(world.deps.store.claim_installation(InstallationId(id), org.id, world.now()).await.expect("a table").is_done());
    }
}

/// What GitHub says that a person sees: id, login, and whether they administer it.
async fn sees(world: &World, user: &User, accounts: &[(u64, &str, bool)]) {
    let seen = |(id, login, is_admin): &(u64, &str, bool)| SeenInstallation {
        id: InstallationId(*id),
        account: AccountId(*id),
        login: (*login).to_owned(),
        is_org: true,
        is_admin: *is_admin,
    };
    let sources = SeenSources { at: world.now(), installations: accounts.iter().map(seen).collect() };
    world.deps.tenancy.note_sources(user.id, &sources, world.now()).await.expect("a table");
}

async fn stored(world: &World, id: u64) -> Repository {
    world.deps.store.repository(RepositoryId(id)).await.expect("a table").expect("a repository")
}

#[tokio::test]
async fn a_person_connects_what_they_administer_and_nobody_else_has() {
    let mut world = World::new().await;
    world.deps.github_app_slug = Some("quillon-ci".to_owned());
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::ADMIN).await;
    let admin = world.browser_of(&ann).await;

    let page = admin.get(TAB).await.text;
    assert!(
        page.contains("href=\"/auth/github?purpose=sources&#38;org=acme&#38;next=%2Facme%2Fsettings%3Ftab%3DGit%2BSources\""),
        "{page}"
    );
    assert!(page.contains("https://github.com/apps/quillon-ci/installations/new?state=%2Facme%2Fsettings"));
    assert!(page.contains("None yet, so nothing is checked.") && !page.contains("Your accounts at GitHub"));

    installed(&world, 11, "acme-inc", None).await;
    installed(&world, 12, "globex-inc", Some(&globex)).await;
    sees(&world, &ann, &[(11, "acme-inc", true), (12, "globex-inc", true), (13, "initech", false), (14, "new-one", true)]).await;
    let page = admin.get(TAB).await.text;
    assert!(page.contains("name=\"installation\" value=\"11\"") && page.contains("name=\"installation\" value=\"14\""));
    assert!(!page.contains("value=\"12\"") && !page.contains("value=\"13\""));
    assert!(page.contains("connected to another organization") && !page.contains("/globex"), "whose it is, is not said");

    let claim = |id: u64| format!("installation={id}");
    for (id, status) in [(12, StatusCode::CONFLICT), (13, StatusCode::CONFLICT), (99, StatusCode::NOT_FOUND)] {
        let refused = admin.press("/acme/settings/claim-installation", &claim(id)).await;
        assert_eq!(refused.status, status, "{id}");
        assert!(!refused.text.contains("<bdi>globex</bdi>"));
    }
    assert!(world.events().await.is_empty());
    for id in [11, 14] {
        let done = admin.press("/acme/settings/claim-installation", &claim(id)).await;
        assert_eq!(done.header("location"), "/acme/settings?tab=Git+Sources&done=source-claimed", "{}", done.text);
    }
    let told = [11, 14].map(|id| EventMessage::Claim { installation: InstallationId(id), org: acme.id });
    assert_eq!(world.events().await, told);
    assert!(admin.get(TAB).await.text.contains("connected here"));

    // What GitHub said is believed for some minutes only.
    installed(&world, 15, "late", None).await;
    world.pass(16 * 60);
    assert_eq!(admin.press("/acme/settings/claim-installation", &claim(15)).await.status, StatusCode::CONFLICT);
    assert!(!admin.get(TAB).await.text.contains("Your accounts at GitHub"));
}

#[tokio::test]
async fn an_account_is_disconnected_by_who_types_its_name() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::BOTH).await;
    let admin = world.browser_of(&ann).await;
    installed(&world, 11, "acme-inc", Some(&acme)).await;
    installed(&world, 12, "globex-inc", Some(&globex)).await;
    let path = "/acme/settings/release-installation";
    let refused = admin.press(path, "installation=11&confirm=acme").await;
    assert!(refused.status == StatusCode::BAD_REQUEST && refused.text.contains("type its name: acme-inc"));
    assert_eq!(admin.press(path, "installation=12&confirm=globex-inc").await.status, StatusCode::NOT_FOUND);
    let done = admin.press(path, "installation=11&confirm=acme-inc").await;
    assert_eq!(done.header("location"), "/acme/settings?tab=Git+Sources&done=source-released");
    let told = [EventMessage::Claim { installation: InstallationId(11), org: acme.id }];
    assert_eq!(world.events().await, told);
    world.pass(61);
    assert_eq!(world.events().await.iter().find(|again| **again == told[0]), Some(&told[0]), "and once more, had this been the end of us");
    assert_eq!(world.deps.store.installation(InstallationId(12)).await.expect("a table").expect("there").org, Some(globex.id));
    let log = world.deps.store.audit(acme.id, &Page::first(5)).await.expect("a table").items;
    assert!(log.iter().any(|entry| (entry.action.word(), entry.subject.as_str()) == ("source_released", "acme-inc")), "{log:?}");
}

#[tokio::test]
async fn suspended_and_removed_accounts_say_so() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let hostile = "\"><img src=x onerror=alert(1)>\u{202e}";
    installed(&world, 11, hostile, Some(&acme)).await;
    for (is_removed, words) in [(false, "unsuspend the App"), (true, "Installed again it is a new connection")] {
        let gone = Installation {
            is_suspended: true,
            is_removed,
            ..Installation::new(InstallationId(11), None, AccountId(11), hostile.to_owned())
        };
        world.deps.store.save_installation(&gone).await.expect("a table");
        let page = world.sign_in().await.get(TAB).await.text;
        assert!(page.contains(words) && !page.contains("<img") && !page.contains('\u{202e}'), "{page}");
        assert_eq!(page.contains("/acme/settings/source-mode"), !is_removed);
    }
}

#[tokio::test]
async fn which_repositories_are_checked_is_chosen_at_once_or_one_by_one() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::BOTH).await;
    let admin = world.browser_of(&ann).await;
    installed(&world, 1, "acme-inc", Some(&acme)).await;
    installed(&world, 2, "globex-inc", Some(&globex)).await;
    for (id, name) in [(1, "acme/api"), (2, "acme/web")] {
        world.repository(&acme, id, name).await;
    }
    let foreign = Repository { installation: InstallationId(2), id: RepositoryId(3), ..stored(&world, 1).await };
    world.deps.store.save_repository(globex.id, &foreign).await.expect("a table");
    let state = async || [stored(&world, 1).await.settings.autocheck, stored(&world, 2).await.settings.autocheck];

    let back = "back=%2Facme%2Fsettings%3Ftab%3DGit%2BSources%26q%3Dapi";
    let done = admin.press("/acme/settings/autocheck", &format!("off=1&{back}")).await;
    assert_eq!(done.header("location"), "/acme/settings?tab=Git+Sources&q=api&done=autocheck-off");
    assert_eq!(state().await, [false, true]);
    let page = admin.get(TAB).await.text;
    assert!(page.contains("role=\"switch\" aria-checked=\"false\" aria-label=\"Autocheck of acme/api\" name=\"on\" value=\"1\""), "{page}");
    assert!(page.contains("1 of 2 checked"));
    for (fields, status) in [
        ("off=3", StatusCode::NOT_FOUND),
        ("on=99", StatusCode::NOT_FOUND),
        ("on=x", StatusCode::NOT_FOUND),
        ("", StatusCode::BAD_REQUEST),
        ("on=1&off=1", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(admin.press("/acme/settings/autocheck", fields).await.status, status, "{fields}");
    }
    let elsewhere = admin.press("/acme/settings/autocheck", "on=1&back=%2Fglobex%2Fsettings").await;
    assert_eq!(elsewhere.header("location"), "/acme/settings?tab=Git+Sources&done=autocheck-on");
    assert!(stored(&world, 3).await.settings.autocheck);

    let mode = async |word: &str| admin.press("/acme/settings/source-mode", &format!("installation=1&mode={word}")).await.status;
    admin.press("/acme/settings/autocheck", "off=2").await;
    for (word, expected, stored_mode) in [
        ("selected", [true, false], SourceMode::Selected),
        ("none", [false, false], SourceMode::Selected),
        ("all", [true, true], SourceMode::All),
    ] {
        assert_eq!(mode(word).await, StatusCode::SEE_OTHER);
        assert_eq!(state().await, expected, "{word}");
        assert_eq!(world.deps.store.installation(InstallationId(1)).await.expect("a table").expect("there").mode, stored_mode);
    }
    assert_eq!(mode("some").await, StatusCode::BAD_REQUEST);
    assert_eq!(admin.press("/acme/settings/source-mode", "installation=2&mode=none").await.status, StatusCode::NOT_FOUND);
    assert!(stored(&world, 3).await.settings.autocheck);
}

#[tokio::test]
async fn two_people_who_change_a_repository_do_not_overwrite_each_other() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::BOTH).await;
    let admin = world.browser_of(&ann).await;
    installed(&world, 1, "acme-inc", Some(&acme)).await;
    world.repository(&acme, 1, "acme/api").await;
    let page = admin.get(&format!("{TAB}&repository=1")).await;
    assert!(page.status == StatusCode::OK && page.text.contains("How it is checked"), "{}", page.text);
    let seen = page.text.split("name=\"seen\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a mark").to_owned();
    let save =
        async |seen: &str, fields: &str| admin.press("/acme/settings/repository", &format!("repository=1&seen={seen}&{fields}")).await;
    let theirs = "unmerged_branches=release%2F*%0D%0A%0D%0Ahotfix&ignored_directories=&timeout_s=900&traces=private";
    let done = save(&seen, theirs).await;
    assert_eq!(done.header("location"), "/acme/settings?tab=Git+Sources&repository=1&done=repository-changed", "{}", done.text);
    let expected = RepositorySettings {
        unmerged_branches: vec!["release/*".to_owned(), "hotfix".to_owned()],
        supersede_default_branch: false,
        timeout_s: 900,
        traces: TraceAccess::Private,
        ..RepositorySettings::default()
    };
    assert_eq!(stored(&world, 1).await.settings, expected);
    // The same form again changes nothing and says no more; another one from the same old page is refused, and keeps what was typed.
    assert_eq!(save(&seen, theirs).await.status, StatusCode::SEE_OTHER);
    let late = save(&seen, "unmerged_branches=%3Cscript%3E&ignored_directories=x&timeout_s=60&supersede=yes").await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text.contains("changed by somebody else") && late.text.contains("&#60;script&#62;") && !late.text.contains("<script>"));
    assert_eq!(stored(&world, 1).await.settings, expected);
    for fields in
        ["timeout_s=5", "timeout_s=x", "timeout_s=60&traces=everybody", &format!("timeout_s=60&unmerged_branches={}", "x".repeat(300))]
    {
        let refused = save(&seen, fields).await;
        assert!(refused.status == StatusCode::BAD_REQUEST && refused.text.contains("role=\"alert\""), "{fields}: {}", refused.status);
    }
    for id in ["99", "x", "-1"] {
        assert_eq!(admin.get(&format!("{TAB}&repository={id}")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(admin.press("/acme/settings/repository", &format!("repository={id}&timeout_s=60")).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn members_look_others_find_nothing() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let (ben, eve) = (world.person(2, "ben").await, world.person(3, "eve").await);
    world.join(&acme, &ben, Roles::MEMBER).await;
    installed(&world, 1, "acme-inc", Some(&acme)).await;
    world.repository(&acme, 1, "acme/api").await;
    sees(&world, &ben, &[(1, "acme-inc", true)]).await;
    let (member, stranger) = (world.browser_of(&ben).await, world.browser_of(&eve).await);
    for path in [TAB.to_owned(), format!("{TAB}&repository=1")] {
        let page = member.get(&path).await;
        assert!(page.status == StatusCode::OK && page.text.contains("acme/api"), "{path}");
        assert!(!page.text.contains("/acme/settings/") && !page.text.contains("Connect GitHub") && !page.text.contains("role=\"switch\""));
        assert_eq!(stranger.get(&path).await.status, StatusCode::NOT_FOUND);
        assert_eq!(world.send(Method::GET, &path, &[], "").await.status, StatusCode::SEE_OTHER);
    }
    for (word, fields) in [
        ("claim-installation", "installation=1"),
        ("release-installation", "installation=1&confirm=acme-inc"),
        ("source-mode", "installation=1&mode=none"),
        ("autocheck", "off=1"),
        ("repository", "repository=1&timeout_s=60"),
    ] {
        let path = format!("/acme/settings/{word}");
        assert_eq!(member.press(&path, fields).await.status, StatusCode::FORBIDDEN, "{word}");
        assert_eq!(stranger.press(&path, fields).await.status, StatusCode::NOT_FOUND, "{word}");
        assert_eq!(world.send(Method::POST, &path, &[], fields).await.status, StatusCode::UNAUTHORIZED, "{word}");
    }
    assert!(stored(&world, 1).await.settings.autocheck && world.events().await.is_empty());
}

#[tokio::test]
async fn hundreds_of_repositories_are_pages_with_a_filter_and_leftovers_of_others_are_none() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    installed(&world, 1, "acme-inc", Some(&acme)).await;
    for id in 1..=120 {
        world.repository(&acme, id, &format!("acme/service-{id:03}")).await;
    }
    // Listed here still, but reached by an installation that is nobody's.
    let released = Repository {
        installation: InstallationId(9),
        id: RepositoryId(500),
        name: "acme/zombie".parse().expect("a name"),
        ..stored(&world, 1).await
    };
    world.deps.store.save_repository(acme.id, &released).await.expect("a table");
    let browser = world.sign_in().await;
    let first = browser.get(TAB).await.text;
    assert!(
        first.contains("1 to 50 of 120") && first.contains("service-050") && !first.contains("service-051") && !first.contains("zombie")
    );
    let last = browser.get(&format!("{TAB}&q=&page=3")).await.text;
    assert!(last.contains("101 to 120 of 120") && last.contains("rel=\"prev\"") && !last.contains("rel=\"next\""));
    let one = browser.get(&format!("{TAB}&q=SERVICE-07")).await.text;
    assert!(one.contains("<span>10 repositories</span>") && one.contains("value=\"SERVICE-07\""));
    let none = browser.get(&format!("{TAB}&q=%22%3E%3Cscript%3E")).await.text;
    assert!(none.contains("No name holds that.") && !none.contains("<script>\"") && !none.contains("\"><script>"));
    assert_eq!(browser.get(&format!("{TAB}&repository=500")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_was_run_stays_readable_where_it_was_run_and_nowhere_else() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let repository = world.repository(&acme, 1, "acme/api").await;
    let made = world.run(&acme, &repository, 1, "main", &[("load", Passed), ("api:lint", Passed)]).await;
    // As the scheduler leaves it behind when the repository comes to another org, under another name.
    let moved = Repository { name: "globex/api".parse().expect("a name"), installation: InstallationId(2), ..repository };
    world.deps.store.save_repository(globex.id, &moved).await.expect("a table");
    let browser = world.sign_in().await;
    let list = browser.get("/acme/checks").await.text;
    let path = format!("/acme/checks/github.com/acme/api@{}", made.run.key.commit.sha);
    assert!(list.contains(&path), "{list}");
    for address in [path.clone(), format!("{path}?check=api:lint"), path.replace("acme/api", "ACME/api")] {
        assert_eq!(browser.get(&address).await.status, StatusCode::OK, "{address}");
    }
    for name in ["acme/api", "globex/api"] {
        let address = format!("/globex/checks/github.com/{name}@{}", made.run.key.commit.sha);
        assert_eq!(browser.get(&address).await.status, StatusCode::NOT_FOUND, "{address}");
    }
    // Somebody else has the name now.
    world.repository(&acme, 7, "acme/api").await;
    assert_eq!(browser.get(&path).await.status, StatusCode::OK);
    assert_eq!(browser.get(&path.replace("@0", "@1")).await.status, StatusCode::NOT_FOUND);
}

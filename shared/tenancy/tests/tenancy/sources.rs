//! Git sources, and jobs of CI systems.

use quillon_core::audit::AuditAction;
use quillon_core::ci::{CiJob, CiProvider};
use quillon_core::id::{AccountId, InstallationId, OrgId, RepositoryId};
use quillon_core::org::{Installation, RepositorySettings, SourceMode, TraceAccess};
use quillon_tenancy::Error;

use crate::world::{INSTALLATION, World, at, deed, is_refused, is_unknown};

#[tokio::test]
async fn an_installation_is_claimed_by_who_administers_it_for_one_org() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let (org, other) = (world.org(&ann, "acme").await, world.org(&ben, "other").await);
    assert!(is_refused(&world.tenancy.claim(org.id, INSTALLATION, &ann, &deed(at(1))).await), "GitHub has said nothing");
    world.sees(&ann, false).await;
    assert!(is_refused(&world.tenancy.claim(org.id, INSTALLATION, &ann, &deed(at(1))).await), "she is no admin there");
    world.sees(&ann, true).await;
    assert!(is_unknown(&world.tenancy.claim(org.id, InstallationId(8), &ann, &deed(at(1))).await), "she does not see that one");
    // Nobody has told us of the installation yet.
    let claimed = world.tenancy.claim(org.id, INSTALLATION, &ann, &deed(at(1))).await.expect("claimed");
    assert_eq!((claimed.org, claimed.account, claimed.claimed_at), (Some(org.id), AccountId(70), Some(at(1))));
    world.tenancy.claim(org.id, INSTALLATION, &ann, &deed(at(2))).await.expect("as it is");
    world.sees(&ben, true).await;
    assert!(is_refused(&world.tenancy.claim(other.id, INSTALLATION, &ben, &deed(at(2))).await), "another org has it");
    assert!(is_refused(&world.tenancy.claim_as_operator(other.id, INSTALLATION, &deed(at(2))).await));
    assert_eq!(world.deeds(org.id).await, [AuditAction::OrgMade, AuditAction::SourceClaimed]);
    assert_eq!(world.deeds(other.id).await, [AuditAction::OrgMade]);

    assert!(is_unknown(&world.tenancy.release(other.id, INSTALLATION, &deed(at(3))).await), "not theirs");
    world.tenancy.release(org.id, INSTALLATION, &deed(at(3))).await.expect("released");
    assert!(is_unknown(&world.tenancy.release(org.id, INSTALLATION, &deed(at(3))).await));
    world.tenancy.claim(other.id, INSTALLATION, &ben, &deed(at(4))).await.expect("free now");
    assert!(is_refused(&world.tenancy.claim(org.id, INSTALLATION, &ann, &deed(at(15 * 60))).await), "what GitHub said is old");
}

#[tokio::test]
async fn an_org_says_which_repositories_are_checked() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let (org, other) = (world.org(&ann, "acme").await, world.org(&ben, "other").await);
    world.install(Some(org.id)).await;
    let checked = async |id| world.db.store.repository(RepositoryId(id)).await.expect("an answer").expect("known").settings.autocheck;
    let select =
        async |selected: &[RepositoryId]| world.tenancy.set_mode(org.id, INSTALLATION, SourceMode::Selected, selected, &deed(at(1))).await;
    assert!(is_unknown(&select(&[RepositoryId(999)]).await), "not one of them");
    assert_eq!(select(&[RepositoryId(702)]).await.expect("selected").mode, SourceMode::Selected);
    assert_eq!((checked(701).await, checked(702).await), (false, true));
    select(&[RepositoryId(702)]).await.expect("as it is");
    let (subject, detail) = world.deed_of(org.id, AuditAction::SourceModeChanged).await;
    assert_eq!((subject.as_str(), detail.as_str()), ("acme", "1 of 2"));
    world.tenancy.set_autocheck(org.id, RepositoryId(701), true, &deed(at(2))).await.expect("set");
    assert!(checked(701).await);
    world.tenancy.set_mode(org.id, INSTALLATION, SourceMode::All, &[], &deed(at(3))).await.expect("all");
    assert_eq!((checked(701).await, checked(702).await), (true, true));
    let deeds = world.deeds(org.id).await;
    let expected = [AuditAction::OrgMade, AuditAction::SourceModeChanged, AuditAction::AutocheckOn, AuditAction::SourceModeChanged];
    assert_eq!(deeds, expected);
    assert!(is_unknown(&world.tenancy.set_mode(other.id, INSTALLATION, SourceMode::All, &[], &deed(at(3))).await));
    assert!(is_unknown(&world.tenancy.set_autocheck(other.id, RepositoryId(701), false, &deed(at(3))).await));
}

#[tokio::test]
async fn settings_of_a_repository_are_changed_from_what_was_seen() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    world.install(Some(org.id)).await;
    let id = RepositoryId(701);
    let seen = RepositorySettings::default();
    let wanted = RepositorySettings { unmerged_branches: vec!["release/*".to_owned()], autocheck: false, ..seen.clone() };
    let set = async |seen: &RepositorySettings, wanted: &RepositorySettings| {
        world.tenancy.set_repository_settings(org.id, id, seen, wanted.clone(), &deed(at(1))).await
    };
    let changed = set(&seen, &wanted).await.expect("changed").settings;
    assert_eq!((changed.unmerged_branches.as_slice(), changed.autocheck), (["release/*".to_owned()].as_slice(), true));
    set(&seen, &wanted).await.expect("the button twice");
    let late = RepositorySettings { timeout_s: 600, ..seen.clone() };
    assert!(is_refused(&set(&seen, &late).await), "somebody else was faster");
    let hostile = RepositorySettings { timeout_s: u32::MAX, ..seen.clone() };
    assert!(matches!(set(&changed, &hostile).await, Err(Error::Invalid(_))));
    let public = world.tenancy.set_repository_traces(org.id, id, TraceAccess::Public, &deed(at(2))).await.expect("set");
    assert_eq!(public.settings.traces, TraceAccess::Public);
    let deeds = world.deeds(org.id).await;
    assert_eq!(deeds, [AuditAction::OrgMade, AuditAction::RepositorySettingsChanged, AuditAction::RepositoryTracesPublic]);
}

#[tokio::test]
async fn a_job_of_github_sends_for_the_org_that_has_its_repository() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    world.install(Some(org.id)).await;
    let job = |repository, owner| CiJob::GitHub { repository: RepositoryId(repository), owner: AccountId(owner) };
    let of = async |job| world.tenancy.ci_org(&job).await.map(|(org, repository)| (org.id, org.name, repository));
    assert_eq!(of(job(701, 70)).await.expect("an org"), (org.id, org.name.clone(), Some(RepositoryId(701))));
    assert!(is_refused(&of(job(701, 71)).await), "transferred to another account");
    assert!(is_refused(&of(job(999, 70)).await), "unknown");
    let suspend = |stored: Installation| Some(Installation { is_suspended: true, ..stored });
    world.db.store.change_installation(INSTALLATION, suspend).await.expect("changed");
    assert!(is_refused(&of(job(701, 70)).await), "suspended");
    let wake = |stored: Installation| Some(Installation { is_suspended: false, ..stored });
    world.db.store.change_installation(INSTALLATION, wake).await.expect("changed");
    world.tenancy.delete_org(org.id, &deed(at(2))).await.expect("deleted");
    assert!(is_refused(&of(job(701, 70)).await), "being deleted");
    world.tenancy.undelete_org(org.id, &deed(at(3))).await.expect("had back");
    world.tenancy.release(org.id, INSTALLATION, &deed(at(4))).await.expect("released");
    assert!(is_refused(&of(job(701, 70)).await), "nobody's");
}

#[tokio::test]
async fn a_project_sends_for_an_org_that_trusts_it() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    let job = |org: &str| CiJob::Project { provider: CiProvider::GitLab, project: "42".to_owned(), org: org.to_owned() };
    let of = async |org: &str| world.tenancy.ci_org(&job(org)).await.map(|(org, _)| org.id);
    let texts = [of("acme").await, of("nobody").await, of("../x").await].map(|answer| answer.expect_err("refused").to_string());
    assert!(texts.iter().all(|text| *text == texts[0]), "an org that does not trust and one that is not look alike: {texts:?}");
    let trust = async |project: &str, name: &str| world.tenancy.add_trust(org.id, CiProvider::GitLab, project, name, &deed(at(1))).await;
    for (project, name) in [("x", "api"), ("", "api"), ("42", ""), ("42", "a\nb")] {
        assert!(matches!(trust(project, name).await, Err(Error::Invalid(_))), "{project} {name}");
    }
    let made = trust(" 42 ", "api").await.expect("trusted");
    assert_eq!(trust("42", "another name").await.expect("as it is"), made);
    assert_eq!(of("ACME").await.expect("an org"), org.id);
    assert_eq!(world.tenancy.trusts(org.id).await.expect("a list"), [made]);
    world.tenancy.delete_trust(org.id, CiProvider::GitLab, "42", &deed(at(2))).await.expect("removed");
    assert!(is_unknown(&world.tenancy.delete_trust(org.id, CiProvider::GitLab, "42", &deed(at(2))).await));
    assert!(is_refused(&of("acme").await));
    assert_eq!(world.deeds(org.id).await, [AuditAction::OrgMade, AuditAction::CiTrustMade, AuditAction::CiTrustRemoved]);
    let nobody = world.tenancy.add_trust(OrgId::from_parts(1, 1), CiProvider::GitLab, "42", "api", &deed(at(1))).await;
    assert!(is_unknown(&nobody));
}

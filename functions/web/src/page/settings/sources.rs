//! Installations and repositories of an org, as plain data.

use askama::Template;
use jiff::Timestamp;
use quillon_core::id::{InstallationId, OrgId};
use quillon_core::org::{Installation, Repository, RepositorySettings, SourceMode, TIMEOUTS};
use quillon_core::source::SeenInstallation;
use sha2::{Digest, Sha256};

use super::visibility::{self, ACCESSES};
use crate::link::Site;
use crate::page::text::label;
use crate::page::time::Moment;

/// Repositories on one page.
pub const PAGE: usize = 50;

/// The tab.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/sources.html")]
pub struct SourcesPage {
    /// The accounts that the org has connected.
    pub installations: Vec<InstallationRow>,
    /// What the person who looks can connect; none where GitHub has not said so lately.
    pub seen: Option<Vec<SeenRow>>,
    /// The repositories.
    pub repositories: RepositoryList,
    /// What can be done; none for those who only look.
    pub forms: Option<SourceForms>,
}

/// Where things are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceForms {
    /// The installation whose change was refused: its form is open.
    pub open: Option<String>,
    /// The token of the forms.
    pub csrf: String,
    /// Where GitHub is asked what the person administers; none for the operator, and where nobody signs in with GitHub.
    pub connect_href: Option<String>,
    /// Where the GitHub App is installed; none where its name is not known.
    pub install_href: Option<String>,
    /// Whether it is the operator, who connects accounts with a command.
    pub is_operator: bool,
    /// The org's name, for that command.
    pub org: String,
    /// Where a claim is posted to.
    pub claim: String,
    /// Where a release is posted to.
    pub release: String,
    /// Where the choice of repositories is posted to.
    pub mode: String,
    /// Where a switch is posted to.
    pub autocheck: String,
    /// The page to come back to.
    pub back: String,
}

/// A connected account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationRow {
    /// GitHub's number.
    pub id: u64,
    /// The account's login.
    pub login: String,
    /// The account's page.
    pub href: Option<String>,
    /// Key of the sign and the color of its state.
    pub key: &'static str,
    /// Its state in a word.
    pub state: &'static str,
    /// What that means, where it is not all well.
    pub note: Option<&'static str>,
    /// Whether all repositories are checked, new ones too.
    pub is_all: bool,
    /// When it was connected.
    pub since: Option<Moment>,
    /// How many of its repositories are checked, and how many there are.
    pub checked: (usize, usize),
    /// Whether there is anything to choose.
    pub can_choose: bool,
}

impl InstallationRow {
    /// An account with its repositories.
    #[must_use]
    pub fn new(installation: &Installation, repositories: &[Repository], site: &Site, now: Timestamp) -> Self {
        let (key, state, note) = if installation.is_removed {
            (
                "failure",
                "removed",
                Some(
                    "The GitHub App was uninstalled there. Installed again it is a new connection: connect that one, and disconnect this one.",
                ),
            )
        } else if installation.is_suspended {
            (
                "error",
                "suspended",
                Some("GitHub sends nothing from it, and nothing is run. An owner of the account can unsuspend the App in its settings."),
            )
        } else {
            ("success", "connected", None)
        };
        let reached = repositories.iter().filter(|repository| repository.installation == installation.id && repository.is_enabled);
        let checked = reached.clone().filter(|repository| repository.settings.autocheck).count();
        Self {
            id: installation.id.0,
            login: label(&installation.login),
            href: site.forge_account(&installation.login),
            key,
            state,
            note,
            is_all: match installation.mode {
                SourceMode::All => true,
                SourceMode::Selected => false,
            },
            since: installation.claimed_at.map(|at| Moment::new(at, now)),
            checked: (checked, reached.count()),
            can_choose: !installation.is_removed,
        }
    }
}

/// An account that a person can see at GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRow {
    /// GitHub's number of the installation.
    pub id: u64,
    /// The account's login.
    pub login: String,
    /// What kind of account it is.
    pub kind: &'static str,
    /// Whether it can be connected here.
    pub claim: Claim,
}

/// Whether an account can be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It can.
    Free,
    /// It is connected here.
    Ours,
    /// Another org has it. Which one is nobody's business.
    Taken,
    /// The person does not administer it.
    NotAdmin,
}

impl SeenRow {
    /// An account, whose installation an org may have claimed.
    #[must_use]
    pub fn new(seen: &SeenInstallation, holder: Option<OrgId>, org: OrgId) -> Self {
        let claim = match holder {
            Some(holder) if holder == org => Claim::Ours,
            Some(_) => Claim::Taken,
            None if seen.is_admin => Claim::Free,
            None => Claim::NotAdmin,
        };
        let kind = if seen.is_org { "organization" } else { "personal account" };
        Self { id: seen.id.0, login: label(&seen.login), kind, claim }
    }
}

/// One page of repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryList {
    /// The tab's path, for the filter.
    pub action: String,
    /// What is looked for.
    pub filter: String,
    /// The rows.
    pub rows: Vec<RepositoryRow>,
    /// How many fit.
    pub found: usize,
    /// How many there are.
    pub total: usize,
    /// The number of the first row.
    pub first: usize,
    /// The page before.
    pub before_href: Option<String>,
    /// The page after.
    pub after_href: Option<String>,
}

/// A repository in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRow {
    /// GitHub's number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The forge's page of it.
    pub href: Option<String>,
    /// Whether it is private.
    pub is_private: bool,
    /// Whether it takes part.
    pub is_enabled: bool,
    /// Whether it is checked.
    pub autocheck: bool,
    /// The page of its settings.
    pub settings_href: String,
}

impl RepositoryList {
    /// A page of those whose names hold the filter, whatever the case of its letters. `tab` is the path of the tab.
    #[must_use]
    pub fn new(repositories: &[Repository], filter: &str, page: usize, tab: &str, site: &Site) -> Self {
        let wanted = filter.trim().to_ascii_lowercase();
        let fits = |repository: &&Repository| repository.name.to_string().to_ascii_lowercase().contains(&wanted);
        let found: Vec<&Repository> = repositories.iter().filter(fits).collect();
        let pages = found.len().div_ceil(PAGE).max(1);
        let page = page.clamp(1, pages);
        let href = |page: usize| {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("q", filter)
                .append_pair("page", &page.to_string())
                .finish();
            format!("{tab}&{query}")
        };
        let row = |repository: &&Repository| RepositoryRow {
            id: repository.id.0,
            name: repository.name.to_string(),
            href: site.forge_repository(&repository.name),
            is_private: repository.is_private,
            is_enabled: repository.is_enabled,
            autocheck: repository.settings.autocheck,
            settings_href: format!("{tab}&repository={}", repository.id),
        };
        Self {
            action: tab.split('?').next().unwrap_or_default().to_owned(),
            filter: filter.to_owned(),
            first: (page - 1) * PAGE + 1,
            rows: found.iter().skip((page - 1) * PAGE).take(PAGE).map(row).collect(),
            found: found.len(),
            total: repositories.len(),
            before_href: (page > 1).then(|| href(page - 1)),
            after_href: (page < pages).then(|| href(page + 1)),
        }
    }
}

impl RepositoryList {
    /// Which of how many are shown.
    #[must_use]
    pub fn count(&self) -> String {
        let last = self.first + self.rows.len().saturating_sub(1);
        let all = match self.found {
            1 => "1 repository".to_owned(),
            found => format!("{found} repositories"),
        };
        if self.rows.len() == self.found { all } else { format!("{} to {last} of {all}", self.first) }
    }
}

/// How one repository is treated.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/repository.html")]
pub struct RepositoryPage {
    /// GitHub's number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whether it is private.
    pub is_private: bool,
    /// Whether it is checked.
    pub autocheck: bool,
    /// What is shown in the fields.
    pub fields: Fields,
    /// The list of repositories.
    pub back_href: String,
    /// The forms; none for those who only look.
    pub forms: Option<RepositoryForms>,
}

/// Settings of a repository as they stand in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Globs, one a line.
    pub unmerged_branches: String,
    /// Globs, one a line.
    pub ignored_directories: String,
    /// Whether newer commits of the default branch stop older ones.
    pub supersede: bool,
    /// Seconds.
    pub timeout_s: String,
    /// The word of who may read its traces.
    pub traces: String,
}

impl Fields {
    /// As they are stored.
    #[must_use]
    pub fn of(settings: &RepositorySettings) -> Self {
        Self {
            unmerged_branches: settings.unmerged_branches.join("\n"),
            ignored_directories: settings.ignored_directories.join("\n"),
            supersede: settings.supersede_default_branch,
            timeout_s: settings.timeout_s.to_string(),
            traces: visibility::word(settings.traces).to_owned(),
        }
    }
}

/// The forms of a repository's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryForms {
    /// The token of the forms.
    pub csrf: String,
    /// Where the settings are posted to.
    pub save: String,
    /// Where the switch is posted to.
    pub autocheck: String,
    /// This page.
    pub back: String,
    /// Which settings the form was made from.
    pub seen: String,
    /// Whether who may read traces can be chosen.
    pub has_traces: bool,
}

/// What tells settings of a repository from others: two people who change them at the same time must not overwrite each other.
#[must_use]
pub fn digest(settings: &RepositorySettings) -> String {
    // Switches of autocheck are no conflict.
    let compared = RepositorySettings { autocheck: true, ..settings.clone() };
    let text = serde_json::to_vec(&compared).unwrap_or_default();
    hex::encode(&Sha256::digest(text)[..8])
}

/// The globs of a field, one a line.
#[must_use]
pub fn globs(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Those that are claimed by ids of this list.
#[must_use]
pub fn reached(repositories: Vec<Repository>, installations: &[InstallationId]) -> Vec<Repository> {
    repositories.into_iter().filter(|repository| installations.contains(&repository.installation)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_core::id::RepositoryId;
    use url::Url;

    fn site() -> Site {
        let parse = |url| Url::parse(url).expect("a URL");
        Site { public: parse("http://127.0.0.1:8800"), forge: parse("https://github.com") }
    }

    fn repositories(count: u64) -> Vec<Repository> {
        let one = |id| Repository {
            id: RepositoryId(id),
            name: format!("acme/service-{id:04}").parse().expect("a name"),
            installation: InstallationId(1),
            default_branch: "main".parse().expect("a branch"),
            is_private: false,
            is_enabled: true,
            settings: RepositorySettings { autocheck: id % 2 == 0, ..RepositorySettings::default() },
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn hundreds_of_repositories_are_pages_and_a_filter_finds_one() {
        let all = repositories(320);
        let list = |filter, page| RepositoryList::new(&all, filter, page, "/acme/settings?tab=Git+Sources", &site());
        let second = list("", 2);
        assert_eq!((second.rows.len(), second.first, second.rows[0].name.as_str()), (50, 51, "acme/service-0050"));
        assert_eq!(second.after_href.as_deref(), Some("/acme/settings?tab=Git+Sources&q=&page=3"));
        let last = list("", 99);
        assert_eq!((last.rows.len(), last.after_href), (20, None));
        let one = list("SERVICE-0319", 3);
        assert_eq!((one.found, one.total, one.rows[0].id, one.before_href), (1, 320, 319, None));
        assert_eq!(list("<script>", 1).rows.len(), 0);
        assert!(list("a&b", 1).after_href.is_none() && list("service&x", 0).rows.is_empty());
    }

    #[test]
    fn a_form_knows_what_it_was_made_from() {
        let settings = RepositorySettings::default();
        let switched = RepositorySettings { autocheck: false, ..settings.clone() };
        let changed = RepositorySettings { timeout_s: 7, ..settings.clone() };
        assert_eq!(digest(&settings), digest(&switched));
        assert_ne!(digest(&settings), digest(&changed));
        assert_eq!(globs(" release/* \r\n\n hotfix \n"), ["release/*", "hotfix"]);
    }

    #[test]
    fn whose_account_it_is_decides_who_connects_it() {
        let (ours, theirs) = (OrgId::from_parts(1, 1), OrgId::from_parts(2, 2));
        let seen = |is_admin| SeenInstallation {
            id: InstallationId(7),
            account: quillon_core::id::AccountId(7),
            login: "acme".to_owned(),
            is_org: true,
            is_admin,
        };
        for (is_admin, holder, expected) in [
            (true, None, Claim::Free),
            (false, None, Claim::NotAdmin),
            (true, Some(ours), Claim::Ours),
            (true, Some(theirs), Claim::Taken),
            (false, Some(theirs), Claim::Taken),
        ] {
            assert_eq!(SeenRow::new(&seen(is_admin), holder, ours).claim, expected);
        }
    }
}

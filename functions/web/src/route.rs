//! Addresses, taken apart.

use http::Method;
use percent_encoding::percent_decode_str;
use quillon_core::access::{Needs, Permission};
use quillon_core::id::CommitSha;
use quillon_core::name::{ModulePath, RepositoryName};
use quillon_core::org::OrgName;
use quillon_core::trace::id::TraceId;

use crate::link::settings::{AccountAction, SettingsAction, Step, Tab};
use crate::link::{Action, TraceAction, TraceView};

/// Longest secret of an invitation that is looked at.
const MAX_SECRET: usize = 200;

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The first page.
    Home,
    /// The Checks page of an org.
    Checks(OrgName),
    /// A commit, or with `check` in the query one of its checks.
    Commit(Box<CommitRoute>),
    /// A button.
    Act(OrgName, Action),
    /// The list of an org's traces.
    Traces(OrgName),
    /// How to send traces, to an org or in general.
    TraceSetup(Option<OrgName>),
    /// A trace, or data of it.
    Trace(OrgName, TraceId, TraceView),
    /// A button of a trace.
    TraceAct(OrgName, TraceId, TraceAction),
    /// Where people choose how to sign in.
    SignIn,
    /// The operator's sign-in link.
    OperatorSignIn,
    /// The sign-out button.
    SignOut,
    /// One's own account.
    Account,
    /// A button of one's own account.
    AccountAct(AccountAction),
    /// A new org.
    NewOrg,
    /// A step after an org was made.
    Welcome(OrgName, Step),
    /// An invitation, by its secret.
    Invite(String),
    /// A device that waits to be signed in.
    Activate,
    /// A page of an org's settings.
    Settings(OrgName, Tab),
    /// A button of an org's settings.
    SettingsAct(OrgName, SettingsAction),
    /// The audit log as a file.
    AuditExport(OrgName, ExportForm),
    /// A style sheet, a script, the sign.
    Asset,
    /// Nothing.
    Unknown,
}

/// How the audit log is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// For tables.
    Csv,
    /// For programs: a JSON object a line.
    JsonLines,
}

impl ExportForm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Csv, Self::JsonLines];

    /// The name of the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Csv => "audit.csv",
            Self::JsonLines => "audit.jsonl",
        }
    }
}

/// A module at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRoute {
    /// Of which org.
    pub org: OrgName,
    /// The repository.
    pub repository: RepositoryName,
    /// The module in it.
    pub module: ModulePath,
    /// The commit.
    pub sha: CommitSha,
}

impl Route {
    /// Takes an address apart: its path, and of its query what says which page is meant.
    #[must_use]
    pub fn of(path: &str, query: Option<&str>) -> Self {
        match Self::of_path(path) {
            Self::Settings(org, _) => {
                let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
                let tab = pairs.find(|(name, _)| name == "tab").map_or(Tab::General, |(_, word)| Tab::of_word(&word));
                Self::Settings(org, tab)
            }
            route => route,
        }
    }

    /// Takes a path apart.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        match path {
            "/" => return Self::Home,
            "/sign-in" => return Self::SignIn,
            "/sign-out" => return Self::SignOut,
            "/operator/sign-in" => return Self::OperatorSignIn,
            "/account" => return Self::Account,
            "/orgs/new" => return Self::NewOrg,
            "/activate" => return Self::Activate,
            "/traces/setup" => return Self::TraceSetup(None),
            _ => {}
        }
        if let Some(word) = path.strip_prefix("/account/") {
            return AccountAction::of_word(word).map_or(Self::Unknown, Self::AccountAct);
        }
        if let Some(secret) = path.strip_prefix("/invite/") {
            let is_secret = (1..=MAX_SECRET).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
            return if is_secret { Self::Invite(secret.to_owned()) } else { Self::Unknown };
        }
        let rest = path.strip_prefix('/').unwrap_or(path);
        let (first, rest) = rest.split_once('/').unwrap_or((rest, ""));
        if first == "assets" {
            return Self::Asset;
        }
        let Ok(org) = first.parse::<OrgName>() else { return Self::Unknown };
        match rest.split_once('/') {
            None if rest == "checks" => Self::Checks(org),
            Some(("checks", "")) => Self::Checks(org),
            Some(("checks", rest)) => match Action::of_word(rest) {
                Some(action) => Self::Act(org, action),
                None => module_at(org, rest).map_or(Self::Unknown, |route| Self::Commit(Box::new(route))),
            },
            None if rest == "traces" => Self::Traces(org),
            Some(("traces", rest)) => traces(org, rest),
            None if rest == "settings" => Self::Settings(org, Tab::General),
            Some(("settings", word)) => settings(org, word),
            None if rest == "welcome" => Self::Welcome(org, Step::Team),
            Some(("welcome", word)) => Step::of_word(word).map_or(Self::Unknown, |step| Self::Welcome(org, step)),
            None | Some(_) => Self::Unknown,
        }
    }

    /// What whoever asks needs. Nothing is served before it was looked at.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::SignIn | Self::OperatorSignIn | Self::Asset | Self::Unknown => Needs::Nothing,
            // Somebody who is signed out already is where they want to be; the form's token is asked for in any case.
            Self::SignOut => Needs::Nothing,
            Self::Home | Self::Account | Self::AccountAct(_) | Self::NewOrg | Self::Invite(_) | Self::Activate | Self::TraceSetup(None) => {
                Needs::SignedIn
            }
            Self::Checks(_) | Self::Commit(_) | Self::Traces(_) => Needs::In(Permission::ViewRuns),
            Self::Act(_, Action::Rerun | Action::RerunLoad) => Needs::In(Permission::RerunChecks),
            Self::Act(_, Action::Cancel) => Needs::In(Permission::CancelChecks),
            // It says how to send traces, and holds no secret.
            Self::TraceSetup(Some(_)) => Needs::In(Permission::SeeOrg),
            Self::Trace(..) => Needs::InOrPublic(Permission::ViewRuns),
            Self::TraceAct(_, _, TraceAction::Visibility | TraceAction::Share | TraceAction::Revoke) => Needs::In(Permission::ShareTraces),
            Self::TraceAct(_, _, TraceAction::Delete) => Needs::In(Permission::DeleteTraces),
            Self::Welcome(_, step) => Needs::In(step.permission()),
            Self::Settings(_, tab) => Needs::In(tab.permission()),
            Self::SettingsAct(_, action) => Needs::In(action.permission()),
            Self::AuditExport(..) => Needs::In(Permission::ReadAudit),
        }
    }

    /// The org that it names.
    #[must_use]
    pub fn org(&self) -> Option<&OrgName> {
        match self {
            Self::Checks(org)
            | Self::Act(org, _)
            | Self::Traces(org)
            | Self::TraceSetup(Some(org))
            | Self::Trace(org, ..)
            | Self::TraceAct(org, ..)
            | Self::Welcome(org, _)
            | Self::Settings(org, _)
            | Self::SettingsAct(org, _)
            | Self::AuditExport(org, _) => Some(org),
            Self::Commit(route) => Some(&route.org),
            Self::Home
            | Self::TraceSetup(None)
            | Self::SignIn
            | Self::OperatorSignIn
            | Self::SignOut
            | Self::Account
            | Self::AccountAct(_)
            | Self::NewOrg
            | Self::Invite(_)
            | Self::Activate
            | Self::Asset
            | Self::Unknown => None,
        }
    }

    /// Whether it takes a method.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        let is_reading = matches!(*method, Method::GET | Method::HEAD);
        let is_form = *method == Method::POST;
        match self {
            Self::Act(..) | Self::TraceAct(..) | Self::SignOut | Self::AccountAct(_) | Self::SettingsAct(..) => is_form,
            Self::NewOrg | Self::Invite(_) | Self::Activate | Self::Welcome(_, Step::Token) => is_reading || is_form,
            Self::Home
            | Self::Checks(_)
            | Self::Commit(_)
            | Self::Traces(_)
            | Self::TraceSetup(_)
            | Self::Trace(..)
            | Self::SignIn
            | Self::OperatorSignIn
            | Self::Account
            | Self::Welcome(_, Step::Plan | Step::Team | Step::Github)
            | Self::Settings(..)
            | Self::AuditExport(..)
            | Self::Asset
            | Self::Unknown => is_reading,
        }
    }
}

/// What is below `/<org>/settings/`.
fn settings(org: OrgName, word: &str) -> Route {
    if word.is_empty() {
        return Route::Settings(org, Tab::General);
    }
    if let Some(form) = ExportForm::ALL.into_iter().find(|form| form.word() == word) {
        return Route::AuditExport(org, form);
    }
    SettingsAction::of_word(word).map_or(Route::Unknown, |action| Route::SettingsAct(org, action))
}

/// What is below `/<org>/traces/`.
fn traces(org: OrgName, rest: &str) -> Route {
    let (trace, rest) = rest.split_once('/').unwrap_or((rest, ""));
    match (trace, rest) {
        ("", "") => return Route::Traces(org),
        ("setup", "") => return Route::TraceSetup(Some(org)),
        _ => {}
    }
    let Ok(trace) = trace.parse::<TraceId>() else { return Route::Unknown };
    match (TraceView::of_word(rest), TraceAction::of_word(rest)) {
        (Some(view), _) => Route::Trace(org, trace, view),
        (None, Some(action)) => Route::TraceAct(org, trace, action),
        (None, None) => Route::Unknown,
    }
}

/// `<host>/<owner>/<name>[/<path>]@<sha>`. An instance has one forge, so its host is a label and is not looked at.
fn module_at(org: OrgName, text: &str) -> Option<CommitRoute> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    let (module_ref, sha) = text.rsplit_once('@')?;
    let mut parts = module_ref.splitn(4, '/');
    let (_host, owner, name) = (parts.next()?, parts.next()?, parts.next()?);
    let module = parts.next().map_or(Ok(ModulePath::root()), str::parse).ok()?;
    let repository = format!("{owner}/{name}").parse().ok()?;
    Some(CommitRoute { org, repository, module, sha: sha.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn org() -> OrgName {
        "acme".parse().expect("an org")
    }

    #[test]
    fn addresses() {
        for (path, expected) in [
            ("/", Route::Home),
            ("/sign-in", Route::SignIn),
            ("/sign-out", Route::SignOut),
            ("/operator/sign-in", Route::OperatorSignIn),
            ("/account", Route::Account),
            ("/account/unlink", Route::AccountAct(AccountAction::Unlink)),
            ("/orgs/new", Route::NewOrg),
            ("/activate", Route::Activate),
            ("/invite/0a1b", Route::Invite("0a1b".to_owned())),
            ("/acme/welcome", Route::Welcome(org(), Step::Team)),
            ("/acme/welcome/token", Route::Welcome(org(), Step::Token)),
            ("/acme/settings", Route::Settings(org(), Tab::General)),
            ("/acme/settings/", Route::Settings(org(), Tab::General)),
            ("/acme/settings/audit.csv", Route::AuditExport(org(), ExportForm::Csv)),
            ("/acme/settings/audit.jsonl", Route::AuditExport(org(), ExportForm::JsonLines)),
            ("/assets/quillon-abc.css", Route::Asset),
            ("/acme/checks", Route::Checks(org())),
            ("/acme/checks/", Route::Checks(org())),
            ("/acme/checks/rerun", Route::Act(org(), Action::Rerun)),
            ("/acme/checks/rerun-load", Route::Act(org(), Action::RerunLoad)),
            ("/acme/checks/cancel", Route::Act(org(), Action::Cancel)),
            ("/traces/setup", Route::TraceSetup(None)),
            ("/acme/traces", Route::Traces(org())),
            ("/acme/traces/", Route::Traces(org())),
            ("/acme/traces/setup", Route::TraceSetup(Some(org()))),
        ] {
            assert_eq!(Route::of_path(path), expected, "{path}");
        }
    }

    #[test]
    fn a_tab_is_named_by_the_query_and_an_action_by_the_path() {
        for (query, tab) in [
            ("tab=Tokens", Tab::Tokens),
            ("x=1&tab=Git+Sources", Tab::Sources),
            ("tab=git%20sources", Tab::Sources),
            ("", Tab::General),
            ("tab=x", Tab::General),
        ] {
            assert_eq!(Route::of("/acme/settings", Some(query)), Route::Settings(org(), tab), "{query}");
        }
        for action in SettingsAction::all() {
            assert_eq!(Route::of(&format!("/acme/settings/{}", action.word()), None), Route::SettingsAct(org(), action));
        }
    }

    #[test]
    fn the_path_that_the_cli_prints() {
        for (path, module) in [
            (format!("/acme/checks/github.com/acme/api@{SHA}"), "."),
            (format!("/acme/checks/github.com/acme/api/ci/lint@{SHA}"), "ci/lint"),
            (format!("/acme/checks/127.0.0.1%3A8800/acme/api/a%20b%40c@{SHA}"), "a b@c"),
        ] {
            let Route::Commit(route) = Route::of_path(&path) else { panic!("{path}") };
            assert_eq!((route.repository.to_string().as_str(), route.module.as_str(), route.sha.as_str()), ("acme/api", module, SHA));
        }
    }

    #[test]
    fn a_trace_has_a_page_data_and_buttons() {
        let text = "0123456789abcdef0123456789abcdef";
        let trace: TraceId = text.parse().expect("a trace id");
        for view in TraceView::ALL {
            let path = format!("/acme/traces/{text}/{}", view.word());
            assert_eq!(Route::of_path(&path), Route::Trace(org(), trace, view), "{path}");
        }
        assert_eq!(Route::of_path(&format!("/acme/traces/{text}")), Route::Trace(org(), trace, TraceView::Page));
        for action in TraceAction::ALL {
            let path = format!("/acme/traces/{text}/{}", action.word());
            assert_eq!(Route::of_path(&path), Route::TraceAct(org(), trace, action), "{path}");
        }
    }

    #[test]
    fn everything_else_is_nothing() {
        for path in [
            "",
            "//evil.example",
            "/acme",
            "/acme/",
            "/acme/settings/rubbish",
            "/acme/settings/rename/x",
            "/acme/welcome/x",
            "/a_b/checks",
            "/operator",
            "/operator/sign-out",
            "/sign-in/x",
            "/account/x",
            "/account/",
            "/orgs",
            "/invite/",
            "/invite/a/b",
            "/invite/..",
            &format!("/invite/{}", "a".repeat(201)),
            "/v1/traces",
            "/traces",
            "/acme/traces/0123",
            "/acme/traces/00000000000000000000000000000000",
            "/acme/traces/0123456789ABCDEF0123456789ABCDEF",
            "/acme/traces/0123456789abcdef0123456789abcdef/rubbish",
            "/acme/traces/0123456789abcdef0123456789abcdef/outline/x",
            "/acme/traces/setup/x",
            "/acme/checks/x",
            "/acme/checks/github.com/acme/api",
            "/acme/checks/github.com/acme/api@main",
            &format!("/acme/checks/github.com/acme/api/../x@{SHA}"),
            &format!("/acme/checks/github.com/acme@{SHA}"),
            &format!("/acme/checks/github.com/acme/%FF@{SHA}"),
        ] {
            assert_eq!(Route::of_path(path), Route::Unknown, "{path}");
        }
    }
}

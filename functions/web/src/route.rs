//! Addresses, taken apart.

use percent_encoding::percent_decode_str;
use quillon_core::id::CommitSha;
use quillon_core::name::{ModulePath, RepositoryName};
use quillon_core::org::OrgName;
use quillon_core::trace::id::TraceId;

use crate::link::{Action, TraceAction, TraceView};

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
    /// The sign-in link.
    SignIn,
    /// The sign-out button.
    SignOut,
    /// A style sheet, a script, the sign.
    Asset,
    /// Nothing.
    Unknown,
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
    /// Takes a path apart.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        match path {
            "/" => return Self::Home,
            "/operator/sign-in" => return Self::SignIn,
            "/operator/sign-out" => return Self::SignOut,
            "/traces/setup" => return Self::TraceSetup(None),
            _ => {}
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
            None | Some(_) => Self::Unknown,
        }
    }
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
            ("/operator/sign-in", Route::SignIn),
            ("/operator/sign-out", Route::SignOut),
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
            "/acme/settings",
            "/a_b/checks",
            "/operator",
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

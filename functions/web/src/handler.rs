//! From a request to a response: the order of the questions, and what becomes of every answer.

mod action;
mod checks;
mod commit;
mod operator;
mod partner;
mod trace;
mod trace_action;
mod traces;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use quillon_core::org::{Org, OrgName};
use quillon_runtime::guard;
use quillon_secrets::InstanceKey;
use quillon_workflow::RerunError;
use url::form_urlencoded;

use crate::Deps;
use crate::asset::Assets;
use crate::flash::Flash;
use crate::page::Forms;
use crate::page::frame;
use crate::page::notice::Notice;
use crate::respond;
use crate::route::Route;
use crate::session::Session;

/// Why a page is not shown, or a button not followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// It does not exist, or belongs to somebody else: the two are not told apart.
    #[error("not found")]
    NotFound,
    /// The form is not ours.
    #[error("the form is not of this session")]
    ForeignForm,
    /// The form lacks something.
    #[error("{0}")]
    BadForm(&'static str),
    /// It cannot be done as things are.
    #[error("{0}")]
    Refused(String),
    /// The tables said no.
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    /// The write path said no.
    #[error(transparent)]
    Workflow(#[from] quillon_workflow::Error),
    /// Telemetry cannot be read.
    #[error(transparent)]
    Traces(#[from] quillon_traces::Error),
    /// The page did not render.
    #[error("the page does not render")]
    Render(#[from] askama::Error),
}

/// Answers a request for a page, or for what a button does.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let is_head = request.method() == Method::HEAD;
    let mut response = answer(deps, &request).await;
    if is_head {
        response.body_mut().clear();
    }
    response
}

async fn answer(deps: &Deps, request: &Request<Bytes>) -> Response<Bytes> {
    let public = &deps.site.public;
    let headers = request.headers();
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    if !guard::is_our_host(public, headers, authority) {
        let notice = Notice::wrong_host(public.as_str().trim_end_matches('/'));
        return respond::notice(StatusCode::MISDIRECTED_REQUEST, &notice, None);
    }
    let route = Route::of_path(request.uri().path());
    if !takes(&route, request.method()) {
        return respond::notice(StatusCode::METHOD_NOT_ALLOWED, &Notice::wrong_method(), None);
    }
    if route == Route::Asset {
        return match Assets::all().find(request.uri().path()) {
            Some(asset) => respond::asset(asset, headers),
            None => respond::notice(StatusCode::NOT_FOUND, &Notice::not_found(), None),
        };
    }
    let now = deps.clock.now();
    let key = match deps.secrets.instance_key(&deps.session_secret_arn, now).await {
        Ok(key) => key,
        Err(error) => {
            tracing::error!(%error, "the key of the sessions cannot be read");
            return respond::notice(StatusCode::SERVICE_UNAVAILABLE, &Notice::broken(true), None);
        }
    };
    if route == Route::SignIn {
        return operator::sign_in(deps, &key, request.uri().query(), now);
    }
    let session = Session::of_request(&key, public, headers, now);
    if session.is_none() && !is_open(&route) {
        return respond::notice(StatusCode::UNAUTHORIZED, &Notice::sign_in(), None);
    }
    let visit = Visit { deps, key: &key, session: session.as_ref(), request, now };
    match visit.follow(route).await {
        Ok(response) => response,
        Err(problem) => visit.explain(&problem),
    }
}

fn takes(route: &Route, method: &Method) -> bool {
    let is_reading = matches!(*method, Method::GET | Method::HEAD);
    match route {
        Route::Act(..) | Route::TraceAct(..) | Route::SignOut => *method == Method::POST,
        Route::Home
        | Route::Checks(_)
        | Route::Commit(_)
        | Route::Traces(_)
        | Route::TraceSetup(_)
        | Route::Trace(..)
        | Route::SignIn
        | Route::Asset
        | Route::Unknown => is_reading,
    }
}

/// Whether somebody who is not signed in may ask: a trace may be public, or shared by a link.
fn is_open(route: &Route) -> bool {
    match route {
        Route::Trace(..) => true,
        Route::Home
        | Route::Checks(_)
        | Route::Commit(_)
        | Route::Act(..)
        | Route::Traces(_)
        | Route::TraceSetup(_)
        | Route::TraceAct(..)
        | Route::SignIn
        | Route::SignOut
        | Route::Asset
        | Route::Unknown => false,
    }
}

/// A request, mostly of somebody who is signed in.
pub(crate) struct Visit<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) key: &'a InstanceKey,
    /// None only where [`is_open`] says so.
    pub(crate) session: Option<&'a Session>,
    pub(crate) request: &'a Request<Bytes>,
    pub(crate) now: Timestamp,
}

impl Visit<'_> {
    async fn follow(&self, route: Route) -> Result<Response<Bytes>, Problem> {
        match route {
            Route::Home => checks::home(self).await,
            Route::Checks(org) => checks::checks(self, &self.org(&org).await?).await,
            Route::Commit(route) => commit::commit(self, &self.org(&route.org).await?, &route).await,
            Route::Act(org, action) => {
                let form = action::Form::read(self)?;
                action::act(self, &self.org(&org).await?, action, &form).await
            }
            Route::SignOut => operator::sign_out(self),
            Route::Traces(org) => traces::list(self, &self.org(&org).await?).await,
            Route::TraceSetup(None) => traces::setup(self, None),
            Route::TraceSetup(Some(org)) => traces::setup(self, Some(&self.org(&org).await?)),
            Route::Trace(org, trace, view) => trace::view(self, &self.org(&org).await?, trace, view).await,
            Route::TraceAct(org, trace, action) => {
                let form = action::Form::read(self)?;
                trace_action::act(self, &self.org(&org).await?, trace, action, &form).await
            }
            Route::SignIn | Route::Asset | Route::Unknown => Err(Problem::NotFound),
        }
    }

    fn explain(&self, problem: &Problem) -> Response<Bytes> {
        let (status, notice) = match problem {
            // The same for whatever is not there and whatever is not theirs to see.
            Problem::NotFound if self.session.is_none() => (StatusCode::NOT_FOUND, Notice::no_trace()),
            Problem::NotFound => (StatusCode::NOT_FOUND, Notice::not_found()),
            Problem::ForeignForm => (StatusCode::FORBIDDEN, Notice::refused_form()),
            Problem::BadForm(reason) => (StatusCode::BAD_REQUEST, Notice::bad_form(reason)),
            Problem::Refused(reason) => (StatusCode::CONFLICT, Notice::refused(reason)),
            Problem::Store(_) | Problem::Workflow(_) | Problem::Traces(_) | Problem::Render(_) => {
                let is_transient = is_transient(problem);
                let cause = quillon_core::text::with_causes(problem);
                tracing::error!(cause, path = self.request.uri().path(), "a page failed");
                let status = if is_transient { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
                (status, Notice::broken(is_transient))
            }
        };
        respond::notice(status, &notice, self.form_token())
    }

    /// The org of that name.
    async fn org(&self, name: &OrgName) -> Result<Org, Problem> {
        self.deps.store.org_by_name(name).await?.ok_or(Problem::NotFound)
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The token of this session's forms; none where nobody is signed in.
    pub(crate) fn form_token(&self) -> Option<String> {
        self.session.map(|session| session.form_token(self.key))
    }

    /// A value of the query.
    pub(crate) fn parameter(&self, wanted: &str) -> Option<String> {
        self.query().into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
    }

    /// The pairs of the query.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect()
    }

    /// The forms of a page of an org, which come back to this address.
    pub(crate) fn forms(&self, org: &Org) -> Forms {
        let path = self.request.uri().path();
        let kept = self.query().into_iter().filter(|(name, _)| name != "fragment" && name != "done");
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
        let back = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        Forms::new(&self.deps.site.paths(&org.name), self.form_token().unwrap_or_default(), back)
    }

    /// Sends a page of an org without the tree of a trace.
    pub(crate) fn show(&self, org: &Org, title: String, refresh: frame::Refresh, main: String) -> Result<Response<Bytes>, Problem> {
        self.show_page(org, title, refresh, false, main)
    }

    /// Sends a page of an org.
    pub(crate) fn show_page(
        &self,
        org: &Org,
        title: String,
        refresh: frame::Refresh,
        has_trace: bool,
        main: String,
    ) -> Result<Response<Bytes>, Problem> {
        let paths = self.deps.site.paths(&org.name);
        let is_of_traces = self.request.uri().path().split('/').nth(2) == Some("traces");
        let section = if is_of_traces { frame::Section::Traces } else { frame::Section::Checks };
        let in_frame = frame::Org { name: org.name.to_string(), checks_href: paths.checks(), traces_href: paths.traces(), section };
        let query = self.query();
        let flash = query.iter().find(|(name, _)| name == "done").and_then(|(_, code)| Flash::of_code(code));
        let page = respond::Page {
            title,
            // Its sections are closed to those who are not signed in.
            org: self.session.map(|_| in_frame),
            csrf: self.form_token(),
            refresh,
            has_trace,
            flash,
            main,
        };
        let is_fragment = query.iter().any(|(name, value)| name == "fragment" && value == "1");
        Ok(respond::page(&page, is_fragment, self.headers())?)
    }
}

impl From<RerunError> for Problem {
    fn from(error: RerunError) -> Self {
        match error {
            RerunError::Unknown(_) => Self::NotFound,
            RerunError::Refused(refusal) => Self::Refused(refusal.to_string()),
            RerunError::Failed(error) => Self::Workflow(error),
        }
    }
}

fn is_transient(problem: &Problem) -> bool {
    match problem {
        Problem::Store(error) => error.is_retryable(),
        // All of it is worth another try.
        Problem::Workflow(_) => true,
        Problem::Traces(error) => error.is_retryable(),
        Problem::NotFound | Problem::ForeignForm | Problem::BadForm(_) | Problem::Refused(_) | Problem::Render(_) => false,
    }
}

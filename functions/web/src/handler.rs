//! From a request to a response: the order of the questions, and what becomes of every answer.

mod account;
mod action;
mod activate;
mod audit;
mod checks;
mod commit;
mod form;
mod home;
mod invite;
mod onboarding;
mod partner;
mod settings;
mod sign_in;
mod trace;
mod trace_action;
mod traces;
mod visit;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use quillon_core::access::{Needs, Refusal, Standing, Verdict, allows};
use quillon_core::org::Org;
use quillon_runtime::guard;
use quillon_tenancy::Viewer;
use quillon_workflow::RerunError;

use crate::Deps;
use crate::asset::Assets;
use crate::page::notice::Notice;
use crate::respond;
use crate::route::Route;
use crate::session::SignedIn;

pub(crate) use visit::Visit;

/// Why a page is not shown, or a button not followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// It does not exist, or belongs to somebody else: the two are not told apart.
    #[error("not found")]
    NotFound,
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut,
    /// They know the org, and may not.
    #[error(transparent)]
    Forbidden(#[from] Refusal),
    /// The operator is no person: an account, a membership is somebody's.
    #[error("the operator is no person: sign in as one")]
    NoPerson,
    /// The form is not ours.
    #[error("the form is not of this session")]
    ForeignForm,
    /// The form lacks something.
    #[error("{0}")]
    BadForm(&'static str),
    /// It cannot be done as things are.
    #[error("{0}")]
    Refused(String),
    /// What was typed cannot be.
    #[error("{0}")]
    Invalid(String),
    /// Others were quicker, again and again.
    #[error("others changed it at the same time")]
    Contended,
    /// The tables said no.
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    /// The machine gives no random numbers.
    #[error(transparent)]
    NoEntropy(#[from] quillon_tenancy::secret::NoEntropy),
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
    let route = Route::of(request.uri().path(), request.uri().query());
    if !route.takes(request.method()) {
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
            tracing::error!(%error, "the instance's key cannot be read");
            return respond::notice(StatusCode::SERVICE_UNAVAILABLE, &Notice::broken(true), None);
        }
    };
    let who = match SignedIn::of_request(&deps.tenancy, public, headers, now).await {
        Ok(who) => who,
        Err(error) => {
            tracing::error!(%error, "the session cannot be read");
            return respond::notice(StatusCode::SERVICE_UNAVAILABLE, &Notice::broken(true), None);
        }
    };
    let visit = Visit::new(deps, &key, who.as_ref(), request, now);
    let answer = match admit(deps, &route, who.as_ref()).await {
        Ok(admitted) => {
            let visit = visit.clone().with(admitted.standing);
            follow(&visit, &route, admitted.org.as_ref()).await
        }
        Err(problem) => Err(problem),
    };
    answer.unwrap_or_else(|problem| explain(&visit, &route, &problem))
}

/// What was found out about whoever asks.
struct Admitted {
    /// The org that the address names.
    org: Option<Org>,
    /// What they are to it.
    standing: Standing,
}

/// Looks at what a route needs, before anything is read for it.
async fn admit(deps: &Deps, route: &Route, who: Option<&SignedIn>) -> Result<Admitted, Problem> {
    let signed_in = who.map(|who| &who.viewer).ok_or(Problem::SignedOut);
    let nowhere = Admitted { org: None, standing: Standing::Stranger };
    match route.needs() {
        Needs::Nothing => Ok(nowhere),
        Needs::SignedIn => signed_in.map(|_| nowhere),
        Needs::Operator => match matches!(signed_in?, Viewer::Operator) {
            true => Ok(nowhere),
            false => Err(Problem::NotFound),
        },
        Needs::In(permission) => {
            let viewer = signed_in?;
            let org = org_of(deps, route).await?;
            let standing = deps.tenancy.standing(viewer, org.id).await?;
            match allows(&standing, permission) {
                Verdict::Allowed => Ok(Admitted { org: Some(org), standing }),
                Verdict::Refused(refusal) => Err(refusal.into()),
                Verdict::Hidden => Err(Problem::NotFound),
            }
        }
        // What is public or shared is for its page to say, which knows by the standing who may read all else.
        Needs::InOrPublic(_) => {
            let org = org_of(deps, route).await?;
            let standing = match signed_in {
                Ok(viewer) => deps.tenancy.standing(viewer, org.id).await?,
                Err(_) => Standing::Stranger,
            };
            Ok(Admitted { org: Some(org), standing })
        }
    }
}

async fn org_of(deps: &Deps, route: &Route) -> Result<Org, Problem> {
    let name = route.org().ok_or(Problem::NotFound)?;
    deps.store.org_by_name(name).await?.ok_or(Problem::NotFound)
}

async fn follow(visit: &Visit<'_>, route: &Route, org: Option<&Org>) -> Result<Response<Bytes>, Problem> {
    match (route, org) {
        (Route::Home, _) => home::home(visit).await,
        (Route::SignIn, _) => sign_in::page(visit),
        (Route::OperatorSignIn, _) => sign_in::operator(visit).await,
        (Route::SignOut, _) => sign_in::sign_out(visit).await,
        (Route::Account, _) => account::page(visit, None).await,
        (Route::AccountAct(action), _) => account::act(visit, *action).await,
        (Route::NewOrg, _) => onboarding::new_org(visit).await,
        (Route::Invite(secret), _) => invite::answer(visit, secret).await,
        (Route::Activate, _) => activate::answer(visit).await,
        (Route::TraceSetup(None), _) => traces::setup(visit, None).await,
        (Route::TraceSetup(Some(_)), Some(org)) => traces::setup(visit, Some(org)).await,
        (Route::Checks(_), Some(org)) => checks::checks(visit, org).await,
        (Route::Commit(route), Some(org)) => commit::commit(visit, org, route).await,
        (Route::Act(_, action), Some(org)) => action::act(visit, org, *action).await,
        (Route::Traces(_), Some(org)) => traces::list(visit, org).await,
        (Route::Trace(_, trace, view), Some(org)) => trace::view(visit, org, *trace, *view).await,
        (Route::TraceAct(_, trace, action), Some(org)) => trace_action::act(visit, org, *trace, *action).await,
        (Route::Welcome(_, step), Some(org)) => onboarding::welcome(visit, org, *step).await,
        (Route::Settings(_, tab), Some(org)) => settings::page(visit, org, *tab).await,
        (Route::SettingsAct(_, action), Some(org)) => settings::act(visit, org, *action).await,
        (Route::AuditExport(_, form), Some(org)) => audit::export(visit, org, *form).await,
        (Route::Asset | Route::Unknown, _) => Err(Problem::NotFound),
        (
            Route::TraceSetup(Some(_))
            | Route::Checks(_)
            | Route::Commit(_)
            | Route::Act(..)
            | Route::Traces(_)
            | Route::Trace(..)
            | Route::TraceAct(..)
            | Route::Welcome(..)
            | Route::Settings(..)
            | Route::SettingsAct(..)
            | Route::AuditExport(..),
            None,
        ) => Err(Problem::NotFound),
    }
}

fn explain(visit: &Visit<'_>, route: &Route, problem: &Problem) -> Response<Bytes> {
    let (status, notice) = match problem {
        // A script asks for a part of a page: it could not show the sign-in.
        Problem::SignedOut if visit.request.method() == Method::POST || visit.is_fragment() => {
            (StatusCode::UNAUTHORIZED, Notice::signed_out(&sign_in::address(page_of(visit, route).as_deref())))
        }
        Problem::SignedOut => {
            let response = respond::see_other(&sign_in::address(Some(&visit.address())), None);
            // The address may hold what nobody else shall see, such as an invitation.
            return respond::without_referrer(response);
        }
        // The same for whatever is not there and whatever is not theirs to see.
        Problem::NotFound if visit.who.is_none() && matches!(route, Route::Trace(..)) => {
            (StatusCode::NOT_FOUND, Notice::no_trace(&sign_in::address(Some(&visit.address()))))
        }
        Problem::NotFound => (StatusCode::NOT_FOUND, Notice::not_found()),
        Problem::Forbidden(refusal) => (StatusCode::FORBIDDEN, Notice::forbidden(&refusal.to_string(), visit.is_form())),
        Problem::NoPerson => (StatusCode::FORBIDDEN, Notice::no_person()),
        Problem::ForeignForm => (StatusCode::FORBIDDEN, Notice::refused_form()),
        Problem::BadForm(reason) => (StatusCode::BAD_REQUEST, Notice::bad_form(reason)),
        Problem::Invalid(reason) => (StatusCode::BAD_REQUEST, Notice::bad_form(reason)),
        Problem::Refused(reason) => (StatusCode::CONFLICT, Notice::refused(reason)),
        Problem::Contended | Problem::Store(_) | Problem::NoEntropy(_) | Problem::Workflow(_) | Problem::Traces(_) | Problem::Render(_) => {
            let is_transient = is_transient(problem);
            let cause = quillon_core::text::with_causes(problem);
            // Not the path of an invitation: its secret is no matter of the log.
            let path = if matches!(route, Route::Invite(_)) { "/invite/…" } else { visit.request.uri().path() };
            tracing::error!(cause, path, "a page failed");
            let status = if is_transient { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
            (status, Notice::broken(is_transient))
        }
    };
    respond::notice(status, &notice, visit.person())
}

/// The page that a form stands on, so that whoever has to sign in anew comes back to it.
fn page_of(visit: &Visit<'_>, route: &Route) -> Option<String> {
    let paths = |org| visit.deps.site.paths(org);
    match route {
        Route::SettingsAct(org, action) => Some(paths(org).settings(action.tab())),
        Route::Act(org, _) => Some(paths(org).checks()),
        Route::TraceAct(org, trace, _) => Some(paths(org).trace(*trace)),
        Route::Welcome(org, step) => Some(paths(org).welcome(*step)),
        Route::AccountAct(_) => Some("/account".to_owned()),
        Route::NewOrg | Route::Invite(_) | Route::Activate => Some(visit.request.uri().path().to_owned()),
        Route::Home
        | Route::Checks(_)
        | Route::Commit(_)
        | Route::Traces(_)
        | Route::TraceSetup(_)
        | Route::Trace(..)
        | Route::SignIn
        | Route::OperatorSignIn
        | Route::SignOut
        | Route::Account
        | Route::Settings(..)
        | Route::AuditExport(..)
        | Route::Asset
        | Route::Unknown => None,
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

impl From<quillon_tenancy::Error> for Problem {
    fn from(error: quillon_tenancy::Error) -> Self {
        match error {
            quillon_tenancy::Error::NotFound(_) => Self::NotFound,
            quillon_tenancy::Error::Refused(text) => Self::Refused(text),
            quillon_tenancy::Error::Invalid(text) => Self::Invalid(text),
            quillon_tenancy::Error::Contended(_) => Self::Contended,
            quillon_tenancy::Error::Store(error) => Self::Store(error),
            quillon_tenancy::Error::Entropy(error) => Self::NoEntropy(error),
        }
    }
}

fn is_transient(problem: &Problem) -> bool {
    match problem {
        Problem::Store(error) => error.is_retryable(),
        // All of it is worth another try.
        Problem::Workflow(_) | Problem::NoEntropy(_) | Problem::Contended => true,
        Problem::Traces(error) => error.is_retryable(),
        Problem::NotFound
        | Problem::SignedOut
        | Problem::Forbidden(_)
        | Problem::NoPerson
        | Problem::ForeignForm
        | Problem::BadForm(_)
        | Problem::Invalid(_)
        | Problem::Refused(_)
        | Problem::Render(_) => false,
    }
}

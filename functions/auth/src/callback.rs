//! A sign-in ends: the provider sent the browser back.

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use quillon_core::id::{SessionId, UserId};
use quillon_core::person::{Profile, ProviderId};
use quillon_core::session::{Holder, LONGEST};
use quillon_identity::{Redeemed, UserToken};
use quillon_runtime::{Cookie, Form, Notice, guard, see_other, with_cookies};

use crate::flow::{Flow, Purpose};
use crate::provider::Provider;
use crate::start::callback_url;
use crate::{Deps, page, session};

/// Longest code that is sent on.
const MAX_CODE: usize = 2_048;

/// Why a sign-in ends without what it was begun for; boxed, because it is a whole page.
type Unfinished = Box<Notice>;

/// `GET /auth/{provider}/callback?code=…&state=…`.
pub(crate) async fn finish(deps: &Deps, id: &ProviderId, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    let Some(provider) = deps.provider(id) else { return page::unknown(&deps.public).page() };
    let query = match Form::of_query(request) {
        Ok(query) => query,
        Err(problem) => return page::damaged(&deps.public, problem.to_string()).page(),
    };
    let flow = match flow(deps, id, query.value("state"), request, now).await {
        Ok(flow) => flow,
        // The cookie stays: whoever sent the browser here must not be able to end what it has begun.
        Err(notice) => return notice.page(),
    };
    // From here on this sign-in is over, however it ends.
    let over = Cookie::SignIn.clear(&deps.public);
    match go_on(deps, provider, &flow, &query, request, now).await {
        Ok(cookies) => see_other(flow.next.as_str(), &[vec![over], cookies].concat()),
        Err(notice) => with_cookies(notice.page(), &[over]),
    }
}

/// The sign-in that this browser has begun at this provider, with this state.
async fn flow(deps: &Deps, id: &ProviderId, state: Option<&str>, request: &Request<Bytes>, now: Timestamp) -> Result<Flow, Unfinished> {
    let key = deps.secrets.instance_key(&deps.session_secret_arn, now).await;
    let key = key.map_err(|error| Box::new(page::broken(&deps.public, &error)))?;
    let mut begun = Cookie::SignIn.values(&deps.public, request.headers()).filter_map(|value| Flow::open(&key, value, now));
    let found = state.and_then(|state| begun.find(|flow| flow.is_answered_by(id, state)));
    found.ok_or_else(|| {
        tracing::info!(provider = %id, "a callback belongs to no sign-in of its browser");
        Box::new(page::not_begun(&deps.public))
    })
}

/// What was begun; the cookies that come of it.
async fn go_on(
    deps: &Deps,
    provider: &Provider,
    flow: &Flow,
    query: &Form,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<Vec<String>, Unfinished> {
    let public = &deps.public;
    if query.value("iss").is_some_and(|issuer| !provider.may_be(issuer)) {
        return Err(Box::new(page::damaged(public, "its `iss` is another provider's")));
    }
    if let Some(error) = query.value("error") {
        tracing::info!(provider = %flow.provider, "a provider declined: {}", quillon_core::text::shorten(error, 60));
        return Err(Box::new(page::declined(public, provider, error)));
    }
    let code = query.value("code").filter(|code| code.len() <= MAX_CODE);
    let code = code.ok_or_else(|| Box::new(page::damaged(public, "it has no `code`")))?;
    let failed = |error: quillon_tenancy::Error| Box::new(page::failed(public, &error));
    match flow.purpose {
        Purpose::SignIn => {
            let (profile, token) = redeem(deps, provider, flow, code, now).await?;
            let user = deps.tenancy.sign_in(&profile, flow.next.invitation(), now).await;
            let user = user.map_err(|error| Box::new(page::not_signed_in(public, &error)))?;
            // Who comes first is offered what is theirs already. What GitHub does not say now keeps nobody out.
            let _told = note_sources(deps, provider, user.id, token.as_ref(), now).await;
            begin_session(deps, user.id, request, now).await.map(|cookie| vec![cookie]).map_err(failed)
        }
        Purpose::Link { session } => {
            // Before the code is redeemed: a code is good once, and whoever signed out meanwhile can come back with it.
            let user = same_person(deps, session, request, now).await?;
            let (profile, token) = redeem(deps, provider, flow, code, now).await?;
            deps.tenancy.link(user, &profile, now).await.map_err(failed)?;
            note_sources(deps, provider, user, token.as_ref(), now).await.map(|()| vec![])
        }
        Purpose::Sources { session } => {
            let user = same_person(deps, session, request, now).await?;
            let (profile, token) = redeem(deps, provider, flow, code, now).await?;
            expect_linked(deps, user, &profile, flow).await?;
            note_sources(deps, provider, user, token.as_ref(), now).await.map(|()| vec![])
        }
    }
}

async fn redeem(
    deps: &Deps,
    provider: &Provider,
    flow: &Flow,
    code: &str,
    now: Timestamp,
) -> Result<(Profile, Option<UserToken>), Unfinished> {
    let public = &deps.public;
    let secrets = deps.secrets.sign_in(&deps.sign_in_secret_arn, now).await;
    let secrets = secrets.map_err(|error| Box::new(page::broken(public, &error)))?;
    let redirect = callback_url(deps, provider).ok_or_else(|| Box::new(page::unknown(public)))?;
    let redeemed = Redeemed { code, verifier: &flow.verifier, redirect: &redirect, nonce: &flow.nonce };
    let found = provider.redeem(&deps.issuers, &secrets, redeemed, now).await;
    found.map_err(|error| {
        tracing::warn!(provider = %flow.provider, "a provider did not say who somebody is: {error}");
        Box::new(page::unidentified(public, provider, &error))
    })
}

/// The person of the session that the sign-in was begun in, if the browser still has that one.
async fn same_person(deps: &Deps, begun_in: SessionId, request: &Request<Bytes>, now: Timestamp) -> Result<UserId, Unfinished> {
    let session = session::of_browser(deps, request.headers(), now).await;
    let session = session.map_err(|error| Box::new(page::failed(&deps.public, &error)))?;
    let person = session.filter(|session| session.id == begun_in).as_ref().and_then(session::person);
    person.ok_or_else(|| Box::new(page::not_begun(&deps.public)))
}

/// Whether the account that somebody came back with is one of theirs: what somebody else administers must not become theirs.
async fn expect_linked(deps: &Deps, user: UserId, profile: &Profile, flow: &Flow) -> Result<(), Unfinished> {
    let person = deps.tenancy.user(user).await.map_err(|error| Box::new(page::failed(&deps.public, &error)))?;
    let is_theirs = |user: quillon_core::person::User| {
        user.identities.iter().any(|known| known.provider == profile.provider && known.subject == profile.subject)
    };
    if person.is_some_and(is_theirs) {
        return Ok(());
    }
    let text = format!(
        "You are `{}` at GitHub, which is not linked to your account here. Link it, or sign in there as somebody else.",
        profile.login
    );
    let next: String = url::form_urlencoded::byte_serialize(flow.next.as_str().as_bytes()).collect();
    let notice = Notice::new(StatusCode::CONFLICT, "This GitHub account is not linked", text);
    Err(Box::new(notice.link("Link it", format!("/auth/github?purpose=link&next={next}")).link("Not now", flow.next.as_str())))
}

/// Writes down what the person administers at GitHub.
async fn note_sources(deps: &Deps, provider: &Provider, user: UserId, token: Option<&UserToken>, now: Timestamp) -> Result<(), Unfinished> {
    let (Provider::Github(github), Some(token)) = (provider, token) else { return Ok(()) };
    let sources = github.sources(token, now).await.map_err(|error| {
        tracing::warn!(user.id = %user, "GitHub did not say what a person administers: {error}");
        Box::new(page::unidentified(&deps.public, provider, &error))
    })?;
    deps.tenancy.note_sources(user, &sources, now).await.map_err(|error| Box::new(page::failed(&deps.public, &error)))
}

/// A new session, always: one that the browser brought along may be somebody else's doing.
async fn begin_session(deps: &Deps, user: UserId, request: &Request<Bytes>, now: Timestamp) -> Result<String, quillon_tenancy::Error> {
    session::end_all(deps, request.headers()).await?;
    let client = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let from = guard::source_address(request.headers());
    let (session, secret) = deps.tenancy.begin_session(Holder::Person(user), client, from, now).await?;
    tracing::info!(user.id = %user, session.id = %session.id, "signed in");
    Ok(Cookie::Session.set(&deps.public, secret.expose(), LONGEST.as_secs()))
}

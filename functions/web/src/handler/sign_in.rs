//! Signing in and out: the page with the ways to do it, the operator's link, the end of a session.

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use quillon_core::local_path::LocalPath;
use quillon_core::session::Holder;
use quillon_runtime::guard;
use quillon_tenancy::Viewer;

use super::form::Form;
use super::{Problem, Visit};
use crate::page::notice::Notice;
use crate::page::sign_in::SignInPage;
use crate::respond;
use crate::session::{self, SignedIn};

/// The address of the page, and of what comes after it.
pub(super) fn address(next: Option<&str>) -> String {
    let next = next.and_then(|next| next.parse::<LocalPath>().ok()).filter(|next| *next != LocalPath::home());
    match next {
        None => "/sign-in".to_owned(),
        Some(next) => {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next.as_str()).finish();
            format!("/sign-in?{query}")
        }
    }
}

/// Shows the ways to sign in. Whoever is signed in already goes on.
pub(super) fn page(visit: &Visit<'_>) -> Result<Response<Bytes>, Problem> {
    let next = visit.parameter("next").and_then(|next| next.parse().ok()).unwrap_or_else(LocalPath::home);
    if visit.who.is_some() {
        return Ok(respond::without_referrer(respond::see_other(next.as_str(), None)));
    }
    let page = SignInPage::new(&visit.deps.providers, &next);
    let response = respond::page(&visit.page("Sign in".to_owned(), page.render()?), false, visit.headers())?;
    // What comes next may be known to this person alone, such as an invitation.
    Ok(respond::without_referrer(response))
}

/// Follows the operator's link: the key goes out of the address into a session.
pub(super) async fn operator(visit: &Visit<'_>) -> Result<Response<Bytes>, Problem> {
    let presented = visit.parameter("key");
    if !presented.is_some_and(|presented| visit.key.is_operator_key(&presented)) {
        tracing::warn!("somebody tried to sign in with a wrong key");
        let response = respond::notice(StatusCode::FORBIDDEN, &Notice::wrong_key(), None);
        return Ok(respond::without_referrer(response));
    }
    let tenancy = &visit.deps.tenancy;
    let from = visit.from().map(str::to_owned);
    let (_, secret) = tenancy.begin_session(Holder::Operator, &session::client_of(visit.headers()), from, visit.now).await?;
    // Whatever session this browser had is not the one that it goes on with.
    if let Some(before) = visit.who {
        tenancy.end_session(before.secret()).await?;
    }
    let cookie = session::set_cookie(&visit.deps.site.public, secret.expose());
    Ok(respond::without_referrer(respond::see_other("/", Some(&cookie))))
}

/// Ends the session of this browser, or all of this person.
pub(super) async fn sign_out(visit: &Visit<'_>) -> Result<Response<Bytes>, Problem> {
    let Some(who) = visit.who else {
        // Browsers keep a session from forms of other sites, whose answer must not take it away all the same.
        return if guard::is_our_form(visit.headers()) { Ok(gone(visit, None)) } else { Err(Problem::ForeignForm) };
    };
    let form = Form::read(visit)?;
    end(visit, who, form.value("everywhere").is_some()).await?;
    Ok(gone(visit, form.value("next")))
}

async fn end(visit: &Visit<'_>, who: &SignedIn, everywhere: bool) -> Result<(), Problem> {
    let tenancy = &visit.deps.tenancy;
    match (&who.viewer, everywhere) {
        (Viewer::Person(user), true) => tenancy.end_all(user.id).await?,
        (Viewer::Person(_), false) | (Viewer::Operator, _) => tenancy.end_session(who.secret()).await?,
    }
    Ok(())
}

fn gone(visit: &Visit<'_>, next: Option<&str>) -> Response<Bytes> {
    let response = respond::see_other(&address(next), Some(&session::clear_cookie(&visit.deps.site.public)));
    // What comes next may be an invitation.
    respond::without_referrer(response)
}

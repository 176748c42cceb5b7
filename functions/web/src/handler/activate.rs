//! A device that waits to be signed in: what it is, and the person's yes or no.
//!
//! [RFC 8628 section 3.3](https://www.rfc-editor.org/rfc/rfc8628#section-3.3): the person compares the code with that of the
//! device. Wrong codes are counted for the person who tries them, with every question and not only with the answer.

use askama::Template;
use bytes::Bytes;
use http::{Response, StatusCode};
use quillon_core::device::UserCode;

use super::form::Form;
use super::{Problem, Visit};
use crate::page::device::{Asked, DevicePage};
use crate::page::frame::Refresh;
use crate::page::notice::Notice;
use crate::page::objection::Objection;
use crate::page::time::settled;
use crate::respond;

/// Asks for the code, shows the device, takes the answer.
pub(super) async fn answer(visit: &Visit<'_>) -> Result<Response<Bytes>, Problem> {
    let user = visit.user()?;
    if visit.is_form() {
        let form = Form::read(visit)?;
        let approve = match form.value("answer") {
            Some("approve") => true,
            Some("deny") => false,
            Some(_) | None => return Err(Problem::BadForm("neither approved nor denied")),
        };
        let done = async {
            let code: UserCode = form.text("user_code").parse().map_err(|error| Problem::Invalid(format!("{error}")))?;
            visit.deps.tenancy.answer_device(&code, user, approve, &visit.deed()).await.map_err(Problem::from)
        };
        return match done.await {
            Ok(_) => Ok(respond::see_other(if approve { "/activate?answered=yes" } else { "/activate?answered=no" }, None)),
            Err(problem) => ask_again(visit, form.text("user_code"), problem),
        };
    }
    match visit.parameter("answered").as_deref() {
        Some("yes") => return told(visit, &Notice::device_approved()),
        Some("no") => return told(visit, &Notice::device_denied()),
        Some(_) | None => {}
    }
    let typed = visit.parameter("user_code").unwrap_or_default();
    if typed.trim().is_empty() {
        return show(visit, &DevicePage::ask(String::new(), None));
    }
    let Ok(code) = typed.parse::<UserCode>() else {
        let problem = "a code has eight letters, such as `BCDF-GHJK`: look at the device again";
        return ask_again(visit, &typed, Problem::Invalid(problem.to_owned()));
    };
    match visit.deps.tenancy.device_for(&code, &user.id.to_string(), visit.now).await {
        Ok(grant) => {
            let csrf = visit.form_token().unwrap_or_default();
            show(visit, &DevicePage::of(Asked::new(&grant, visit.name(), csrf, settled(visit.now, false))))
        }
        Err(error) => ask_again(visit, &typed, error.into()),
    }
}

/// The form for the code with the reason why the one that was typed leads nowhere.
fn ask_again(visit: &Visit<'_>, typed: &str, problem: Problem) -> Result<Response<Bytes>, Problem> {
    let (status, text) = match problem {
        Problem::Refused(text) => (StatusCode::CONFLICT, text),
        Problem::Invalid(text) => (StatusCode::BAD_REQUEST, text),
        Problem::NotFound => {
            (StatusCode::NOT_FOUND, "no device waits with this code: it may have expired, so begin again on the device".to_owned())
        }
        problem => return Err(problem),
    };
    let page = DevicePage::ask(quillon_core::text::shorten(typed, 40), Some(Objection::new(&text)));
    Ok(respond::once(status, &visit.page("Sign a device in".to_owned(), page.render()?))?)
}

fn show(visit: &Visit<'_>, page: &DevicePage) -> Result<Response<Bytes>, Problem> {
    visit.show_plain("Sign a device in".to_owned(), Refresh::Never, page.render()?)
}

fn told(visit: &Visit<'_>, notice: &Notice) -> Result<Response<Bytes>, Problem> {
    visit.show_plain(notice.title.clone(), Refresh::Never, notice.render()?)
}

//! What the buttons of a trace do: who may read it, links that open it, its end. Each deed is written down before it is done.

use askama::Template;
use bytes::Bytes;
use http::Response;
use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::org::Org;
use quillon_core::trace::card::Card;
use quillon_core::trace::id::TraceId;
use quillon_core::trace::visibility::{Override, Share};

use super::form::{Form, with_flash};
use super::trace::{audience, repository, share_token};
use super::{Problem, Visit};
use crate::flash::Flash;
use crate::link::TraceAction;
use crate::page::frame::Refresh;
use crate::page::notice::ShareLink;
use crate::page::trace::sharing::{LIVES, short};
use crate::respond;

/// Does what a button of a trace says.
pub(super) async fn act(visit: &Visit<'_>, org: &Org, trace: TraceId, action: TraceAction) -> Result<Response<Bytes>, Problem> {
    let form = &Form::read(visit)?;
    let card = visit.deps.traces.card(org.id, trace).await?.ok_or(Problem::NotFound)?;
    match action {
        TraceAction::Visibility => {
            let flash = set_visibility(visit, org, &card, form).await?;
            Ok(back(visit, org, &card, flash))
        }
        TraceAction::Share => share(visit, org, &card, form).await,
        TraceAction::Revoke => {
            note(visit, org, &card, AuditAction::TraceUnshared).await?;
            visit.deps.traces.revoke_shares(org.id, trace, visit.now).await?.ok_or(Problem::NotFound)?;
            Ok(back(visit, org, &card, Flash::SharesRevoked))
        }
        TraceAction::Delete => {
            delete(visit, org, &card, form).await?;
            let list = visit.deps.site.paths(&org.name).traces();
            Ok(respond::see_other(&with_flash(&list, Flash::TraceDeleted), None))
        }
    }
}

/// Deletes a trace whose first digits the form repeats.
pub(super) async fn delete(visit: &Visit<'_>, org: &Org, card: &Card, form: &Form) -> Result<(), Problem> {
    // The first digits of the id, or all of it.
    let typed = form.text("confirm").to_ascii_lowercase();
    if typed != short(card) && typed != card.trace.to_string() {
        return Err(Problem::BadForm("to delete a trace, type the first eight digits of its id"));
    }
    note(visit, org, card, AuditAction::TraceDeleted).await?;
    Ok(visit.deps.traces.delete(org.id, card.trace, visit.now).await?)
}

/// Makes a trace public, private, or leaves it to the rule, as the form says.
pub(super) async fn set_visibility(visit: &Visit<'_>, org: &Org, card: &Card, form: &Form) -> Result<Flash, Problem> {
    let repository = repository(visit, org, card).await?;
    let said = |is_public| Override::new(is_public, visit.name(), visit.now, card, repository.as_ref());
    let (said, deed, flash) = match form.value("to") {
        Some("public") if form.value("confirm") != Some("yes") => {
            return Err(Problem::BadForm("confirm that everyone may read it"));
        }
        Some("public") => (Some(said(true)), AuditAction::TraceMadePublic, Flash::TracePublic),
        Some("private") => (Some(said(false)), AuditAction::TraceMadePrivate, Flash::TracePrivate),
        Some("default") => (None, AuditAction::TraceByRule, Flash::TraceByRule),
        Some(_) | None => return Err(Problem::BadForm("neither public nor private nor the rule")),
    };
    note(visit, org, card, deed).await?;
    visit.deps.traces.set_visibility(org.id, card.trace, said.as_ref(), visit.now).await?.ok_or(Problem::NotFound)?;
    Ok(flash)
}

async fn share(visit: &Visit<'_>, org: &Org, card: &Card, form: &Form) -> Result<Response<Bytes>, Problem> {
    let asked = form.value("seconds").and_then(|seconds| seconds.parse().ok());
    let (seconds, words) = LIVES
        .into_iter()
        .find(|(seconds, _)| Some(*seconds) == asked)
        .ok_or(Problem::BadForm("a link lasts an hour, a day, a week or 30 days"))?;
    note(visit, org, card, AuditAction::TraceShared).await?;
    let share = Share::new(card, visit.now, seconds);
    let path = visit.deps.site.paths(&org.name).trace(card.trace);
    let base = visit.deps.site.public.as_str().trim_end_matches('/');
    let page = ShareLink {
        link: format!("{base}{path}?share={}", share_token(visit, &share)),
        words,
        until: share.expires_at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        is_public: audience(visit, org, card).await?.is_public(),
        trace_href: path,
    };
    let response = visit.show(org, "A link to the trace".to_owned(), Refresh::Never, page.render()?).await?;
    // The link is a key: it stays in no cache.
    Ok(respond::without_referrer(response))
}

/// Writes a deed down. What is not written down is not done.
async fn note(visit: &Visit<'_>, org: &Org, card: &Card, action: AuditAction) -> Result<(), Problem> {
    let (subject, detail) = (card.trace.to_string(), String::new());
    let entry = AuditEntry {
        org: org.id,
        at: visit.now,
        who: visit.name().to_owned(),
        action,
        subject,
        detail,
        from: visit.from().map(str::to_owned),
    };
    Ok(visit.deps.store.append_audit(&entry).await?)
}

fn back(visit: &Visit<'_>, org: &Org, card: &Card, flash: Flash) -> Response<Bytes> {
    let page = visit.deps.site.paths(&org.name).trace(card.trace);
    respond::see_other(&with_flash(&page, flash), None)
}

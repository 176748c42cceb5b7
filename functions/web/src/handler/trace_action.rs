//! What the buttons of a trace do: who may read it, links that open it, its end. Each deed is written down before it is done.

use askama::Template;
use bytes::Bytes;
use http::Response;
use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::org::Org;
use quillon_core::trace::card::Card;
use quillon_core::trace::id::TraceId;
use quillon_core::trace::visibility::{Override, Share};

use super::action::{ACTOR, Form};
use super::trace::{audience, repository, share_token};
use super::{Problem, Visit};
use crate::flash::Flash;
use crate::link::TraceAction;
use crate::page::frame::Refresh;
use crate::page::notice::ShareLink;
use crate::page::trace::sharing::{LIVES, short};
use crate::respond;

/// Does what a button of a trace says.
pub(super) async fn act(
    visit: &Visit<'_>,
    org: &Org,
    trace: TraceId,
    action: TraceAction,
    form: &Form,
) -> Result<Response<Bytes>, Problem> {
    let card = visit.deps.traces.card(org.id, trace).await?.ok_or(Problem::NotFound)?;
    match action {
        TraceAction::Visibility => set_visibility(visit, org, &card, form).await,
        TraceAction::Share => share(visit, org, &card, form).await,
        TraceAction::Revoke => {
            note(visit, org, &card, AuditAction::TraceUnshared).await?;
            visit.deps.traces.revoke_shares(org.id, trace, visit.now).await?.ok_or(Problem::NotFound)?;
            Ok(back(visit, org, &card, Flash::SharesRevoked))
        }
        TraceAction::Delete => {
            // The first digits of the id, or all of it.
            let typed = form.value("confirm").unwrap_or_default().trim().to_ascii_lowercase();
            if typed != short(&card) && typed != trace.to_string() {
                return Err(Problem::BadForm("to delete a trace, type the first eight digits of its id"));
            }
            note(visit, org, &card, AuditAction::TraceDeleted).await?;
            visit.deps.traces.delete(org.id, trace, visit.now).await?;
            let list = visit.deps.site.paths(&org.name).traces();
            Ok(respond::see_other(&format!("{list}?done={}", Flash::TraceDeleted.code()), None))
        }
    }
}

async fn set_visibility(visit: &Visit<'_>, org: &Org, card: &Card, form: &Form) -> Result<Response<Bytes>, Problem> {
    let repository = repository(visit, org, card).await?;
    let said = |is_public| Override::new(is_public, ACTOR, visit.now, card, repository.as_ref());
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
    Ok(back(visit, org, card, flash))
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
    let response = visit.show(org, "A link to the trace".to_owned(), Refresh::Never, page.render()?)?;
    // The link is a key: it stays in no cache.
    Ok(respond::without_referrer(response))
}

/// Writes a deed down. What is not written down is not done.
async fn note(visit: &Visit<'_>, org: &Org, card: &Card, action: AuditAction) -> Result<(), Problem> {
    let from = visit.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok()).map(|text| text.chars().take(100).collect());
    let (subject, detail) = (card.trace.to_string(), String::new());
    let entry = AuditEntry { org: org.id, at: visit.now, who: ACTOR.to_owned(), action, subject, detail, from };
    Ok(visit.deps.store.append_audit(&entry).await?)
}

fn back(visit: &Visit<'_>, org: &Org, card: &Card, flash: Flash) -> Response<Bytes> {
    let page = visit.deps.site.paths(&org.name).trace(card.trace);
    respond::see_other(&format!("{page}?done={}", flash.code()), None)
}

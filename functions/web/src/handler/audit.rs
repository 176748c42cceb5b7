//! The audit log of an org: a page of it, and all of it as a file.

use askama::Template;
use bytes::Bytes;
use http::Response;
use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::org::Org;
use quillon_store::Page;

use super::{Problem, Visit};
use crate::page::settings::audit::{AuditFilter, AuditPage, csv, json_lines};
use crate::page::time::settled;
use crate::respond;
use crate::route::ExportForm;

/// Entries on one page.
const ENTRIES: usize = 50;

/// Entries of one read where some are looked for, and how often it is read for one page.
const SEARCHED: u32 = 200;
const SEARCHES: usize = 10;

/// Entries of one file: about 2 MB, where an answer may have 6.
const EXPORTED: usize = 8_000;

/// Shows the tab.
pub(super) async fn show(visit: &Visit<'_>, org: &Org) -> Result<String, Problem> {
    let (mut filter, mut problems) = AuditFilter::read(&visit.query());
    let found = match find(visit, org, &filter, ENTRIES, SEARCHES).await {
        Err(Problem::Store(quillon_store::Error::InvalidCursor)) => {
            problems.push("this page of the log is gone, here is the newest".to_owned());
            filter.after = None;
            find(visit, org, &filter, ENTRIES, SEARCHES).await?
        }
        found => found?,
    };
    let paths = visit.deps.site.paths(&org.name);
    Ok(AuditPage::new(&found.entries, found.next, &filter, problems, &paths, settled(visit.now, false)).render()?)
}

/// Gives the log as a file, the newest first; what does not fit goes on under the `Link` header.
pub(super) async fn export(visit: &Visit<'_>, org: &Org, form: ExportForm) -> Result<Response<Bytes>, Problem> {
    let (filter, _) = AuditFilter::read(&visit.query());
    let found = match find(visit, org, &filter, EXPORTED, usize::MAX).await {
        Err(Problem::Store(quillon_store::Error::InvalidCursor)) => {
            return Err(Problem::BadForm("the cursor is not of this log: begin at its start"));
        }
        found => found?,
    };
    if filter.after.is_none() {
        let entry = AuditEntry {
            org: org.id,
            at: visit.now,
            who: visit.name().to_owned(),
            action: AuditAction::AuditExported,
            subject: org.name.to_string(),
            detail: form.word().to_owned(),
            from: visit.from().map(str::to_owned),
        };
        visit.deps.store.append_audit(&entry).await?;
    }
    let (media_type, text) = match form {
        ExportForm::Csv => ("text/csv; charset=utf-8; header=present", csv(&found.entries)),
        ExportForm::JsonLines => ("application/x-ndjson", json_lines(&found.entries)),
    };
    let response = respond::file(&format!("{}-{}", org.name, form.word()), media_type, text);
    let path = found.next.as_ref().map(|next| filter.from(Some(next.clone())).address(visit.request.uri().path()));
    Ok(respond::with_next(response, found.next.as_deref().zip(path.as_deref())))
}

struct Found {
    entries: Vec<AuditEntry>,
    next: Option<String>,
}

/// The entries that a filter lets through, up to so many, and where the log goes on behind the last read.
async fn find(visit: &Visit<'_>, org: &Org, filter: &AuditFilter, most: usize, reads: usize) -> Result<Found, Problem> {
    let limit = if filter.is_set() { SEARCHED } else { u32::try_from(most).unwrap_or(SEARCHED).min(SEARCHED) };
    let mut found = Found { entries: vec![], next: filter.after.clone() };
    for _ in 0..reads {
        let page = Page { after: found.next.take(), limit };
        let read = visit.deps.store.audit(org.id, &page).await?;
        found.entries.extend(read.items.into_iter().filter(|entry| filter.fits(entry)));
        found.next = read.next;
        if found.next.is_none() || found.entries.len() >= most {
            break;
        }
    }
    Ok(found)
}

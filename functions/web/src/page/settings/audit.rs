//! The audit log as plain data, and as files.

use askama::Template;
use jiff::Timestamp;
use quillon_core::audit::{AuditAction, AuditEntry};
use serde_json::json;
use url::form_urlencoded;

use crate::link::Paths;
use crate::link::settings::Tab;
use crate::page::checks::Choice;
use crate::page::text::{label, visible};
use crate::page::time::Moment;
use crate::route::ExportForm;

/// Longest text of a filter, in characters.
const MAX_WHO: usize = 100;

/// What of the log is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only this.
    pub action: Option<AuditAction>,
    /// Only whose name has this in it, without regard to case.
    pub who: Option<String>,
    /// The page of the log.
    pub after: Option<String>,
}

impl AuditFilter {
    /// Reads it from a query, with what was not understood.
    #[must_use]
    pub fn read(query: &[(String, String)]) -> (Self, Vec<String>) {
        let (mut filter, mut problems) = (Self::default(), vec![]);
        for (name, value) in query.iter().filter(|(_, value)| !value.trim().is_empty()) {
            match name.as_str() {
                "action" => match value.parse() {
                    Ok(action) => filter.action = Some(action),
                    Err(_) => problems.push("this kind of deed is not known".to_owned()),
                },
                "who" => filter.who = Some(quillon_core::text::shorten(value.trim(), MAX_WHO)),
                "after" => filter.after = Some(value.clone()),
                _ => {}
            }
        }
        (filter, problems)
    }

    /// Whether it leaves anything out.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.action.is_some() || self.who.is_some()
    }

    /// Whether it lets an entry through.
    #[must_use]
    pub fn fits(&self, entry: &AuditEntry) -> bool {
        let is_who = |who: &String| entry.who.to_lowercase().contains(&who.to_lowercase());
        self.action.is_none_or(|action| entry.action == action) && self.who.as_ref().is_none_or(is_who)
    }

    /// The same, from another page on.
    #[must_use]
    pub fn from(&self, after: Option<String>) -> Self {
        Self { after, ..self.clone() }
    }

    /// An address with it.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.action.map(|action| ("action", action.word())));
        query.extend_pairs(self.who.as_ref().map(|who| ("who", who)));
        query.extend_pairs(self.after.as_ref().map(|after| ("after", after)));
        let query = query.finish();
        match (query.is_empty(), path.contains('?')) {
            (true, _) => path.to_owned(),
            (false, true) => format!("{path}&{query}"),
            (false, false) => format!("{path}?{query}"),
        }
    }
}

/// The tab.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/audit.html")]
pub struct AuditPage {
    /// Where the filter leads to.
    pub action: String,
    /// The kinds of deeds.
    pub actions: Vec<Choice>,
    /// Who is looked for.
    pub who: String,
    /// Whether the filter leaves anything out.
    pub is_set: bool,
    /// What of the filter was not understood.
    pub problems: Vec<String>,
    /// The entries.
    pub entries: Vec<AuditRow>,
    /// The first page.
    pub newest_href: Option<String>,
    /// The next page.
    pub older_href: Option<String>,
    /// Name and address of each file.
    pub files: Vec<(&'static str, String)>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Moment,
    /// Who.
    pub who: String,
    /// What, in words that come between who and what it was done to.
    pub did: &'static str,
    /// To what.
    pub subject: String,
    /// What came of it.
    pub detail: String,
    /// From where.
    pub from: Option<String>,
}

impl AuditPage {
    /// A page of the log.
    #[must_use]
    pub fn new(
        entries: &[AuditEntry],
        next: Option<String>,
        filter: &AuditFilter,
        problems: Vec<String>,
        paths: &Paths,
        now: Timestamp,
    ) -> Self {
        let tab = paths.settings(Tab::Audit);
        let row = |entry: &AuditEntry| AuditRow {
            at: Moment::new(entry.at, now),
            who: label(&entry.who),
            did: entry.action.label(),
            subject: label(&entry.subject),
            detail: label(&entry.detail),
            from: entry.from.as_deref().map(label),
        };
        let choice = |action: AuditAction| Choice { value: action.word(), label: action.label(), is_chosen: filter.action == Some(action) };
        let file = |(form, name): (ExportForm, &'static str)| {
            (name, filter.from(None).address(&format!("/{}/settings/{}", paths.org(), form.word())))
        };
        Self {
            action: tab.split('?').next().unwrap_or_default().to_owned(),
            actions: AuditAction::all().map(choice).collect(),
            who: filter.who.clone().unwrap_or_default(),
            is_set: filter.is_set(),
            problems,
            entries: entries.iter().map(row).collect(),
            newest_href: filter.after.is_some().then(|| filter.from(None).address(&tab)),
            older_href: next.map(|next| filter.from(Some(next)).address(&tab)),
            files: [(ExportForm::Csv, "CSV"), (ExportForm::JsonLines, "JSON lines")].into_iter().map(file).collect(),
        }
    }
}

/// The columns of the file for tables.
const COLUMNS: &str = "time,who,action,subject,detail,from\r\n";

/// Entries as [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180) has them.
///
/// A name may be somebody's formula: what a spreadsheet would compute is made text with an apostrophe before it
/// ([OWASP](https://owasp.org/www-community/attacks/CSV_Injection)).
#[must_use]
pub fn csv(entries: &[AuditEntry]) -> String {
    let mut text = COLUMNS.to_owned();
    for entry in entries {
        let time = entry.at.to_string();
        let fields = [&time, &entry.who, entry.action.word(), &entry.subject, &entry.detail, entry.from.as_deref().unwrap_or_default()];
        text.push_str(&fields.map(field).join(","));
        text.push_str("\r\n");
    }
    text
}

fn field(text: &str) -> String {
    let text = visible(text);
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    format!("\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\""))
}

/// Entries as JSON, one a line.
#[must_use]
pub fn json_lines(entries: &[AuditEntry]) -> String {
    let line = |entry: &AuditEntry| {
        let entry = json!({
            "time": entry.at.to_string(),
            "who": entry.who,
            "action": entry.action.word(),
            "subject": entry.subject,
            "detail": entry.detail,
            "from": entry.from,
        });
        format!("{entry}\n")
    };
    entries.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_core::id::OrgId;

    fn entry(who: &str, subject: &str) -> AuditEntry {
        AuditEntry {
            org: OrgId::from_parts(1, 1),
            at: Timestamp::from_second(1_800_000_000).expect("in range"),
            who: who.to_owned(),
            action: AuditAction::TokenMade,
            subject: subject.to_owned(),
            detail: String::new(),
            from: Some("203.0.113.7".to_owned()),
        }
    }

    #[test]
    fn nothing_in_the_file_is_computed() {
        let hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", "=cmd|' /C calc'!A0", "＝1"];
        for text in hostile {
            let line = csv(&[entry(text, "x")]);
            let line = line.lines().nth(1).expect("a line");
            let who = line.split(',').nth(1).expect("a field");
            assert!(who.starts_with("\"'"), "{text:?}: {line}");
        }
        assert_eq!(
            csv(&[entry("a \"b\", c\nd", "x")]).lines().nth(1),
            Some("\"2027-01-15T08:00:00Z\",\"a \"\"b\"\", c d\",\"token_made\",\"x\",\"\",\"203.0.113.7\"")
        );
    }

    #[test]
    fn a_line_of_json_holds_what_was_written_down() {
        let text = json_lines(&[entry("a\nb", "x"), entry("c", "y")]);
        assert_eq!(text.lines().count(), 2);
        let first: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!((first["who"].as_str(), first["action"].as_str()), (Some("a\nb"), Some("token_made")));
    }

    #[test]
    fn the_filter_lives_in_the_address() {
        let query = |text: &str| form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
        let (filter, problems) = AuditFilter::read(&query("tab=Audit&action=token_made&who=Ann+B"));
        assert_eq!(
            (problems.len(), filter.address("/acme/settings?tab=Audit").as_str()),
            (0, "/acme/settings?tab=Audit&action=token_made&who=Ann+B")
        );
        assert!(filter.fits(&entry("ann b (ann at github)", "x")) && !filter.fits(&entry("ben", "x")));
        assert_eq!(AuditFilter::read(&query("action=rubbish")).1.len(), 1);
        assert_eq!(AuditFilter::read(&query("action=&who=")).0, AuditFilter::default());
    }
}

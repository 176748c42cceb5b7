//! A form that was sent: proof that it is ours, and its fields.

use quillon_core::local_path::LocalPath;
use quillon_runtime::guard;
use url::form_urlencoded;

use super::{Problem, Visit};

/// Longest form that is read, in bytes.
const MAX_FORM: usize = 64 * 1024;

/// Longest field, in bytes, that is put back into a form that was refused.
const MAX_KEPT: usize = 500;

/// A form of ours.
#[derive(Debug, Default)]
pub(super) struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    /// Reads the form of a request and proves that it is ours.
    pub(super) fn read(visit: &Visit<'_>) -> Result<Self, Problem> {
        if !guard::is_our_form(visit.headers()) {
            return Err(Problem::ForeignForm);
        }
        let body = visit.request.body();
        if body.len() > MAX_FORM {
            return Err(Problem::BadForm("the form is longer than 64 KB"));
        }
        let form = Self { pairs: form_urlencoded::parse(body).into_owned().collect() };
        let is_ours = |token: &str| visit.who.is_some_and(|who| who.is_form_token(visit.key, token));
        let is_ours = form.value("csrf").is_some_and(is_ours);
        if is_ours { Ok(form) } else { Err(Problem::ForeignForm) }
    }

    #[cfg(test)]
    pub(super) fn of(pairs: &[(&str, &str)]) -> Self {
        Self { pairs: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect() }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A field without the space around it; empty where it is absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.value(name).unwrap_or_default().trim()
    }

    /// A field as it is put back into a form that was refused.
    pub(super) fn kept(&self, name: &str) -> String {
        quillon_core::text::shorten(self.value(name).unwrap_or_default(), MAX_KEPT)
    }

    /// A field that names a thing: what cannot be read names none.
    pub(super) fn named<T: std::str::FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.text(name).parse().map_err(|_| Problem::NotFound)
    }

    /// The page to come back to: the one that the form names if it begins like this, else this.
    pub(super) fn back(&self, home: &str) -> String {
        let path = self.value("back").and_then(|path| path.parse::<LocalPath>().ok());
        let is_below = |path: &LocalPath| {
            let rest = path.as_str().strip_prefix(home);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) && !path.as_str().contains('#')
        };
        path.filter(is_below).map_or_else(|| home.to_owned(), |path| path.to_string())
    }
}

/// An address with what came of an action.
pub(super) fn with_flash(path: &str, flash: crate::flash::Flash) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}done={}", flash.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(path: &str) -> String {
        Form::of(&[("back", path)]).back("/acme/checks")
    }

    #[test]
    fn buttons_lead_back_to_pages_of_their_org_only() {
        for path in ["/acme/checks", "/acme/checks?state=failed", "/acme/checks/github.com/acme/api@abc?check=go:lint"] {
            assert_eq!(back(path), path);
        }
        for path in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/acme/checksum",
            "/other/checks",
            "/acme/checks\r\nset-cookie: x=1",
            "/acme/checks#x",
            "/acme/checks?\u{202e}",
        ] {
            assert_eq!(back(path), "/acme/checks", "{path}");
        }
    }

    #[test]
    fn fields_are_found_by_name() {
        let form = Form::of(&[("role", "admin"), ("role", "member"), ("name", " a "), ("id", "x")]);
        assert_eq!(form.values("role").collect::<Vec<_>>(), ["admin", "member"]);
        assert_eq!((form.text("name"), form.text("none"), form.kept("name").as_str()), ("a", "", " a "));
        assert!(matches!(form.named::<quillon_core::id::UserId>("id"), Err(Problem::NotFound)));
    }
}

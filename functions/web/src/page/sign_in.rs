//! The page where people choose how to sign in.

use askama::Template;
use quillon_core::local_path::LocalPath;
use quillon_core::person::ProviderId;

/// A provider that people may sign in with here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its word in addresses.
    pub id: ProviderId,
    /// What people call it.
    pub label: String,
}

impl Provider {
    /// The providers of a setting: `github,google,oidc=Acme login`.
    ///
    /// # Errors
    /// What is no word of a provider.
    pub fn list(setting: &str) -> Result<Vec<Self>, String> {
        setting.split(',').map(str::trim).filter(|text| !text.is_empty()).map(Self::of).collect()
    }

    fn of(text: &str) -> Result<Self, String> {
        let (word, label) = text.split_once('=').map_or((text, None), |(word, label)| (word.trim(), Some(label.trim())));
        let id: ProviderId = word.parse().map_err(|error: quillon_core::id::InvalidId| error.to_string())?;
        Ok(Self { label: label.filter(|label| !label.is_empty()).map_or_else(|| label_of(&id), super::text::label), id })
    }

    /// The address that signs in with it, or does something else with it.
    #[must_use]
    pub fn href(&self, pairs: &[(&str, &str)]) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { format!("/auth/{}", self.id) } else { format!("/auth/{}?{query}", self.id) }
    }
}

/// What people call a provider.
#[must_use]
pub fn label_of(id: &ProviderId) -> String {
    match id.as_str() {
        "github" => "GitHub".to_owned(),
        "google" => "Google".to_owned(),
        "oidc" => "single sign-on".to_owned(),
        word => word.to_owned(),
    }
}

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "sign-in.html")]
pub struct SignInPage {
    /// Label and address of each way to sign in.
    pub ways: Vec<(String, String)>,
    /// What comes after it, where that is known to be an invitation or a device.
    pub why: Option<&'static str>,
}

impl SignInPage {
    /// The page that leads on to another one.
    #[must_use]
    pub fn new(providers: &[Provider], next: &LocalPath) -> Self {
        let pairs: &[(&str, &str)] = if *next == LocalPath::home() { &[] } else { &[("next", next.as_str())] };
        let why = if next.invitation().is_some() {
            Some("Sign in to see the invitation.")
        } else if next.as_str().starts_with("/activate") {
            Some("Sign in to approve the device.")
        } else {
            None
        };
        Self { ways: providers.iter().map(|provider| (provider.label.clone(), provider.href(pairs))).collect(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_words_with_labels() {
        let list = Provider::list(" github, google,oidc=Acme login,").expect("providers");
        let labels: Vec<&str> = list.iter().map(|provider| provider.label.as_str()).collect();
        assert_eq!(labels, ["GitHub", "Google", "Acme login"]);
        assert_eq!(list[2].href(&[("next", "/a?b=c&d")]), "/auth/oidc?next=%2Fa%3Fb%3Dc%26d");
        assert_eq!(Provider::list(""), Ok(vec![]));
        assert!(Provider::list("Git Hub").is_err());
    }

    #[test]
    fn what_comes_next_is_kept() {
        let list = Provider::list("github").expect("providers");
        let page = |next: &str| SignInPage::new(&list, &next.parse().expect("a path"));
        assert_eq!(page("/").ways[0].1, "/auth/github");
        assert_eq!(page("/acme/checks?state=failed").ways[0].1, "/auth/github?next=%2Facme%2Fchecks%3Fstate%3Dfailed");
        assert!(page("/invite/abc").why.is_some() && page("/activate").why.is_some() && page("/acme").why.is_none());
    }
}

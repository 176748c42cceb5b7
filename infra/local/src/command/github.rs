//! The GitHub App of an instance, from its settings: all of it, or the embedded forge instead.

use std::path::Path;

use quillon_core::Sensitive;
use quillon_core::id::AppId;
use quillon_runtime::{Settings, SettingsError};
use url::Url;

use super::billing::BillingSettings;
use super::policy::PolicySettings;
use super::sign_in::{Client, SignInSettings, client};

/// The settings that make a GitHub App; with none of them the embedded forge is used.
const REQUIRED: [&str; 3] = ["QUILLON_GITHUB_APP_ID", "QUILLON_GITHUB_APP_PRIVATE_KEY", "QUILLON_GITHUB_WEBHOOK_SECRET"];

/// Those that it can have beside them.
const OPTIONAL: [&str; 6] = [
    "QUILLON_GITHUB_APP_SLUG",
    "QUILLON_GITHUB_API_URL",
    "QUILLON_GITHUB_URL",
    "QUILLON_GITHUB_WEBHOOK_SECRET_PREVIOUS",
    "QUILLON_GITHUB_CLIENT_ID",
    "QUILLON_GITHUB_CLIENT_SECRET",
];

/// The forge of an instance. One per instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ForgeChoice {
    /// The embedded one.
    Embedded,
    /// GitHub, or a GitHub Enterprise Server.
    Github(Box<GithubSettings>),
}

/// A GitHub App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GithubSettings {
    pub(crate) api_url: Url,
    pub(crate) web_url: Url,
    pub(crate) app_id: AppId,
    /// Its name in addresses, for the link on which people install it.
    pub(crate) app_slug: Option<String>,
    pub(crate) private_key: Sensitive<String>,
    pub(crate) webhook_secret: Sensitive<String>,
    pub(crate) previous_webhook_secret: Option<Sensitive<String>>,
    /// For signing in with it; none where people do not.
    pub(crate) client: Option<Client>,
}

/// What the environment says about an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceSettings {
    pub(crate) forge: ForgeChoice,
    pub(crate) public_url: Option<Url>,
    pub(crate) sign_in: SignInSettings,
    pub(crate) billing: BillingSettings,
    pub(crate) policy: PolicySettings,
}

impl InstanceSettings {
    /// Reads the settings; every missing or bad one is in the error.
    pub(crate) fn read(settings: &Settings) -> Result<Self, SettingsError> {
        let mut read = settings.reader();
        let github = Url::parse("https://github.com").ok();
        let public_url = read.optional("QUILLON_PUBLIC_URL").and_then(|text| match base_url(&text) {
            Ok(url) => Some(url),
            Err(problem) => {
                read.complain(format!("`QUILLON_PUBLIC_URL` is wrong: {problem}"));
                None
            }
        });
        let sign_in = SignInSettings::read(&mut read);
        let billing = BillingSettings::read(&mut read);
        let policy = PolicySettings::read(&mut read);
        let is_set = |read: &mut quillon_runtime::Reader<'_>, name| read.optional(name).is_some();
        let wants_github = OPTIONAL.into_iter().chain(REQUIRED).any(|name| is_set(&mut read, name));
        if !wants_github {
            read.finish()?;
            return Ok(Self { forge: ForgeChoice::Embedded, public_url, sign_in, billing, policy });
        }
        let address = |read: &mut quillon_runtime::Reader<'_>, name: &str, default: &str| {
            let text = read.optional(name).unwrap_or_else(|| default.to_owned());
            match base_url(&text) {
                Ok(url) => Some(url),
                Err(problem) => {
                    read.complain(format!("`{name}` is wrong: {problem}"));
                    None
                }
            }
        };
        let web_url = address(&mut read, "QUILLON_GITHUB_URL", "https://github.com");
        let default_api = match &web_url {
            // An Enterprise Server has its API below its own address.
            Some(url) if Some(url) != github.as_ref() => format!("{}api/v3", url.as_str()),
            Some(_) | None => "https://api.github.com".to_owned(),
        };
        let api_url = address(&mut read, "QUILLON_GITHUB_API_URL", &default_api);
        let app_id = read.required_parsed("QUILLON_GITHUB_APP_ID", AppId(0));
        let key = read.required("QUILLON_GITHUB_APP_PRIVATE_KEY");
        let private_key = if key.is_empty() { None } else { private_key(&key).map_err(|problem| read.complain(problem)).ok() };
        let webhook_secret = read.required("QUILLON_GITHUB_WEBHOOK_SECRET");
        if !webhook_secret.is_empty() && webhook_secret.len() < 16 {
            read.complain("`QUILLON_GITHUB_WEBHOOK_SECRET` is shorter than 16 characters: anybody could guess it");
        }
        let app_slug = read.optional("QUILLON_GITHUB_APP_SLUG");
        let previous = read.optional("QUILLON_GITHUB_WEBHOOK_SECRET_PREVIOUS");
        let client = client(&mut read, "QUILLON_GITHUB_CLIENT_ID", "QUILLON_GITHUB_CLIENT_SECRET");
        if public_url.is_none() {
            read.complain("`QUILLON_PUBLIC_URL` is not set: it is the address that GitHub and people reach this server at");
        }
        read.finish()?;
        let (Some(api_url), Some(web_url), Some(private_key)) = (api_url, web_url, private_key) else {
            return Err(SettingsError(vec!["the GitHub App is not complete".to_owned()]));
        };
        let github = GithubSettings {
            api_url,
            web_url,
            app_id,
            app_slug,
            private_key,
            webhook_secret: Sensitive::new(webhook_secret),
            previous_webhook_secret: previous.map(Sensitive::new),
            client,
        };
        Ok(Self { forge: ForgeChoice::Github(Box::new(github)), public_url, sign_in, billing, policy })
    }
}

/// A PEM key, or the path of a file with one.
fn private_key(text: &str) -> Result<Sensitive<String>, String> {
    let name = "QUILLON_GITHUB_APP_PRIVATE_KEY";
    if text.contains("-----BEGIN") {
        // Many places that keep variables cannot keep line ends.
        return Ok(Sensitive::new(text.replace("\\n", "\n")));
    }
    match std::fs::read_to_string(Path::new(text)) {
        Ok(pem) if pem.contains("-----BEGIN") => Ok(Sensitive::new(pem)),
        Ok(_) => Err(format!("`{name}` names a file that holds no PEM key")),
        Err(error) => Err(format!("`{name}` is neither a PEM key nor a file that can be read: {error}")),
    }
}

fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("`{text}` is not an address of the form `https://host`"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(format!("`{text}` has a user, a query or a fragment; give the plain base address"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\\nabc\\n-----END RSA PRIVATE KEY-----";

    fn read(pairs: &[(&str, &str)]) -> Result<InstanceSettings, SettingsError> {
        InstanceSettings::read(&Settings::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()))
    }

    #[test]
    fn without_github_settings_the_embedded_forge_is_used() {
        assert_eq!(read(&[]).map(|settings| settings.forge), Ok(ForgeChoice::Embedded));
    }

    #[test]
    fn some_github_settings_are_an_error_that_names_all_that_are_missing() {
        let error = read(&[("QUILLON_GITHUB_APP_ID", "seven")]).expect_err("incomplete").to_string();
        for name in ["QUILLON_GITHUB_APP_PRIVATE_KEY", "QUILLON_GITHUB_WEBHOOK_SECRET", "QUILLON_PUBLIC_URL", "`seven` is not a number"] {
            assert!(error.contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn an_enterprise_server_has_its_api_below_its_address() {
        let settings = read(&[
            ("QUILLON_GITHUB_URL", "https://git.example.com"),
            ("QUILLON_GITHUB_APP_ID", "7"),
            ("QUILLON_GITHUB_APP_PRIVATE_KEY", PEM),
            ("QUILLON_GITHUB_WEBHOOK_SECRET", "0123456789abcdef"),
            ("QUILLON_PUBLIC_URL", "https://ci.example.com"),
        ]);
        let Ok(InstanceSettings { forge: ForgeChoice::Github(github), .. }) = settings else { panic!("{settings:?}") };
        assert_eq!(github.api_url.as_str(), "https://git.example.com/api/v3");
        assert!(github.private_key.expose().contains('\n'));
    }

    #[test]
    fn a_key_that_is_nowhere_is_an_error_without_its_text() {
        let error = private_key("/nowhere/key.pem").expect_err("no file");
        assert!(error.contains("neither a PEM key nor a file"), "{error}");
    }
}

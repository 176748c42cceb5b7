//! What the function works with, from its settings.
//!
//! | setting | what it is |
//! |---|---|
//! | `QUILLON_GITHUB_URL`, `QUILLON_GITHUB_API_URL` | where GitHub is |
//! | `QUILLON_GITHUB_CLIENT_ID` | client id of the GitHub App; without it nobody signs in with GitHub |
//! | `QUILLON_GOOGLE_CLIENT_ID`, `QUILLON_GOOGLE_ISSUER` | the same for Google |
//! | `QUILLON_OIDC_CLIENT_ID`, `QUILLON_OIDC_ISSUER`, `QUILLON_OIDC_NAME` | the same for one more OpenID provider, and what people call it |
//! | `QUILLON_SIGN_UPS` | who gets an account: everybody unless set, see [`SignUps`] |
//! | `SIGN_IN_SECRET_ARN` | the client secrets of all of them |
//! | `QUILLON_GITHUB_ACTIONS_ISSUER`, `QUILLON_GITLAB_ISSUER`, `QUILLON_CIRCLECI_ISSUER`, `QUILLON_BUILDKITE_ISSUER` | who is trusted to say who a CI job is; without it no jobs of that system |
//! | `QUILLON_TRUST_FILE` | certificate authorities of the web, a PEM file, where those of `SSL_CERT_FILE` are too few |

use std::path::PathBuf;

use aws_config::SdkConfig;
use quillon_core::person::ProviderId;
use quillon_core::sign_up::SignUps;
use quillon_identity::ci::{CiIssuers, CiJobs};
use quillon_identity::{GithubOAuth, Http, Issuers, OpenId};
use quillon_runtime::{Clock, Reader, Settings, SettingsError};
use quillon_secrets::Secrets;
use quillon_store::{Store, Tables};
use quillon_tenancy::Tenancy;
use url::Url;

use crate::provider::Provider;

/// The issuer of Google, see <https://accounts.google.com/.well-known/openid-configuration>.
const GOOGLE: &str = "https://accounts.google.com";

/// What the function works with.
#[derive(Debug)]
pub struct Deps {
    /// How often somebody asked for codes.
    pub store: Store,
    /// People, sessions, devices, and which org a CI job belongs to.
    pub tenancy: Tenancy,
    /// Instance secrets.
    pub secrets: Secrets,
    /// Where the key is that sign-ins and the tokens of jobs are signed with.
    pub session_secret_arn: String,
    /// Where the client secrets are.
    pub sign_in_secret_arn: String,
    /// The address of this installation.
    pub public: Url,
    /// The time.
    pub clock: Clock,
    pub(crate) providers: Vec<Provider>,
    pub(crate) issuers: Issuers,
    pub(crate) jobs: CiJobs,
}

impl Deps {
    /// Reads settings; makes no call.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: &Settings, sdk: &SdkConfig, clock: Clock) -> Result<Self, SettingsError> {
        let mut read = settings.reader();
        let tables = Tables { orgs: read.required("TABLE_ORGS"), ..Tables::default() };
        let session_secret_arn = read.required("SESSION_SECRET_ARN");
        let sign_in_secret_arn = read.required("SIGN_IN_SECRET_ARN");
        let http = Http::new(read.optional("QUILLON_TRUST_FILE").map(PathBuf::from));
        let public = read.required_url("QUILLON_PUBLIC_URL");
        let web = read.optional("QUILLON_GITHUB_URL").unwrap_or_else(|| "https://github.com".to_owned());
        let providers = providers(&mut read, &web, &http);
        let trusted = CiIssuers {
            github: read.optional("QUILLON_GITHUB_ACTIONS_ISSUER").filter(|issuer| is_of_this_github(issuer, &web)),
            gitlab: read.optional("QUILLON_GITLAB_ISSUER"),
            circleci: read.optional("QUILLON_CIRCLECI_ISSUER"),
            buildkite: read.optional("QUILLON_BUILDKITE_ISSUER"),
        };
        for issuer in [&trusted.github, &trusted.gitlab, &trusted.circleci, &trusted.buildkite].into_iter().flatten() {
            read.url("an issuer of CI jobs", issuer);
        }
        let sign_ups = read.parsed("QUILLON_SIGN_UPS", SignUps::Anyone);
        let public = read.finish_with(public)?;
        let store = Store::new(aws_sdk_dynamodb::Client::new(sdk), tables);
        Ok(Self {
            tenancy: Tenancy::new(store.clone()).with_sign_ups(sign_ups),
            store,
            secrets: Secrets::new(aws_sdk_secretsmanager::Client::new(sdk)),
            session_secret_arn,
            sign_in_secret_arn,
            public,
            clock,
            providers,
            issuers: Issuers::new(http.clone()),
            jobs: CiJobs::new(trusted, &http),
        })
    }

    /// A provider that people can sign in at.
    pub(crate) fn provider(&self, id: &ProviderId) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id() == *id)
    }

    /// An address of this installation.
    pub(crate) fn address(&self, path: &str) -> String {
        quillon_runtime::address(&self.public, path)
    }
}

/// Whether an issuer speaks of the repositories of this GitHub. Those of `github.com` and of a server somewhere else have the same numbers:
/// the parameter's default must not let one speak for the other.
fn is_of_this_github(issuer: &str, web: &str) -> bool {
    let host = |text: &str| Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
    host(issuer).as_deref() != Some("token.actions.githubusercontent.com") || host(web).as_deref() == Some("github.com")
}

fn providers(read: &mut Reader<'_>, web: &str, http: &Http) -> Vec<Provider> {
    let mut found = Vec::new();
    let api = read.optional("QUILLON_GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
    let (web, api) = (read.url("QUILLON_GITHUB_URL", web), read.url("QUILLON_GITHUB_API_URL", &api));
    if let (Some(client_id), Some(web_url), Some(api_url)) = (read.optional("QUILLON_GITHUB_CLIENT_ID"), web, api) {
        found.push(Provider::Github(GithubOAuth { web_url, api_url, client_id, http: http.clone() }));
    }
    let google = read.optional("QUILLON_GOOGLE_ISSUER").unwrap_or_else(|| GOOGLE.to_owned());
    if let Some(client_id) = read.optional("QUILLON_GOOGLE_CLIENT_ID") {
        read.url("QUILLON_GOOGLE_ISSUER", &google);
        let client = OpenId { provider: ProviderId::google(), issuer: google, client_id };
        found.push(Provider::OpenId { client, label: "Google".to_owned() });
    }
    let (issuer, label) = (read.optional("QUILLON_OIDC_ISSUER"), read.optional("QUILLON_OIDC_NAME"));
    match (read.optional("QUILLON_OIDC_CLIENT_ID"), issuer, "oidc".parse()) {
        (Some(client_id), Some(issuer), Ok(provider)) => {
            read.url("QUILLON_OIDC_ISSUER", &issuer);
            let label = label.unwrap_or_else(|| quillon_core::text::shorten(&issuer, 60));
            found.push(Provider::OpenId { client: OpenId { provider, issuer, client_id }, label });
        }
        (Some(_), None, _) => read.complain("`QUILLON_OIDC_ISSUER` is not set: it says who vouches for people with the client id"),
        (Some(_), Some(_), Err(_)) | (None, _, _) => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_issuer_speaks_for_repositories_of_github_com_only() {
        let public = "https://token.actions.githubusercontent.com";
        for (issuer, web, expected) in [
            (public, "https://github.com", true),
            ("https://token.actions.githubusercontent.com/acme", "https://github.com", true),
            (public, "https://git.example.com", false),
            ("https://token.actions.githubusercontent.com/acme", "http://127.0.0.1:8800/forge", false),
            ("https://git.example.com/_services/token", "https://git.example.com", true),
        ] {
            assert_eq!(is_of_this_github(issuer, web), expected, "{issuer} {web}");
        }
    }
}

//! Where people sign in to an instance, and who is trusted to say which job of a CI system somebody is.

use quillon_core::Sensitive;
use quillon_runtime::Reader;

use crate::template::Parameters;

/// What an issuer is set to where its CI system is not trusted.
const OFF: &str = "off";

/// The issuers of CI jobs, and the parameters that they are.
const ISSUERS: [(&str, &str); 4] = [
    ("QUILLON_GITHUB_ACTIONS_ISSUER", "GithubActionsIssuer"),
    ("QUILLON_GITLAB_ISSUER", "GitlabIssuer"),
    ("QUILLON_CIRCLECI_ISSUER", "CircleciIssuer"),
    ("QUILLON_BUILDKITE_ISSUER", "BuildkiteIssuer"),
];

/// What an instance is to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: Sensitive<String>,
}

/// Providers beside the forge, and issuers of CI jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SignInSettings {
    google: Option<Client>,
    google_issuer: Option<String>,
    oidc: Option<Client>,
    oidc_issuer: Option<String>,
    oidc_name: Option<String>,
    issuers: Vec<(&'static str, String)>,
}

impl SignInSettings {
    /// Reads the settings; complains of what is there by half.
    pub(crate) fn read(read: &mut Reader<'_>) -> Self {
        let google = client(read, "QUILLON_GOOGLE_CLIENT_ID", "QUILLON_GOOGLE_CLIENT_SECRET");
        let oidc = client(read, "QUILLON_OIDC_CLIENT_ID", "QUILLON_OIDC_CLIENT_SECRET");
        let oidc_issuer = read.optional("QUILLON_OIDC_ISSUER");
        match (&oidc, &oidc_issuer) {
            (Some(_), None) => read.complain("`QUILLON_OIDC_ISSUER` is not set: it is the address of the provider with the client id"),
            (None, Some(_)) => read.complain("`QUILLON_OIDC_ISSUER` is set without `QUILLON_OIDC_CLIENT_ID`: nobody could sign in there"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        Self {
            google,
            google_issuer: read.optional("QUILLON_GOOGLE_ISSUER"),
            oidc,
            oidc_issuer,
            oidc_name: read.optional("QUILLON_OIDC_NAME"),
            issuers: ISSUERS.into_iter().filter_map(|(name, parameter)| Some((parameter, read.optional(name)?))).collect(),
        }
    }

    /// The parameters with these.
    pub(crate) fn added_to(&self, mut parameters: Parameters) -> Parameters {
        for (client, id, secret) in
            [(&self.google, "GoogleClientId", "GoogleClientSecret"), (&self.oidc, "OidcClientId", "OidcClientSecret")]
        {
            if let Some(client) = client {
                parameters = parameters.with(id, client.id.clone()).with_json_text(secret, client.secret.expose());
            }
        }
        let texts = [("GoogleIssuer", &self.google_issuer), ("OidcIssuer", &self.oidc_issuer), ("OidcName", &self.oidc_name)];
        for (parameter, text) in texts {
            if let Some(text) = text {
                parameters = parameters.with(parameter, text.clone());
            }
        }
        for (parameter, issuer) in &self.issuers {
            parameters = parameters.with(parameter, if issuer == OFF { String::new() } else { issuer.clone() });
        }
        parameters
    }
}

/// A client id and its secret; one without the other is a mistake.
pub(crate) fn client(read: &mut Reader<'_>, id: &str, secret: &str) -> Option<Client> {
    match (read.optional(id), read.optional(secret)) {
        (Some(id), Some(secret)) => Some(Client { id, secret: Sensitive::new(secret) }),
        (None, None) => None,
        (Some(_), None) => {
            read.complain(format!("`{secret}` is not set: a client id is nothing without its secret"));
            None
        }
        (None, Some(_)) => {
            read.complain(format!("`{id}` is not set: a client secret is nothing without its id"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_runtime::Settings;

    fn read(pairs: &[(&str, &str)]) -> (SignInSettings, Vec<String>) {
        let settings = Settings::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        let mut reader = settings.reader();
        let found = SignInSettings::read(&mut reader);
        (found, reader.finish().err().map(|error| error.0).unwrap_or_default())
    }

    #[test]
    fn a_provider_is_there_whole_or_not_at_all() {
        assert_eq!(read(&[]), (SignInSettings::default(), vec![]));
        for (pairs, missing) in [
            (vec![("QUILLON_GOOGLE_CLIENT_ID", "x")], "QUILLON_GOOGLE_CLIENT_SECRET"),
            (vec![("QUILLON_GOOGLE_CLIENT_SECRET", "x")], "QUILLON_GOOGLE_CLIENT_ID"),
            (vec![("QUILLON_OIDC_CLIENT_ID", "x"), ("QUILLON_OIDC_CLIENT_SECRET", "y")], "QUILLON_OIDC_ISSUER"),
            (vec![("QUILLON_OIDC_ISSUER", "https://id.example.com")], "QUILLON_OIDC_CLIENT_ID"),
        ] {
            let (_, problems) = read(&pairs);
            assert!(problems.len() == 1 && problems[0].contains(missing), "{problems:?}");
        }
    }

    #[test]
    fn an_issuer_is_replaced_or_switched_off() {
        let (settings, problems) = read(&[("QUILLON_GITLAB_ISSUER", "https://gitlab.example.com"), ("QUILLON_CIRCLECI_ISSUER", "off")]);
        assert_eq!(problems, Vec::<String>::new());
        let expected = Parameters::new().with("GitlabIssuer", "https://gitlab.example.com").with("CircleciIssuer", "");
        assert_eq!(settings.added_to(Parameters::new()), expected);
    }
}

//! The device flow ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)) as a client, and the calls around it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use quillon_core::Sensitive;
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{json_of, printable};

/// Who asks.
const CLIENT_ID: &str = "quillon";
/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Seconds between two questions where the server names none ([section 3.2](https://www.rfc-editor.org/rfc/rfc8628#section-3.2)).
const INTERVAL_S: u64 = 5;
/// Seconds that `slow_down` adds.
const SLOW_DOWN_S: u64 = 5;
/// Most seconds between two questions, whatever the server or the network does.
const MAX_INTERVAL_S: u64 = 60;
/// Longest time that a code is waited for, in seconds.
const MAX_PATIENCE_S: u64 = 3600;
/// Largest answer, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// What the person is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code {
    /// Where they go.
    pub(super) link: Url,
    /// What they compare.
    pub(super) user_code: String,
}

/// A server and how to call it.
pub(super) struct Server {
    url: Url,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct DeviceAnswer {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

/// What a question after the token came to.
enum Polled {
    Token(Sensitive<String>),
    Pending,
    SlowDown,
    /// Nobody understood: the next question may fare better.
    Trouble,
}

impl Server {
    /// Makes no call.
    pub(super) fn new(url: Url) -> anyhow::Result<Self> {
        // No redirects: a token goes to the server that was named and to nobody else.
        let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(Policy::none()).user_agent("quillon").build()?;
        Ok(Self { url, http })
    }

    /// Its address, for people.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Its address as the dagger CLI wants it, without a slash at the end.
    pub(super) fn address(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// Asks for a code, shows it, and waits until the person has answered.
    pub(super) async fn sign_in(
        &self,
        name: &str,
        show: impl FnOnce(&Code),
        wait: impl AsyncFn(Duration),
    ) -> anyhow::Result<Sensitive<String>> {
        let form = [("client_id", CLIENT_ID), ("scope", "openid"), ("client_name", name)];
        let (status, answer) = self.post_form("oauth/device/code", &form).await?;
        if status != 200 {
            bail!("{}", self.refusal(status, &answer));
        }
        let answer: DeviceAnswer = serde_json::from_value(answer)
            .with_context(|| format!("`{}` answered with something that is no device code: is it a Quillon server?", self.url))?;
        show(&Code {
            link: link(answer.verification_uri_complete.as_deref().unwrap_or(&answer.verification_uri))?,
            user_code: printable(&answer.user_code),
        });
        let patience = answer.expires_in.min(MAX_PATIENCE_S);
        let mut interval = answer.interval.unwrap_or(INTERVAL_S).clamp(1, MAX_INTERVAL_S);
        let mut waited = 0;
        while waited < patience {
            wait(Duration::from_secs(interval)).await;
            waited += interval;
            match self.poll(&answer.device_code).await? {
                Polled::Token(token) => return Ok(token),
                Polled::Pending => {}
                Polled::SlowDown => interval = (interval + SLOW_DOWN_S).min(MAX_INTERVAL_S),
                Polled::Trouble => interval = (interval * 2).min(MAX_INTERVAL_S),
            }
        }
        bail!("{OVER}")
    }

    async fn poll(&self, device_code: &str) -> anyhow::Result<Polled> {
        let form = [("client_id", CLIENT_ID), ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", device_code)];
        // Servers restart and networks fail while a person looks for their password.
        let Ok((status, answer)) = self.post_form("oauth/token", &form).await else { return Ok(Polled::Trouble) };
        if let (200, Some(token)) = (status, answer["access_token"].as_str()) {
            // It becomes part of a header.
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                bail!("`{}` gave a token that is none", self.url);
            }
            return Ok(Polled::Token(Sensitive::new(token.to_owned())));
        }
        match (status, answer["error"].as_str().unwrap_or_default()) {
            (_, "authorization_pending") => Ok(Polled::Pending),
            (_, "slow_down") | (429, _) => Ok(Polled::SlowDown),
            (500.., _) => Ok(Polled::Trouble),
            (_, "expired_token") => bail!("{OVER}"),
            (_, "access_denied") => bail!("the login was refused on the page: run `quillon login` again if that was a mistake"),
            (_, _) => bail!("{}", self.refusal(status, &answer)),
        }
    }

    /// Ends the login of a token ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
    pub(super) async fn revoke(&self, token: &Sensitive<String>) -> anyhow::Result<()> {
        let form = [("client_id", CLIENT_ID), ("token", token.expose().as_str())];
        let (status, answer) = self.post_form("oauth/revoke", &form).await?;
        if status != 200 {
            bail!("{}", self.refusal(status, &answer));
        }
        Ok(())
    }

    async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<(u16, Value)> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(self.at(path)?).header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(body)).await
    }

    /// Asks with a token.
    pub(super) async fn post_json(&self, path: &str, token: &Sensitive<String>, body: &Value) -> anyhow::Result<(u16, Value)> {
        self.send(self.http.post(self.at(path)?).bearer_auth(token.expose()).json(body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<(u16, Value)> {
        let unreachable = || format!("cannot reach `{}`: is the server running, and is that its address?", self.url);
        let mut answer = request.header(http::header::ACCEPT, "application/json").send().await.with_context(unreachable)?;
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.with_context(unreachable)? {
            if bytes.len() + piece.len() > MAX_ANSWER {
                bail!("`{}` answers too much: is it a Quillon server?", self.url);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok((answer.status().as_u16(), json_of(&bytes)))
    }

    fn at(&self, path: &str) -> anyhow::Result<Url> {
        Ok(format!("{}/{path}", self.address()).parse()?)
    }

    /// A refusal in the server's words, where it has some.
    fn refusal(&self, status: u16, answer: &Value) -> String {
        let said =
            answer["error_description"].as_str().or_else(|| answer["error"]["message"].as_str()).or_else(|| answer["error"].as_str());
        match (status, said) {
            (_, Some(words)) => format!("`{}` refused: {}", self.url, printable(words)),
            (404 | 405, None) => format!("`{}` knows no logins of devices: is it a Quillon server, and the newest?", self.url),
            (_, None) => format!("`{}` answered {status}: try again later, or look at what the server says", self.url),
        }
    }
}

const OVER: &str = "the code is over and nobody has approved it: run `quillon login` again";

/// The page that a person is sent to: whatever a server says, only a page of the web is opened.
fn link(text: &str) -> anyhow::Result<Url> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) | Err(_) => bail!("the server names no page to sign in at"),
    }
}

//! Calls to a running instance, with the operator's key.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::data::Contact;

/// A running instance, as its operator reaches it.
pub(crate) struct Client {
    contact: Contact,
    http: reqwest::Client,
}

impl Client {
    /// Makes no call.
    pub(crate) fn new(contact: Contact) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { contact, http })
    }

    /// How to reach the instance.
    pub(crate) fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Calls the operator API; a refusal is an error in the server's words.
    pub(crate) async fn operator(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.call(method, &format!("operator/v1/{path}"), &self.contact.operator_key, body).await
    }

    /// Calls the control endpoint, which only a local instance has.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.call(method, &format!("control/v1/{path}"), &self.contact.access_key, body).await
    }

    /// Asks the GraphQL API; its first error is an error.
    pub(crate) async fn graphql(&self, query: &str, variables: &Value) -> anyhow::Result<Value> {
        let body = json!({ "query": query, "variables": variables });
        let mut answer = self.call(Method::POST, "query", &self.contact.operator_key, Some(&body)).await?;
        match answer["errors"][0]["message"].as_str() {
            Some(message) => bail!("{message}"),
            None => Ok(answer["data"].take()),
        }
    }

    async fn call(&self, method: Method, path: &str, credential: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = self.contact.url.join(path)?;
        let mut request = self.http.request(method, url.clone()).bearer_auth(credential);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| format!("cannot reach `{}`: does it still run?", self.contact.url))?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        let body: Value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or(Value::Null) };
        if status.is_success() {
            return Ok(body);
        }
        match body["error"]["message"].as_str() {
            // The words of the server are for people with accounts.
            Some(_) if status == StatusCode::UNAUTHORIZED => bail!("`{}` has another operator's key", self.contact.url),
            Some(message) => bail!("{message}"),
            None => bail!("`{url}` answered {status}: {}", String::from_utf8_lossy(&bytes).trim()),
        }
    }
}

//! A person with a browser, as far as forms and cookies go.

use std::collections::BTreeMap;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use url::Url;

/// Pages that lead to one another, at most.
const STEPS: usize = 10;

/// A browser without scripts.
pub(crate) struct Browser {
    http: Client,
    base: Url,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(base: &str) -> Self {
        let http = Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
        Self { http, base: base.parse().expect("an address"), cookies: BTreeMap::new() }
    }

    /// Opens a page, or sends a form, and follows where that leads; gives the last page.
    pub(crate) async fn go(&mut self, address: &str, form: Option<&[(String, String)]>) -> String {
        let mut url = self.base.join(address).expect("an address");
        let mut form = form.map(|pairs| url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
        for _ in 0..STEPS {
            let answer = self.send(&url, form.take()).await;
            if !answer.status().is_redirection() {
                let status = answer.status();
                let page = answer.text().await.expect("a page");
                assert!(status.is_success(), "{url}: {status} {page}");
                return page;
            }
            url = url.join(answer.headers()["location"].to_str().expect("text")).expect("an address");
        }
        panic!("{url} leads in a circle");
    }

    async fn send(&mut self, url: &Url, form: Option<String>) -> Response {
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.http.request(method, url.clone()).header("cookie", cookies.join("; "));
        if let Some(form) = form {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        }
        let answer = request.send().await.expect("an answer");
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().expect("text").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Signs in as one of the forge's people.
    pub(crate) async fn sign_in(&mut self, login: &str) {
        let page = self.go("/auth/github?next=/account", None).await;
        let mut form = hidden(&page, "login/oauth/authorize");
        let (before, _) = page.split_once(&format!(">Continue as {login}<")).expect("a person of that login");
        form.push(("account".to_owned(), attribute(before.rsplit('<').next().unwrap_or_default(), "value")));
        let page = self.go("/forge/login/oauth/authorize", Some(&form)).await;
        assert!(page.contains(login), "{page}");
    }

    /// Sends the form of a page whose action ends so, with what is given beside what it holds.
    pub(crate) async fn submit(&mut self, page: &str, action: &str, more: &[(&str, &str)]) -> String {
        let mut form = hidden(page, action);
        form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.go(action, Some(&form)).await
    }
}

/// The hidden fields of the form with an action that ends so.
fn hidden(page: &str, action: &str) -> Vec<(String, String)> {
    let form = page.split("<form").find(|form| attribute(form.split('>').next().unwrap_or_default(), "action").ends_with(action));
    let form = form.unwrap_or_else(|| panic!("no form leads to {action}: {page}"));
    let inputs = form.split("</form>").next().unwrap_or_default().split("<input").skip(1);
    let inputs = inputs.map(|input| input.split('>').next().unwrap_or_default()).filter(|input| input.contains("type=\"hidden\""));
    inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
    value.replace("&#38;", "&").replace("&amp;", "&").replace("&#x2F;", "/")
}

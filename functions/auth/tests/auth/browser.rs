//! A browser: it keeps cookies, and goes where it is told.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use quillon_core::id::UserId;
use quillon_core::session::{Holder, Session};

use crate::world::{PUBLIC, World, visit};

/// The name of the session's cookie without HTTPS.
const SESSION: &str = "quillon_session";

/// The name of the cookie of a sign-in that is under way.
pub(crate) const SIGN_IN: &str = "quillon_sign_in";

/// A browser.
#[derive(Debug, Clone, Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
    /// `Sec-Fetch-Site` of the next requests.
    pub(crate) site: Option<&'static str>,
}

/// What it is shown.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Shown {
    /// Where it leads.
    pub(crate) fn location(&self) -> &str {
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        location.unwrap_or_else(|| panic!("{}: {}", self.status, self.body))
    }
}

impl Browser {
    /// Asks for a page of ours, by its path or by its whole address.
    pub(crate) async fn get(&mut self, world: &World, address: &str) -> Shown {
        let path = address.strip_prefix(PUBLIC).unwrap_or(address);
        let mut request =
            Request::get(path).header("host", "127.0.0.1:8800").header("user-agent", "Firefox").header("x-forwarded-for", "192.0.2.7");
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(site) = self.site {
            request = request.header("sec-fetch-site", site);
        }
        let (parts, body) = world.ask(request.body(Bytes::new()).expect("a request")).await.into_parts();
        for cookie in parts.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            let (name, rest) = cookie.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            if rest.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Shown { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).expect("text") }
    }

    /// Goes through GitHub's page as somebody; what our callback answers.
    pub(crate) async fn through_github(&mut self, world: &World, start: &str, person: u64) -> Shown {
        let sent = self.get(world, start).await;
        let back = world.consent(person, sent.location());
        self.get(world, &back).await
    }

    /// Goes through an OpenID provider's page; what our callback answers.
    pub(crate) async fn through_openid(&mut self, world: &World, start: &str) -> Shown {
        let sent = self.get(world, start).await;
        let back = visit(sent.location()).await;
        self.get(world, &back).await
    }

    /// The secret of its session.
    pub(crate) fn secret(&self) -> Option<&str> {
        self.cookies.get(SESSION).map(String::as_str)
    }

    /// Takes a session over.
    pub(crate) fn set_secret(&mut self, secret: &str) {
        self.cookies.insert(SESSION.to_owned(), secret.to_owned());
    }

    /// Its session.
    pub(crate) async fn session(&self, world: &World) -> Option<Session> {
        world.deps.tenancy.session(self.secret()?, world.now()).await.expect("a table")
    }

    /// Who is signed in.
    pub(crate) async fn user(&self, world: &World) -> Option<UserId> {
        match self.session(world).await?.holder {
            Holder::Person(user) => Some(user),
            Holder::Operator => None,
        }
    }

    /// A browser in which somebody of GitHub is signed in.
    pub(crate) async fn of(world: &World, person: u64) -> Self {
        let mut browser = Self::default();
        let shown = browser.through_github(world, "/auth/github", person).await;
        assert_eq!((shown.status, shown.location()), (StatusCode::SEE_OTHER, "/"), "{}", shown.body);
        browser
    }
}

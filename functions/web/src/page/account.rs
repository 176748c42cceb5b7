//! One's own account, as plain data.

use askama::Template;
use jiff::Timestamp;
use quillon_core::device::Login;
use quillon_core::id::SessionId;
use quillon_core::member::Roles;
use quillon_core::org::Org;
use quillon_core::person::User;
use quillon_core::session::Session;

use super::objection::Objection;
use super::sign_in::{Provider, label_of};
use super::text::label;
use super::time::Moment;
use crate::link::settings::AccountAction;

/// The account of a person.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "account/person.html")]
pub struct AccountPage {
    /// Their id, by which whoever runs the installation knows them.
    pub id: String,
    /// What people call them.
    pub name: String,
    /// The token of the forms.
    pub csrf: String,
    /// Why a form was refused.
    pub problem: Option<Objection>,
    /// Who vouches for them.
    pub identities: Vec<IdentityRow>,
    /// Label and address of each provider that could vouch for them too.
    pub links: Vec<(String, String)>,
    /// Where they are signed in.
    pub sessions: Vec<SessionRow>,
    /// The devices that are signed in.
    pub devices: Vec<DeviceRow>,
    /// Name, address and roles of each org.
    pub orgs: Vec<(String, String, String)>,
    /// Where an identity is unlinked.
    pub unlink: String,
    /// Where a session is ended.
    pub end_session: String,
    /// Where all others are ended.
    pub end_others: String,
    /// Where a device is signed out.
    pub end_login: String,
    /// What signs a device in.
    pub login_command: String,
}

/// Somebody who vouches for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRow {
    /// The provider, as people call it.
    pub provider: String,
    /// The provider's word.
    pub provider_id: String,
    /// The provider's own name of them.
    pub subject: String,
    /// What it calls them.
    pub login: String,
    /// The address that it has verified.
    pub email: Option<String>,
    /// Since when, as a day.
    pub since: String,
    /// Whether it may go: the last one may not.
    pub may_go: bool,
}

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// The browser, in words.
    pub client: String,
    /// What the browser calls itself.
    pub client_text: String,
    /// The address that it began from.
    pub from: Option<String>,
    /// When it began.
    pub began: Moment,
    /// When it was last used.
    pub seen: Moment,
    /// Whether it is this one.
    pub is_this: bool,
}

/// A device that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its id.
    pub id: String,
    /// What it calls itself.
    pub client: String,
    /// The address that it was signed in from.
    pub from: Option<String>,
    /// When it was signed in.
    pub since: Moment,
    /// When it was last used.
    pub used: Moment,
}

impl AccountPage {
    /// The account without sessions, devices and orgs.
    #[must_use]
    pub fn new(user: &User, providers: &[Provider], public_url: &str, csrf: String) -> Self {
        let may_go = user.identities.len() > 1;
        let identities = user.identities.iter().map(|identity| IdentityRow {
            provider: providers
                .iter()
                .find(|known| known.id == identity.provider)
                .map_or_else(|| label_of(&identity.provider), |known| known.label.clone()),
            provider_id: identity.provider.to_string(),
            subject: identity.subject.clone(),
            login: label(&identity.login),
            email: identity.email.as_deref().map(label),
            since: identity.linked_at.strftime("%-d %b %Y").to_string(),
            may_go,
        });
        let link = |provider: &Provider| (provider.label.clone(), provider.href(&[("purpose", "link"), ("next", "/account?done=linked")]));
        Self {
            id: user.id.to_string(),
            name: label(&user.name),
            csrf,
            problem: None,
            identities: identities.collect(),
            links: providers.iter().filter(|provider| user.identity(&provider.id).is_none()).map(link).collect(),
            sessions: vec![],
            devices: vec![],
            orgs: vec![],
            unlink: AccountAction::Unlink.path(),
            end_session: AccountAction::EndSession.path(),
            end_others: AccountAction::EndOthers.path(),
            end_login: AccountAction::EndLogin.path(),
            login_command: format!("quillon login --server {}", public_url.trim_end_matches('/')),
        }
    }

    /// Adds the browsers, this one first.
    pub fn show_sessions(&mut self, sessions: &[Session], this: SessionId, now: Timestamp) {
        self.sessions = sessions.iter().map(|session| SessionRow::new(session, session.id == this, now)).collect();
        self.sessions.sort_by_key(|session| (!session.is_this, -session.seen.ms));
    }

    /// Adds the devices, the one that was used last first.
    pub fn show_devices(&mut self, logins: &[Login], now: Timestamp) {
        let row = |login: &Login| DeviceRow {
            id: login.id.to_string(),
            client: label(&login.client),
            from: login.from.as_deref().map(label),
            since: Moment::new(login.created_at, now),
            used: Moment::new(login.last_used_at, now),
        };
        self.devices = logins.iter().map(row).collect();
        self.devices.sort_by_key(|device| -device.used.ms);
    }

    /// Adds the orgs.
    pub fn show_orgs(&mut self, orgs: &[(Org, Roles)]) {
        self.orgs = orgs.iter().map(|(org, roles)| (org.name.to_string(), format!("/?org={}", org.name), roles.to_string())).collect();
    }
}

impl SessionRow {
    fn new(session: &Session, is_this: bool, now: Timestamp) -> Self {
        Self {
            id: session.id.to_string(),
            client: browser(&session.client),
            client_text: label(&session.client),
            from: session.from.as_deref().map(label),
            began: Moment::new(session.created_at, now),
            seen: Moment::new(session.seen_at, now),
            is_this,
        }
    }
}

/// The account page of the operator, who is no person.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "account/operator.html")]
pub struct OperatorPage {
    /// The token of the forms.
    pub csrf: String,
    /// This session.
    pub session: SessionRow,
}

impl OperatorPage {
    /// The page over the session of this browser.
    #[must_use]
    pub fn new(csrf: String, session: &Session, now: Timestamp) -> Self {
        Self { csrf, session: SessionRow::new(session, true, now) }
    }
}

/// A browser and its system by what it calls itself; what is not known is said as it says it.
///
/// Browsers name their ancestors too, so the order matters:
/// <https://developer.mozilla.org/docs/Web/HTTP/Guides/Browser_detection_using_the_user_agent>.
#[must_use]
pub fn browser(client: &str) -> String {
    let find = |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| client.contains(mark)).map(|(_, name)| *name);
    let browsers =
        [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl")];
    let systems = [
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    match (find(&browsers), find(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => label(&quillon_core::text::shorten(client, 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_as_people_know_them() {
        for (client, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Mobile/15E148 Safari/604.1",
                "Safari on an iPhone",
            ),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/125.0.0.0 Safari/537.36 Edg/125.0", "Edge on Windows"),
            ("curl/8.7.1", "curl"),
            ("a\u{202e}b", "a\u{fffd}b"),
        ] {
            assert_eq!(browser(client), expected);
        }
    }
}

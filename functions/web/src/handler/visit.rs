//! A request, mostly of somebody who is signed in: who asks, what they may do, and how a page is sent to them.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use jiff::Timestamp;
use quillon_core::access::{Permission, Standing, Verdict, allows};
use quillon_core::org::Org;
use quillon_core::person::User;
use quillon_runtime::guard;
use quillon_secrets::InstanceKey;
use quillon_store::Page;
use quillon_tenancy::{Deed, Viewer};
use url::form_urlencoded;

use super::Problem;
use crate::Deps;
use crate::flash::Flash;
use crate::link::settings::{GeneralAction, SettingsAction, Tab};
use crate::page::Forms;
use crate::page::frame::{self, OrgLink};
use crate::respond;
use crate::session::SignedIn;

/// Orgs in the menu of orgs.
const SWITCHABLE: u32 = 20;

/// A request.
#[derive(Clone)]
pub(crate) struct Visit<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) key: &'a InstanceKey,
    /// Who asks; none where nobody is signed in, which only open routes see.
    pub(crate) who: Option<&'a SignedIn>,
    /// What they are to the org of the address.
    pub(crate) standing: Standing,
    pub(crate) request: &'a Request<Bytes>,
    pub(crate) now: Timestamp,
    /// What they are called, where something is written down.
    name: String,
    /// The address that they ask from.
    from: Option<String>,
}

impl<'a> Visit<'a> {
    /// A visit of somebody of whom nothing is known yet.
    pub(crate) fn new(
        deps: &'a Deps,
        key: &'a InstanceKey,
        who: Option<&'a SignedIn>,
        request: &'a Request<Bytes>,
        now: Timestamp,
    ) -> Self {
        let name = who.map(|who| who.viewer.name()).unwrap_or_default();
        let from = guard::source_address(request.headers());
        Self { deps, key, who, standing: Standing::Stranger, request, now, name, from }
    }

    /// The visit once it is known what they are to the org of the address.
    pub(crate) fn with(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }

    pub(crate) fn headers(&self) -> &'a HeaderMap {
        self.request.headers()
    }

    /// Whether it is a form that was sent.
    pub(crate) fn is_form(&self) -> bool {
        self.request.method() == Method::POST
    }

    /// Who asks.
    pub(crate) fn viewer(&self) -> Option<&'a Viewer> {
        self.who.map(|who| &who.viewer)
    }

    /// The person who asks: the operator is none.
    pub(crate) fn user(&self) -> Result<&'a User, Problem> {
        match self.viewer() {
            None => Err(Problem::SignedOut),
            Some(Viewer::Operator) => Err(Problem::NoPerson),
            Some(Viewer::Person(user)) => Ok(user),
        }
    }

    /// What they are called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The address that they ask from.
    pub(crate) fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// What is written down of what they do now.
    pub(crate) fn deed(&self) -> Deed<'_> {
        Deed { who: &self.name, from: self.from(), now: self.now }
    }

    /// Whether they may do something in the org of the address.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        allows(&self.standing, permission) == Verdict::Allowed
    }

    /// The token of this session's forms; none where nobody is signed in.
    pub(crate) fn form_token(&self) -> Option<String> {
        self.who.map(|who| who.form_token(self.key))
    }

    /// A value of the query.
    pub(crate) fn parameter(&self, wanted: &str) -> Option<String> {
        self.query().into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
    }

    /// The pairs of the query.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect()
    }

    /// Whether only the main part of the page is asked for.
    pub(crate) fn is_fragment(&self) -> bool {
        self.query().iter().any(|(name, value)| name == "fragment" && value == "1")
    }

    /// Path and query that were asked for.
    pub(crate) fn address(&self) -> String {
        let uri = self.request.uri();
        uri.path_and_query().map_or_else(|| uri.path().to_owned(), |both| both.as_str().to_owned())
    }

    /// The forms of a page of an org, which come back to this address.
    pub(crate) fn forms(&self, org: &Org) -> Forms {
        let path = self.request.uri().path();
        let kept = self.query().into_iter().filter(|(name, _)| name != "fragment" && name != "done");
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
        let back = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        Forms::new(&self.deps.site.paths(&org.name), self.form_token().unwrap_or_default(), back)
    }

    /// Them in the top bar; none where nobody is signed in.
    pub(crate) fn person(&self) -> Option<frame::Person> {
        let csrf = self.form_token()?;
        let name = match self.viewer()? {
            Viewer::Operator => &self.name,
            Viewer::Person(user) => &user.name,
        };
        Some(frame::Person::new(name, csrf))
    }

    /// Sends a page of an org without the tree of a trace.
    pub(crate) async fn show(&self, org: &Org, title: String, refresh: frame::Refresh, main: String) -> Result<Response<Bytes>, Problem> {
        self.show_page(org, title, refresh, false, main).await
    }

    /// Sends a page of an org.
    pub(crate) async fn show_page(
        &self,
        org: &Org,
        title: String,
        refresh: frame::Refresh,
        has_trace: bool,
        main: String,
    ) -> Result<Response<Bytes>, Problem> {
        let is_fragment = self.is_fragment();
        // A part of a page has no frame, and is asked for every second.
        let org = if is_fragment { None } else { self.org_in_frame(org).await? };
        let page = respond::Page { org, refresh, has_trace, flash: self.flash(), ..self.page(title, main) };
        Ok(respond::page(&page, is_fragment, self.headers())?)
    }

    /// Sends a page that is of no org.
    pub(crate) fn show_plain(&self, title: String, refresh: frame::Refresh, main: String) -> Result<Response<Bytes>, Problem> {
        let page = respond::Page { refresh, flash: self.flash(), ..self.page(title, main) };
        Ok(respond::page(&page, self.is_fragment(), self.headers())?)
    }

    /// A page in its frame, of no org yet.
    pub(crate) fn page(&self, title: String, main: String) -> respond::Page {
        let refresh = frame::Refresh::Never;
        respond::Page { title, org: None, person: self.person(), refresh, has_trace: false, flash: None, main }
    }

    fn flash(&self) -> Option<Flash> {
        self.parameter("done").and_then(|code| Flash::of_code(&code))
    }

    /// The org in the top bar; none for those whom its sections are closed to.
    pub(crate) async fn org_in_frame(&self, org: &Org) -> Result<Option<frame::Org>, Problem> {
        let (Some(viewer), true) = (self.viewer(), self.may(Permission::SeeOrg)) else { return Ok(None) };
        let paths = self.deps.site.paths(&org.name);
        let section = match self.request.uri().path().split('/').nth(2) {
            Some("traces") => frame::Section::Traces,
            Some("settings" | "welcome") => frame::Section::Settings,
            Some(_) | None => frame::Section::Checks,
        };
        let others = self.deps.tenancy.orgs_of(viewer, &Page::first(SWITCHABLE)).await?;
        let others = others.items.iter().map(|other| OrgLink {
            name: other.name.to_string(),
            href: format!("/?org={}", other.name),
            is_current: other.id == org.id,
        });
        let ending = org.deletion.as_ref().map(|deletion| frame::Ending {
            by: crate::page::text::label(&deletion.by),
            due: deletion.due_at.strftime("%-d %b %Y").to_string(),
            undelete: self.may(Permission::ManageOrg).then(|| paths.settings_action(SettingsAction::General(GeneralAction::Undelete))),
        });
        Ok(Some(frame::Org {
            name: org.name.to_string(),
            checks_href: paths.checks(),
            traces_href: paths.traces(),
            settings_href: paths.settings(Tab::General),
            sees_runs: self.may(Permission::ViewRuns),
            section,
            others: others.collect(),
            ending,
        }))
    }
}

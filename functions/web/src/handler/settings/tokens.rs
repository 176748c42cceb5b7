//! Tokens, and CI systems that need none.

use askama::Template;
use jiff::SignedDuration;
use quillon_core::access::Permission;
use quillon_core::ci::CiProvider;
use quillon_core::id::TokenId;
use quillon_core::org::{Org, Scope};

use super::{Again, Done};
use crate::flash::Flash;
use crate::handler::form::Form;
use crate::handler::{Problem, Visit};
use crate::link::settings::{SettingsAction, Tab, TokensAction};
use crate::page::settings::tokens::{CiSystem, OVERLAPS, ScopeChoice, TokenForms, TokenMade, TokenRow, TokensPage, TrustRow};
use crate::page::text::label;

/// Shows the tab.
pub(super) async fn show(visit: &Visit<'_>, org: &Org, again: Option<&Again<'_>>) -> Result<String, Problem> {
    let tenancy = &visit.deps.tenancy;
    let mut tokens = tenancy.tokens(org.id).await?;
    // Those that work first, each the newest first.
    tokens.sort_by_key(|token| (!token.is_alive(visit.now), token.replaced_by.is_some(), std::cmp::Reverse(token.created_at), token.id));
    let trusts = tenancy.trusts(org.id).await?;
    let page = TokensPage {
        tokens: tokens.iter().map(|token| TokenRow::new(token, visit.now)).collect(),
        trusts: trusts.iter().map(|trust| TrustRow::new(trust, visit.now)).collect(),
        systems: CiSystem::all(visit.deps.site.public.as_str(), org.name.as_str()),
        forms: visit.may(Permission::ManageTokens).then(|| forms(visit, org, again)),
    };
    Ok(page.render()?)
}

fn forms(visit: &Visit<'_>, org: &Org, again: Option<&Again<'_>>) -> TokenForms {
    let paths = visit.deps.site.paths(&org.name);
    let to = |action| paths.settings_action(SettingsAction::Tokens(action));
    let refused = |action| again.filter(|again| again.action == SettingsAction::Tokens(action)).map(|again| again.form);
    let (made, trusted) = (refused(TokensAction::Create), refused(TokensAction::Trust));
    let kept = |form: Option<&Form>, name: &str| form.map(|form| form.kept(name)).unwrap_or_default();
    // What most tokens are for; what was ticked before, where a form comes back.
    let chosen =
        made.map_or_else(|| vec![Scope::TelemetryWrite], |form| form.values("scope").filter_map(|word| word.parse().ok()).collect());
    TokenForms {
        open: again.and_then(Again::row),
        csrf: visit.form_token().unwrap_or_default(),
        create: to(TokensAction::Create),
        rotate: to(TokensAction::Rotate),
        revoke: to(TokensAction::Revoke),
        trust: to(TokensAction::Trust),
        distrust: to(TokensAction::Distrust),
        scopes: ScopeChoice::all(&chosen),
        name: kept(made, "name"),
        life: made.map_or_else(|| "365".to_owned(), |form| form.kept("life")),
        provider: kept(trusted, "provider"),
        project: kept(trusted, "project"),
        project_name: kept(trusted, "name"),
    }
}

/// Does what a form says.
pub(super) async fn act(visit: &Visit<'_>, org: &Org, action: TokensAction, form: &Form) -> Result<Done, Problem> {
    match action {
        TokensAction::Create => create(visit, org, form).await,
        TokensAction::Rotate => rotate(visit, org, form).await,
        TokensAction::Revoke => revoke(visit, org, form).await,
        TokensAction::Trust => {
            let provider = provider(form)?;
            visit.deps.tenancy.add_trust(org.id, provider, form.text("project"), form.text("name"), &visit.deed()).await?;
            Ok(Done::Back(Flash::TrustMade))
        }
        TokensAction::Distrust => {
            visit.deps.tenancy.delete_trust(org.id, provider(form)?, form.text("project"), &visit.deed()).await?;
            Ok(Done::Back(Flash::TrustRemoved))
        }
    }
}

fn provider(form: &Form) -> Result<CiProvider, Problem> {
    form.text("provider").parse().map_err(|_| Problem::BadForm("choose a CI system"))
}

async fn create(visit: &Visit<'_>, org: &Org, form: &Form) -> Result<Done, Problem> {
    let scopes: Result<Vec<Scope>, _> = form.values("scope").map(str::parse).collect();
    let scopes = scopes.map_err(|_| Problem::BadForm("there is no such scope"))?;
    let days: Option<u32> = match form.text("life") {
        "never" => None,
        days => Some(days.parse().map_err(|_| Problem::BadForm("choose how long the token works"))?),
    };
    let (token, text) = visit.deps.tenancy.create_token(org.id, form.text("name"), &scopes, days, &visit.deed()).await?;
    once(visit, org, &token, text.expose(), None)
}

async fn rotate(visit: &Visit<'_>, org: &Org, form: &Form) -> Result<Done, Problem> {
    let id: TokenId = form.named("token")?;
    let asked = form.text("overlap");
    let (hours, words) =
        OVERLAPS.into_iter().find(|(hours, _)| *hours == asked).ok_or(Problem::BadForm("choose how long the old token works on"))?;
    let overlap = SignedDuration::from_hours(hours.parse().unwrap_or(0));
    let (token, text) = visit.deps.tenancy.rotate_token(org.id, id, overlap, &visit.deed()).await?;
    let old = if overlap.is_zero() { "The old one works no more.".to_owned() } else { format!("The old one works on {words}.") };
    once(visit, org, &token, text.expose(), Some(old))
}

fn once(visit: &Visit<'_>, org: &Org, token: &quillon_core::org::Token, text: &str, old: Option<String>) -> Result<Done, Problem> {
    let site = &visit.deps.site;
    let page = TokenMade::new(token, text, old, site.public.as_str(), site.paths(&org.name).settings(Tab::Tokens), visit.now);
    Ok(Done::Once { title: format!("The token {}", page.name), main: page.render()? })
}

async fn revoke(visit: &Visit<'_>, org: &Org, form: &Form) -> Result<Done, Problem> {
    let id: TokenId = form.named("token")?;
    let known = visit.deps.tenancy.tokens(org.id).await?.into_iter().find(|token| token.id == id).ok_or(Problem::NotFound)?;
    // As the page shows it.
    if form.text("confirm") != label(&known.name) {
        return Err(Problem::BadForm("to revoke a token, type its name"));
    }
    visit.deps.tenancy.revoke_token(org.id, id, &visit.deed()).await?;
    Ok(Done::Back(Flash::TokenRevoked))
}

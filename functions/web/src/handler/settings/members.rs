//! Who is in the org, and who is invited.

use askama::Template;
use quillon_core::access::Permission;
use quillon_core::id::{InviteId, UserId};
use quillon_core::member::{Invitee, NoRole, Role, Roles};
use quillon_core::org::Org;
use quillon_store::Page;
use quillon_tenancy::Viewer;

use super::{Again, Done};
use crate::flash::Flash;
use crate::handler::form::{Form, with_flash};
use crate::handler::{Problem, Visit};
use crate::link::settings::{MembersAction, SettingsAction, Step, Tab};
use crate::page::invite::InviteLink;
use crate::page::settings::members::{InviteDraft, MembersForms, MembersPage, open_invites};
use crate::page::text::label;
use crate::page::time::settled;

/// Members on one page.
const MEMBERS: u32 = 100;

/// Shows the tab.
pub(super) async fn show(visit: &Visit<'_>, org: &Org, again: Option<&Again<'_>>) -> Result<String, Problem> {
    let tenancy = &visit.deps.tenancy;
    let after = visit.parameter("after").filter(|_| !visit.is_form());
    let members = match tenancy.members(org.id, &Page { after, limit: MEMBERS }).await {
        // The rest of a list that has changed: its beginning instead.
        Err(quillon_tenancy::Error::Store(quillon_store::Error::InvalidCursor)) => tenancy.members(org.id, &Page::first(MEMBERS)).await?,
        members => members?,
    };
    let (paths, now) = (visit.deps.site.paths(&org.name), settled(visit.now, false));
    let me = visit.viewer().and_then(Viewer::user).map(|user| user.id);
    let mut page = MembersPage::new(&members.items, me, now);
    page.more_href = members.next.map(|next| format!("{}&after={next}", paths.settings(Tab::Members)));
    let action = |action| paths.settings_action(SettingsAction::Members(action));
    page.forms = Some(MembersForms {
        csrf: visit.form_token().unwrap_or_default(),
        roles: visit.may(Permission::ChangeRoles).then(|| action(MembersAction::Roles)),
        remove: visit.may(Permission::RemoveMembers).then(|| action(MembersAction::Remove)),
        leave: action(MembersAction::Leave),
        invite: visit.may(Permission::InviteMembers).then(|| action(MembersAction::Invite)),
        revoke: visit.may(Permission::InviteMembers).then(|| action(MembersAction::RevokeInvite)),
        open: again.and_then(Again::row),
        is_leaving: again.is_some_and(|again| again.action == SettingsAction::Members(MembersAction::Leave)),
    });
    if let Some(refused) = again.filter(|again| again.action == SettingsAction::Members(MembersAction::Invite)) {
        page.draft = draft_of(refused.form);
    }
    page.invites = open_invites(&tenancy.invites(org.id, visit.now).await?, now);
    Ok(page.render()?)
}

/// The form of an invitation that was refused, as it was filled in.
pub(in crate::handler) fn draft_of(form: &Form) -> InviteDraft {
    let is_ticked = |role: Role| form.values("role").any(|word| word == role.word());
    InviteDraft { invitee: form.kept("invitee"), admin: is_ticked(Role::Admin), member: is_ticked(Role::Member), is_refused: true }
}

/// Does what a form says.
pub(super) async fn act(visit: &Visit<'_>, org: &Org, action: MembersAction, form: &Form) -> Result<Done, Problem> {
    let (tenancy, deed) = (&visit.deps.tenancy, visit.deed());
    match action {
        MembersAction::Roles => {
            let user: UserId = form.named("user")?;
            tenancy.set_roles(org.id, user, roles(form)?, &deed).await?;
            Ok(Done::Back(Flash::RolesChanged))
        }
        MembersAction::Remove => {
            let user: UserId = form.named("user")?;
            tenancy.remove_member(org.id, user, &deed).await?;
            Ok(if visit.viewer().and_then(Viewer::user).is_some_and(|me| me.id == user) {
                gone()
            } else {
                Done::Back(Flash::MemberRemoved)
            })
        }
        MembersAction::Leave => {
            tenancy.leave(org.id, visit.user()?.id, &deed).await?;
            Ok(gone())
        }
        MembersAction::Invite => {
            let invitee: Invitee = form.text("invitee").parse().map_err(|error| Problem::Invalid(format!("{error}")))?;
            let (invite, secret) = tenancy.invite(org.id, invitee, roles(form)?, &deed).await?;
            let paths = visit.deps.site.paths(&org.name);
            let page = InviteLink {
                link: format!("{}/invite/{}", visit.deps.site.public.as_str().trim_end_matches('/'), secret.expose()),
                invitee: label(&invite.invitee.to_string()),
                roles: invite.roles.to_string(),
                until: invite.expires_at.strftime("%-d %b %Y %H:%M UTC").to_string(),
                back_href: if form.value("from") == Some(Step::Team.word()) {
                    paths.welcome(Step::Team)
                } else {
                    paths.settings(Tab::Members)
                },
            };
            Ok(Done::Once { title: format!("Invitation to {}", org.name), main: page.render()? })
        }
        MembersAction::RevokeInvite => {
            let invite: InviteId = form.named("invite")?;
            tenancy.revoke_invite(org.id, invite, &deed).await?;
            Ok(Done::Back(Flash::InviteRevoked))
        }
    }
}

/// Whoever has left sees this org no more.
fn gone() -> Done {
    Done::To(with_flash("/account", Flash::Left))
}

fn roles(form: &Form) -> Result<Roles, Problem> {
    let roles: Vec<Role> =
        form.values("role").map(|role| role.parse().map_err(|_| Problem::BadForm("there is no such role"))).collect::<Result<_, _>>()?;
    Roles::of(&roles).map_err(|error: NoRole| Problem::Invalid(error.to_string()))
}

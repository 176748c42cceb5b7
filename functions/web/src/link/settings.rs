//! The settings of an org as addresses: its tabs, what can be done on each of them, and what each of these needs.

use quillon_core::access::Permission;

/// A page of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Name, limits, the end of the org.
    General,
    /// Who is in it, and who is invited.
    Members,
    /// Installations and repositories.
    Sources,
    /// Tokens, and CI systems that need none.
    Tokens,
    /// Who may read traces.
    Visibility,
    /// What is paid for.
    Plan,
    /// Who did what.
    Audit,
}

impl Tab {
    /// All of them, as they stand on the pages.
    pub const ALL: [Self; 7] = [Self::General, Self::Members, Self::Sources, Self::Tokens, Self::Visibility, Self::Plan, Self::Audit];

    /// Its name, also in the query: the stock CLI prints `?tab=Tokens`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::General => "General",
            Self::Members => "Members",
            Self::Sources => "Git Sources",
            Self::Tokens => "Tokens",
            Self::Visibility => "Visibility",
            Self::Plan => "Plan",
            Self::Audit => "Audit",
        }
    }

    /// The tab of a query; the first one where there is no such.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|tab| tab.word().eq_ignore_ascii_case(word.trim())).unwrap_or(Self::General)
    }

    /// What it takes to see it.
    #[must_use]
    pub fn permission(self) -> Permission {
        match self {
            Self::General | Self::Sources | Self::Tokens | Self::Visibility => Permission::ViewSettings,
            Self::Members => Permission::ViewMembers,
            Self::Plan => Permission::ViewPlan,
            Self::Audit => Permission::ReadAudit,
        }
    }
}

/// Words of one segment that need a permission each.
macro_rules! actions {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal needs $permission:ident,)* }) => {
        words! { $(#[$doc])* $name { $($(#[$case_doc])* $case = $word,)* } }

        impl $name {
            /// What it takes to do it.
            #[must_use]
            pub fn permission(self) -> Permission {
                match self { $(Self::$case => Permission::$permission,)* }
            }
        }
    };
}

actions! {
    /// What can be done on [`Tab::General`].
    GeneralAction {
        /// Give the org another name.
        Rename = "rename" needs ManageOrg,
        /// Say how many attempts run at once.
        Concurrency = "concurrency" needs ManageOrg,
        /// Delete it, in some days.
        Delete = "delete" needs ManageOrg,
        /// Have it back.
        Undelete = "undelete" needs ManageOrg,
    }
}

actions! {
    /// What can be done on [`Tab::Members`].
    MembersAction {
        /// Change somebody's roles.
        Roles = "roles" needs ChangeRoles,
        /// Take somebody out.
        Remove = "remove-member" needs RemoveMembers,
        /// Leave.
        Leave = "leave" needs Leave,
        /// Invite somebody.
        Invite = "invite" needs InviteMembers,
        /// Take an invitation back.
        RevokeInvite = "revoke-invite" needs InviteMembers,
    }
}

actions! {
    /// What can be done on [`Tab::Sources`].
    SourcesAction {
        /// Claim an installation.
        Claim = "claim-installation" needs ManageSources,
        /// Give an installation back.
        Release = "release-installation" needs ManageSources,
        /// Say which repositories of an installation are checked.
        Mode = "source-mode" needs ManageSources,
        /// Say whether a repository is checked.
        Autocheck = "autocheck" needs ManageSources,
        /// Say how a repository is treated.
        Repository = "repository" needs ManageSources,
    }
}

actions! {
    /// What can be done on [`Tab::Tokens`].
    TokensAction {
        /// Make a token.
        Create = "create-token" needs ManageTokens,
        /// Replace a token.
        Rotate = "rotate-token" needs ManageTokens,
        /// Revoke a token.
        Revoke = "revoke-token" needs ManageTokens,
        /// Trust a project of a CI system.
        Trust = "add-trust" needs ManageTokens,
        /// Trust it no more.
        Distrust = "delete-trust" needs ManageTokens,
    }
}

actions! {
    /// What can be done on [`Tab::Visibility`].
    VisibilityAction {
        /// Say whether traces of the org may be public.
        PublicTraces = "public-traces" needs ManageVisibility,
        /// Say who may read the traces of a repository.
        RepositoryTraces = "repository-traces" needs ManageVisibility,
        /// Say who may read one trace, by its link.
        Trace = "trace-visibility" needs ShareTraces,
        /// Delete one trace, by its link.
        DeleteTrace = "delete-trace" needs DeleteTraces,
    }
}

/// What can be done on the pages of the settings. The plan is changed at the function that is paid through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsAction {
    /// Of the tab General.
    General(GeneralAction),
    /// Of the tab Members.
    Members(MembersAction),
    /// Of the tab Git Sources.
    Sources(SourcesAction),
    /// Of the tab Tokens.
    Tokens(TokensAction),
    /// Of the tab Visibility.
    Visibility(VisibilityAction),
}

impl SettingsAction {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let general = GeneralAction::ALL.into_iter().map(Self::General);
        let members = MembersAction::ALL.into_iter().map(Self::Members);
        let sources = SourcesAction::ALL.into_iter().map(Self::Sources);
        let tokens = TokensAction::ALL.into_iter().map(Self::Tokens);
        let visibility = VisibilityAction::ALL.into_iter().map(Self::Visibility);
        general.chain(members).chain(sources).chain(tokens).chain(visibility)
    }

    /// The last segment of its path.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::General(action) => action.word(),
            Self::Members(action) => action.word(),
            Self::Sources(action) => action.word(),
            Self::Tokens(action) => action.word(),
            Self::Visibility(action) => action.word(),
        }
    }

    /// The action of a path segment.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::all().find(|action| action.word() == word)
    }

    /// The tab that it is done on.
    #[must_use]
    pub fn tab(self) -> Tab {
        match self {
            Self::General(_) => Tab::General,
            Self::Members(_) => Tab::Members,
            Self::Sources(_) => Tab::Sources,
            Self::Tokens(_) => Tab::Tokens,
            Self::Visibility(_) => Tab::Visibility,
        }
    }

    /// What it takes to do it.
    #[must_use]
    pub fn permission(self) -> Permission {
        match self {
            Self::General(action) => action.permission(),
            Self::Members(action) => action.permission(),
            Self::Sources(action) => action.permission(),
            Self::Tokens(action) => action.permission(),
            Self::Visibility(action) => action.permission(),
        }
    }
}

words! {
    /// What can be done on the page of one's own account.
    AccountAction {
        /// Forget who vouches for one.
        Unlink = "unlink",
        /// End one session.
        EndSession = "end-session",
        /// End all sessions but this one.
        EndOthers = "end-others",
        /// Sign a device out.
        EndLogin = "end-login",
    }
}

impl AccountAction {
    /// The path that it is posted to.
    #[must_use]
    pub fn path(self) -> String {
        format!("/account/{}", self.word())
    }
}

actions! {
    /// A step after an org was made, in their order.
    Step {
        /// Choose a plan, where there is something to pay.
        Plan = "plan" needs ManagePlan,
        /// Invite others.
        Team = "team" needs InviteMembers,
        /// Make the first token.
        Token = "token" needs ManageTokens,
        /// Connect GitHub.
        Github = "github" needs ManageSources,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn words_name_one_thing_each() {
        for tab in Tab::ALL {
            assert_eq!((Tab::of_word(tab.word()), Tab::of_word(&tab.word().to_lowercase())), (tab, tab));
        }
        assert_eq!(Tab::of_word("rubbish"), Tab::General);
        let words: BTreeSet<&str> = SettingsAction::all().map(SettingsAction::word).collect();
        assert_eq!(words.len(), SettingsAction::all().count());
        for action in SettingsAction::all() {
            assert_eq!(SettingsAction::of_word(action.word()), Some(action));
        }
        for action in AccountAction::ALL {
            assert_eq!(AccountAction::of_word(action.word()), Some(action));
        }
        for step in Step::ALL {
            assert_eq!(Step::of_word(step.word()), Some(step));
        }
        assert_eq!((SettingsAction::of_word(""), AccountAction::of_word("x"), Step::of_word("")), (None, None, None));
    }
}

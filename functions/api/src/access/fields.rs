//! The fields of the schema that begin something or that read an org, and what each asks for.

use quillon_core::access::Permission;

/// What a field asks of whoever asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Nothing of any org: a credential is enough.
    Credential,
    /// That the caller may do this in the org that is named, or that the field belongs to.
    In(Permission),
    /// That the caller may do one of these in some org of theirs. The answer leaves out the orgs in which they may not.
    InSome(&'static [Permission]),
}

/// Makes the fields and their rows from one list, so that none can lack one.
macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $owner:literal . $name:literal : $asks:expr;)*) => {
        /// A field of `Query`, `Mutation` or `Subscription`, or of a type that reads an org when it is asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $($(#[$doc])* $variant,)*
        }

        impl Field {
            /// All of them.
            pub fn all() -> impl Iterator<Item = Self> {
                [$(Self::$variant),*].into_iter()
            }

            /// The type that it is a field of.
            #[must_use]
            pub fn owner(self) -> &'static str {
                match self {
                    $(Self::$variant => $owner,)*
                }
            }

            /// Its name in the schema.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it asks for.
            #[must_use]
            pub fn asks(self) -> Asks {
                match self {
                    $(Self::$variant => $asks,)*
                }
            }
        }
    };
}

fields! {
    /// The caller.
    User = "Query"."user": Asks::Credential;
    /// An org by its name.
    Org = "Query"."org": Asks::In(Permission::SeeOrg);
    /// What a trace says about its commit.
    Trace = "Query"."trace": Asks::In(Permission::ViewRuns);
    /// The connected accounts.
    Sources = "Query"."sources": Asks::InSome(&[Permission::ViewSettings]);
    /// The repositories of a connected account.
    SourceRepositories = "Query"."sourceRepositories": Asks::In(Permission::ViewSettings);
    /// Where to connect an account; whoever opens it signs in first.
    GithubOauthUrl = "Query"."githubOAuthURL": Asks::Credential;
    /// All repositories.
    Repos = "Query"."getRepos": Asks::InSome(&[Permission::ViewSettings]);
    /// The id of the caller.
    UserId = "User"."id": Asks::Credential;
    /// The orgs of the caller.
    UserOrgs = "User"."orgs": Asks::InSome(&[Permission::SeeOrg]);
    /// The newest checks.
    UserChecks = "User"."checks": Asks::InSome(&[Permission::ViewRuns]);
    /// Which repositories are checked: those who see the checks know it, and those who choose have to.
    UserRepositories = "User"."repositories": Asks::InSome(&[Permission::ViewRuns, Permission::ViewSettings]);
    /// The id of an org.
    OrgId = "Org"."id": Asks::In(Permission::SeeOrg);
    /// Its name.
    OrgName = "Org"."name": Asks::In(Permission::SeeOrg);
    /// Its age.
    OrgCreatedAt = "Org"."createdAt": Asks::In(Permission::SeeOrg);
    /// Its plan.
    OrgSubscription = "Org"."subscription": Asks::In(Permission::SeeOrg);
    /// What its plan gives.
    OrgFeatures = "Org"."features": Asks::In(Permission::SeeOrg);
    /// Its newest checks.
    OrgChecks = "Org"."checks": Asks::In(Permission::ViewRuns);
    /// The checks of one of its modules.
    OrgModuleChecks = "Org"."moduleChecks": Asks::In(Permission::ViewRuns);
    /// The accounts that it has connected, and what is checked of them.
    OrgMappedSources = "Org"."mappedSources": Asks::In(Permission::ViewSettings);
    /// Who may read the traces of one of its repositories.
    OrgRepoSettings = "Org"."repoSettings": Asks::In(Permission::ViewSettings);
    /// Checks are run again.
    RerunChecks = "Mutation"."rerunChecks": Asks::In(Permission::RerunChecks);
    /// A module is loaded again.
    RerunLoad = "Mutation"."rerunLoad": Asks::In(Permission::RerunChecks);
    /// Checks are stopped.
    CancelChecks = "Mutation"."cancelChecks": Asks::In(Permission::CancelChecks);
    /// Other repositories of a connected account are checked.
    ConfigureSource = "Mutation"."configureSource": Asks::In(Permission::ManageSources);
    /// The pages of the payment provider are opened.
    CreatePortalSession = "Mutation"."createPortalSession": Asks::In(Permission::ManagePlan);
    /// It is said who may read the traces of a repository.
    UpdateOrgRepoSetting = "Mutation"."updateOrgRepoSetting": Asks::In(Permission::ManageVisibility);
    /// What was said of that is taken back.
    DeleteOrgRepoSetting = "Mutation"."deleteOrgRepoSetting": Asks::In(Permission::ManageVisibility);
    /// The spans of a trace.
    SpansUpdated = "Subscription"."spansUpdated": Asks::In(Permission::ViewRuns);
    /// The log records of a span.
    LogsEmitted = "Subscription"."logsEmitted": Asks::In(Permission::ViewRuns);
}

impl Field {
    /// Whether it begins work, which an org that waits for its deletion does not.
    #[must_use]
    pub fn starts_work(self) -> bool {
        self == Self::RerunChecks || self == Self::RerunLoad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_changes_something_asks_for_a_right_to_change() {
        for field in Field::all() {
            let changes = field.owner() == "Mutation";
            let reads = |permission: Permission| {
                matches!(permission, Permission::SeeOrg | Permission::ViewRuns | Permission::ViewSettings | Permission::ViewPlan)
            };
            match field.asks() {
                Asks::Credential => assert!(!changes, "{field:?}"),
                Asks::In(permission) => assert_eq!(changes, !reads(permission), "{field:?}"),
                Asks::InSome(permissions) => assert!(!changes && permissions.iter().all(|permission| reads(*permission)), "{field:?}"),
            }
        }
    }

    #[test]
    fn checks_and_traces_are_read_by_those_who_view_runs() {
        for field in Field::all() {
            let name = field.name().to_ascii_lowercase();
            let is_about_runs = ["checks", "trace", "spans", "logs"].iter().any(|word| name.contains(word)) && field.owner() != "Mutation";
            match field.asks() {
                Asks::In(permission) => assert_eq!(is_about_runs, permission == Permission::ViewRuns, "{field:?}"),
                Asks::InSome([permission]) => assert_eq!(is_about_runs, *permission == Permission::ViewRuns, "{field:?}"),
                Asks::Credential | Asks::InSome(_) => assert!(!is_about_runs, "{field:?}"),
            }
        }
    }
}

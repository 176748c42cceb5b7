//! Accounts and the App's installations on them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    Account, AccountKind, Forge, ForgeError, Installation, Selection, names::check_login, shapes::default_permissions, state::State,
};

/// Login of the person who acts where nobody in particular does.
const DEVELOPER: &str = "developer";

impl Forge {
    /// Creates an organization or a person.
    ///
    /// # Errors
    /// When the name is taken or not one that GitHub accepts.
    pub fn create_account(&self, login: &str, kind: AccountKind) -> Result<Account, ForgeError> {
        check_login(login)?;
        let mut state = self.state();
        if state.account_by_login(login).is_some() {
            return Err(ForgeError::Taken(format!("account `{login}`")));
        }
        state.atomically(|state| add_account(state, login, kind))
    }

    /// Looks an account up by its login.
    pub fn account(&self, login: &str) -> Option<Account> {
        self.state().account_by_login(login).cloned()
    }

    /// Installs the App on an account with the default permissions.
    ///
    /// # Errors
    /// When the account does not exist or has an installation already.
    pub fn install(&self, account: u64, selection: Selection) -> Result<Installation, ForgeError> {
        self.install_with(account, selection, default_permissions())
    }

    /// Installs the App on an account with these permissions (name → `read` or `write`).
    ///
    /// # Errors
    /// When the account does not exist or has an installation already.
    pub fn install_with(
        &self,
        account: u64,
        selection: Selection,
        permissions: BTreeMap<String, String>,
    ) -> Result<Installation, ForgeError> {
        let now = self.now();
        let installation = self.state().atomically(|state| {
            let login = state.account(account)?.login.clone();
            if state.installations.values().any(|installation| installation.account == account) {
                return Err(ForgeError::Taken(format!("the installation on `{login}`")));
            }
            let id = state.fresh_id()?;
            let installation = Installation { id, account, selection, permissions, suspended_at: None, created_at: now, updated_at: now };
            state.save_installation(installation.clone())?;
            let body = json!({ "repositories": self.shapes(state).covered(&installation), "requester": null });
            self.emit_installation(state, "installation", "created", &installation, body)?;
            Ok(installation)
        })?;
        self.kick();
        Ok(installation)
    }

    /// All installations.
    pub fn installations(&self) -> Vec<Installation> {
        self.state().installations.values().cloned().collect()
    }

    /// Removes the App from an account; its tokens end.
    ///
    /// # Errors
    /// When there is no such installation.
    pub fn uninstall(&self, installation: u64) -> Result<(), ForgeError> {
        self.change_installation(installation, |forge, state, installation| {
            let body = json!({ "repositories": forge.shapes(state).covered(&installation) });
            forge.emit_installation(state, "installation", "deleted", &installation, body)?;
            state.remove_installation(installation.id)
        })
    }

    /// Suspends an installation: its tokens are refused and it gets no events.
    ///
    /// # Errors
    /// When there is no such installation.
    pub fn suspend(&self, installation: u64) -> Result<(), ForgeError> {
        self.change_suspension(installation, true)
    }

    /// Ends a suspension.
    ///
    /// # Errors
    /// When there is no such installation.
    pub fn unsuspend(&self, installation: u64) -> Result<(), ForgeError> {
        self.change_suspension(installation, false)
    }

    /// Lets a selective installation cover more repositories.
    ///
    /// # Errors
    /// When there is no such installation or repository.
    pub fn add_repositories(&self, installation: u64, repositories: &[u64]) -> Result<(), ForgeError> {
        self.change_selection(installation, repositories, true)
    }

    /// Lets an installation no longer cover these repositories; one that covered all becomes selective.
    ///
    /// # Errors
    /// When there is no such installation or repository.
    pub fn remove_repositories(&self, installation: u64, repositories: &[u64]) -> Result<(), ForgeError> {
        self.change_selection(installation, repositories, false)
    }

    /// Says which repositories an installation covers, as its settings page does.
    ///
    /// # Errors
    /// When there is no such installation, or a repository is not one of its account's.
    pub fn select(&self, installation: u64, selection: Selection) -> Result<(), ForgeError> {
        self.change_installation(installation, |forge, state, installation| {
            if let Selection::Selected(ids) = &selection {
                for id in ids {
                    if state.repository(*id)?.owner != installation.account {
                        return Err(ForgeError::Missing(format!("repository {id}")));
                    }
                }
            }
            let changed = Installation { selection: selection.clone(), ..installation.clone() };
            let shapes = forge.shapes(state);
            let moved = |is: &Installation, was: &Installation| -> Vec<Value> {
                let moved = state.repositories.values().filter(|found| state.covers(is, found) && !state.covers(was, found));
                moved.map(|repository| shapes.brief_repository(repository)).collect()
            };
            let (added, removed) = (moved(&changed, &installation), moved(&installation, &changed));
            let events: Vec<(&str, Value)> = [("added", &added, &Vec::new()), ("removed", &Vec::new(), &removed)]
                .into_iter()
                .filter(|(_, added, removed)| !added.is_empty() || !removed.is_empty())
                .map(|(action, added, removed)| (action, shapes.selection_change(&changed, added, removed)))
                .collect();
            state.save_installation(changed.clone())?;
            for (action, body) in events {
                forge.emit_installation(state, "installation_repositories", action, &changed, body)?;
            }
            Ok(())
        })
    }

    fn change_suspension(&self, installation: u64, suspended: bool) -> Result<(), ForgeError> {
        self.change_installation(installation, |forge, state, installation| {
            let suspended_at = suspended.then(|| forge.now());
            let installation = Installation { suspended_at, ..installation };
            state.save_installation(installation.clone())?;
            let action = if suspended { "suspend" } else { "unsuspend" };
            let body = json!({ "repositories": forge.shapes(state).covered(&installation) });
            forge.emit_installation(state, "installation", action, &installation, body)
        })
    }

    fn change_selection(&self, installation: u64, repositories: &[u64], add: bool) -> Result<(), ForgeError> {
        self.change_installation(installation, |forge, state, installation| {
            let shapes = forge.shapes(state);
            let named = repositories.iter().map(|id| Ok(shapes.brief_repository(state.repository(*id)?)));
            let named = named.collect::<Result<Vec<_>, ForgeError>>()?;
            let mut selected: Vec<u64> =
                state.repositories.values().filter(|found| state.covers(&installation, found)).map(|found| found.id).collect();
            selected.retain(|id| !repositories.contains(id));
            if add {
                selected.extend(repositories);
            }
            let installation = Installation { selection: Selection::Selected(selected), ..installation };
            let (action, body) = if add {
                ("added", shapes.selection_change(&installation, &named, &[]))
            } else {
                ("removed", shapes.selection_change(&installation, &[], &named))
            };
            state.save_installation(installation.clone())?;
            forge.emit_installation(state, "installation_repositories", action, &installation, body)
        })
    }

    fn change_installation(
        &self,
        installation: u64,
        change: impl FnOnce(&Forge, &mut State, Installation) -> Result<(), ForgeError>,
    ) -> Result<(), ForgeError> {
        let now = self.now();
        self.state().atomically(|state| {
            let found = Installation { updated_at: now, ..state.installation(installation)?.clone() };
            change(self, state, found)
        })?;
        self.kick();
        Ok(())
    }

    /// Who acts on a repository: who this forge acts as, else its owner if that is a person, else the developer.
    pub(crate) fn sender(&self, state: &mut State, owner: u64) -> Result<u64, ForgeError> {
        if let Some(actor) = self.actor {
            return Ok(actor);
        }
        if state.account(owner)?.kind == AccountKind::User {
            return Ok(owner);
        }
        match state.account_by_login(DEVELOPER) {
            Some(account) => Ok(account.id),
            None => Ok(add_account(state, DEVELOPER, AccountKind::User)?.id),
        }
    }
}

fn add_account(state: &mut State, login: &str, kind: AccountKind) -> Result<Account, ForgeError> {
    let account = Account { id: state.fresh_id()?, login: login.to_owned(), kind };
    state.save_account(account.clone())?;
    Ok(account)
}

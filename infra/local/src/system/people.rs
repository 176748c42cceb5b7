//! The made-up people of the embedded forge: somebody to sign in as, where there is no GitHub.

use quillon_forge::{Account, AccountKind, Email, Forge, ForgeError, Membership, Profile};

/// Login, name, and what they are in every organization that is made on this machine.
const PEOPLE: [(&str, &str, Membership); 2] = [("ann", "Ann Example", Membership::Admin), ("ben", "Ben Example", Membership::Member)];

/// Makes those who are missing, so that there is somebody to sign in as before anything was pushed.
///
/// # Errors
/// When the forge cannot keep them.
pub(crate) fn introduce(forge: &Forge) -> Result<(), ForgeError> {
    for (login, name, _) in PEOPLE.into_iter().filter(|(login, ..)| forge.account(login).is_none()) {
        let person = forge.create_account(login, AccountKind::User)?;
        let emails = vec![Email::verified(&format!("{login}@acme.example"))];
        forge.set_profile(person.id, Profile { name: Some(name.to_owned()), emails })?;
    }
    Ok(())
}

/// Lets `ann` own an organization and `ben` be a member of it; both are made where they are missing.
///
/// # Errors
/// When the forge cannot keep them.
pub(crate) fn join(forge: &Forge, organization: &Account) -> Result<(), ForgeError> {
    if organization.kind != AccountKind::Organization {
        return Ok(());
    }
    introduce(forge)?;
    for (login, _, membership) in PEOPLE {
        let Some(person) = forge.account(login) else { continue };
        // Somebody may have pushed to an organization of that name.
        if person.kind == AccountKind::User {
            forge.set_membership(organization.id, person.id, Some(membership))?;
        }
    }
    Ok(())
}

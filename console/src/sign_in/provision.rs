//! Which user somebody is whom a provider knows (broker.md, section 14.3).

use centaur_store::{NewUser, StoreError, User, UserPatch, UserStatus, WriteTx};

use super::person::Arrival;

/// Why there is no user.
#[derive(Debug)]
pub(super) enum NoUser {
    /// There is, and the user may not come in.
    Disabled(User),
    /// None can be found or made, for the reason of this word.
    Setup(&'static str),
    /// The system gave no random numbers.
    NoRandomness,
    /// The store.
    Store(StoreError),
}

/// The user of an identity that is known, or of a verified address that is known, or a new one.
pub(super) async fn provision(tx: &mut WriteTx<'_>, arrival: &Arrival) -> Result<User, NoUser> {
    let seen = &arrival.seen;
    if let Some((_, user)) = tx.identity(&seen.provider, &seen.subject).await? {
        let user = let_in(user)?;
        tx.refresh_identity(seen).await?;
        return Ok(tx.update_user(user.id, &told(&user, arrival), None).await?);
    }
    let email = seen.email.as_deref().ok_or(NoUser::Setup("no_address"))?;
    if let Some(user) = tx.user_by_email(email).await? {
        // An address is proof only when it is verified on both sides: otherwise who wrote it down first would share
        // the account of who owns it.
        if !seen.email_verified || !user.email_verified {
            return Err(NoUser::Setup("unverified_address"));
        }
        let user = let_in(user)?;
        tx.link_identity(user.id, seen).await?;
        return Ok(tx.update_user(user.id, &told(&user, arrival), None).await?);
    }
    let new = NewUser {
        email: email.to_owned(),
        name: seen.name.clone(),
        status: arrival.status,
        admin: arrival.admin,
        password_hash: None,
        email_verified: seen.email_verified,
    };
    let user = tx.create_user(&new).await?;
    tx.link_identity(user.id, seen).await?;
    Ok(user)
}

fn let_in(user: User) -> Result<User, NoUser> {
    if user.status == UserStatus::Disabled { Err(NoUser::Disabled(user)) } else { Ok(user) }
}

/// What the user did not have yet: a name, and that the address is verified. Rights and status stay as they are.
fn told(user: &User, arrival: &Arrival) -> UserPatch {
    let seen = &arrival.seen;
    let is_same = seen.email.as_deref() == Some(user.email.as_str());
    UserPatch {
        name: user.name.is_none().then(|| seen.name.clone()).filter(Option::is_some),
        email_verified: (seen.email_verified && is_same).then_some(true),
        ..UserPatch::default()
    }
}

//! Devices that are signed in: their tokens, rotated with every refresh ([RFC 9700](https://www.rfc-editor.org/rfc/rfc9700)
//! section 4.14), and their end.

use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::attempt::later;
use quillon_core::device::{ACCESS_LIFETIME, DeviceGrant, Login, Refresh};
use quillon_core::id::{LoginId, UserId};
use quillon_store::{AccessRecord, RefreshRecord, Written};

use crate::devices::{DeviceTokens, RefreshError};
use crate::error::{Error, Result};
use crate::{MAX_DECISIONS, Tenancy, secret};

/// What access tokens of devices begin with.
pub(crate) const ACCESS: &str = "qat_";

/// What refresh tokens begin with.
const REFRESH: &str = "qrt_";

/// Most devices of a person at one time; the one that was not used for longest makes room.
const MAX_LOGINS: usize = 50;

/// A token of a device and what is stored of it.
struct Fresh {
    text: Sensitive<String>,
    hash: String,
}

fn fresh(prefix: &str) -> Result<Fresh> {
    let text = format!("{prefix}{}", secret::fresh()?.expose());
    let hash = secret::hash(&text);
    Ok(Fresh { text: Sensitive::new(text), hash })
}

/// The hash of a text that could be a token with this prefix.
pub(crate) fn hash_of(text: &str, prefix: &str) -> Option<String> {
    text.strip_prefix(prefix).filter(|rest| secret::is_fresh_form(rest)).map(|_| secret::hash(text))
}

/// The access token of a login that refreshes ends; that of one that does not works as long as its login.
fn access_record(login: &Login, now: Timestamp) -> AccessRecord {
    let expires_at = (login.generation > 0).then(|| later(now, ACCESS_LIFETIME));
    AccessRecord { login: login.id, user: login.user, expires_at }
}

fn tokens(access: Fresh, refresh: Option<Fresh>) -> DeviceTokens {
    let seconds = u32::try_from(ACCESS_LIFETIME.as_secs()).unwrap_or(u32::MAX);
    let expires_in_s = refresh.as_ref().map(|_| seconds);
    DeviceTokens { access: access.text, refresh: refresh.map(|refresh| refresh.text), expires_in_s }
}

impl Tenancy {
    /// Signs a device in whose wish was approved.
    pub(crate) async fn begin_login(&self, id: LoginId, user: UserId, grant: &DeviceGrant, now: Timestamp) -> Result<DeviceTokens> {
        let mut logins = self.store.logins_of(user, now).await?;
        logins.sort_by_key(|login| std::cmp::Reverse(login.last_used_at));
        for login in logins.iter().skip(MAX_LOGINS - 1) {
            let _gone = self.store.end_login(user, login.id).await?;
        }
        let login = Login::begin(id, user, grant, now);
        let access = fresh(ACCESS)?;
        let refresh = if grant.wants_refresh { Some(fresh(REFRESH)?) } else { None };
        let record = RefreshRecord { login: id, generation: login.generation };
        let second = refresh.as_ref().map(|refresh| (&record, refresh.hash.as_str()));
        match self.store.create_login(&login, &access_record(&login, now), &access.hash, second).await? {
            Written::Done => Ok(tokens(access, refresh)),
            Written::Lost => Err(Error::Contended("login")),
        }
    }

    /// New tokens for a refresh token, which is used up by it. One that was used up before ends the login: somebody has a
    /// copy of it. Within half a minute the last one is taken again, because the answer may have been lost.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(&self, text: &str, now: Timestamp) -> std::result::Result<DeviceTokens, RefreshError> {
        let hash = hash_of(text, REFRESH).ok_or(RefreshError::Invalid)?;
        let record = self.store.refresh_record(&hash).await?.ok_or(RefreshError::Invalid)?;
        for _ in 0..MAX_DECISIONS {
            let login = self.store.login(record.login).await?.ok_or(RefreshError::Invalid)?;
            let next = match login.refresh(record.generation, now) {
                Refresh::Rotated(next) => next,
                Refresh::Expired => return Err(RefreshError::Invalid),
                Refresh::Reused => {
                    let _gone = self.store.end_login(login.user, login.id).await?;
                    tracing::warn!(user.id = %login.user, login.id = %login.id, "a refresh token was used twice, its login has ended");
                    return Err(RefreshError::Reused);
                }
            };
            if self.store.user(login.user).await?.is_none() {
                return Err(RefreshError::Invalid);
            }
            let (access, refresh) = (fresh(ACCESS)?, fresh(REFRESH)?);
            let renewed = RefreshRecord { login: login.id, generation: next.generation };
            let record = access_record(&next, now);
            let written = self.store.rotate_login(&login, &next, (&record, &access.hash), (&renewed, &refresh.hash)).await?;
            if written == Written::Done {
                return Ok(tokens(access, Some(refresh)));
            }
        }
        Err(Error::Contended("login").into())
    }

    /// The devices of a person that are signed in.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn logins(&self, user: UserId, now: Timestamp) -> Result<Vec<Login>> {
        Ok(self.store.logins_of(user, now).await?)
    }

    /// Signs a device of a person out, whose tokens stop working at once; where telemetry is taken in, within a minute.
    ///
    /// # Errors
    /// When they have no such device, or the table cannot be used.
    pub async fn end_login(&self, user: UserId, login: LoginId) -> Result<()> {
        match self.store.end_login(user, login).await? {
            Written::Done => Ok(()),
            Written::Lost => Err(Error::NotFound("device")),
        }
    }

    /// Signs out the device that a token belongs to, an access token that works or a refresh token, if there is one.
    ///
    /// # Errors
    /// When the table cannot be used.
    pub async fn end_access(&self, text: &str, now: Timestamp) -> Result<()> {
        let login = match (hash_of(text, ACCESS), hash_of(text, REFRESH)) {
            (Some(hash), _) => self.store.access(&hash, now).await?.map(|(_, login)| login),
            (None, Some(hash)) => match self.store.refresh_record(&hash).await? {
                Some(record) => self.store.login(record.login).await?,
                None => None,
            },
            (None, None) => None,
        };
        if let Some(login) = login {
            let _gone = self.store.end_login(login.user, login.id).await?;
        }
        Ok(())
    }
}

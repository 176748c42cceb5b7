//! Signing in a device by a code that a person approves elsewhere ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)).

use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::device::{DeviceGrant, MAX_GUESSES, Poll, UserCode};
use quillon_core::id::{LoginId, UserId};
use quillon_core::person::User;
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::sessions::MAX_FROM;
use crate::{Deed, MAX_DECISIONS, Tenancy, secret};

/// The tokens of a device, which are nowhere else.
#[derive(Debug, Clone)]
pub struct DeviceTokens {
    /// `qat_…`.
    pub access: Sensitive<String>,
    /// `qrt_…`, where the device asked for one.
    pub refresh: Option<Sensitive<String>>,
    /// How long the access token works, in seconds; none for one that works as long as it is used.
    pub expires_in_s: Option<u32>,
}

/// What a device that polls is told; the words in quotes are those of RFC 8628 section 3.5.
#[derive(Debug, Clone)]
pub enum DevicePoll {
    /// `authorization_pending`.
    Pending,
    /// `slow_down`.
    SlowDown,
    /// `expired_token`.
    Expired,
    /// `access_denied`.
    Denied,
    /// `invalid_grant`: there is no such code, or its tokens were fetched.
    Unknown,
    /// The tokens, once.
    Granted(DeviceTokens),
}

/// Why a refresh token gives no tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// It is unknown, or its login is over.
    #[error("the refresh token is unknown or over: sign in again with `quillon login`")]
    Invalid,
    /// It was used before, so that its login has ended.
    #[error("the refresh token was used before, so somebody may have a copy and the login has ended: sign in again with `quillon login`")]
    Reused,
    /// Worth another try.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<quillon_store::Error> for RefreshError {
    fn from(error: quillon_store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<secret::NoEntropy> for RefreshError {
    fn from(error: secret::NoEntropy) -> Self {
        Self::Failed(error.into())
    }
}

impl Tenancy {
    /// Takes a device's wish to be signed in; gives it and its device code, which is nowhere else. How many an address may have,
    /// the caller counts, who knows what a network is.
    ///
    /// # Errors
    /// When the machine gives no random numbers, or the table cannot be used.
    pub async fn begin_device(
        &self,
        client: &str,
        from: Option<String>,
        wants_refresh: bool,
        now: Timestamp,
    ) -> Result<(DeviceGrant, Sensitive<String>)> {
        let from = from.map(|from| quillon_core::text::shorten(&from, MAX_FROM));
        for _ in 0..MAX_DECISIONS {
            let text = secret::fresh()?;
            let user_code = UserCode::of_entropy(secret::entropy()?);
            let grant = DeviceGrant::new(user_code, client, from.clone(), wants_refresh, now);
            if self.store.create_device(&grant, &secret::hash(text.expose())).await? == Written::Done {
                return Ok((grant, text));
            }
        }
        Err(Error::Contended("code"))
    }

    /// The wish behind a code that a person has entered, if it can still be answered. Wrong codes are counted.
    ///
    /// `who` is whom they are counted against: the person's id, because an address is too easily changed. The count is read
    /// before and written after a look, so that as many codes more can be tried as fit in between; of 20⁸ codes that is nothing.
    ///
    /// # Errors
    /// When there is no such wish, when too many wrong codes were entered, or when the table cannot be used.
    pub async fn device_for(&self, code: &UserCode, who: &str, now: Timestamp) -> Result<DeviceGrant> {
        self.open_device(code, who, now).await.map(|(_, grant)| grant)
    }

    async fn open_device(&self, code: &UserCode, who: &str, now: Timestamp) -> Result<(String, DeviceGrant)> {
        let too_many = || Error::refused("too many wrong codes: try again in an hour, with the newest code that your device shows");
        if self.store.guesses(who, now).await? >= MAX_GUESSES {
            return Err(too_many());
        }
        if let Some((hash, grant)) = self.store.device_by_code(code).await?
            && grant.is_open(now)
        {
            return Ok((hash, grant));
        }
        self.store.guess(who, now).await?;
        Err(Error::NotFound("code: it is mistyped, over, or was answered before"))
    }

    /// Answers a device's wish.
    ///
    /// # Errors
    /// When there is no such wish, when it was answered otherwise, when too many wrong codes were entered, or when the table
    /// cannot be used.
    pub async fn answer_device(&self, code: &UserCode, user: &User, approve: bool, deed: &Deed<'_>) -> Result<DeviceGrant> {
        for _ in 0..MAX_DECISIONS {
            let known = self.store.device_by_code(code).await?;
            let answered = known.as_ref().and_then(|(_, grant)| grant.answered(user.id, approve, deed.now));
            let (Some((hash, grant)), Some(answered)) = (known, answered) else {
                // Counts the guess, unless there were too many before.
                return self.device_for(code, &user.id.to_string(), deed.now).await;
            };
            if self.store.guesses(&user.id.to_string(), deed.now).await? >= MAX_GUESSES {
                return self.device_for(code, &user.id.to_string(), deed.now).await;
            }
            // A poll may have come in between, which changes nothing about the answer.
            if answered == grant || self.store.save_device(&hash, &grant, &answered).await? == Written::Done {
                let verb = if approve { "approved" } else { "refused" };
                tracing::info!(user.id = %user.id, "{} {verb} the login of `{}`", deed.who, answered.client);
                return Ok(answered);
            }
        }
        Err(Error::Contended("code"))
    }

    /// What a device that polls is told.
    ///
    /// That its tokens were fetched is stored before they are made: the same code never gives two. When the second write
    /// fails, or its answer is lost, the device has to begin again.
    ///
    /// # Errors
    /// When the machine gives no random numbers, or the table cannot be used.
    pub async fn poll_device(&self, text: &str, now: Timestamp) -> Result<DevicePoll> {
        if !secret::is_fresh_form(text) {
            return Ok(DevicePoll::Unknown);
        }
        let hash = secret::hash(text);
        for _ in 0..MAX_DECISIONS {
            let Some(grant) = self.store.device(&hash).await? else { return Ok(DevicePoll::Unknown) };
            let (polled, poll) = grant.poll(now);
            let is_over = match poll {
                Poll::Expired | Poll::Denied | Poll::Redeemed => true,
                Poll::Pending | Poll::SlowDown | Poll::Granted(_) => false,
            };
            if !is_over && self.store.save_device(&hash, &grant, &polled).await? == Written::Lost {
                continue;
            }
            return match poll {
                Poll::Granted(user) => self.grant_device(&polled, user, now).await,
                Poll::Pending => Ok(DevicePoll::Pending),
                Poll::SlowDown => Ok(DevicePoll::SlowDown),
                Poll::Expired => Ok(DevicePoll::Expired),
                Poll::Denied => Ok(DevicePoll::Denied),
                Poll::Redeemed => Ok(DevicePoll::Unknown),
            };
        }
        // Others poll with the same code, faster than anybody should.
        Ok(DevicePoll::SlowDown)
    }

    async fn grant_device(&self, grant: &DeviceGrant, user: UserId, now: Timestamp) -> Result<DevicePoll> {
        if self.store.user(user).await?.is_none() {
            return Ok(DevicePoll::Denied);
        }
        let id = secret::new_id(LoginId::from_parts, now)?;
        self.begin_login(id, user, grant, now).await.map(DevicePoll::Granted)
    }
}

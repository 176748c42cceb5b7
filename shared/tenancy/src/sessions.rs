//! Sessions of browsers: begun, used, ended.

use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::id::{SessionId, UserId};
use quillon_core::session::{Holder, Session};
use quillon_core::text::with_causes;
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::{MAX_DECISIONS, Tenancy, secret};

/// Most sessions of a person at one time; the one that was not used for longest makes room.
const MAX_SESSIONS: usize = 50;

/// Longest address that is kept, in characters.
pub(crate) const MAX_FROM: usize = 100;

impl Tenancy {
    /// Begins a session; gives it and its secret, which is nowhere else.
    ///
    /// # Errors
    /// When the machine gives no random numbers, or the table cannot be used.
    pub async fn begin_session(
        &self,
        holder: Holder,
        client: &str,
        from: Option<String>,
        now: Timestamp,
    ) -> Result<(Session, Sensitive<String>)> {
        if let Holder::Person(user) = holder {
            self.make_room(user, now).await?;
        }
        let from = from.map(|from| quillon_core::text::shorten(&from, MAX_FROM));
        for _ in 0..MAX_DECISIONS {
            let text = secret::fresh()?;
            let session = Session::begin(secret::new_id(SessionId::from_parts, now)?, holder, client, from.clone(), now);
            if self.store.create_session(&session, &secret::hash(text.expose())).await? == Written::Done {
                return Ok((session, text));
            }
        }
        Err(Error::Contended("session"))
    }

    async fn make_room(&self, user: UserId, now: Timestamp) -> Result<()> {
        let mut sessions = self.store.sessions_of(user, now).await?;
        sessions.sort_by_key(|session| std::cmp::Reverse(session.seen_at));
        for session in sessions.iter().skip(MAX_SESSIONS - 1) {
            let _gone = self.store.end_session_of(user, session.id).await?;
        }
        Ok(())
    }

    /// The session of a secret, if it is not over; a use is written down every few hours, which makes it last longer.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn session(&self, text: &str, now: Timestamp) -> Result<Option<Session>> {
        if !secret::is_fresh_form(text) {
            return Ok(None);
        }
        let hash = secret::hash(text);
        let Some(session) = self.store.session(&hash, now).await?.filter(|session| session.is_alive(now)) else { return Ok(None) };
        let Some(renewed) = session.renewed(now) else { return Ok(Some(session)) };
        match self.store.save_session(&renewed, &hash).await {
            Ok(Written::Done) => Ok(Some(renewed)),
            // It was ended meanwhile.
            Ok(Written::Lost) => Ok(None),
            Err(error) => {
                tracing::warn!(session.id = %session.id, "the use of a session was not written down: {}", with_causes(&error));
                Ok(Some(session))
            }
        }
    }

    /// The session of the first of several secrets that has one, and that secret: a browser may bring cookies along that somebody
    /// has planted.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn session_among<'a>(
        &self,
        texts: impl Iterator<Item = &'a str> + Send,
        now: Timestamp,
    ) -> Result<Option<(Session, &'a str)>> {
        for text in texts {
            if let Some(session) = self.session(text, now).await? {
                return Ok(Some((session, text)));
            }
        }
        Ok(None)
    }

    /// Ends the session of a secret, if there is one.
    ///
    /// # Errors
    /// When the table cannot be used.
    pub async fn end_session(&self, text: &str) -> Result<()> {
        if secret::is_fresh_form(text) {
            self.store.end_session(&secret::hash(text)).await?;
        }
        Ok(())
    }

    /// The sessions of a person.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        Ok(self.store.sessions_of(user, now).await?)
    }

    /// Ends one session of a person.
    ///
    /// # Errors
    /// When they have no such session, or the table cannot be used.
    pub async fn end_session_of(&self, user: UserId, session: SessionId) -> Result<()> {
        match self.store.end_session_of(user, session).await? {
            Written::Done => Ok(()),
            Written::Lost => Err(Error::NotFound("session")),
        }
    }

    /// Ends all sessions of a person.
    ///
    /// # Errors
    /// When the table cannot be used; some may have ended.
    pub async fn end_all(&self, user: UserId) -> Result<()> {
        Ok(self.store.end_sessions_of(user).await?)
    }
}

//! Why somebody is not known, by what the caller does next.

use crate::jwt::TokenError;

/// Why a provider did not say who somebody is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The provider cannot be asked now: the person tries again later.
    #[error("`{host}` cannot be asked: {cause}")]
    Unavailable {
        /// Which host.
        host: String,
        /// What happened; never a secret.
        cause: String,
    },
    /// The provider says no: the person begins anew, or whoever runs this instance corrects its settings.
    #[error("`{host}` refused: {cause}")]
    Refused {
        /// Which host.
        host: String,
        /// Its word for it.
        cause: String,
    },
    /// What it signed is not what was asked for.
    #[error("the token of `{host}` is not accepted: {source}")]
    Token {
        /// Which host.
        host: String,
        /// What is wrong with it.
        source: TokenError,
    },
}

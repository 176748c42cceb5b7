//! Who somebody is to others: GitHub's OAuth, OpenID providers, and the tokens of CI jobs.
//!
//! - [`GithubOAuth`]: a person of GitHub, and the accounts that they administer there.
//! - [`OpenId`]: a person of an OpenID provider.
//! - [`ci`]: a job of a CI system.
//! - [`Issuers`]: what issuers publish (where their endpoints are, which keys they sign with), read seldom and kept within bounds.
//!
//! Nothing here stores anything, and whatever others send is believed only as far as a signature, or an answer of the provider itself
//! over TLS, goes.

pub mod ci;
mod error;
mod github;
mod http;
mod issuers;
mod jwt;
mod openid;
pub mod pkce;

pub use error::Error;
pub use github::{GithubOAuth, UserToken};
pub use http::Http;
pub use issuers::Issuers;
pub use jwt::{MAX_TOKEN, TokenError};
pub use openid::{OpenId, Redeemed};

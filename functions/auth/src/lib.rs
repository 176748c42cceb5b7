//! The auth function: people sign in at a provider, devices sign in by a code, CI jobs by the token of their system.
//!
//! Browsers come to `/auth/…` and leave with a session cookie ([`callback`], [RFC 6749](https://www.rfc-editor.org/rfc/rfc6749) as a
//! client); `dagger` and `quillon` come to `/oauth/…` and leave with tokens ([`device`], the same as a server); CI jobs come to `/v1/oidc`
//! ([`ci_token`]). What a person may do afterwards is decided elsewhere, from what is stored: nothing here knows roles.

mod callback;
mod ci_token;
mod deps;
mod device;
mod flow;
mod page;
mod provider;
pub mod route;
mod session;
mod start;

use bytes::Bytes;
use http::{Request, Response};

pub use deps::Deps;

use route::{NoRoute, Route};

/// Answers one request.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let route = match Route::of(request.method(), request.uri().path()) {
        Ok(route) => route,
        Err(NoRoute::Unknown) => return page::unknown(&deps.public).page(),
        Err(NoRoute::Method(allowed)) => return quillon_runtime::wrong_method(allowed),
    };
    let now = deps.clock.now();
    match route {
        Route::Start(provider) => start::begin(deps, &provider, &request, now).await,
        Route::Callback(provider) => callback::finish(deps, &provider, &request, now).await,
        Route::Setup => start::after_setup(deps, &request, now).await,
        Route::DeviceCode => device::code(deps, &request, now).await,
        Route::Token => device::token(deps, &request, now).await,
        Route::Revoke => device::revoke(deps, &request, now).await,
        Route::CiToken => ci_token::exchange(deps, &request, now).await,
    }
}

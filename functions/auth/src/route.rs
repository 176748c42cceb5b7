//! The addresses of this function.

use http::Method;
use quillon_core::access::Needs;
use quillon_core::person::ProviderId;

/// Something that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `GET /auth/{provider}`: sends a browser to a provider.
    Start(ProviderId),
    /// `GET /auth/{provider}/callback`: the provider sends it back.
    Callback(ProviderId),
    /// `GET /github/setup`: GitHub sends it here after the App was installed.
    Setup,
    /// `POST /oauth/device/code`: a device wants to be signed in.
    DeviceCode,
    /// `POST /oauth/token`: a device fetches or renews its tokens.
    Token,
    /// `POST /oauth/revoke`: a device signs itself out.
    Revoke,
    /// `POST /v1/oidc`: a CI job shows who it is.
    CiToken,
}

/// Why a request is for nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// There is nothing at this address.
    Unknown,
    /// There is, for another method.
    Method(&'static str),
}

impl Route {
    /// One of each kind, for tests that go through all of them.
    #[must_use]
    pub fn samples() -> [Self; 7] {
        let github = ProviderId::github;
        [Self::Start(github()), Self::Callback(github()), Self::Setup, Self::DeviceCode, Self::Token, Self::Revoke, Self::CiToken]
    }

    /// What a request asks for.
    ///
    /// # Errors
    /// When it is nothing of this function.
    pub fn of(method: &Method, path: &str) -> Result<Self, NoRoute> {
        let route = Self::at(path).ok_or(NoRoute::Unknown)?;
        let expected = route.method();
        if *method == expected { Ok(route) } else { Err(NoRoute::Method(if expected == Method::GET { "GET" } else { "POST" })) }
    }

    fn at(path: &str) -> Option<Self> {
        match path {
            "/github/setup" => Some(Self::Setup),
            "/oauth/device/code" => Some(Self::DeviceCode),
            "/oauth/token" => Some(Self::Token),
            "/oauth/revoke" => Some(Self::Revoke),
            "/v1/oidc" => Some(Self::CiToken),
            _ => {
                let provider = path.strip_prefix("/auth/")?;
                match provider.strip_suffix("/callback") {
                    Some(provider) => provider.parse().ok().map(Self::Callback),
                    None => provider.parse().ok().map(Self::Start),
                }
            }
        }
    }

    /// How it is asked for.
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Start(_) | Self::Callback(_) | Self::Setup => Method::GET,
            Self::DeviceCode | Self::Token | Self::Revoke | Self::CiToken => Method::POST,
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Start(provider) => format!("/auth/{provider}"),
            Self::Callback(provider) => format!("/auth/{provider}/callback"),
            Self::Setup => "/github/setup".to_owned(),
            Self::DeviceCode => "/oauth/device/code".to_owned(),
            Self::Token => "/oauth/token".to_owned(),
            Self::Revoke => "/oauth/revoke".to_owned(),
            Self::CiToken => "/v1/oidc".to_owned(),
        }
    }

    /// What it takes: nothing, for whoever comes here has no credential of ours yet, or brings one of a kind that only this function
    /// knows.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::Start(_) | Self::Callback(_) | Self::Setup | Self::DeviceCode | Self::Token | Self::Revoke | Self::CiToken => {
                Needs::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_method_and_path() {
        for route in Route::samples() {
            let (method, path) = (route.method(), route.path());
            assert_eq!(Route::of(&method, &path), Ok(route));
            let other = if method == Method::GET { Method::POST } else { Method::GET };
            assert!(matches!(Route::of(&other, &path), Err(NoRoute::Method(_))), "{path}");
        }
    }

    #[test]
    fn nothing_else_is_a_route() {
        for path in
            ["/", "/auth", "/auth/", "/auth/GitHub", "/auth/github/", "/auth/github/callback/", "/auth//callback", "/auth/a/b/callback"]
        {
            assert_eq!(Route::of(&Method::GET, path), Err(NoRoute::Unknown), "{path}");
        }
    }
}

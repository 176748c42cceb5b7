//! Cookies of ours: what they are called, how they are read, how they are set.

use http::HeaderMap;
use http::header::COOKIE;
use url::Url;

/// Most bytes of a cookie's value that are looked at.
const MAX_VALUE: usize = 2_048;

/// Most cookies of one name that are looked at.
const MAX_SAME: usize = 8;

/// A cookie of ours.
///
/// With HTTPS its name begins with `__Host-`, so that no other host and no plain connection can set it
/// (<https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// The secret of a session.
    Session,
    /// A sign-in that is under way.
    SignIn,
}

impl Cookie {
    fn name(self, public: &Url) -> &'static str {
        match (self, is_secure(public)) {
            (Self::Session, true) => "__Host-quillon_session",
            (Self::Session, false) => "quillon_session",
            (Self::SignIn, true) => "__Host-quillon_sign_in",
            (Self::SignIn, false) => "quillon_sign_in",
        }
    }

    /// Its values in a request. Somebody may have planted another cookie of this name: any of them may be the good one.
    pub fn values<'a>(self, public: &Url, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let name = self.name(public);
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(move |(known, value)| *known == name && value.len() <= MAX_VALUE).take(MAX_SAME).map(|(_, value)| value)
    }

    /// The `Set-Cookie` header that sets it for so many seconds. The value holds no `;` and no blanks.
    #[must_use]
    pub fn set(self, public: &Url, value: &str, seconds: i64) -> String {
        let secure = if is_secure(public) { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.name(public))
    }

    /// The `Set-Cookie` header that takes it back.
    #[must_use]
    pub fn clear(self, public: &Url) -> String {
        self.set(public, "", 0)
    }
}

fn is_secure(public: &Url) -> bool {
    public.scheme() == "https"
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn public(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    fn sent(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(text).expect("a value"))])
    }

    #[test]
    fn with_https_only_this_host_can_set_it() {
        let set = Cookie::Session.set(&public("https://ci.example.com"), "abc", 60);
        assert_eq!(set, "__Host-quillon_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        let clear = Cookie::SignIn.clear(&public("http://127.0.0.1:8800"));
        assert_eq!(clear, "quillon_sign_in=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn planted_cookies_do_not_hide_the_good_one() {
        let public = public("http://127.0.0.1:8800");
        let headers = sent("a=b; quillon_session=planted; quillon_session=good; __Host-quillon_session=other");
        assert_eq!(Cookie::Session.values(&public, &headers).collect::<Vec<_>>(), ["planted", "good"]);
        let many = sent(&"quillon_session=x; ".repeat(100));
        assert_eq!(Cookie::Session.values(&public, &many).count(), MAX_SAME);
        let long = sent(&format!("quillon_session={}", "x".repeat(MAX_VALUE + 1)));
        assert_eq!(Cookie::Session.values(&public, &long).count(), 0);
    }
}

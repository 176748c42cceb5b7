//! What a browser says of a request: the host name that it used, the page that a form was on, the address that it came from.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use url::{Host, Url};

/// Whether the request was made under a name of ours.
///
/// A page of somebody else can point its own name at this address (DNS rebinding) and would then be of the same origin as
/// our pages. It cannot take the public name, nor a loopback name. Ports are not compared: tunnels change them, and
/// rebinding needs a name.
#[must_use]
pub fn is_our_host(public: &Url, headers: &HeaderMap, authority: Option<&str>) -> bool {
    let asked = headers.get(HOST).and_then(|value| value.to_str().ok()).or(authority).unwrap_or_default();
    let Some(asked) = host_of(asked) else { return false };
    public.host_str().is_some_and(|host| host.eq_ignore_ascii_case(&asked.to_string())) || is_loopback(&asked)
}

/// The host in a `Host` header, with or without a port.
fn host_of(authority: &str) -> Option<Host> {
    if authority.is_empty() || authority.contains(['/', '@', '?', '#', '\\']) {
        return None;
    }
    Url::parse(&format!("http://{authority}/")).ok()?.host().map(|host| host.to_owned())
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether a form was on a page of ours, as far as the browser says.
///
/// `Sec-Fetch-Site` where the browser sends it, else `Origin`; a client that sends neither is no browser with somebody
/// else's page in it. The form's token has to be right in any case.
#[must_use]
pub fn is_our_form(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return true };
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (Ok(origin), Ok(asked)) = (Url::parse(origin), Url::parse(&format!("http://{host}/"))) else { return false };
    // The scheme is not ours to know behind a proxy; a default port is left out by browsers, also in `Host`.
    origin.host() == asked.host() && origin.has_host() && origin.port() == asked.port()
}

/// The address that a request came from, as the gateway saw it: it appends it to what the client may have made up.
#[must_use]
pub fn source_address(headers: &HeaderMap) -> Option<String> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim();
    last.parse::<std::net::IpAddr>().ok().map(|address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[test]
    fn only_the_public_name_and_loopback_names_are_ours() {
        let public = Url::parse("https://ci.example.com").expect("a URL");
        for (host, expected) in [
            ("ci.example.com", true),
            ("CI.EXAMPLE.COM:443", true),
            ("127.0.0.1:8800", true),
            ("localhost:8800", true),
            ("[::1]:8800", true),
            ("evil.example", false),
            ("ci.example.com.evil.example", false),
            ("localhost.evil.example", false),
            ("evil.example@ci.example.com", false),
            ("ci.example.com/evil", false),
            ("10.0.0.1", false),
            ("", false),
            (":80", false),
        ] {
            assert_eq!(is_our_host(&public, &headers(&[("host", host)]), None), expected, "{host}");
        }
        assert!(is_our_host(&public, &HeaderMap::new(), Some("ci.example.com")));
        assert!(!is_our_host(&public, &HeaderMap::new(), None));
    }

    #[test]
    fn forms_of_other_sites_are_refused() {
        let host = ("host", "ci.example.com");
        for (pairs, expected) in [
            (vec![host], true),
            (vec![host, ("sec-fetch-site", "same-origin"), ("origin", "https://ci.example.com")], true),
            (vec![host, ("origin", "https://ci.example.com")], true),
            (vec![("host", "127.0.0.1:8800"), ("origin", "http://127.0.0.1:8800")], true),
            (vec![("host", "127.0.0.1:8800"), ("origin", "http://127.0.0.1:9999")], false),
            (vec![host, ("sec-fetch-site", "same-site"), ("origin", "https://ci.example.com")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("sec-fetch-site", "none")], false),
            (vec![host, ("origin", "https://evil.example")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("origin", "")], false),
        ] {
            assert_eq!(is_our_form(&headers(&pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn only_what_the_gateway_appended_is_believed() {
        assert_eq!(source_address(&headers(&[("x-forwarded-for", "6.6.6.6, 203.0.113.7")])).as_deref(), Some("203.0.113.7"));
        assert_eq!(source_address(&headers(&[("x-forwarded-for", "203.0.113.7, <script>")])), None);
        assert_eq!(source_address(&HeaderMap::new()), None);
    }
}

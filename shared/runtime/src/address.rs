//! Addresses of this installation.

use url::Url;

/// The address of a path of ours, which begins with a slash.
#[must_use]
pub fn address(public: &Url, path: &str) -> String {
    format!("{}{path}", public.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_slash_before_its_path() {
        for (public, expected) in
            [("https://ci.example.com", "https://ci.example.com/account"), ("https://example.com/ci/", "https://example.com/ci/account")]
        {
            assert_eq!(address(&Url::parse(public).expect("a URL"), "/account"), expected);
        }
    }
}

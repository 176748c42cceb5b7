//! Secrets out of requests: what was handed to a job does not leave it through its telemetry.
//!
//! A secret is overwritten in place with as many bytes, so that no length of a message changes and nothing has to be built: a
//! request of hostile code costs no more than its bytes. What this cannot find: a secret in pieces (two writes of a program), or
//! encoded in a way that is not below.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Shorter ones are too likely to be ordinary text.
const MIN_LENGTH: usize = 6;

/// What a URL does not have to encode (RFC 3986, unreserved).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `***` in base64, so that what was base64 stays it.
const STARS: &[u8; 4] = b"Kioq";

/// How a found text is overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ink {
    Plain,
    /// Base64 that begins at this position of a group of four.
    Base64(usize),
}

/// Finds secrets as they are, base64-encoded at any offset, URL-encoded, as JSON text, and line by line.
#[derive(Clone)]
pub struct Scrubber {
    finder: Option<AhoCorasick>,
    inks: Vec<Ink>,
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

impl Scrubber {
    /// A scrubber for these secrets. What is shorter than six bytes is left alone.
    #[must_use]
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut patterns = Vec::new();
        for secret in secrets {
            add(secret, &mut patterns);
            let lines = secret.lines().map(str::trim);
            // The frame of a PEM file is no secret.
            lines.filter(|line| *line != secret && !line.starts_with("-----")).for_each(|line| add(line, &mut patterns));
        }
        patterns.sort_unstable();
        patterns.dedup();
        let (texts, inks): (Vec<Vec<u8>>, Vec<Ink>) = patterns.into_iter().unzip();
        let finder = if texts.is_empty() { None } else { AhoCorasick::new(&texts).ok() };
        Self { finder, inks }
    }

    /// Overwrites every secret in a request that is not compressed; says how many it found.
    pub fn scrub(&self, bytes: &mut [u8]) -> usize {
        let Some(finder) = &self.finder else { return 0 };
        // All of them are found before the first is overwritten: they may overlap.
        let found: Vec<(std::ops::Range<usize>, Ink)> =
            finder.find_overlapping_iter(&*bytes).map(|found| (found.range(), self.inks[found.pattern().as_usize()])).collect();
        for (range, ink) in &found {
            for (index, byte) in bytes[range.clone()].iter_mut().enumerate() {
                *byte = match ink {
                    Ink::Plain => b'*',
                    Ink::Base64(first) => STARS[(first + index) % STARS.len()],
                };
            }
        }
        found.len()
    }
}

/// The same URL-encoded text with its hex digits in lower case.
fn lower_hex(encoded: &str) -> String {
    let mut left = 0;
    let lower = |letter: char| {
        left = if letter == '%' { 2 } else { i32::max(left - 1, -1) };
        if left >= 0 { letter.to_ascii_lowercase() } else { letter }
    };
    encoded.chars().map(lower).collect()
}

fn add(secret: &str, patterns: &mut Vec<(Vec<u8>, Ink)>) {
    if secret.len() < MIN_LENGTH {
        return;
    }
    let mut plain = |text: String| {
        if text.len() >= MIN_LENGTH {
            patterns.push((text.into_bytes(), Ink::Plain));
        }
    };
    plain(secret.to_owned());
    let encoded = utf8_percent_encode(secret, RESERVED).to_string();
    for encoded in [lower_hex(&encoded), encoded] {
        plain(encoded.replace("%20", "+"));
        plain(encoded);
    }
    let quoted = serde_json::to_string(secret).unwrap_or_default();
    let quoted = quoted.trim_matches('"');
    // Go's encoder also escapes what HTML would read.
    plain(quoted.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"));
    plain(quoted.to_owned());
    for offset in 0..3 {
        // With so many bytes before it, which are not known; the characters that they share with the secret are left out.
        let shifted = [&b"\0\0"[..offset], secret.as_bytes()].concat();
        let first = [0, 2, 3][offset];
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            let whole = shifted.len() * 8 / 6;
            if let Some(text) = text.get(first..whole).filter(|text| text.len() >= MIN_LENGTH) {
                patterns.push((text.as_bytes().to_vec(), Ink::Base64(first)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const SECRET: &str = "P@sS/w0rd+\"<x>&y z\u{fc}";

    fn scrubbed(secrets: &[&str], text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        Scrubber::new(secrets.iter().copied()).scrub(&mut bytes);
        assert_eq!(bytes.len(), text.len());
        String::from_utf8(bytes).expect("still text")
    }

    #[test]
    fn every_spelling_of_a_secret_is_found() {
        let go = "P@sS/w0rd+\\\"\\u003cx\\u003e\\u0026y z\u{fc}";
        for spelling in [
            SECRET.to_owned(),
            serde_json::to_string(SECRET).expect("text").trim_matches('"').to_owned(),
            go.to_owned(),
            utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string().replace("%2E", "."),
            "P%40sS%2Fw0rd%2B%22%3Cx%3E%26y+z%C3%BC".to_owned(),
            "P%40sS%2fw0rd%2b%22%3cx%3e%26y%20z%c3%bc".to_owned(),
        ] {
            let text = format!("before {spelling} after");
            assert_eq!(scrubbed(&[SECRET], &text), format!("before {} after", "*".repeat(spelling.len())));
        }
    }

    #[test]
    fn base64_at_every_offset_is_found_and_stays_base64() {
        let secret = "hunter2-hunter2";
        for before in ["", "a", "ab", "abc", "abcd", "user:"] {
            for after in ["", "x", "yz", "!?="] {
                let encoded = STANDARD.encode(format!("{before}{secret}{after}"));
                let text = scrubbed(&[secret], &encoded);
                let decoded = String::from_utf8(STANDARD.decode(&text).expect("still base64")).expect("still text");
                assert!(decoded.starts_with(before) && decoded.ends_with(after), "{decoded}");
                assert!(!decoded.contains("nter2-hunte"), "{decoded}");
                assert!(decoded.matches('*').count() >= secret.len() - 2, "{decoded}");
            }
        }
    }

    #[test]
    fn lines_of_a_file_are_found_one_by_one() {
        let key = "-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\nshort\n-----END KEY-----\n";
        let text = "-----BEGIN KEY-----\\nabcdefghijkl\\nmnopqrstuvwx";
        assert_eq!(scrubbed(&[key], "x mnopqrstuvwx y short"), "x ************ y short");
        assert_eq!(scrubbed(&[key], text), "-----BEGIN KEY-----\\n************\\n************");
    }

    #[test]
    fn overlapping_secrets_leave_nothing() {
        assert_eq!(scrubbed(&["abcdefgh", "efghijkl"], "abcdefghijkl"), "************");
        assert_eq!(scrubbed(&["abcdef", "abcdefgh"], "abcdefgh"), "********");
    }

    #[test]
    fn short_ones_and_none_change_nothing() {
        assert_eq!(scrubbed(&["ab", "", "12345"], "ab 12345"), "ab 12345");
        assert_eq!(scrubbed(&[], "text"), "text");
        assert_eq!(format!("{:?}", Scrubber::new(["hunter2"])), "***");
    }
}

//! Small renderings for people: durations, shortened texts.

use jiff::Timestamp;

/// A duration as people in this field write it: `850ms`, `7s`, `3m14s`, `1h02m`.
///
/// Negative spans (clocks disagree) read as zero.
#[must_use]
pub fn duration(from: Timestamp, to: Timestamp) -> String {
    let milliseconds = (to.as_millisecond() - from.as_millisecond()).max(0);
    let seconds = milliseconds / 1_000;
    match seconds {
        0 => format!("{milliseconds}ms"),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// The first line of a text, cut at `limit` characters with an ellipsis.
#[must_use]
pub fn first_line(text: &str, limit: usize) -> String {
    shorten(text.lines().next().unwrap_or_default().trim(), limit)
}

/// A text of at most `limit` characters; what is cut shows as `…`. Control characters become spaces.
#[must_use]
pub fn shorten(text: &str, limit: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().count() <= limit {
        return text.chars().map(clean).collect();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).map(clean).collect();
    format!("{}…", kept.trim_end())
}

/// A message as a sentence: it begins with a capital and ends.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(char::to_uppercase).into_iter().flatten().collect();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// An error with all its causes on one line, for logs.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let zero = Timestamp::UNIX_EPOCH;
        for (milliseconds, text) in [(-5, "0ms"), (850, "850ms"), (7_900, "7s"), (194_000, "3m14s"), (3_725_000, "1h02m")] {
            let end = Timestamp::from_millisecond(milliseconds).expect("in range");
            assert_eq!(duration(zero, end), text);
        }
    }

    #[test]
    fn shortened_texts_keep_to_the_limit_in_characters() {
        assert_eq!(shorten("héllo wörld", 6), "héllo…");
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(first_line("fix: x\n\nbody", 40), "fix: x");
        assert_eq!(shorten("a\u{1b}[31mb", 20), "a [31mb");
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("an org needs an admin: make one"), "An org needs an admin: make one.");
        assert_eq!(sentence("ärger. wait!"), "Ärger. wait!");
        assert_eq!(sentence(""), ".");
    }

    #[test]
    fn an_error_is_told_with_what_caused_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::fmt::Error);
        let expected = format!("outer: {}", std::fmt::Error);
        assert_eq!((with_causes(&Outer(std::fmt::Error)), with_causes(&std::fmt::Error)), (expected, std::fmt::Error.to_string()));
    }
}

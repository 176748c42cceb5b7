//! Patterns over the names of checks: globs with `:` between segments.

/// Whether a pattern selects a check by its full name.
///
/// A pattern selects what it matches and everything below a prefix that it matches; it is tried against the full name first and
/// then against the name without its module, so that `lint` selects `go:lint`.
pub(crate) fn selects(pattern: &str, name: &str) -> bool {
    let pattern: Vec<&str> = pattern.split(':').collect();
    let name: Vec<&str> = name.split(':').collect();
    matches_prefix(&pattern, &name) || name.get(1..).is_some_and(|rest| matches_prefix(&pattern, rest))
}

fn matches_prefix(pattern: &[&str], name: &[&str]) -> bool {
    (1..=name.len()).any(|end| matches_segments(pattern, &name[..end]))
}

fn matches_segments(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=name.len()).any(|skipped| matches_segments(rest, &name[skipped..])),
        (Some((first, rest)), Some((segment, tail))) => {
            matches_segment(first.as_bytes(), segment.as_bytes()) && matches_segments(rest, tail)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// `*` stands for any bytes, `?` for one. Remembers the last star only, so it needs no recursion.
fn matches_segment(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, position));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[position] => {
                at += 1;
                position += 1;
            }
            Some(_) | None => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                (at, position) = (after, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_with_and_without_the_module() {
        for (pattern, name, expected) in [
            ("hello:lint", "hello:lint", true),
            ("lint", "hello:lint", true),
            ("hello", "hello:lint", true),
            ("hello", "hello-world:lint", false),
            ("lin", "hello:lint", false),
            ("*:lint", "hello:lint", true),
            ("hello:*", "hello:ci:lint", true),
            ("ci", "hello:ci:lint", true),
            ("*:lint", "hello:ci:lint", true),
            ("hello:lint", "hello:ci:lint", false),
            ("**", "hello:lint", true),
            ("**:lint", "hello:ci:lint", true),
            ("**e2e", "hello:slow-e2e", true),
            ("**e2e", "hello:e2e-slow", false),
            ("l?nt", "hello:lint", true),
            ("l*t*", "hello:lint", true),
            ("", "hello:lint", false),
            ("hello:lint:more", "hello:lint", false),
        ] {
            assert_eq!(selects(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        assert!(!selects(&"*a".repeat(40), &format!("m:{}", "a".repeat(39))));
    }
}

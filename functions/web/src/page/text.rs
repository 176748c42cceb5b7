//! Texts of other people as one harmless line: what is invisible becomes visible or goes.

/// Whether a character changes the direction of the text around it: a name could pose as another with it.
///
/// See <https://www.unicode.org/reports/tr9/#Explicit_Directional_Embeddings>.
#[must_use]
pub fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A label on one line: [`visible`], without space around it.
#[must_use]
pub fn label(text: &str) -> String {
    visible(text).trim().to_owned()
}

/// Whether nothing is seen of a character, so that two names that differ in it look the same. The joiners are not among them:
/// several scripts need them.
///
/// See <https://www.unicode.org/reports/tr36/#visual_spoofing>.
fn is_unseen(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A text on one line: control characters become spaces, direction marks and what cannot be seen the replacement character.
#[must_use]
pub fn visible(text: &str) -> String {
    let visible = |c: char| match c {
        c if c.is_control() => ' ',
        c if is_bidi_control(c) || is_unseen(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(visible).collect()
}

/// Up to two letters that stand for a person.
#[must_use]
pub fn initials(name: &str) -> String {
    let mut words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().and_then(|word| word.chars().next());
    let last = words.next_back().and_then(|word| word.chars().next());
    let letters: String = first.into_iter().chain(last).flat_map(char::to_uppercase).collect();
    if letters.is_empty() { "?".to_owned() } else { letters }
}

/// One of eight tints for a person, always the same.
#[must_use]
pub fn tint(name: &str) -> u8 {
    let sum = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    u8::try_from(sum % 8).unwrap_or(0)
}

/// A number with its noun: `1 check`, `2 checks`.
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_one_visible_line() {
        assert_eq!(label(" a\nb\u{1b}[31m\u{202e}c "), "a b [31m\u{fffd}c");
        assert_eq!((label("\u{200b}").as_str(), label("a\u{ad}b\u{feff}").as_str()), ("\u{fffd}", "a\u{fffd}b\u{fffd}"));
        assert_eq!(label("क्\u{200d}ष"), "क्\u{200d}ष", "joiners make other letters");
    }

    #[test]
    fn initials_of_people_and_bots() {
        for (name, expected) in
            [("Mona Lisa Octocat", "MO"), ("mona", "M"), ("dependabot[bot]", "DB"), ("", "?"), ("李 小龙", "李小"), ("-_-", "?")]
        {
            assert_eq!(initials(name), expected);
        }
        assert_eq!(tint("mona"), tint("mona"));
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(counted(1, "check"), "1 check");
        assert_eq!(counted(0, "check"), "0 checks");
    }
}

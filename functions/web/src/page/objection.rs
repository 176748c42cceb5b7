//! Why a form was refused, at the top of the page that shows it again.

use super::advice::{Piece, step};
use super::notice::sentence;

/// Why a form was refused. The page begins to be read here, and the way to the form is a link, also on a long page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The sentence.
    pub pieces: Vec<Piece>,
    /// The id of the form or the field that was refused; none where it is in sight.
    pub at: Option<String>,
}

impl Objection {
    /// A reason, as an error words it.
    #[must_use]
    pub fn new(reason: &str) -> Self {
        Self { pieces: step(&sentence(reason)).pieces, at: None }
    }

    /// The same, with the way to what was refused.
    #[must_use]
    pub fn at(self, id: Option<String>) -> Self {
        Self { at: id, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_becomes_a_sentence_with_code_in_it() {
        let objection = Objection::new("`a b` is no name: choose another one");
        let pieces: Vec<(bool, &str)> = objection.pieces.iter().map(|piece| (piece.is_code, piece.text.as_str())).collect();
        assert_eq!(pieces, [(true, "a b"), (false, " is no name: choose another one.")]);
        assert_eq!(Objection::new("no").at(Some("name".to_owned())).at.as_deref(), Some("name"));
    }
}

//! Who may read a trace, in words, and the forms that change it. Only those who may share and delete see the forms.

use quillon_core::trace::card::Card;
use quillon_core::trace::visibility::Visibility;

use crate::link::{Paths, TraceAction};

/// Who may read a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// `public` or `private`.
    pub word: &'static str,
    /// Why.
    pub reason: &'static str,
}

impl Audience {
    /// What the core decided, in words.
    #[must_use]
    pub fn of(visibility: Visibility) -> Self {
        Self { word: if visibility.is_public() { "public" } else { "private" }, reason: visibility.reason() }
    }
}

/// Lives of a share link: seconds, and what the select box says.
pub const LIVES: [(i64, &str); 4] =
    [(3_600, "for an hour"), (86_400, "for a day"), (7 * 86_400, "for a week"), (30 * 86_400, "for 30 days")];

/// The forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharing {
    /// Where the visibility is posted to.
    pub visibility: String,
    /// Where links are made.
    pub share: String,
    /// Where they are taken back.
    pub revoke: String,
    /// Where the trace is deleted.
    pub delete: String,
    /// The token that proves that a form is ours.
    pub csrf: String,
    /// What has to be typed to delete it.
    pub short: String,
    /// Whether everyone may read it now.
    pub is_public: bool,
    /// Whether somebody said so, rather than the rule.
    pub is_said: bool,
    /// Who said so and when, in words.
    pub said: Option<String>,
}

impl Sharing {
    /// The forms of a trace.
    #[must_use]
    pub fn new(card: &Card, visibility: Visibility, paths: &Paths, csrf: String) -> Self {
        let said = card.visibility.as_ref().map(|said| {
            let word = if said.is_public { "public" } else { "private" };
            format!("made {word} by {} on {}", crate::page::text::label(&said.by), said.at.strftime("%Y-%m-%d %H:%M UTC"))
        });
        Self {
            visibility: paths.trace_action(card.trace, TraceAction::Visibility),
            share: paths.trace_action(card.trace, TraceAction::Share),
            revoke: paths.trace_action(card.trace, TraceAction::Revoke),
            delete: paths.trace_action(card.trace, TraceAction::Delete),
            csrf,
            short: short(card),
            is_public: visibility.is_public(),
            is_said: card.visibility.is_some(),
            said,
        }
    }
}

/// The first digits of a trace's id, which people can compare and type.
#[must_use]
pub fn short(card: &Card) -> String {
    card.trace.to_string().chars().take(8).collect()
}

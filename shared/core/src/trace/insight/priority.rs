//! The spans without which a trace cannot be understood.

use super::{checks, error_origins, first};
use crate::trace::hint::Flags;
use crate::trace::outline::{Outline, Tree};
use crate::trace::state::primary_root;

/// The roots, error origins, checks, revealed spans and tests with all their ancestors: every span comes after its parent.
///
/// At most `most`: what is left out is left out from the end of that list, and no span comes without its ancestors.
#[must_use]
pub fn priority(outline: &Outline, tree: &Tree, most: usize) -> Vec<u32> {
    let revealed = outline.numbers().filter(|&row| outline.flags(row).contains(Flags::REVEAL)).collect();
    let mut chosen = Chosen { rows: Vec::new(), is_in: vec![false; outline.len()], most };
    chosen.add(tree, &primary_root(outline, tree).into_iter().collect::<Vec<_>>());
    chosen.add(tree, &error_origins(outline, tree));
    chosen.add(tree, &checks(outline, tree));
    chosen.add(tree, &first(outline, revealed, most));
    chosen.add(tree, tree.roots());
    chosen.add(tree, &super::tests(outline, tree));
    chosen.rows
}

struct Chosen {
    rows: Vec<u32>,
    is_in: Vec<bool>,
    most: usize,
}

impl Chosen {
    /// Adds rows with their ancestors, each where there is room for all of them.
    fn add(&mut self, tree: &Tree, rows: &[u32]) {
        for &row in rows {
            let room = self.most - self.rows.len();
            if room == 0 {
                return;
            }
            if self.is_in[row as usize] {
                continue;
            }
            let missing = |row: &u32| !self.is_in[*row as usize];
            // One more than there is room for tells that the path is too long.
            let mut path: Vec<u32> = std::iter::once(row).chain(tree.ancestors(row)).take_while(missing).take(room + 1).collect();
            if path.len() <= room {
                path.reverse();
                for row in path {
                    self.is_in[row as usize] = true;
                    self.rows.push(row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::{SpanBuilder, outline, text};

    #[test]
    fn what_matters_comes_with_its_ancestors_and_after_them() {
        let outline = outline([
            SpanBuilder::new(6).under(5).marked("dagger.io/ui.reveal"),
            SpanBuilder::new(5).under(1),
            SpanBuilder::new(4).under(3).failed(9, "x"),
            SpanBuilder::new(3).under(2).checked("a", Some(false)),
            SpanBuilder::new(2).under(1),
            SpanBuilder::new(1).failed(9, "x"),
            SpanBuilder::new(7).under(1),
            SpanBuilder::new(8).under(77),
            SpanBuilder::new(9).under(7).attributes(vec![("test.case.name", text("TestX"))]),
        ]);
        let tree = outline.tree();
        assert_eq!(priority(&outline, &tree, 100), [5, 4, 3, 2, 1, 0, 7, 6, 8]);
        assert_eq!(priority(&outline, &tree, 4), [5, 4, 3, 2]);
        // No room for the path of three below the root; the other root still fits.
        assert_eq!(priority(&outline, &tree, 3), [5, 4, 3]);
        assert_eq!(priority(&outline, &tree, 2), [5, 7]);
        assert_eq!(priority(&outline, &tree, 0), [0; 0]);
    }
}

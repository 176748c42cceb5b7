//! The exported schema.

/// Where the current text is left when the exported one is old.
const FRESH: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/schema.graphql");

#[test]
fn the_exported_schema_is_current() {
    let current = quillon_api::sdl();
    if include_str!("../../schema.graphql") != current {
        std::fs::write(FRESH, current).expect("a file");
        panic!("`schema.graphql` is old: copy `{FRESH}` over it");
    }
}

//! The schema in the repository is the one that is answered.

/// Set it to write the schema instead of comparing it: `QUILLON_WRITE_SCHEMA=1 cargo test -p quillon-api --test api schema`.
const WRITE: Option<&str> = option_env!("QUILLON_WRITE_SCHEMA");

/// The schema in the repository.
const EXPORTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");

#[test]
fn the_exported_schema_is_current() {
    let current = quillon_api::sdl();
    if WRITE.is_some() {
        std::fs::write(EXPORTED, &current).expect("a file");
    }
    let exported = std::fs::read_to_string(EXPORTED).expect("a file");
    assert!(exported == current, "`schema.graphql` is old: QUILLON_WRITE_SCHEMA=1 cargo test -p quillon-api --test api schema");
}

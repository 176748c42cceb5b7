//! How many attempts of an org may start now.

/// How many of the queued attempts may start, given how many are active and the org's limit.
///
/// The count comes from an index that may lag behind by moments, so a burst can exceed the limit by as many dispatchers as
/// run at once; what has been offered is never taken back.
#[must_use]
pub fn room(active: usize, limit: u32) -> usize {
    (limit as usize).saturating_sub(active)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_the_limit_leaves() {
        assert_eq!(room(0, 4), 4);
        assert_eq!(room(3, 4), 1);
        assert_eq!(room(9, 4), 0);
    }
}

//! Times for people: relative to look at, exact to hover over.

use jiff::{SignedDuration, Timestamp};

/// A point in time as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the epoch, for the script that keeps `ago` fresh.
    pub ms: i64,
    /// RFC 3339, for `<time datetime>`.
    pub iso: String,
    /// With seconds and zone; the script turns it into the reader's own zone.
    pub exact: String,
    /// Relative to now.
    pub ago: String,
}

impl Moment {
    /// A time as seen at `now`.
    #[must_use]
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            ms: at.as_millisecond(),
            iso: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            exact: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ago: ago(at, now),
        }
    }
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    let minutes = (now.as_millisecond() - at.as_millisecond()) / 60_000;
    match minutes {
        ..1 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..1_440 => format!("{} h ago", minutes / 60),
        1_440..2_880 => "yesterday".to_owned(),
        2_880..43_200 => format!("{} days ago", minutes / 1_440),
        _ => at.strftime("%-d %b %Y").to_string(),
    }
}

/// How long something has been going on, in whole seconds at least, because a page is never exact to the millisecond.
#[must_use]
pub fn running_for(since: Timestamp, now: Timestamp) -> String {
    if now.duration_since(since) < SignedDuration::from_secs(1) { "0s".to_owned() } else { quillon_core::text::duration(since, now) }
}

/// The time that a page is rendered for: rounded down, so that a page that did not change stays the same bytes.
///
/// The script in the page counts on from the stored times between two such steps.
#[must_use]
pub fn settled(now: Timestamp, is_live: bool) -> Timestamp {
    let step = if is_live { 5_000 } else { 60_000 };
    Timestamp::from_millisecond(now.as_millisecond().div_euclid(step) * step).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    #[test]
    fn ages() {
        for (seconds, expected) in [
            (-30, "just now"),
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (3_600, "1 h ago"),
            (86_400, "yesterday"),
            (3 * 86_400, "3 days ago"),
            (40 * 86_400, "15 Jan 2027"),
        ] {
            assert_eq!(Moment::new(at(0), at(seconds)).ago, expected);
        }
    }

    #[test]
    fn exact_times_name_their_zone() {
        let moment = Moment::new(at(0), at(0));
        assert_eq!((moment.exact.as_str(), moment.iso.as_str()), ("2027-01-15 08:00:00 UTC", "2027-01-15T08:00:00Z"));
    }

    #[test]
    fn running_times_never_read_as_milliseconds_or_negative() {
        assert_eq!(running_for(at(0), at(0)), "0s");
        assert_eq!(running_for(at(5), at(0)), "0s");
        assert_eq!(running_for(at(0), at(75)), "1m15s");
    }

    #[test]
    fn a_page_is_settled_for_a_while() {
        assert_eq!(settled(at(4), true), settled(at(0), true));
        assert_ne!(settled(at(5), true), settled(at(4), true));
        assert_eq!(settled(at(59), false), settled(at(0), false));
    }
}

//! How long telemetry and the outputs of checks are kept.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::attempt::later;
use crate::id::InvalidId;
use crate::plan::Entitlements;

/// A number of days, from one to [`Days::MOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days(u16);

impl Days {
    /// The longest that anything is kept: lists look no further back.
    pub const MOST: Self = Self(400);

    /// So many days, within what there can be.
    #[must_use]
    pub fn clamped(days: u32) -> Self {
        Self(u16::try_from(days).unwrap_or(u16::MAX).clamp(1, Self::MOST.0))
    }

    /// The number.
    #[must_use]
    pub fn count(self) -> i64 {
        i64::from(self.0)
    }

    /// When they are over.
    #[must_use]
    pub fn after(self, now: Timestamp) -> Timestamp {
        later(now, SignedDuration::from_hours(24 * self.count()))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Days {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let days = text.parse().ok().filter(|days| (1..=Self::MOST.0).contains(days));
        days.map(Self).ok_or_else(|| InvalidId::new(text, "a number of days from 1 to 400"))
    }
}

/// How long an installation keeps what it is sent. What is there already is kept for as long as it was to be when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Traces that people and CI jobs send.
    pub traces: Days,
    /// The output and the trace of a check: the record of a commit.
    pub checks: Days,
}

impl Default for Retention {
    fn default() -> Self {
        Self { traces: Days(90), checks: Days::MOST }
    }
}

impl Retention {
    /// The same for an org whose plan gives less; the record of a check does not depend on the plan.
    #[must_use]
    pub fn within(self, plan: &Entitlements) -> Self {
        match plan.retention_days {
            Some(days) => Self { traces: self.traces.min(Days::clamped(days)), ..self },
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Billing, Plan, entitlements};

    #[test]
    fn days_are_from_one_to_400() {
        for (text, expected) in [("1", Some(1)), ("400", Some(400)), ("0", None), ("401", None), ("-1", None), ("", None), ("9 days", None)]
        {
            assert_eq!(text.parse::<Days>().ok().map(Days::count), expected, "{text:?}");
        }
        assert_eq!([0, 14, 70_000].map(|days| Days::clamped(days).count()), [1, 14, 400]);
    }

    #[test]
    fn a_plan_shortens_and_never_lengthens() {
        let now = Timestamp::UNIX_EPOCH;
        let short = Retention { traces: Days(7), checks: Days(30) };
        assert_eq!(Retention::default().within(&Plan::Individual.entitlements()).traces, Days(14));
        assert_eq!(short.within(&Plan::Team.entitlements()), short);
        let long = Retention { traces: Days::MOST, checks: Days(30) };
        assert_eq!(long.within(&entitlements(Billing::Off, None, now)), long);
        assert_eq!(long.within(&Plan::Team.entitlements()), Retention { traces: Days(90), checks: Days(30) });
    }
}

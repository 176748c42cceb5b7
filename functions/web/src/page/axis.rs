//! The common time axis of a run's bars.

use jiff::Timestamp;

/// From the first start to the last end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    start: i64,
    span: i64,
}

/// A bar on an axis, in thousandths of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Where it begins.
    pub x: i64,
    /// How long it is; never so short that it cannot be seen.
    pub width: i64,
}

/// Shortest visible bar.
const SHORTEST: i64 = 8;

impl Axis {
    /// The axis over (start, end) pairs; what has not ended reaches to `now`. None where nothing has started.
    #[must_use]
    pub fn over(spans: impl Iterator<Item = (Timestamp, Option<Timestamp>)>, now: Timestamp) -> Option<Self> {
        let spans: Vec<(i64, i64)> =
            spans.map(|(start, end)| (start.as_millisecond(), end.unwrap_or(now.max(start)).as_millisecond())).collect();
        let start = spans.iter().map(|(start, _)| *start).min()?;
        let end = spans.iter().map(|(_, end)| *end).max()?;
        Some(Self { start, span: (end - start).max(1) })
    }

    /// The bar of one span.
    #[must_use]
    pub fn bar(&self, start: Timestamp, end: Option<Timestamp>, now: Timestamp) -> Bar {
        let place = |at: Timestamp| ((at.as_millisecond() - self.start) * 1_000 / self.span).clamp(0, 1_000);
        let from = place(start).min(1_000 - SHORTEST);
        let to = place(end.unwrap_or(now.max(start)));
        Bar { x: from, width: (to - from).max(SHORTEST) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    #[test]
    fn bars_share_one_scale() {
        let axis = Axis::over([(at(10), Some(at(20))), (at(15), None)].into_iter(), at(30)).expect("started");
        assert_eq!(axis.bar(at(10), Some(at(20)), at(30)), Bar { x: 0, width: 500 });
        assert_eq!(axis.bar(at(15), None, at(30)), Bar { x: 250, width: 750 });
    }

    #[test]
    fn bars_stay_visible_and_inside() {
        let axis = Axis::over([(at(0), Some(at(1_000)))].into_iter(), at(0)).expect("started");
        for (start, end) in [(0, 0), (1_000, 1_000), (5_000, 6_000), (-10, -5), (10, 5)] {
            let bar = axis.bar(at(start), Some(at(end)), at(0));
            assert!(bar.width >= SHORTEST && bar.x >= 0 && bar.x + bar.width <= 1_000, "{start} {end} {bar:?}");
        }
        assert_eq!(Axis::over(std::iter::empty(), at(0)), None);
        assert!(Axis::over([(at(5), None)].into_iter(), at(5)).is_some());
    }
}

//! EventBridge schedule expressions: `rate(…)` and `cron(…)`, in UTC.
//!
//! Reference: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>. The letters
//! `L`, `W` and `#` of cron expressions are refused, because no schedule of Quillon needs them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

const MINUTE_MS: i64 = 60_000;

/// When a schedule fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Every so many milliseconds after the last time.
    Rate {
        /// The period.
        period_ms: i64,
    },
    /// At matching minutes.
    Cron(Box<Cron>),
}

/// The fields of a cron expression, each as the sorted list of values that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Vec<i16>,
    hours: Vec<i16>,
    days: Option<Vec<i16>>,
    months: Vec<i16>,
    /// 1 is Sunday.
    weekdays: Option<Vec<i16>>,
    years: Vec<i16>,
}

/// Why an expression is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is not a schedule expression: {problem}")]
pub struct ExpressionError {
    expression: String,
    problem: String,
}

impl Expression {
    /// The first time after `after_ms` (milliseconds since the Unix epoch) at which this fires, counted from a last
    /// firing at `after_ms`; `None` if it never fires again.
    #[must_use]
    pub fn next_after(&self, after_ms: i64) -> Option<i64> {
        match self {
            Self::Rate { period_ms } => after_ms.checked_add(*period_ms),
            Self::Cron(cron) => cron.next_after(after_ms),
        }
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |problem: String| ExpressionError { expression: text.to_owned(), problem };
        let inner = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(rate) = inner("rate") {
            return parse_rate(rate).map_err(error);
        }
        if let Some(cron) = inner("cron") {
            return parse_cron(cron).map(|cron| Self::Cron(Box::new(cron))).map_err(error);
        }
        Err(error("expected `rate(value unit)` or `cron(minutes hours day-of-month month day-of-week year)`".into()))
    }
}

fn parse_rate(text: &str) -> Result<Expression, String> {
    let (value, unit) = text.split_once(' ').ok_or("expected a value and a unit")?;
    let value: i64 = value.parse().ok().filter(|value| *value > 0).ok_or("the value must be a positive number")?;
    let minutes = match (value, unit) {
        (1, "minute") => 1,
        (1, "hour") => 60,
        (1, "day") => 1440,
        (2.., "minutes") => 1,
        (2.., "hours") => 60,
        (2.., "days") => 1440,
        _ => return Err("the unit must be minute(s), hour(s) or day(s), plural for values above 1".into()),
    };
    let period_ms = value.checked_mul(minutes * MINUTE_MS).ok_or("the value is too large")?;
    Ok(Expression::Rate { period_ms })
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn parse_cron(text: &str) -> Result<Cron, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays, years] = fields[..] else {
        return Err(format!("expected 6 fields, found {}", fields.len()));
    };
    let cron = Cron {
        minutes: parse_field("minutes", minutes, 0, 59, &[])?,
        hours: parse_field("hours", hours, 0, 23, &[])?,
        days: parse_day("day of month", days, 31, &[])?,
        months: parse_field("month", months, 1, 12, &MONTHS)?,
        weekdays: parse_day("day of week", weekdays, 7, &WEEKDAYS)?,
        years: parse_field("year", years, 1970, 2199, &[])?,
    };
    if cron.days.is_some() == cron.weekdays.is_some() {
        return Err("exactly one of day of month and day of week must be `?`".into());
    }
    Ok(cron)
}

fn parse_day(name: &str, text: &str, high: i16, words: &[&str]) -> Result<Option<Vec<i16>>, String> {
    if text == "?" { Ok(None) } else { parse_field(name, text, 1, high, words).map(Some) }
}

fn parse_field(name: &str, text: &str, low: i16, high: i16, words: &[&str]) -> Result<Vec<i16>, String> {
    let bad = |item: &str| format!("`{item}` is not a {name} from {low} to {high}");
    let number = |item: &str| {
        let word = words.iter().position(|word| word.eq_ignore_ascii_case(item));
        let number = match word {
            Some(index) => i16::try_from(index).ok().map(|index| index + low),
            None => item.parse().ok(),
        };
        number.filter(|number| (low..=high).contains(number)).ok_or_else(|| bad(item))
    };
    let mut values = Vec::new();
    for item in text.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => {
                let step = step.parse().ok().filter(|step: &usize| *step > 0).ok_or_else(|| bad(item))?;
                (range, Some(step))
            }
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((first, last)) => (number(first)?, number(last)?),
            // A start with a step runs to the end of the field, as in `0/15`.
            None => (number(range)?, if step.is_some() { high } else { number(range)? }),
        };
        if first > last {
            return Err(bad(item));
        }
        values.extend((first..=last).step_by(step.unwrap_or(1)));
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

impl Cron {
    fn next_after(&self, after_ms: i64) -> Option<i64> {
        let start = Timestamp::from_millisecond(after_ms.div_euclid(MINUTE_MS) * MINUTE_MS + MINUTE_MS).ok()?;
        let start = start.to_zoned(TimeZone::UTC).datetime();
        let mut date = start.date();
        let mut earliest = (i16::from(start.hour()), i16::from(start.minute()));
        let last_year = self.years.last().copied()?;
        while date.year() <= last_year {
            if self.matches(date) {
                let times = self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
                if let Some((hour, minute)) = times.into_iter().find(|time| *time >= earliest) {
                    let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
                    let zoned = date.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).ok()?;
                    return Some(zoned.timestamp().as_millisecond());
                }
            }
            date = date.checked_add(1.day()).ok()?;
            earliest = (0, 0);
        }
        None
    }

    fn matches(&self, date: Date) -> bool {
        let weekday = i16::from(date.weekday().to_sunday_zero_offset()) + 1;
        self.years.contains(&date.year())
            && self.months.contains(&i16::from(date.month()))
            && self.days.as_ref().is_none_or(|days| days.contains(&i16::from(date.day())))
            && self.weekdays.as_ref().is_none_or(|weekdays| weekdays.contains(&weekday))
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { period_ms } => write!(f, "every {} min", period_ms / MINUTE_MS),
            Self::Cron(_) => f.write_str("by cron"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, after: &str, next: Option<&str>) {
        let expression: Expression = expression.parse().unwrap();
        let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(expression.next_after(ms(after)), next.map(ms), "{expression:?} after {after}");
    }

    #[test]
    fn rates_count_from_the_last_time() {
        check("rate(1 minute)", "2026-03-01T10:00:30Z", Some("2026-03-01T10:01:30Z"));
        check("rate(10 minutes)", "2026-03-01T23:55:00Z", Some("2026-03-02T00:05:00Z"));
        check("rate(1 day)", "2026-02-28T12:00:00Z", Some("2026-03-01T12:00:00Z"));
        check("rate(12 hours)", "2026-02-28T12:00:00Z", Some("2026-03-01T00:00:00Z"));
    }

    #[test]
    fn crons_fire_at_the_next_matching_minute() {
        check("cron(0 10 * * ? *)", "2026-03-01T09:59:59Z", Some("2026-03-01T10:00:00Z"));
        check("cron(0 10 * * ? *)", "2026-03-01T10:00:00Z", Some("2026-03-02T10:00:00Z"));
        check("cron(0/15 * * * ? *)", "2026-03-01T10:16:00Z", Some("2026-03-01T10:30:00Z"));
        check("cron(15 12 ? * MON-FRI *)", "2026-03-06T13:00:00Z", Some("2026-03-09T12:15:00Z"));
        check("cron(0 8 1 * ? *)", "2026-12-15T00:00:00Z", Some("2027-01-01T08:00:00Z"));
        check("cron(0 0 29 2 ? *)", "2026-01-01T00:00:00Z", Some("2028-02-29T00:00:00Z"));
        check("cron(5,35 14 ? * 1 2026)", "2026-03-01T14:05:00Z", Some("2026-03-01T14:35:00Z"));
    }

    #[test]
    fn a_cron_in_the_past_never_fires() {
        check("cron(0 10 * * ? 2020)", "2026-03-01T09:59:59Z", None);
        check("cron(0 10 30 2 ? *)", "2026-03-01T09:59:59Z", None);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(0 minutes)",
            "rate(five minutes)",
            "rate(5 weeks)",
            "rate(5)",
            "cron(* * * *)",
            "cron(0 10 * * * *)",
            "cron(0 10 ? * ? *)",
            "cron(60 10 * * ? *)",
            "cron(0 10 L * ? *)",
            "cron(5-1 10 * * ? *)",
            "cron(0/0 10 * * ? *)",
            "every day",
            "",
            "rate(9223372036854775807 days)",
        ] {
            assert!(text.parse::<Expression>().is_err(), "{text}");
        }
    }
}

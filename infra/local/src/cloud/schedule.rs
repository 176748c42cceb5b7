//! Which schedules are due. Firings that were missed while nothing ran are made up for by a single one.

use std::collections::BTreeMap;

use crate::template::{EventSource, Expression, Template};

/// The schedules of a template and when each fired last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedules(Vec<Schedule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Schedule {
    function: String,
    name: String,
    expression: Expression,
    input: String,
    last_ms: i64,
}

impl Schedule {
    /// Unique within a template.
    fn id(&self) -> String {
        format!("{}/{}", self.function, self.name)
    }
}

/// A schedule that fires now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Logical id of the function.
    pub function: String,
    /// The event's name.
    pub name: String,
    /// The event, JSON text.
    pub input: String,
}

impl Schedules {
    /// The schedules of a template; one that `fired` does not know counts from `now_ms`.
    #[must_use]
    pub fn of(template: &Template, fired: &BTreeMap<String, i64>, now_ms: i64) -> Self {
        let mut schedules = Vec::new();
        for function in &template.functions {
            for event in &function.events {
                let EventSource::Schedule { expression, input } = &event.source else { continue };
                let mut schedule = Schedule {
                    function: function.logical_id.clone(),
                    name: event.name.clone(),
                    expression: expression.clone(),
                    input: input.clone(),
                    last_ms: now_ms,
                };
                // A time in the future can only come from a clock that was wrong.
                schedule.last_ms = fired.get(&schedule.id()).copied().unwrap_or(now_ms).min(now_ms);
                schedules.push(schedule);
            }
        }
        Self(schedules)
    }

    /// Takes the schedules that are due; each counts from `now_ms` then.
    pub fn due(&mut self, now_ms: i64) -> Vec<Due> {
        let mut due = Vec::new();
        for schedule in &mut self.0 {
            if schedule.expression.next_after(schedule.last_ms).is_some_and(|next| next <= now_ms) {
                schedule.last_ms = match schedule.expression {
                    // Keeps its phase, so that a late look does not shift all later ones.
                    Expression::Rate { period_ms } => now_ms - (now_ms - schedule.last_ms) % period_ms,
                    Expression::Cron(_) => now_ms,
                };
                due.push(Due { function: schedule.function.clone(), name: schedule.name.clone(), input: schedule.input.clone() });
            }
        }
        due
    }

    /// When the next schedule is due, `None` if none ever is.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        self.0.iter().filter_map(|schedule| schedule.expression.next_after(schedule.last_ms)).min()
    }

    /// When each fired last, to be handed to [`Schedules::of`] after a restart.
    #[must_use]
    pub fn fired(&self) -> BTreeMap<String, i64> {
        self.0.iter().map(|schedule| (schedule.id(), schedule.last_ms)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn schedules(last_ms: i64, expressions: &[(&str, &str)]) -> Schedules {
        let schedule = |(name, expression): &(&str, &str)| Schedule {
            function: "Scheduler".into(),
            name: (*name).to_owned(),
            expression: expression.parse().unwrap(),
            input: format!("{{\"schedule\":\"{name}\"}}"),
            last_ms,
        };
        Schedules(expressions.iter().map(schedule).collect())
    }

    fn names(due: &[Due]) -> Vec<&str> {
        due.iter().map(|due| due.name.as_str()).collect()
    }

    #[test]
    fn each_fires_once_per_period() {
        let mut schedules = schedules(0, &[("sweep", "rate(1 minute)"), ("reconcile", "rate(10 minutes)")]);
        assert_eq!(names(&schedules.due(MINUTE - 1)), [""; 0]);
        assert_eq!(names(&schedules.due(MINUTE)), ["sweep"]);
        assert_eq!(names(&schedules.due(MINUTE)), [""; 0]);
        assert_eq!(schedules.next_ms(), Some(2 * MINUTE));
        assert_eq!(names(&schedules.due(10 * MINUTE)), ["sweep", "reconcile"]);
    }

    #[test]
    fn missed_firings_are_one_and_the_phase_is_kept() {
        let mut schedules = schedules(0, &[("sweep", "rate(1 minute)")]);
        assert_eq!(schedules.due(100 * MINUTE + 7).len(), 1);
        assert_eq!(schedules.next_ms(), Some(101 * MINUTE));
    }

    #[test]
    fn a_cron_fires_at_its_minute() {
        let mut schedules = schedules(0, &[("nightly", "cron(30 2 * * ? *)")]);
        assert_eq!(schedules.next_ms(), Some(150 * MINUTE));
        assert_eq!(schedules.due(150 * MINUTE).len(), 1);
        assert_eq!(schedules.next_ms(), Some((24 * 60 + 150) * MINUTE));
    }
}

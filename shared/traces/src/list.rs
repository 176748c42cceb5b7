//! Lists of traces: by day or by repository, filtered in memory over bounded pages.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};
use quillon_core::id::{OrgId, PullNumber};
use quillon_core::retention::Days;
use quillon_core::trace::card::{Card, yyyymmdd};
use quillon_core::trace::state::{LOST_AFTER, TraceState};
use quillon_store::{Page, Paged, TraceHead};

use crate::Traces;
use crate::error::{Error, Result};

/// Most cards that are looked at for one page.
const MAX_CARDS: usize = 500;

/// Most days that are looked at for one page.
const MAX_DAYS: usize = 31;

/// Cards of one request to the table.
const BATCH: u32 = 100;

/// Which traces are wanted; what is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Of this repository: a [`Card::remote_key`], `-` for those without one.
    pub repository: Option<String>,
    /// Of this branch.
    pub branch: Option<String>,
    /// Of this pull or merge request.
    pub pull: Option<PullNumber>,
    /// Whose command line holds this, without regard to case.
    pub command: Option<String>,
    /// In this state.
    pub state: Option<TraceState>,
    /// That took at least so many milliseconds.
    pub min_duration_ms: Option<i64>,
    /// That mention all of these words.
    pub text: Option<String>,
    /// From this day (`yyyymmdd`, UTC) and before it.
    pub day: Option<u32>,
}

/// A trace in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct CardView {
    /// Its card.
    pub card: Card,
    /// Where it stands now.
    pub state: TraceState,
    /// How many records were taken in, repetitions among them; known of traces that are not over.
    pub records: Option<u64>,
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    /// The day; it does not matter in lists by repository.
    day: u32,
    /// How many cards behind the cursor are on earlier pages.
    skip: usize,
    /// The cursor within the index.
    after: Option<String>,
}

impl Position {
    fn parse(cursor: &str) -> Result<Self> {
        let [day, skip, after] = cursor.splitn(3, '.').collect::<Vec<_>>().try_into().map_err(|_| Error::InvalidCursor)?;
        let day = day.parse().map_err(|_| Error::InvalidCursor)?;
        let skip = skip.parse().ok().filter(|skip| *skip <= BATCH as usize).ok_or(Error::InvalidCursor)?;
        Ok(Self { day, skip, after: (!after.is_empty()).then(|| after.to_owned()) })
    }

    fn text(&self) -> String {
        format!("{}.{}.{}", self.day, self.skip, self.after.as_deref().unwrap_or_default())
    }
}

impl Filter {
    /// Whether a trace is wanted.
    #[must_use]
    pub fn admits(&self, view: &CardView, now_ms: i64) -> bool {
        let card = &view.card;
        let contains = |name: &str, part: &str| name.to_lowercase().contains(&part.to_lowercase());
        self.repository.as_ref().is_none_or(|repository| card.remote_key() == *repository)
            && self.branch.as_ref().is_none_or(|branch| card.branch().as_ref() == Some(branch))
            && self.pull.is_none_or(|pull| card.pull() == Some(pull))
            && self.command.as_ref().is_none_or(|command| contains(card.name(), command))
            && self.state.is_none_or(|state| view.state == state)
            && self.min_duration_ms.is_none_or(|least| card.duration_ms(now_ms) >= least)
            && self.day.is_none_or(|day| card.day() <= day)
            && self.text.as_ref().is_none_or(|text| card.mentions(text))
    }
}

impl Traces {
    /// Traces of an org, the newest first. A page may be short, and even empty, and still have a next one: the work for a page is bounded.
    ///
    /// # Errors
    /// When the table cannot be used, or the cursor is not one of this list.
    pub async fn list(&self, org: OrgId, filter: &Filter, page: &Page, now: Timestamp) -> Result<Paged<CardView>> {
        let wanted = usize::try_from(page.limit.clamp(1, BATCH)).unwrap_or(1);
        let today = Offset::UTC.to_datetime(now).date();
        let mut position = match &page.after {
            Some(cursor) => Position::parse(cursor)?,
            None => Position { day: filter.day.unwrap_or_else(|| yyyymmdd(tomorrow(today))), skip: 0, after: None },
        };
        let oldest = oldest(org, today);
        let (mut items, mut seen, mut days) = (Vec::new(), 0, 0);
        loop {
            let request = Page { after: position.after.clone(), limit: BATCH };
            let found = match &filter.repository {
                Some(repository) => self.store.trace_repository(org, repository, &request).await?,
                None => self.store.trace_day(org, position.day, &request).await?,
            };
            seen += found.items.len();
            for view in self.views(found.items.into_iter().skip(position.skip).collect(), now).await? {
                let is_wanted = filter.admits(&view, now.as_millisecond());
                // There is a next page only where there is something to be on it, as far as can be seen from here.
                if is_wanted && items.len() == wanted {
                    return Ok(Paged { items, next: Some(position.text()) });
                }
                position.skip += 1;
                if is_wanted {
                    items.push(view);
                }
            }
            position.skip = 0;
            position.after = found.next;
            if position.after.is_none() {
                let before = date(position.day).and_then(|day| day.checked_sub(1.day()).ok());
                match (&filter.repository, before) {
                    (None, Some(before)) if before >= oldest => position.day = yyyymmdd(before),
                    (Some(_), _) | (None, _) => return Ok(Paged { items, next: None }),
                }
                days += 1;
            }
            if seen >= MAX_CARDS || days >= MAX_DAYS {
                return Ok(Paged { items, next: Some(position.text()) });
            }
        }
    }

    /// Cards with their states now.
    async fn views(&self, cards: Vec<Card>, now: Timestamp) -> Result<Vec<CardView>> {
        let now_ms = now.as_millisecond();
        let is_open = |card: &Card| matches!(card.state_at(now_ms), TraceState::Running | TraceState::Lost);
        let open: Vec<_> = cards.iter().filter(|card| is_open(card)).map(|card| (card.org, card.trace)).collect();
        let heads = if open.is_empty() { vec![] } else { self.store.heads(&open).await? };
        let mut heads = heads.into_iter();
        let view = |card: Card| {
            let head = if is_open(&card) { heads.next().flatten() } else { None };
            CardView { state: state(&card, head.as_ref(), now_ms), records: head.map(|head| head.records), card }
        };
        Ok(cards.into_iter().map(view).collect())
    }
}

/// Where a trace stands, given when anything of it was heard last: a root may not have come yet.
pub(crate) fn state(card: &Card, head: Option<&TraceHead>, now_ms: i64) -> TraceState {
    let is_heard = head.is_some_and(|head| now_ms.saturating_sub(head.last_ms) <= LOST_AFTER);
    match card.state_at(now_ms) {
        TraceState::Lost if card.root.is_none() && is_heard => TraceState::Running,
        state => state,
    }
}

/// The first day that can have traces of an org: it is not older than what is kept, nor than the org by more than a clock may be off.
fn oldest(org: OrgId, today: Date) -> Date {
    // Nothing is kept longer; a day more, because days begin elsewhere at another time.
    let kept = today.checked_sub((Days::MOST.count() + 1).days()).unwrap_or(Date::MIN);
    let made = i64::try_from(org.created_ms()).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let made = made.and_then(|at| Offset::UTC.to_datetime(at).date().checked_sub(2.days()).ok());
    made.map_or(kept, |made| made.max(kept))
}

fn tomorrow(day: Date) -> Date {
    day.checked_add(1.day()).unwrap_or(day)
}

fn date(day: u32) -> Option<Date> {
    let (year, month, day) = (day / 10_000, day / 100 % 100, day % 100);
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_and_nonsense_does_not() {
        for position in [Position { day: 20_261_122, skip: 0, after: None }, Position { day: 0, skip: 7, after: Some("a.b".to_owned()) }] {
            assert_eq!(Position::parse(&position.text()).ok(), Some(position));
        }
        for text in ["", "x", ".", "1.2", "-1.0.", "99999999999.0.", "1.101.", "1.-1."] {
            assert!(Position::parse(text).is_err(), "{text}");
        }
        assert_eq!(date(20_240_229).map(yyyymmdd), Some(20_240_229));
        let today = Date::constant(2026, 11, 22);
        let org = |day: &str| OrgId::from_parts(day.parse::<Timestamp>().expect("a time").as_millisecond().cast_unsigned(), 1);
        assert_eq!(oldest(org("2026-11-20T10:00:00Z"), today), Date::constant(2026, 11, 18));
        assert_eq!(oldest(org("2020-01-01T10:00:00Z"), today), Date::constant(2025, 10, 17));
        assert_eq!((date(20_230_229), date(0), date(u32::MAX)), (None, None, None));
    }
}

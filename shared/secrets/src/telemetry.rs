//! The credential of a job, ours or of a CI system: what it may say is in its text, signed, so that taking telemetry in reads no table.

use jiff::{SignedDuration, Timestamp};
use quillon_core::Sensitive;
use quillon_core::id::{AttemptId, OrgId, RepositoryId};
use quillon_core::trace::card::Claim;

use crate::InstanceKey;

/// What these tokens are signed for.
const PURPOSE: &str = "telemetry";

/// What they begin with.
const PREFIX: &str = "qtt_";

/// How long a token outlives the longest execution of its job: the last batches come after the end.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// How long the token of a CI job works: as long as GitHub lets a job run
/// (<https://docs.github.com/en/actions/reference/limits>).
pub const CI_LIFETIME: SignedDuration = SignedDuration::from_hours(6);

/// What stands for a repository where none was proved; GitHub's numbers begin at 1.
const NO_REPOSITORY: u64 = 0;

/// Makes the token of an attempt: `qtt_<org>_<attempt>_<repository>_<expiry in epoch seconds>_<signature>`.
///
/// It is good for the longest execution and an hour, and for nothing but telemetry of this attempt.
#[must_use]
pub fn mint(
    key: &InstanceKey,
    org: OrgId,
    attempt: AttemptId,
    repository: RepositoryId,
    timeout_s: u32,
    now: Timestamp,
) -> Sensitive<String> {
    let lifetime = GRACE + SignedDuration::from_secs(i64::from(timeout_s));
    sign(key, &format!("{PREFIX}{org}_{attempt}_{repository}"), lifetime, now)
}

/// Makes the token of a job of a CI system that has shown who it is: `qtt_<org>_ci_<repository, or 0>_<expiry in epoch seconds>_<signature>`.
///
/// It is good for [`CI_LIFETIME`], and for what [`quillon_core::access`] allows to a CI job of the org.
#[must_use]
pub fn mint_ci(key: &InstanceKey, org: OrgId, repository: Option<RepositoryId>, now: Timestamp) -> Sensitive<String> {
    let repository = repository.map_or(NO_REPOSITORY, |repository| repository.0);
    sign(key, &format!("{PREFIX}{org}_ci_{repository}"), CI_LIFETIME, now)
}

fn sign(key: &InstanceKey, says: &str, lifetime: SignedDuration, now: Timestamp) -> Sensitive<String> {
    let expiry = now.as_second().saturating_add(lifetime.as_secs());
    let message = format!("{says}_{expiry}");
    let signature = key.sign(PURPOSE, &message);
    Sensitive::new(format!("{message}_{signature}"))
}

/// Whether a text looks like one of these tokens, before anything is known about it.
#[must_use]
pub fn is_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Who sends, when the token is one of ours and not over; a CI job is a claim without an attempt.
#[must_use]
pub fn verify(key: &InstanceKey, text: &str, now: Timestamp) -> Option<Claim> {
    // Longer than any of ours: not worth a hash.
    if text.len() > 256 {
        return None;
    }
    let (message, signature) = text.rsplit_once('_')?;
    if !key.verify(PURPOSE, message, signature) {
        return None;
    }
    let (message, expiry) = message.strip_prefix(PREFIX)?.rsplit_once('_')?;
    let (message, repository) = message.rsplit_once('_')?;
    if expiry.parse::<i64>().ok()? <= now.as_second() {
        return None;
    }
    let repository: RepositoryId = repository.parse().ok()?;
    if let Some(org) = message.strip_suffix("_ci") {
        let repository = Some(repository).filter(|repository| repository.0 != NO_REPOSITORY);
        return Some(Claim { org: org.parse().ok()?, attempt: None, repository });
    }
    // Ids have an underscore of their own, after their prefix.
    let (org, attempt) = message.split_once("_att_")?;
    let attempt: AttemptId = format!("att_{attempt}").parse().ok()?;
    Some(Claim { org: org.parse().ok()?, attempt: Some(attempt), repository: Some(repository) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> InstanceKey {
        InstanceKey::new(&Sensitive::new(secret.to_owned()))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_token_says_who_sends_until_an_hour_after_the_job() {
        let (org, attempt, repository) = (OrgId::from_parts(1, 2), AttemptId::from_parts(3, 4), RepositoryId(55));
        let token = mint(&key("a"), org, attempt, repository, 600, at(1_000));
        assert!(is_token(token.expose()));
        let claim = Claim { org, attempt: Some(attempt), repository: Some(repository) };
        assert_eq!(verify(&key("a"), token.expose(), at(1_000 + 600 + 3_599)), Some(claim));
        assert_eq!(verify(&key("a"), token.expose(), at(1_000 + 600 + 3_600)), None, "over");
        assert_eq!(verify(&key("b"), token.expose(), at(1_000)), None, "of another instance");
    }

    #[test]
    fn a_token_of_a_ci_job_names_no_attempt_and_is_good_for_six_hours() {
        let org = OrgId::from_parts(1, 2);
        for repository in [Some(RepositoryId(u64::MAX)), None] {
            let token = mint_ci(&key("a"), org, repository, at(1_000));
            assert!(is_token(token.expose()) && token.expose().len() <= 256);
            let claim = Claim { org, attempt: None, repository };
            assert_eq!(verify(&key("a"), token.expose(), at(1_000 + 6 * 3_600 - 1)), Some(claim));
            assert_eq!(verify(&key("a"), token.expose(), at(1_000 + 6 * 3_600)), None, "over");
            assert_eq!(verify(&key("b"), token.expose(), at(1_000)), None, "of another instance");
        }
    }

    #[test]
    fn no_part_of_a_token_can_be_changed() {
        cannot_be_changed(&mint(&key("a"), OrgId::from_parts(1, 2), AttemptId::from_parts(3, 4), RepositoryId(55), 600, at(1_000)));
        cannot_be_changed(&mint_ci(&key("a"), OrgId::from_parts(1, 2), Some(RepositoryId(55)), at(1_000)));
    }

    fn cannot_be_changed(token: &Sensitive<String>) {
        let text = token.expose();
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).expect("text");
            assert_eq!(verify(&key("a"), &changed, at(1_000)), None, "{index}");
        }
        let job = key("a").sign("job", "qtt_x");
        for text in ["", "qtt_", "qtt_x", "_", &format!("qtt_x_{job}"), &text[..text.len() - 1], &format!("{text}_"), &"_".repeat(10_000)] {
            assert_eq!(verify(&key("a"), text, at(1_000)), None, "{text}");
        }
    }
}

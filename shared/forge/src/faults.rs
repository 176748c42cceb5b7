//! Faults in words, a hook for fault matrices, and the record of what was asked.

use std::{collections::VecDeque, sync::Arc};

use http::Method;

use crate::{Forge, lock};

/// Requests that are remembered.
const REQUESTS_KEPT: usize = 65_536;

/// One request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    /// HTTP method.
    pub method: Method,
    /// Path within the forge, without the query.
    pub path: String,
    /// Number of the request since the forge was opened, from 0.
    pub index: u64,
}

/// What happens to one request of a fault matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookAction {
    /// It is served.
    Pass,
    /// It has no effect and is answered with this status.
    FailBefore(u16),
    /// It has its effect and is answered with this status all the same.
    FailAfter(u16),
}

/// Decides about every request.
pub type RequestHook = Arc<dyn Fn(&RequestInfo) -> HookAction + Send + Sync>;

/// What a client sees of a request whose answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The connection ends without an answer.
    Cut,
    /// This status.
    Status(u16),
}

/// Which of GitHub's two limits is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    /// The hourly one: 403 with `x-ratelimit-remaining: 0` and the reset.
    Primary,
    /// The one against abuse: 403 with `Retry-After`.
    Secondary,
}

/// Something that goes wrong a number of times.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Requests are answered with a status and have no effect.
    Status {
        /// Only this method, if given.
        method: Option<Method>,
        /// Only paths that contain this.
        path_contains: String,
        /// The status.
        status: u16,
        /// The body; JSON, like GitHub's own.
        body: String,
        /// Seconds of `Retry-After`, if given.
        retry_after: Option<u32>,
        /// How often.
        times: u32,
    },
    /// Requests have their effect, and the answer is lost.
    TimeoutAfterWrite {
        /// Only this method, if given.
        method: Option<Method>,
        /// Only paths that contain this.
        path_contains: String,
        /// What the client sees.
        answer: Answer,
        /// How often.
        times: u32,
    },
    /// A rate limit is met.
    RateLimited {
        /// Which one.
        limit: RateLimit,
        /// Only paths that contain this.
        path_contains: String,
        /// Seconds until it is over.
        retry_after: u32,
        /// How often.
        times: u32,
    },
    /// Nothing is answered but 503.
    Down {
        /// How often.
        times: u32,
    },
}

/// What to do with one request, all things considered.
pub(crate) enum Verdict {
    Pass,
    Refuse { status: u16, body: String, retry_after: Option<u32> },
    Limit { limit: RateLimit, retry_after: u32 },
    LoseAnswer(Answer),
}

#[derive(Default)]
pub(crate) struct Faults {
    planned: Vec<Fault>,
    hook: Option<RequestHook>,
    requests: VecDeque<RequestInfo>,
    seen: u64,
}

impl Forge {
    /// Plans a fault; the first planned one that fits a request happens.
    pub fn fault(&self, fault: Fault) {
        lock(&self.inner.faults).planned.push(fault);
    }

    /// Forgets all planned faults.
    pub fn clear_faults(&self) {
        lock(&self.inner.faults).planned.clear();
    }

    /// Sets or removes the function that decides about every request.
    pub fn set_hook(&self, hook: Option<RequestHook>) {
        lock(&self.inner.faults).hook = hook;
    }

    /// What was asked so far, oldest first; only the newest 65,536 are kept.
    pub fn requests(&self) -> Vec<RequestInfo> {
        lock(&self.inner.faults).requests.iter().cloned().collect()
    }

    /// Records a request and decides what happens to it.
    pub(crate) fn judge(&self, method: &Method, path: &str) -> Verdict {
        let mut faults = lock(&self.inner.faults);
        let request = RequestInfo { method: method.clone(), path: path.to_owned(), index: faults.seen };
        faults.seen += 1;
        if faults.requests.len() >= REQUESTS_KEPT {
            faults.requests.pop_front();
        }
        faults.requests.push_back(request.clone());
        let planned = faults.take(method, path);
        let hook = faults.hook.clone();
        // The hook may ask the forge something: it runs without the lock.
        drop(faults);
        let action = hook.map_or(HookAction::Pass, |hook| hook(&request));
        match action {
            HookAction::Pass => planned.unwrap_or(Verdict::Pass),
            HookAction::FailBefore(status) => Verdict::Refuse { status, body: String::new(), retry_after: None },
            HookAction::FailAfter(status) => Verdict::LoseAnswer(Answer::Status(status)),
        }
    }
}

impl Faults {
    fn take(&mut self, method: &Method, path: &str) -> Option<Verdict> {
        let position = self.planned.iter().position(|fault| fault.fits(method, path))?;
        let fault = self.planned.get_mut(position)?;
        let (times, verdict) = match fault {
            Fault::Status { status, body, retry_after, times, .. } => {
                (times, Verdict::Refuse { status: *status, body: body.clone(), retry_after: *retry_after })
            }
            Fault::TimeoutAfterWrite { answer, times, .. } => (times, Verdict::LoseAnswer(*answer)),
            Fault::RateLimited { limit, retry_after, times, .. } => (times, Verdict::Limit { limit: *limit, retry_after: *retry_after }),
            Fault::Down { times } => (times, Verdict::Refuse { status: 503, body: String::new(), retry_after: None }),
        };
        *times = times.saturating_sub(1);
        if *times == 0 {
            self.planned.remove(position);
        }
        Some(verdict)
    }
}

impl Fault {
    fn fits(&self, asked: &Method, path: &str) -> bool {
        match self {
            Fault::Status { method, path_contains, .. } | Fault::TimeoutAfterWrite { method, path_contains, .. } => {
                method.as_ref().is_none_or(|method| method == asked) && path.contains(path_contains.as_str())
            }
            Fault::RateLimited { path_contains, .. } => path.contains(path_contains.as_str()),
            Fault::Down { .. } => true,
        }
    }
}

//! Traces of several processes over the tables of one test.

use std::ops::Deref;

use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_traces::Traces;

/// Bytes that the caches of a test may take.
pub(crate) const CACHE: usize = 64 << 20;

/// The tables of one test.
pub(crate) struct Db(quillon_test_tables::Db);

impl Deref for Db {
    type Target = quillon_test_tables::Db;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Db {
    pub(crate) async fn new() -> Self {
        Self(quillon_test_tables::Db::new().await)
    }

    /// Traces of a process that has read nothing yet.
    pub(crate) fn traces(&self) -> Traces {
        Traces::new(self.0.traces.clone(), CACHE)
    }

    /// The sort keys of everything there is of a trace.
    pub(crate) async fn keys(&self, org: OrgId, trace: TraceId) -> Vec<String> {
        self.sort_keys("traces", &format!("T#{org}#{trace}")).await
    }
}

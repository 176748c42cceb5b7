//! The way to the tables: one client, and nothing about what is in them. What it can do is in `read` and `write`.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;

use crate::write::Action;

/// Reads and writes items of any table. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) client: Client,
    /// What every conditional write stores too, in the same transaction.
    pub(crate) along: Arc<[Action]>,
}

impl Access {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, along: Arc::default() }
    }

    /// The same, where every conditional write stores this too, or neither.
    pub(crate) fn along_with(&self, along: Vec<Action>) -> Self {
        Self { client: self.client.clone(), along: along.into() }
    }
}

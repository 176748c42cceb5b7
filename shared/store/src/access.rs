//! The way to the tables: one client, and nothing about what is in them. What it can do is in `read` and `write`.

use aws_sdk_dynamodb::Client;

/// Reads and writes items of any table. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) client: Client,
}

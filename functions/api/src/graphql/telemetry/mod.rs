//! Telemetry, read back: what the stock CLI's `dagger trace` and `dagger cloud logs` ask for.
//!
//! | asked | answered by |
//! |---|---|
//! | query `trace` | [`metadata`] |
//! | subscription `spansUpdated` | [`spans`], which spans: [`choice`], their form: [`record`] |
//! | subscription `logsEmitted` | [`logs`] |
//!
//! An answer is either a snapshot that ends by itself, small enough for the one piece that Lambda can give ([`cost`]), or, where the
//! server can stream, it follows the trace while it runs ([`reader`]).

mod choice;
mod cost;
mod logs;
mod metadata;
mod reader;
mod record;
mod spans;

use async_graphql::{Context, ID, Subscription as SubscriptionRoot};
use futures::stream::BoxStream;

pub(super) use metadata::Trace;
use record::{LogMessage, Span};

use super::error::Failure;
use super::types::Time;

/// What a stream of an answer gives, batch by batch.
type Batches<T> = BoxStream<'static, async_graphql::Result<Vec<T>>>;

/// Where subscriptions begin: `POST /query` with `Accept: text/event-stream`.
pub(crate) struct Subscription;

#[SubscriptionRoot]
impl Subscription {
    /// The spans of a trace, the newest state of each. An empty batch says that everything known so far was sent. The end of the
    /// stream is the end of the trace, or of the time that this server follows one.
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the schema, which the stock CLI fixes")]
    async fn spans_updated(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose trace it is.")] org: ID,
        #[graphql(desc = "32 hex digits.")] trace_id: ID,
        #[graphql(desc = "Whether to send the trace from its roots on: all of it, or what matters most (roots, checks, tests, \
                          revealed spans, origins of errors, and all above them) with `partial` set on every span.")]
        root: bool,
        #[graphql(desc = "Only what existed by this time; the stream does not follow.")] before: Option<Time>,
        #[graphql(desc = "Only what was updated after this time.")] after: Option<Time>,
        #[graphql(desc = "Spans whose subtrees are sent as well.")] listen: Option<Vec<ID>>,
        #[graphql(desc = "Whether `root` means what matters most, however small the trace is.")] incremental: Option<bool>,
    ) -> Result<Batches<Span>, Failure> {
        let wanted = choice::Wanted {
            is_from_roots: root,
            is_incremental: incremental.unwrap_or(false),
            listen: choice::span_ids(listen.as_deref().unwrap_or_default())?,
            before: before.map(|time| time.0),
            after: after.map(|time| time.0),
        };
        spans::batches(context, &org, &trace_id, wanted).await
    }

    /// The log records of a span, by time.
    async fn logs_emitted(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose trace it is.")] org: ID,
        #[graphql(desc = "32 hex digits.")] trace_id: ID,
        #[graphql(desc = "16 hex digits.")] span_id: ID,
        #[graphql(desc = "Whether those of everything below it too; of the root of the run, those of the whole trace.")] descendants: bool,
        #[graphql(desc = "Only those later than this time.")] after: Option<Time>,
    ) -> Result<Batches<LogMessage>, Failure> {
        let span = choice::span_id(&span_id)?;
        let wanted = logs::Wanted { span, is_deep: descendants, after: after.map(|time| time.0) };
        logs::batches(context, &org, &trace_id, wanted).await
    }
}

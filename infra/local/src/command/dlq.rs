//! `quillon dlq`: messages that could not be handled. Diagnostics only: what they hinted at is in the table, and the sweep finds it.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use clap::{Args, Subcommand};

use super::DataDirectory;
use super::data::Data;

/// Most messages that `show` prints.
const MAX_SHOWN: i32 = 10;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
    /// Use the AWS account of the environment instead of a running `quillon up`.
    #[arg(long, global = true)]
    aws: bool,
    #[command(flatten)]
    data: DataDirectory,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the dead-letter queues and how many messages each holds.
    List,
    /// Show messages of a dead-letter queue; they stay where they are.
    Show {
        /// Name of the queue, as `list` shows it.
        queue: String,
    },
    /// Send all messages of a dead-letter queue back to where they came from.
    Redrive {
        /// Name of the queue, as `list` shows it.
        queue: String,
    },
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let client = client(&options).await?;
    match options.action {
        Action::List => list(&client).await?,
        Action::Show { queue } => show(&client, &queue).await?,
        Action::Redrive { queue } => redrive(&client, &queue).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn client(options: &Options) -> anyhow::Result<Client> {
    if options.aws {
        return Ok(Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await));
    }
    let contact = Data::contact(&options.data.data)?;
    let endpoint = contact.url.join("control/v1/aws")?;
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(contact.access_key, "unused", None, None, "quillon up"))
        .endpoint_url(endpoint.as_str())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Ok(Client::from_conf(config))
}

async fn list(client: &Client) -> anyhow::Result<()> {
    let queues = dead_letter_queues(client).await?;
    if queues.is_empty() {
        say("no dead-letter queues: is this the right account and region?");
    }
    for (name, url) in queues {
        let attributes = client.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::ApproximateNumberOfMessages);
        let answer = attributes.send().await.with_context(|| format!("cannot ask `{name}`"))?;
        let count = answer.attributes().and_then(|all| all.get(&QueueAttributeName::ApproximateNumberOfMessages));
        say(&format!("{:>6}  {name}", count.map_or("?", String::as_str)));
    }
    Ok(())
}

async fn show(client: &Client, queue: &str) -> anyhow::Result<()> {
    let url = url_of(client, queue).await?;
    // Visible again at once: looking takes nothing away.
    let received = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(MAX_SHOWN)
        .visibility_timeout(0)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await?;
    if received.messages().is_empty() {
        say(&format!("`{queue}` is empty"));
    }
    for message in received.messages() {
        let attribute = |name| message.attributes().and_then(|all| all.get(&name)).map_or("?", String::as_str);
        say(&format!(
            "{}  sent {}  received {} times\n  {}",
            message.message_id().unwrap_or("?"),
            sent(attribute(MessageSystemAttributeName::SentTimestamp)),
            attribute(MessageSystemAttributeName::ApproximateReceiveCount),
            message.body().unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>(),
        ));
    }
    Ok(())
}

fn sent(milliseconds: &str) -> String {
    let time = milliseconds.parse().ok().and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok());
    time.map_or_else(|| "?".to_owned(), |time| time.to_string())
}

async fn redrive(client: &Client, queue: &str) -> anyhow::Result<()> {
    let url = url_of(client, queue).await?;
    let attributes = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::QueueArn).send().await?;
    let arn = attributes.attributes().and_then(|all| all.get(&QueueAttributeName::QueueArn)).context("the queue has no ARN")?;
    client.start_message_move_task().source_arn(arn).send().await.with_context(|| format!("cannot send the messages of `{queue}` back"))?;
    say(&format!("the messages of `{queue}` are on their way back"));
    Ok(())
}

async fn url_of(client: &Client, queue: &str) -> anyhow::Result<String> {
    let queues = dead_letter_queues(client).await?;
    match queues.iter().find(|(name, _)| name == queue) {
        Some((_, url)) => Ok(url.clone()),
        None => {
            let names: Vec<&str> = queues.iter().map(|(name, _)| name.as_str()).collect();
            bail!("there is no dead-letter queue `{queue}`, there are: {}", names.join(", "))
        }
    }
}

/// Name and URL of every queue that another one names as its dead-letter queue.
async fn dead_letter_queues(client: &Client) -> anyhow::Result<Vec<(String, String)>> {
    let mut pages = client.list_queues().into_paginator().send();
    let mut urls = Vec::new();
    while let Some(page) = pages.next().await {
        urls.extend(page.context("cannot list queues: is `quillon up` still running?")?.queue_urls().to_vec());
    }
    let mut found = Vec::new();
    for url in urls {
        let sources = client.list_dead_letter_source_queues().queue_url(&url).send().await?;
        if !sources.queue_urls().is_empty() {
            let name = url.rsplit('/').next().unwrap_or(&url).to_owned();
            found.push((name, url));
        }
    }
    Ok(found)
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn say(text: &str) {
    println!("{text}");
}

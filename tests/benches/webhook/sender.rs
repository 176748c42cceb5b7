//! A GitHub that sends deliveries over a fixed number of connections, one after the other on each.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use tokio::task::JoinSet;

use crate::sample::Sample;

/// What came of sending.
#[derive(Default)]
pub(crate) struct Sent {
    /// From the request to its answer.
    pub(crate) times: Sample,
    /// Answered with 202.
    pub(crate) accepted: u32,
    /// Answered otherwise, or not at all.
    pub(crate) refused: u32,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Sends these requests in turn, each time under a new delivery id, for `sending`: as fast as they are answered, or `pace` a second.
pub(crate) async fn send(
    url: &str,
    pushes: &[Request<Bytes>],
    connections: usize,
    sending: Duration,
    pace: Option<u32>,
) -> anyhow::Result<Sent> {
    let between = pace.map(|pace| Duration::from_secs(1) * u32::try_from(connections).unwrap_or(1) / pace);
    let mut senders = JoinSet::new();
    let began = Instant::now();
    for connection in 0..connections {
        let (url, pushes) = (format!("{url}/github/webhook"), pushes.to_vec());
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1).timeout(Duration::from_secs(30)).build()?;
        senders.spawn(async move {
            // Spread over the time between two sends, so that the connections do not send in step.
            let offset = between.unwrap_or_default() * u32::try_from(connection).unwrap_or(0) / u32::try_from(connections).unwrap_or(1);
            tokio::time::sleep(offset).await;
            let mut sent = Sent::default();
            for (number, push) in pushes.iter().cycle().enumerate() {
                if began.elapsed() >= sending {
                    break;
                }
                let next = Instant::now() + between.unwrap_or_default();
                one(&client, &url, push, &guid(connection, number), &mut sent).await;
                tokio::time::sleep_until(next.into()).await;
            }
            sent
        });
    }
    let mut all = Sent::default();
    while let Some(sent) = senders.join_next().await {
        let sent = sent?;
        all.times.extend(sent.times);
        all.accepted += sent.accepted;
        all.refused += sent.refused;
    }
    all.took = began.elapsed();
    Ok(all)
}

async fn one(client: &reqwest::Client, url: &str, push: &Request<Bytes>, guid: &str, sent: &mut Sent) {
    let mut headers = push.headers().clone();
    if let Ok(guid) = guid.parse() {
        headers.insert("x-github-delivery", guid);
    }
    let began = Instant::now();
    let answer = client.post(url).headers(headers).body(push.body().clone()).send().await;
    sent.times.extend([began.elapsed()]);
    match answer {
        Ok(answer) if answer.status() == reqwest::StatusCode::ACCEPTED => sent.accepted += 1,
        Ok(_) | Err(_) => sent.refused += 1,
    }
}

/// A delivery id that no other request of this run has.
fn guid(connection: usize, number: usize) -> String {
    format!("{connection:08x}-{:04x}-4000-8000-{number:012x}", std::process::id() & 0xffff)
}

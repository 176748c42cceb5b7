//! Webhooks at the front door: how long a delivery waits for its 202, and how many a second are taken. A delivery is on the
//! disk before it is answered.
//!
//! Twice over: a front door with nothing behind it, and `quillon up` while it works on what it has taken. The sender, and the forge
//! that `up` asks, share its processors.

#[path = "../common/figure.rs"]
mod figure;
#[path = "../common/sample.rs"]
mod sample;
#[path = "../common/stage.rs"]
mod stage;
#[expect(dead_code, reason = "nobody leases anything here, so no commit is ever over")]
#[path = "../common/statuses.rs"]
mod statuses;

mod sender;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use figure::Report;
use http::{Request, Response};
use quillon::engine::Storage;
use quillon::engine::server::AccessKey;
use quillon::system::{Gateway, Origins};
use quillon_forge::{Forge, Sink};
use quillon_tests::{Setup, World};
use sender::{Sent, send};
use serde_json::{Value, json};
use stage::Stage;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

/// Connections of the sender.
const CONNECTIONS: usize = 8;
/// How long each measurement sends.
const SENDING: Duration = Duration::from_secs(10);
/// Deliveries a second where the sender keeps a pace.
const PACE: u32 = 300;
/// Different pushes that are sent again and again, each time as a new delivery.
const PUSHES: usize = 64;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(done) = stage::act_as_quillon() {
        return done;
    }
    stage::runtime()?.block_on(async {
        front_door().await?;
        whole_system().await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A gateway over a system that handles nothing of what it has taken.
async fn front_door() -> anyhow::Result<()> {
    let directory = TempDir::new()?;
    let mut world = World::with(Setup { storage: Storage::Directory(directory.path().to_owned()), ..Setup::default() }).await;
    for number in 0..PUSHES {
        world.push(&format!("branch-{number}")).await;
    }
    let pushes = captured(&world.forge).await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let url = format!("http://{address}");
    let (_stop, stopping) = watch::channel(false);
    let gateway = Gateway {
        system: Arc::clone(&world.system),
        origins: Origins::new(&Url::parse(&url)?, address),
        forge: None,
        control: AccessKey { id: "unused".to_owned(), secret: "unused".to_owned() },
    };
    tokio::spawn(gateway.serve(listener, stopping));
    measure(&url, &pushes, None, json!({ "system": "front door alone, in the process of the sender" })).await?;
    Ok(())
}

/// `quillon up`, which handles what it takes meanwhile.
async fn whole_system() -> anyhow::Result<()> {
    let stage = Stage::start().await?;
    let main = stage.push_main().await?;
    stage.forge.deliver_all().await?;
    let shas = stage.push_branches("branch", PUSHES).await?;
    let pushes = captured(&stage.forge).await?;
    let system = "`quillon up`, its own process, at work on what it takes";
    let cpu = stage.cpu()?;
    let paced = measure(&stage.url, &pushes, Some(PACE), json!({ "system": system })).await?;
    let report = Report::new(
        "webhook_ack",
        json!({ "system": system, "connections": CONNECTIONS, "paced_per_s": PACE, "seconds": SENDING.as_secs() }),
    );
    report.print("cpu_per_delivery", (stage.cpu()? - cpu).as_secs_f64() * 1_000.0 / f64::from(paced.accepted.max(1)), "ms");
    let told = shas.iter().chain([&main]).filter(|sha| stage.statuses.of(sha).first.is_some()).count();
    report.print("commits_told_meanwhile", f64::from(u32::try_from(told)?), "commits");
    measure(&stage.url, &pushes, None, json!({ "system": system })).await?;
    Ok(())
}

/// The requests that the waiting deliveries are, signed by the forge; none of them goes anywhere.
async fn captured(forge: &Forge) -> anyhow::Result<Vec<Request<Bytes>>> {
    let requests: Arc<Mutex<Vec<Request<Bytes>>>> = Arc::default();
    let sink = Arc::clone(&requests);
    forge.set_sink(Sink::handler(move |request| {
        sink.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        async { Response::new(Bytes::new()) }
    }));
    forge.deliver_all().await?;
    let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *requests))
}

async fn measure(url: &str, pushes: &[Request<Bytes>], pace: Option<u32>, about: Value) -> anyhow::Result<Sent> {
    let mut conditions = json!({
        "connections": CONNECTIONS, "seconds": SENDING.as_secs(), "storage": "directory", "durable": "fsync before 202",
        "paced_per_s": pace, "payload_bytes": pushes.first().map(|push| push.body().len()),
    });
    if let (Some(all), Value::Object(about)) = (conditions.as_object_mut(), about) {
        all.extend(about);
    }
    let report = Report::new("webhook_ack", conditions);
    let sent = send(url, pushes, CONNECTIONS, SENDING, pace).await?;
    report.print("p50", sent.times.percentile_ms(50), "ms");
    report.print("p99", sent.times.percentile_ms(99), "ms");
    report.print("accepted_per_second", f64::from(sent.accepted) / sent.took.as_secs_f64(), "deliveries/s");
    report.print("not_accepted", f64::from(sent.refused), "deliveries");
    Ok(sent)
}

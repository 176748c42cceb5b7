//! Exports one small trace, its logs and its metrics with the OpenTelemetry SDK for Rust, and prints the ids as JSON.
//!
//! `quillon-exporter-client ENDPOINT UNIX_NANOSECONDS [--header NAME=VALUE]… [--gzip] [--json] [--unkeyed]`; what the SDK warns of,
//! partial successes among it, is on stderr.

mod record;

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, SystemTime};

use opentelemetry_otlp::{Compression, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::json;

/// What the arguments say.
struct Target {
    endpoint: String,
    at: SystemTime,
    headers: HashMap<String, String>,
    is_gzip: bool,
    is_json: bool,
    /// Whether metric points leave out which trace and span they are of.
    is_unkeyed: bool,
}

impl Target {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let endpoint = arguments.next().ok_or("no endpoint")?;
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(arguments.next().ok_or("no time")?.parse()?);
        let mut target = Self { endpoint, at, headers: HashMap::new(), is_gzip: false, is_json: false, is_unkeyed: false };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--header" => {
                    let header = arguments.next().ok_or("no header")?;
                    let (name, value) = header.split_once('=').ok_or("a header is NAME=VALUE")?;
                    target.headers.insert(name.to_owned(), value.to_owned());
                }
                "--gzip" => target.is_gzip = true,
                "--json" => target.is_json = true,
                "--unkeyed" => target.is_unkeyed = true,
                other => return Err(format!("unknown argument `{other}`").into()),
            }
        }
        Ok(target)
    }

    /// An exporter's builder with everything that was asked for.
    fn configure<B: WithExportConfig + WithHttpConfig>(&self, builder: B, path: &str) -> B {
        let protocol = if self.is_json { Protocol::HttpJson } else { Protocol::HttpBinary };
        let builder = builder.with_endpoint(format!("{}{path}", self.endpoint)).with_protocol(protocol).with_headers(self.headers.clone());
        if self.is_gzip { builder.with_compression(Compression::Gzip) } else { builder }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let target = Target::parse(std::env::args().skip(1))?;
    let resource = Resource::builder_empty().with_attributes(record::resource()).build();

    let exporter = target.configure(SpanExporter::builder().with_http(), "/v1/traces").build()?;
    let tracers = SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(exporter).build();
    let ids = record::spans(&tracers, target.at);
    let spans = tracers.force_flush();

    let exporter = target.configure(LogExporter::builder().with_http(), "/v1/logs").build()?;
    let loggers = SdkLoggerProvider::builder().with_resource(resource.clone()).with_batch_exporter(exporter).build();
    record::logs(&loggers, &ids, target.at);
    let logs = loggers.force_flush();

    let exporter = target.configure(MetricExporter::builder().with_http(), "/v1/metrics").build()?;
    let reader = PeriodicReader::builder(exporter).with_interval(Duration::from_secs(3_600)).build();
    let meters = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
    record::metrics(&meters, (!target.is_unkeyed).then_some(&ids));
    let metrics = meters.force_flush();

    println!(
        "{}",
        json!({
            "trace": ids.trace.to_string(), "root": ids.root.to_string(), "step": ids.step.to_string(), "linked": ids.linked.to_string(),
            "outcomes": { "traces": said(&spans), "logs": said(&logs), "metrics": said(&metrics) },
        })
    );
    // Nothing is left to export; what an end of the meters would export again is of no interest.
    std::process::exit(0)
}

/// `ok`, or what the SDK says of a failed export.
fn said(result: &OTelSdkResult) -> String {
    result.as_ref().map_or_else(ToString::to_string, |()| "ok".to_owned())
}

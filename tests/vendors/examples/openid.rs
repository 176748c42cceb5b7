//! An OpenID provider for tests in other languages: `cargo run -p quillon-test-vendors --example openid -- <redirect address>`.
//!
//! Prints its issuer, client id and client secret as one line of JSON, and serves until its standard input ends. Each line of
//! the input is who signs in from then on, `<subject> <e-mail> <name>`, or `refuse`.

#![expect(clippy::print_stdout, reason = "what the test reads")]

use std::io::BufRead as _;
use std::sync::Arc;

use quillon_test_vendors::openid::{OpenIdProvider, Person};

#[tokio::main]
async fn main() {
    #[expect(clippy::disallowed_methods, reason = "a program of its own, with the time of its machine")]
    let clock = Arc::new(jiff::Timestamp::now);
    let redirects: Vec<String> = std::env::args().skip(1).collect();
    let redirects: Vec<&str> = redirects.iter().map(String::as_str).collect();
    let provider = OpenIdProvider::start(&redirects, clock).await;
    let contact = serde_json::json!({
        "issuer": provider.issuer(), "client_id": provider.client_id(), "client_secret": provider.client_secret(),
    });
    println!("{contact}");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("refuse"), None, None) => provider.refuse(),
            (Some(subject), Some(email), Some(name)) => provider.sign_in_as(Person::new(subject, name, email)),
            (_, _, _) => println!("expected `<subject> <e-mail> <name>` or `refuse`"),
        }
    }
}

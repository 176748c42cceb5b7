//! `infra/roots/roots.pem` is what its comments say, read as the TLS stack of the functions reads it.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

const PEM: &str = include_str!("../../../infra/roots/roots.pem");

/// The day of the last look at this file, 2026-11-22. A test that asks the machine for the time fails on a day when nothing changed.
const LOOKED_AT: Duration = Duration::from_secs(1_795_305_600);

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Name, last day and fingerprint, as the comments have them.
fn commented() -> Vec<(String, String, String)> {
    let mut lines = PEM.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some((name, until)) = line.strip_prefix("# ").and_then(|line| line.split_once(", until ")) else { continue };
        let fingerprint = lines.next().and_then(|line| line.strip_prefix("# SHA-256 ")).expect("a fingerprint");
        found.push((name.to_owned(), until.to_owned(), fingerprint.to_owned()));
    }
    found
}

fn certificates() -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(PEM.as_bytes()).collect::<Result<_, _>>().expect("a PEM file")
}

/// When the certificate ends, since 1970.
fn end(certificate: &CertificateDer<'_>) -> Duration {
    let certificate = Certificate::from_der(certificate).expect("a certificate");
    certificate.tbs_certificate.validity.not_after.to_unix_duration()
}

#[test]
fn every_comment_is_about_the_certificate_below_it() {
    let (commented, certificates) = (commented(), certificates());
    assert_eq!(commented.len(), certificates.len());
    for ((name, until, fingerprint), certificate) in commented.iter().zip(&certificates) {
        assert_eq!(*fingerprint, hex::encode(Sha256::digest(certificate)), "{name}");
        let last = Timestamp::from_second(i64::try_from(end(certificate).as_secs()).expect("a time")).expect("a time");
        assert!(last.to_string().starts_with(until.as_str()), "{name} ends at {last}");
    }
}

#[test]
fn every_root_is_trusted_by_mozilla_and_stays_valid_for_a_year() {
    for ((name, ..), certificate) in commented().iter().zip(certificates()) {
        assert!(TLS_SERVER_ROOT_CERTS.contains(&certificate), "Mozilla does not trust {name} any more");
        assert!(end(&certificate) > LOOKED_AT + YEAR, "{name} ends within a year");
    }
}

#[test]
fn the_roots_of_aws_and_of_github_are_there() {
    let names: Vec<String> = commented().into_iter().map(|(name, ..)| name).collect();
    for wanted in ["Amazon Root CA 1", "Starfield Services Root Certificate Authority - G2", "USERTrust ECC Certification Authority"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is missing");
    }
}

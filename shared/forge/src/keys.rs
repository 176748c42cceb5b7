//! The App's key pair and the push credential: made once, kept in the root directory, readable by their owner only.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use aws_lc_rs::{
    encoding::AsDer,
    rand::{SecureRandom, SystemRandom},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use jsonwebtoken::DecodingKey;
use sha2::{Digest, Sha256};

use crate::ForgeError;

/// The key pair of the App.
pub(crate) struct AppKey {
    pub(crate) private_pem: String,
    pub(crate) public: DecodingKey,
}

impl AppKey {
    /// Takes the given key, else the one in the file, else makes one.
    pub(crate) fn open(root: &Path, given: Option<&str>) -> Result<AppKey, ForgeError> {
        let pem = match given {
            Some(pem) => pem.to_owned(),
            None => kept(&root.join("app-key.pem"), generate)?,
        };
        AppKey::parse(pem)
    }

    fn parse(private_pem: String) -> Result<AppKey, ForgeError> {
        let base64: String = private_pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = BASE64_STANDARD.decode(base64.trim()).map_err(|_| ForgeError::Key("it is not PEM".to_owned()))?;
        let pair = KeyPair::from_pkcs8(&der)
            .or_else(|_| KeyPair::from_der(&der))
            .map_err(|error| ForgeError::Key(format!("it is not an RSA key: {error}")))?;
        let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
        Ok(AppKey { public: DecodingKey::from_rsa_der(public.as_ref()), private_pem })
    }
}

/// The credential that may push to every repository.
pub(crate) fn push_token(root: &Path) -> Result<String, ForgeError> {
    kept(&root.join("push-token"), || random_token("ghp_")).map(|token| token.trim().to_owned())
}

/// The App's OAuth client secret.
pub(crate) fn client_secret(root: &Path) -> Result<String, ForgeError> {
    kept(&root.join("client-secret"), || random_token("")).map(|secret| secret.trim().to_owned())
}

/// A token in the form of GitHub's: a prefix and 36 letters and digits or more.
pub(crate) fn random_token(prefix: &str) -> Result<String, ForgeError> {
    let mut bytes = [0; 20];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ForgeError::Key("no randomness".to_owned()))?;
    Ok(format!("{prefix}{}", hex::encode(bytes)))
}

/// How a token is remembered.
pub(crate) fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

fn generate() -> Result<String, ForgeError> {
    let unspecified = |_| ForgeError::Key("the RSA key could not be generated".to_owned());
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(unspecified)?;
    let der = pair.as_der().map_err(unspecified)?;
    let text = BASE64_STANDARD.encode(der.as_ref());
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(pem)
}

/// Reads a file, or makes its contents and writes them with mode 0600; a crash leaves all of it or nothing.
fn kept(path: &Path, make: impl FnOnce() -> Result<String, ForgeError>) -> Result<String, ForgeError> {
    match fs::read_to_string(path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(ForgeError::files(path)(error)),
    }
    let text = make()?;
    let draft = path.with_extension("new");
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(ForgeError::files(path))?;
    Ok(text)
}

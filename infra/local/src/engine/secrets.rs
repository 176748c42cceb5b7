//! Secrets Manager: the operations that Quillon uses, kept in one private file.
//!
//! Reference: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/>.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use quillon_runtime::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::wire::{Response, random_uuid};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";
/// Largest value, in bytes.
const MAX_VALUE: usize = 65_536;
/// Versions kept beside those that carry a stage.
const MAX_UNSTAGED: usize = 20;

/// The secret service.
#[derive(Debug)]
pub struct Secrets {
    file: Option<PathBuf>,
    clock: Clock,
    secrets: Mutex<BTreeMap<String, Secret>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Secret {
    arn: String,
    description: Option<String>,
    created_ms: i64,
    changed_ms: i64,
    /// Oldest first.
    versions: Vec<Version>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Version {
    id: String,
    stages: Vec<String>,
    created_ms: i64,
    text: Option<String>,
    /// Base64, as on the wire.
    binary: Option<String>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("arn", &self.arn).finish_non_exhaustive()
    }
}

/// Why the file of secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read or written.
    #[error("the secrets in `{path}` cannot be read or written")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what this engine wrote.
    #[error("the secrets in `{path}` are damaged: restore the file, or delete it to start without secrets")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

enum Failure {
    Refused { kind: &'static str, message: String },
    Broken(SecretsError),
}

fn refused(kind: &'static str, message: impl Into<String>) -> Failure {
    Failure::Refused { kind, message: message.into() }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewValue {
    client_request_token: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateSecret {
    name: String,
    description: Option<String>,
    #[serde(flatten)]
    value: NewValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutSecretValue {
    secret_id: String,
    #[serde(flatten)]
    value: NewValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReadSecret {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

impl Secrets {
    /// Opens the secrets stored in `file`, or secrets in memory that end with this value.
    ///
    /// # Errors
    ///
    /// If the file exists and cannot be read, or is not what this engine wrote.
    pub fn open(file: Option<&Path>, clock: Clock) -> Result<Self, SecretsError> {
        let secrets = match file {
            Some(path) => match std::fs::read(path) {
                Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| SecretsError::Damaged { path: path.to_owned(), source })?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
                Err(source) => return Err(SecretsError::File { path: path.to_owned(), source }),
            },
            None => BTreeMap::new(),
        };
        Ok(Self { file: file.map(Path::to_owned), clock, secrets: Mutex::new(secrets) })
    }

    /// Answers one request of the AWS JSON protocol. Blocks while it writes the file.
    #[must_use]
    pub fn call(&self, operation: &str, body: &[u8]) -> Response {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match operation {
            "CreateSecret" => parse(body).and_then(|request| self.create(&mut secrets, request)),
            "PutSecretValue" => parse(body).and_then(|request| self.put(&mut secrets, request)),
            "GetSecretValue" => parse(body).and_then(|request| value(&secrets, &request)),
            "DescribeSecret" => parse(body).and_then(|request| describe(&secrets, &request)),
            _ => Err(refused("UnknownOperationException", "not an operation of this engine")),
        };
        match answer {
            Ok(document) => Response::ok(&document),
            Err(Failure::Refused { kind, message }) => Response::error(400, kind, &message),
            Err(Failure::Broken(error)) => Response::internal(&error),
        }
    }

    fn create(&self, secrets: &mut BTreeMap<String, Secret>, request: CreateSecret) -> Result<Value, Failure> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
        if request.name.is_empty() || request.name.len() > 512 || !request.name.chars().all(legal) {
            return Err(refused("InvalidParameterException", "Invalid name. Must be a valid name of 1 to 512 letters."));
        }
        if let Some(existing) = secrets.get(&request.name) {
            // A repeated request with the same token is the same request.
            let repeated = request.value.client_request_token.as_deref().and_then(|token| existing.version(token));
            return match repeated {
                Some(version) if version.holds(&request.value) => {
                    Ok(json!({ "ARN": existing.arn, "Name": request.name, "VersionId": version.id }))
                }
                Some(_) | None => Err(refused(
                    "ResourceExistsException",
                    format!("The operation failed because the secret {} already exists.", request.name),
                )),
            };
        }
        let now = self.clock.now_ms();
        let mut secret = Secret {
            arn: secret_arn(&request.name),
            description: request.description,
            created_ms: now,
            changed_ms: now,
            versions: Vec::new(),
        };
        let mut document = json!({ "ARN": secret.arn, "Name": request.name });
        if request.value.secret_string.is_some() || request.value.secret_binary.is_some() {
            document["VersionId"] = json!(secret.add(request.value, now)?);
        }
        self.commit(secrets, request.name, secret)?;
        Ok(document)
    }

    fn put(&self, secrets: &mut BTreeMap<String, Secret>, request: PutSecretValue) -> Result<Value, Failure> {
        let (name, existing) = find(secrets, &request.secret_id)?;
        let name = name.to_owned();
        let mut secret = existing.clone();
        let repeated = request.value.client_request_token.as_deref().and_then(|token| secret.version(token));
        let id = match repeated {
            Some(version) if version.holds(&request.value) => version.id.clone(),
            Some(version) => {
                let message = format!("A version with the id {} and another value already exists.", version.id);
                return Err(refused("ResourceExistsException", message));
            }
            None => secret.add(request.value, self.clock.now_ms())?,
        };
        let stages = secret.version(&id).map(|version| version.stages.clone()).unwrap_or_default();
        let document = json!({ "ARN": secret.arn, "Name": name, "VersionId": id, "VersionStages": stages });
        self.commit(secrets, name, secret)?;
        Ok(document)
    }

    /// Stores a changed secret: on disk first, then in memory.
    fn commit(&self, secrets: &mut BTreeMap<String, Secret>, name: String, secret: Secret) -> Result<(), Failure> {
        let mut next = secrets.clone();
        next.insert(name, secret);
        if let Some(path) = &self.file {
            write(path, &next).map_err(|source| Failure::Broken(SecretsError::File { path: path.clone(), source }))?;
        }
        *secrets = next;
        Ok(())
    }
}

impl Secret {
    fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// Adds a value as the current one; the current one before becomes the previous one.
    fn add(&mut self, value: NewValue, now: i64) -> Result<String, Failure> {
        let size = value.secret_string.as_ref().or(value.secret_binary.as_ref()).map_or(0, String::len);
        if value.secret_string.is_some() == value.secret_binary.is_some() || size == 0 {
            let message = "You must provide either SecretString or SecretBinary.";
            return Err(refused("InvalidRequestException", message));
        }
        if size > MAX_VALUE {
            return Err(refused("InvalidParameterException", "The value must be at most 65536 bytes long."));
        }
        for version in &mut self.versions {
            version.stages.retain(|stage| stage != PREVIOUS);
            if version.stages.iter().any(|stage| stage == CURRENT) {
                version.stages = vec![PREVIOUS.to_owned()];
            }
        }
        let id = value.client_request_token.unwrap_or_else(random_uuid);
        self.versions.push(Version {
            id: id.clone(),
            stages: vec![CURRENT.to_owned()],
            created_ms: now,
            text: value.secret_string,
            binary: value.secret_binary,
        });
        let mut surplus = self.versions.iter().filter(|version| version.stages.is_empty()).count().saturating_sub(MAX_UNSTAGED);
        self.versions.retain(|version| {
            let drop = version.stages.is_empty() && surplus > 0;
            surplus -= usize::from(drop);
            !drop
        });
        self.changed_ms = now;
        Ok(id)
    }
}

impl Version {
    fn holds(&self, value: &NewValue) -> bool {
        self.text == value.secret_string && self.binary == value.secret_binary
    }
}

/// The ARN of a secret. The six letters that AWS draws at random are derived from the name here, so that an ARN is known
/// before its secret exists.
#[must_use]
pub fn secret_arn(name: &str) -> String {
    let suffix = hex::encode(&Sha256::digest(name.as_bytes())[..3]);
    format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}-{suffix}")
}

fn parse<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| refused("SerializationException", error.to_string()))
}

/// Finds a secret by name or ARN.
fn find<'a>(secrets: &'a BTreeMap<String, Secret>, id: &str) -> Result<(&'a str, &'a Secret), Failure> {
    secrets
        .get_key_value(id)
        .or_else(|| secrets.iter().find(|(_, secret)| secret.arn == id))
        .map(|(name, secret)| (name.as_str(), secret))
        .ok_or_else(|| refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret."))
}

fn value(secrets: &BTreeMap<String, Secret>, request: &ReadSecret) -> Result<Value, Failure> {
    let (name, secret) = find(secrets, &request.secret_id)?;
    let stage = match (&request.version_stage, &request.version_id) {
        (Some(stage), _) => Some(stage.as_str()),
        (None, None) => Some(CURRENT),
        (None, Some(_)) => None,
    };
    let version = secret.versions.iter().find(|version| {
        request.version_id.as_ref().is_none_or(|id| *id == version.id)
            && stage.is_none_or(|stage| version.stages.iter().any(|held| held == stage))
    });
    let version = version.ok_or_else(|| {
        let sought = stage.or(request.version_id.as_deref()).unwrap_or(CURRENT);
        let message = format!("Secrets Manager can't find the specified secret value for: {sought}");
        refused("ResourceNotFoundException", message)
    })?;
    let mut document = json!({
        "ARN": secret.arn,
        "Name": name,
        "VersionId": version.id,
        "VersionStages": version.stages,
        "CreatedDate": seconds(version.created_ms),
    });
    if let Some(text) = &version.text {
        document["SecretString"] = json!(text);
    }
    if let Some(binary) = &version.binary {
        document["SecretBinary"] = json!(binary);
    }
    Ok(document)
}

fn describe(secrets: &BTreeMap<String, Secret>, request: &ReadSecret) -> Result<Value, Failure> {
    let (name, secret) = find(secrets, &request.secret_id)?;
    let stages: BTreeMap<_, _> =
        secret.versions.iter().filter(|version| !version.stages.is_empty()).map(|version| (&version.id, &version.stages)).collect();
    let mut document = json!({
        "ARN": secret.arn,
        "Name": name,
        "CreatedDate": seconds(secret.created_ms),
        "LastChangedDate": seconds(secret.changed_ms),
        "VersionIdsToStages": stages,
    });
    if let Some(description) = &secret.description {
        document["Description"] = json!(description);
    }
    Ok(document)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium fit into 53 bits")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// Replaces the file in one step, so that a crash leaves the old or the new secrets, readable by the owner only.
fn write(path: &Path, secrets: &BTreeMap<String, Secret>) -> Result<(), std::io::Error> {
    let temporary = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(secrets)?)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    // The rename itself is durable once the directory is.
    if let Some(directory) = path.parent() {
        std::fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

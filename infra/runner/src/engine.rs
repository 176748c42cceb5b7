//! The engine that the agent's owner names: whether anybody answers there.
//!
//! Without an answer the CLI waits silently and for ever, which would look like a check that hangs.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

/// The variable that names an engine; see <https://docs.dagger.io/reference/configuration/custom-runner>.
const VARIABLE: &str = "_EXPERIMENTAL_DAGGER_RUNNER_HOST";

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nobody answers at the engine's address.
#[derive(Debug, thiserror::Error)]
#[error("no engine answers at `{address}` ({reason}); start it, or correct `{VARIABLE}` of the agent")]
pub(crate) struct NoEngine {
    address: String,
    reason: std::io::Error,
}

/// Connects to the named engine, where it is named by a socket or an address. Others are the CLI's to start.
pub(crate) async fn answers(environment: &BTreeMap<String, String>) -> Result<(), NoEngine> {
    let Some(address) = environment.get(VARIABLE) else { return Ok(()) };
    let connected = async {
        match address.split_once("://") {
            Some(("unix", path)) => UnixStream::connect(path).await.map(drop),
            Some(("tcp", host)) => TcpStream::connect(host).await.map(drop),
            Some(_) | None => Ok(()),
        }
    };
    let late = |_| Err(std::io::ErrorKind::TimedOut.into());
    let answer = tokio::time::timeout(PATIENCE, connected).await.unwrap_or_else(late);
    answer.map_err(|reason| NoEngine { address: address.clone(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(address: &str) -> Result<(), String> {
        answers(&BTreeMap::from([(VARIABLE.to_owned(), address.to_owned())])).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let socket = directory.path().join("engine.sock");
        let address = format!("unix://{}", socket.display());
        assert!(answer(&address).await.expect_err("nobody").contains(&address));
        let listener = tokio::net::UnixListener::bind(&socket).expect("bind");
        assert_eq!(answer(&address).await, Ok(()));
        drop(listener);
        assert!(answer("tcp://127.0.0.1:1").await.is_err());
        for address in ["image://registry.dagger.io/engine:v0.21.8", "container://dagger-engine.dev", "nonsense"] {
            assert_eq!(answer(address).await, Ok(()));
        }
        assert!(answers(&BTreeMap::new()).await.is_ok());
    }
}

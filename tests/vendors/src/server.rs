//! A router on a loopback port, for as long as somebody holds it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running server; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its address, without a slash at the end.
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Server {
    /// Takes a free port; what it serves may depend on the address.
    pub(crate) async fn start(router: impl FnOnce(&str) -> Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free loopback port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = router(&url);
        let task = tokio::spawn(async move {
            // It ends with its test and not before.
            let _ = axum::serve(listener, router).await;
        });
        Self { url, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Locks; whoever panicked with it has failed its test already.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The one way in which everything ends: on request, or because a part failed.

use std::panic;
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio_util::sync::CancellationToken;

/// The name of threads that work on what strangers have sent, with nothing of the server in their hands: a panic there
/// is the end of that work, and of nothing else.
pub const EXPENDABLE_THREAD: &str = "expendable";

/// Shared by all parts of a server. The first reason counts.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    failure: Arc<OnceLock<String>>,
}

impl Shutdown {
    /// Asks everything to end.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// Asks everything to end because of a failure, which is logged.
    pub fn fail(&self, reason: String) {
        tracing::error!("{reason}");
        if !self.token.is_cancelled() {
            let _ = self.failure.set(reason);
        }
        self.token.cancel();
    }

    /// From now on a panic anywhere in this process, but in an expendable thread, is a failure of the server.
    pub fn fail_on_panic(&self) {
        let shutdown = self.clone();
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            default(panic);
            if thread::current().name() == Some(EXPENDABLE_THREAD) {
                return;
            }
            shutdown.fail(panic.to_string().replace('\n', " "));
        }));
    }

    /// Returns when the end was asked for.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// What failed, if that is why.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

//! What a host was told last, on standard input.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::{io, process, thread};

/// The line that starts the measured part.
pub const GO: &str = "go";
/// The line that ends it.
pub const STOP: &str = "stop";

const WAITING: u8 = 0;
const GOING: u8 = 1;
const STOPPED: u8 = 2;

/// Follows standard input in a thread.
pub struct Control(Arc<AtomicU8>);

impl Control {
    /// Starts to follow. The process ends with its input, for then nobody is left to report to.
    pub fn follow() -> Self {
        let state = Arc::new(AtomicU8::new(WAITING));
        let told = Arc::clone(&state);
        thread::spawn(move || {
            for line in io::stdin().lines().map_while(Result::ok) {
                match line.as_str() {
                    GO => told.store(GOING, Ordering::Relaxed),
                    STOP => told.store(STOPPED, Ordering::Relaxed),
                    _ => {}
                }
            }
            process::exit(1);
        });
        Self(state)
    }

    /// Whether the measured part has yet to begin.
    pub fn waiting(&self) -> bool {
        self.0.load(Ordering::Relaxed) == WAITING
    }

    /// Whether it is over.
    pub fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed) == STOPPED
    }
}

//! Ctrl-C and its like: what was made is removed before the program ends.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static HAPPENED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: i32) {
    HAPPENED.store(true, Ordering::Relaxed);
}

/// From now on an interrupt is noted instead of ending the program.
#[allow(unsafe_code)]
pub fn catch() -> io::Result<()> {
    let action = SigAction::new(
        SigHandler::Handler(note),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler does nothing but store to an atomic, which a signal handler may do.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// Whether there was one.
pub fn happened() -> bool {
    HAPPENED.load(Ordering::Relaxed)
}

//! Bars at the bottom of standard error, and how everything else is printed above them.

use std::sync::LazyLock;

use indicatif::{MultiProgress, ProgressBar};

/// A process has one terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Shows a bar below those that are there; it is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn show(bar: ProgressBar) -> Self {
        Self(BARS.add(bar))
    }

    /// So much is done; `who` stands behind it.
    pub(super) fn set(&self, done: u64, who: &str) {
        self.0.set_position(done);
        self.0.set_prefix(who.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        BARS.remove(&self.0);
    }
}

/// Prints something, on standard output or standard error, where no bar is: they come back below it.
pub(super) fn above<T>(print: impl FnOnce() -> T) -> T {
    BARS.suspend(print)
}

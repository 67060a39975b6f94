//! Signals that end the program. It ends in order: the others are told that we leave.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for one of some signals, from when it is made.
pub(super) struct Ending(Vec<Signal>);

impl Ending {
    /// Of a command, or of a script: Ctrl-C and SIGTERM. SIGHUP is left as it was found: `nohup` has it ignored.
    ///
    /// # Errors
    /// The system does not let a signal be waited for; so for the other.
    pub(super) fn of_command() -> io::Result<Self> {
        Self::of(&[SignalKind::interrupt(), SignalKind::terminate()])
    }

    /// Of who types at a terminal: SIGTERM, and SIGHUP, which comes when its window is closed. Ctrl-C is a key there.
    pub(super) fn of_terminal() -> io::Result<Self> {
        Self::of(&[SignalKind::terminate(), SignalKind::hangup()])
    }

    fn of(kinds: &[SignalKind]) -> io::Result<Self> {
        let signals = kinds.iter().map(|kind| signal(*kind));
        signals.collect::<Result<_, _>>().map(Self)
    }

    /// Until one has come. May be dropped and called again without losing any.
    pub(super) async fn come(&mut self) {
        poll_fn(|context| {
            let mut signals = self.0.iter_mut();
            match signals.any(|signal| signal.poll_recv(context).is_ready()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Does this last thing to its end, unless another comes: who sends it twice does not want to wait. Nor does who types Ctrl-C
    /// then, which is no key any more.
    pub(super) async fn unless_again(&mut self, done: impl Future<Output = ()>) {
        // Where the system does not let it be waited for, it ends the program by itself.
        self.0.extend(signal(SignalKind::interrupt()));
        tokio::select! {
            () = done => {}
            () = self.come() => {}
        }
    }
}

/// Whether a signal that ends a command has come, also for who holds up the program's only thread.
#[derive(Clone, Debug)]
pub(super) struct EndingFlag(Arc<AtomicBool>);

impl EndingFlag {
    /// Of the signals of [`Ending::of_command`]. Where the system does not let it be waited for, it is never set.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn of_command() -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&flag);
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || {
            if await_ending().is_ok() {
                theirs.store(true, Ordering::Relaxed);
            }
        })?;
        Ok(Self(flag))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn await_ending() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        Ending::of_command()?.come().await;
        Ok(())
    })
}

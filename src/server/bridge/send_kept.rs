//! A file that a relayed guest has brought, and offers in its room, is sent to the group in its place.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use super::room_files::HeardOffer;
use super::talk_log::FileLog;
use crate::files::SourceFile;
use crate::multicast::config::FILE_DATAGRAM_OVERHEAD_BYTES;
use crate::net::transfer::{self, Outgoing, SendingOptions};
use crate::server::files::Files;

/// A file that nobody wanted for so long is not offered any more: who comes later gets it over the connection.
const REST: Duration = Duration::from_secs(120);

/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct SendTask {
    pub(super) log: FileLog,
    pub(super) files: Files,
    pub(super) options: SendingOptions,
    pub(super) heard: HeardOffer,
    /// Cancelled when the seat is left.
    pub(super) left: CancellationToken,
}

impl SendTask {
    /// Until nobody has wanted it for long; or why it cannot be sent.
    pub(super) async fn run(&self) -> Result<(), String> {
        let (file, from) = (self.heard.described(), self.heard.from());
        let outgoing = self.start().await?;
        self.log.say(format_args!("sends {file} for {from}"));
        tokio::select! {
            () = rest(&outgoing) => {}
            () = self.left.cancelled() => {}
        }
        if let Some(reason) = &outgoing.state().borrow().failed {
            self.log.say(format_args!(
                "{file} of {from} is not sent any more: {reason}"
            ));
        }
        outgoing.end().await;
        Ok(())
    }

    async fn start(&self) -> Result<Outgoing, String> {
        let offer = self.heard.offer.clone();
        let mtu_bytes = self.options.interface.mtu_bytes();
        if usize::from(offer.symbol_bytes) + FILE_DATAGRAM_OVERHEAD_BYTES > mtu_bytes {
            return Err("its symbols are too long for this network".to_owned());
        }
        let (hash, size_bytes) = (offer.file.hash, offer.file.size_bytes);
        let found = self.files.ask(move |store| store.use_kept(hash)).await;
        let found = found.map_err(|refusal| refusal.text)?.await;
        let kept = found.ok().flatten();
        let kept = kept.filter(|kept| kept.offer.size_bytes == size_bytes);
        let kept = kept.ok_or("it is not here")?;
        let options = self.options.clone();
        let started = spawn_blocking(move || {
            let source = SourceFile::open_kept(&kept.path, &kept.offer);
            let source = source.map_err(|error| error.to_string())?;
            transfer::send(&options, &offer, source).map_err(|error| error.to_string())
        });
        started.await.map_err(|error| error.to_string())?
    }
}

/// Until nobody has wanted the file for long, or it cannot be sent.
async fn rest(outgoing: &Outgoing) {
    let state = outgoing.state();
    let mut look = interval(LOOK);
    let mut wanted = Instant::now();
    while wanted.elapsed() < REST {
        look.tick().await;
        let sent = state.borrow();
        if sent.failed.is_some() {
            return;
        }
        if sent.waiting > 0 {
            wanted = Instant::now();
        }
    }
}

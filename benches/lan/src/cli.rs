//! What can be said on the command line.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::peers::{BASE, PEERS, Peer, Place};

mod files;

pub use files::{FileArgs, FileOptions};

/// Compares reliable and bare multicast transports on a network of namespaces that it makes and removes.
/// Needs root, and nothing else of the machine: no datagram leaves the namespaces.
#[derive(Debug, Parser)]
#[command(name = "bench-lan", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lines a second from one sender to every receiver
    Throughput(Options),
    /// The way of a line through an idle room, at 1,000 lines a second
    Latency(Options),
    /// What random loss at the receivers costs
    Recovery(Options),
    /// A flow through a link of 100 Mb/s
    Bottleneck(Options),
    /// All of these, which are about lines
    All(Options),
    /// A file from one sender to every receiver, with random loss at the receivers
    Files(FileOptions),
    /// A file through links of 100 Mb/s
    FilesBottleneck(FileOptions),
    /// The way of a line while files go the same way
    FilesChat(FileOptions),
    /// The sender, on its host
    #[command(hide = true)]
    Send(SendArgs),
    /// A receiver, on its host
    #[command(hide = true)]
    Receive(ReceiveArgs),
    /// The sender of a file, on its host
    #[command(hide = true)]
    SendFile(FileArgs),
    /// A receiver of a file, on its host
    #[command(hide = true)]
    ReceiveFile(FileArgs),
}

/// How to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// The transports to compare; the base, sendmsg, is always among them [default: all, but in
    /// recovery of the bare ones only the base]
    #[arg(long, value_delimiter = ',', value_parser = peer)]
    pub peers: Vec<&'static Peer>,
    /// How many receivers, each number a setting of its own (throughput and latency)
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 8], value_parser = receivers)]
    pub receivers: Vec<usize>,
    /// Tables have the medians of that many runs [default: 3, or 1 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: Option<u32>,
    /// How long a run takes, about; one at 5 lines a second takes twelve times as long [default: 5, or 1
    /// with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// One short run of each: whether it works, not how well
    #[arg(long)]
    quick: bool,
    /// Wait for lines by asking again and again, where a transport can, instead of sleeping
    #[arg(long)]
    pub spin: bool,
    /// Let the sender lose what it receives too (recovery)
    #[arg(long)]
    pub lossy_sender: bool,
}

impl Options {
    /// How many runs to take medians of.
    pub fn runs(&self) -> u32 {
        self.runs.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// How long a run takes, about.
    pub fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(if self.quick { 1 } else { 5 })
    }

    /// The base, then the others that were asked for, or else those of `default`.
    pub fn peers_or(&self, default: impl Fn(&Peer) -> bool) -> Vec<&'static Peer> {
        let asked = |peer: &Peer| match self.peers.is_empty() {
            true => default(peer),
            false => self.peers.iter().any(|asked| asked.name == peer.name),
        };
        let others = PEERS.iter().skip(1).filter(|peer| asked(peer));
        std::iter::once(BASE).chain(others).collect()
    }
}

/// Where a host's end of the transport is.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    #[arg(long)]
    peer: String,
    #[arg(long)]
    group: SocketAddrV4,
    #[arg(long)]
    interface: Ipv4Addr,
    #[arg(long)]
    spin: bool,
    #[arg(long)]
    scratch: PathBuf,
    #[arg(long)]
    limit: u64,
}

impl PlaceArgs {
    /// The transport.
    pub fn peer(&self) -> Result<&'static Peer, String> {
        peer(&self.peer)
    }

    /// The place.
    pub fn place(&self) -> Place {
        Place {
            group: self.group,
            interface: self.interface,
            spin: self.spin,
            scratch: self.scratch.clone(),
        }
    }

    /// After this the process ends, come what may.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }
}

/// What the sender is to say.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How many receivers to wait for.
    #[arg(long)]
    pub receivers: usize,
    /// How many lines, unless the time is up before.
    #[arg(long)]
    pub lines: Option<u64>,
    /// How long, where it says lines as fast as can be.
    #[arg(long)]
    pub seconds: f64,
    /// How many lines a second, or else as fast as can be.
    #[arg(long)]
    pub rate: Option<f64>,
}

/// What a receiver is to look at.
#[derive(Debug, Args)]
pub struct ReceiveArgs {
    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How many lines there will be, if that is known.
    #[arg(long)]
    pub lines: Option<u64>,
    /// Whether to keep how long each took.
    #[arg(long)]
    pub latencies: bool,
}

fn peer(name: &str) -> Result<&'static Peer, String> {
    Peer::named(name).ok_or_else(|| {
        let names: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
        format!("this build has {}", names.join(", "))
    })
}

/// The network has one address a host.
fn receivers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=64).contains(number));
    number.ok_or_else(|| "1 to 64 receivers".to_owned())
}

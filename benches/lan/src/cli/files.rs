//! What can be said about files.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::receivers;
use crate::file_peers::{End, FILE_PEERS, FilePeer, Setting};

/// How to measure with files.
#[derive(Debug, Args)]
pub struct FileOptions {
    /// What to compare [default: those with a row in the report]
    #[arg(long, value_delimiter = ',', value_parser = file_peer)]
    peers: Vec<&'static FilePeer>,
    /// How many receivers, each number a table of its own (a row in files-chat)
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 8], value_parser = receivers)]
    pub receivers: Vec<usize>,
    /// The share that each receiver loses of what it receives, in percent (files only)
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 5, 20], value_parser = clap::value_parser!(u32).range(0..=90))]
    pub loss: Vec<u32>,
    /// Have datagrams cut before the wire without loss too, as they are with it
    #[arg(long)]
    pub cut: bool,
    /// Have receivers' interfaces join datagrams that come close to each other, as network cards do (files only)
    #[arg(long)]
    pub gro: bool,
    /// How large the file is, in millions of bytes
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub megabytes: u32,
    /// Tables have the medians of that many runs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub runs: u32,
    /// How many seconds a transfer may take before it counts as stalled
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    patience: u32,
    /// The folder that the file is sent from and received in, on the disk to measure with [default: the
    /// system's for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl FileOptions {
    /// Those that were asked for, or else those that such a setting is for.
    pub fn peers(&self, setting: Setting) -> Vec<&'static FilePeer> {
        match self.peers.is_empty() {
            true => {
                let all = FILE_PEERS.iter();
                all.filter(|peer| peer.settings.contains(&setting))
                    .collect()
            }
            false => self.peers.clone(),
        }
    }

    /// How large the file is.
    pub fn bytes(&self) -> u64 {
        u64::from(self.megabytes) * 1_000_000
    }

    /// How long a transfer may take.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience.into())
    }

    /// Where files are.
    pub fn dir(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// One end of a transfer, and of what.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// Of what.
    #[arg(long, value_parser = file_peer)]
    pub peer: &'static FilePeer,
    /// The end.
    #[command(flatten)]
    pub end: End,
}

fn file_peer(name: &str) -> Result<&'static FilePeer, String> {
    FilePeer::named(name).ok_or_else(|| {
        let names: Vec<_> = FILE_PEERS.iter().map(|peer| peer.name).collect();
        format!("this build has {}", names.join(", "))
    })
}

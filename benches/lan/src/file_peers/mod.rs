//! What brings files to many, and is compared in that. A new one is a module here and an entry in [`FILE_PEERS`].

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

mod bare;
mod crds;
#[cfg(feature = "norm")]
mod norm;
mod udpcast;
mod uftp;

/// What a received file is called in its folder.
pub const FILE_NAME: &str = "file.bin";

/// One end of a transfer.
#[derive(Clone, Debug, clap::Args)]
pub struct End {
    /// The multicast group and its port; the next port is free too.
    #[arg(long)]
    pub group: SocketAddrV4,
    /// The address of the interface to use.
    #[arg(long)]
    pub interface: Ipv4Addr,
    /// The number of the host that this end is on; the sender's is 0, the receivers' go from 1.
    #[arg(long)]
    pub host: usize,
    /// How many receivers there are.
    #[arg(long)]
    pub receivers: usize,
    /// How many bytes the file has.
    #[arg(long)]
    pub bytes: u64,
    /// The file to send, or the folder for the received one, which becomes [`FILE_NAME`] when it is whole.
    #[arg(long)]
    pub path: PathBuf,
}

/// A program and what is said to it.
type Words = Vec<OsString>;

/// What is run on the hosts. A sender ends after the last receiver has the file, or when it gives up.
#[derive(Debug)]
pub enum Ends {
    /// Programs.
    Programs {
        /// The sender's.
        sender: fn(&FilePeer, &End) -> Words,
        /// A receiver's.
        receiver: fn(&FilePeer, &End) -> Words,
    },
    /// Functions, each in a process of this program.
    Own {
        /// The sender's.
        sender: fn(&FilePeer, &End) -> io::Result<()>,
        /// A receiver's.
        receiver: fn(&FilePeer, &End) -> io::Result<()>,
    },
}

/// Where a peer is compared unless others are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Where datagrams are lost at random.
    Loss,
    /// Where links are narrow.
    Bottleneck,
}

/// One of them, with its settings.
#[derive(Debug)]
pub struct FilePeer {
    /// What it is called in options and tables.
    pub name: &'static str,
    /// Whether it repairs losses; where not, it is measured only where there are none.
    pub repairs: bool,
    /// What it may send in megabits a second, if that is limited.
    pub megabits: Option<u32>,
    /// Whether its sender is to mind narrow links, if that has to be asked for.
    pub adapts: bool,
    /// Where it is compared by default.
    pub settings: &'static [Setting],
    /// What is run.
    pub ends: Ends,
}

/// All of this build, those with a limit last.
pub const FILE_PEERS: &[FilePeer] = &[
    FilePeer {
        repairs: false,
        ..peer("bare", None, &[Setting::Loss], bare::ENDS)
    },
    peer("crds", None, BOTH, crds::ENDS),
    peer("uftp", None, BOTH, uftp::ENDS),
    FilePeer {
        adapts: true,
        ..peer("uftp-tfmcc", None, &[Setting::Bottleneck], uftp::ENDS)
    },
    peer("udpcast", None, BOTH, udpcast::ENDS),
    FilePeer {
        adapts: true,
        ..peer("udpcast-48", None, &[Setting::Bottleneck], udpcast::ENDS)
    },
    #[cfg(feature = "norm")]
    peer("norm-300", Some(300), &[Setting::Loss], norm::ENDS),
    #[cfg(feature = "norm")]
    FilePeer {
        adapts: true,
        ..peer("norm-cc", None, &[Setting::Bottleneck], norm::ENDS)
    },
    peer("crds-100", Some(100), &[Setting::Loss], crds::ENDS),
    #[cfg(feature = "norm")]
    peer("norm-100", Some(100), &[Setting::Loss], norm::ENDS),
    peer("uftp-100", Some(100), &[], uftp::ENDS),
    peer("udpcast-100", Some(100), &[], udpcast::ENDS),
];

const BOTH: &[Setting] = &[Setting::Loss, Setting::Bottleneck];

/// One that repairs losses.
const fn peer(
    name: &'static str,
    megabits: Option<u32>,
    settings: &'static [Setting],
    ends: Ends,
) -> FilePeer {
    FilePeer {
        name,
        repairs: true,
        megabits,
        adapts: false,
        settings,
        ends,
    }
}

impl FilePeer {
    /// The one of this name, if this build has it.
    pub fn named(name: &str) -> Option<&'static Self> {
        FILE_PEERS.iter().find(|peer| peer.name == name)
    }

    /// What to run where the file is.
    pub fn sender(&self, end: &End) -> io::Result<Words> {
        match self.ends {
            Ends::Programs { sender, .. } => Ok(sender(self, end)),
            Ends::Own { .. } => self.own("send-file", end),
        }
    }

    /// What to run where it is wanted.
    pub fn receiver(&self, end: &End) -> io::Result<Words> {
        match self.ends {
            Ends::Programs { receiver, .. } => Ok(receiver(self, end)),
            Ends::Own { .. } => self.own("receive-file", end),
        }
    }

    /// Runs an end that is a function of this program.
    pub fn run(&self, sends: bool, end: &End) -> Result<(), Box<dyn Error>> {
        match self.ends {
            Ends::Own { sender, .. } if sends => Ok(sender(self, end)?),
            Ends::Own { receiver, .. } => Ok(receiver(self, end)?),
            Ends::Programs { .. } => Err(format!("{} is another program", self.name).into()),
        }
    }

    fn own(&self, command: &str, end: &End) -> io::Result<Words> {
        let mut words = words(std::env::current_exe()?, &[command]);
        let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
        option("--peer", self.name.into());
        option("--group", end.group.to_string().into());
        option("--interface", end.interface.to_string().into());
        option("--host", end.host.to_string().into());
        option("--receivers", end.receivers.to_string().into());
        option("--bytes", end.bytes.to_string().into());
        option("--path", end.path.clone().into());
        Ok(words)
    }
}

impl End {
    /// Where a receiver's file is when it is whole.
    pub fn received(&self) -> PathBuf {
        self.path.join(FILE_NAME)
    }
}

fn words(program: impl Into<OsString>, said: &[&str]) -> Words {
    let said = said.iter().map(|&word| word.into());
    std::iter::once(program.into()).chain(said).collect()
}

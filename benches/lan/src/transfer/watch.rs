//! Sees when a transfer begins and when each receiver has the file, from outside: the programs need not tell.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::processes::Processes;
use crate::file_peers::End;
use crate::lan::{Lan, SENDER};

/// What is known of a transfer.
pub struct Watch {
    started: Instant,
    /// When the sender sent its first data.
    began: Option<Instant>,
    /// When the last of those that have the file got it.
    completed: Instant,
    /// When the sender's program ended.
    ended: Option<Instant>,
    bytes: u64,
    /// Where the file is yet to appear.
    missing: Vec<PathBuf>,
    /// What the sender has sent.
    sent: Sent,
}

/// Bytes of a packet that carries a part of the file; what programs say before has fewer.
const DATA: u64 = 1000;

/// When the sender has ended, this is how long a receiver may take to finish what it has.
const FINISHING: Duration = Duration::from_secs(3);

impl Watch {
    /// Begins to watch, right before the sender is started.
    pub fn new(lan: &Lan, receivers: &[End]) -> Result<Self, Box<dyn Error>> {
        let started = Instant::now();
        Ok(Self {
            started,
            began: None,
            completed: started,
            ended: None,
            bytes: receivers.first().map_or(0, |end| end.bytes),
            missing: receivers.iter().map(End::received).collect(),
            sent: Sent::new(lan.open(SENDER, "dev")?)?,
        })
    }

    /// Looks around; false when there is nothing to wait for any more.
    pub fn look(&mut self, processes: &mut Processes) -> Result<bool, Box<dyn Error>> {
        let now = Instant::now();
        if self.began.is_none() && self.sent.is_data()? {
            self.began = Some(now);
        }
        let missed = self.missing.len();
        self.missing.retain(|path| {
            // Each program lets the file have its name and length only when it is whole.
            let length = fs::metadata(path).map(|metadata| metadata.len());
            length.map_or(true, |length| length < self.bytes)
        });
        if self.missing.len() < missed {
            self.completed = now;
        }
        if self.ended.is_none() && processes.has_ended(SENDER)? {
            self.ended = Some(now);
        }
        let finished = self.ended.is_some_and(|ended| now > ended + FINISHING);
        Ok(!self.missing.is_empty() && !finished)
    }

    /// How long it has been watched.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Seconds from the start of the sender's program to its first data.
    pub fn before(&self) -> Option<f64> {
        Some((self.began? - self.started).as_secs_f64())
    }

    /// Seconds from the first data until all receivers had the file, if they all do.
    pub fn seconds(&self) -> Option<f64> {
        let all = self.missing.is_empty();
        let began = self.began.filter(|_| all)?;
        Some(self.completed.duration_since(began).as_secs_f64())
    }
}

/// The interface's counters of what was sent.
struct Sent {
    counters: File,
    bytes: u64,
    packets: u64,
}

impl Sent {
    fn new(counters: File) -> Result<Self, Box<dyn Error>> {
        let mut sent = Self {
            counters,
            bytes: 0,
            packets: 0,
        };
        sent.is_data()?;
        Ok(sent)
    }

    /// Whether the packets that were sent since this was last asked are as large as those with data.
    fn is_data(&mut self) -> Result<bool, Box<dyn Error>> {
        /// Behind the eight counters of what was received.
        const SENT_BYTES: usize = 8;
        let counters = read(&mut self.counters)?;
        let mut lines = counters.lines().map(str::trim);
        let ours = lines.find_map(|line| line.strip_prefix("eth0:"));
        let mut words = ours.ok_or("no eth0")?.split_whitespace().skip(SENT_BYTES);
        let mut counter = || words.next().ok_or("no counters of eth0");
        let (bytes, packets): (u64, u64) = (counter()?.parse()?, counter()?.parse()?);
        let (more_bytes, more_packets) = (bytes - self.bytes, packets - self.packets);
        (self.bytes, self.packets) = (bytes, packets);
        Ok(more_packets > 0 && more_bytes / more_packets >= DATA)
    }
}

/// All of a file that is another one each time.
pub fn read(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

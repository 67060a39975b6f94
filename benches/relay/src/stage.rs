//! One measurement's server and its clients.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::cli::Options;
use crate::crowd::{Crowd, Watch};
use crate::interrupt;
use crate::process::Process;
use crate::servers::{Reception, Seat, Server};
use crate::speaker::Speaker;

/// How many lines may be said at once in a burst: what a program would gather before it writes.
const BATCH_LINES: u64 = 64;

/// What the deaf client's system may hold for it, in bytes; it takes the least that is possible.
const DEAF_BUFFER_BYTES: usize = 1;

/// The deaf client's number, which names it: no other has it.
const DEAF_NUMBER: usize = 30_000;

/// How long the deaf client may wait for its seat.
const DEAF_WAIT: Duration = Duration::from_secs(20);

/// Connections beyond those that are counted on: speakers, the deaf one.
const MORE_CONNECTIONS: u32 = 16;

/// A server and its clients.
pub struct Stage {
    server: &'static dyn Server,
    /// Ends before its clients, or it would tell each of the others' leaving.
    pub process: Process,
    /// Those that listen.
    pub crowd: Crowd,
}

impl Stage {
    /// A server without clients.
    pub fn new(
        server: &'static dyn Server,
        clients: u32,
        watch: Watch,
        options: &Options,
    ) -> Result<Self, Box<dyn Error>> {
        let connections = clients + MORE_CONNECTIONS;
        let process = Process::start(server, connections, options)?;
        let places = connections as usize;
        let crowd = Crowd::new(server, process.address(), watch, places, options.threads)?;
        Ok(Self {
            server,
            process,
            crowd,
        })
    }

    /// A member that speaks, and listens.
    pub fn speaker(&mut self, number: u8) -> Result<Speaker, Box<dyn Error>> {
        let stream = self.crowd.seat_speaker(number)?;
        Ok(Speaker::new(stream, self.server, number)?)
    }

    /// A member that reads nothing after it has got its seat. It is lost when it is dropped.
    pub fn deaf(&self) -> Result<TcpStream, Box<dyn Error>> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // Before it connects: it bounds the window that is offered.
        socket.set_recv_buffer_size(DEAF_BUFFER_BYTES)?;
        socket.connect(&self.process.address().into())?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEAF_WAIT))?;
        // Lines only: no scenario has a page that is deaf.
        let greeting = self.server.greeting(DEAF_NUMBER, Seat::Member);
        stream.write_all(greeting.as_bytes())?;
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.push(byte[0]);
            if byte[0] == b'\n' {
                match self.server.reception(&line, Seat::Member) {
                    Reception::Welcome => return Ok(stream),
                    Reception::Refused => return Err("the deaf client is refused".into()),
                    Reception::Other => line.clear(),
                }
            }
        }
    }

    /// Lets `speaker` say unmeasured lines until `enough` says so of their number, at most `window` ahead of the
    /// slowest of the clients that `listeners` picks by number. Gives how many were said; all listeners have them.
    pub fn burst(
        &self,
        speaker: &mut Speaker,
        listeners: impl Fn(usize) -> bool,
        window: u64,
        patience: Duration,
        mut enough: impl FnMut(u64) -> bool,
    ) -> Result<u64, Box<dyn Error>> {
        let before: Vec<u64> = self.crowd.heard().collect();
        let slowest = || {
            let heard = self.crowd.heard().zip(&before).enumerate();
            let heard = heard.filter(|(number, _)| listeners(*number));
            heard.map(|(_, (now, before))| now - before).min()
        };
        let mut said = 0;
        while !enough(said) {
            let mut free = 0;
            let may_go_on = self.crowd.wait(Instant::now() + patience, || {
                let behind = slowest().map_or(0, |heard| said - heard.min(said));
                free = window.saturating_sub(behind);
                free > 0
            })?;
            if !may_go_on {
                return Err("a receiver gets nothing more".into());
            }
            let count = free.min(BATCH_LINES);
            speaker.say_unstamped(count)?;
            said += count;
        }
        let all = || slowest().is_none_or(|heard| heard >= said);
        match self.crowd.wait(Instant::now() + patience, all)? {
            true => Ok(said),
            false => Err("a receiver did not get all lines".into()),
        }
    }

    /// Says so many lines, one each `interval`, the speakers in turn; `measured` ones have a stamp.
    pub fn talk(
        &self,
        speakers: &mut [Speaker],
        lines: u32,
        interval: Duration,
        measured: bool,
    ) -> Result<(), Box<dyn Error>> {
        let began = Instant::now();
        for line in 0..lines {
            let due = began + interval * line;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if interrupt::happened() {
                return Err("interrupted".into());
            }
            let turn = line as usize % speakers.len();
            match measured {
                true => speakers[turn].say()?,
                false => speakers[turn].say_unstamped(1)?,
            }
        }
        Ok(())
    }
}

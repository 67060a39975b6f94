//! The processes of one measurement, one a host: started, told what to do, listened to, ended.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::host::Message;
use crate::interrupt;

/// The processes; their places in it are those of their hosts. Killed when dropped.
pub struct Crew {
    members: Vec<(usize, Member)>,
    heard: Receiver<Heard>,
    hear: Sender<Heard>,
}

/// A message of a host, or none when its process ended before its last message.
type Heard = (usize, Option<Message>);

struct Member {
    process: Child,
    input: ChildStdin,
}

/// How often an interrupt is looked for.
const LOOK: Duration = Duration::from_millis(50);

impl Crew {
    /// Nobody.
    pub fn new() -> Self {
        let (hear, heard) = mpsc::channel();
        Self {
            members: Vec::new(),
            heard,
            hear,
        }
    }

    /// Starts a host's process.
    pub fn start(&mut self, host: usize, command: &mut Command) -> Result<(), Box<dyn Error>> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err("a process without pipes".into());
        };
        self.members.push((host, Member { process, input }));
        let hear = self.hear.clone();
        thread::spawn(move || {
            let mut done = false;
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // A transport's library may print there too.
                if let Ok(message) = serde_json::from_str(&line) {
                    done = matches!(message, Message::Tally(_));
                    let _ = hear.send((host, Some(message)));
                }
            }
            if !done {
                let _ = hear.send((host, None));
            }
        });
        Ok(())
    }

    /// Says a line to a host; one that ended is heard of in another way.
    pub fn tell(&mut self, host: usize, line: &str) {
        let member = self.members.iter_mut().find(|(number, _)| *number == host);
        if let Some((_, member)) = member {
            let _ = writeln!(member.input, "{line}");
        }
    }

    /// The next message, or none where none comes until `until`. Fails when a process ended or the program
    /// was interrupted.
    pub fn hear(&self, until: Instant) -> Result<Option<(usize, Message)>, Box<dyn Error>> {
        loop {
            if interrupt::happened() {
                return Err("interrupted".into());
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left.min(LOOK)) {
                Ok((host, Some(message))) => return Ok(Some((host, message))),
                Ok((host, None)) => return Err(format!("the process of host {host} ended").into()),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(None),
                Err(_) => {}
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for (_, member) in &mut self.members {
            // One that ended already is only waited for.
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}

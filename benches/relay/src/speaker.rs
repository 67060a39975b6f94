//! A client that talks.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::servers::Server;
use crate::text::{self, NO_STAMP};

/// How long a server may take no bytes.
const WRITE_WAIT: Duration = Duration::from_secs(10);

/// Its connection; what comes in is read by the crowd.
pub struct Speaker {
    stream: Arc<TcpStream>,
    server: &'static dyn Server,
    number: u8,
    /// What says an unmeasured text.
    unstamped: Vec<u8>,
    buffer: Vec<u8>,
}

impl Speaker {
    /// The speaker of this number.
    pub fn new(
        stream: Arc<TcpStream>,
        server: &'static dyn Server,
        number: u8,
    ) -> io::Result<Self> {
        stream.set_write_timeout(Some(WRITE_WAIT))?;
        Ok(Self {
            stream,
            server,
            number,
            unstamped: said(server, &text::write(number, NO_STAMP)),
            buffer: Vec::new(),
        })
    }

    /// Says a text that is measured from now on.
    pub fn say(&mut self) -> io::Result<()> {
        let said = said(self.server, &text::write(self.number, clock::now()));
        (&*self.stream).write_all(&said)
    }

    /// Says so many texts at once that are not measured.
    pub fn say_unstamped(&mut self, count: u64) -> io::Result<()> {
        self.buffer.clear();
        for _ in 0..count {
            self.buffer.extend_from_slice(&self.unstamped);
        }
        (&*self.stream).write_all(&self.buffer)
    }
}

/// What says a text, as it is written.
fn said(server: &dyn Server, text: &str) -> Vec<u8> {
    let line = server.say(text);
    server.wire().written(line.as_bytes()).into_owned()
}

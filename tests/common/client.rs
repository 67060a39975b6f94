//! A program that speaks to the server over bare TCP.
#![allow(clippy::disallowed_types)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::patience::PATIENCE;

pub struct Client {
    /// To send as it is, to close, or to ask for addresses. Lines are read through [`Client::line`].
    pub stream: TcpStream,
    /// For raw bytes behind a line.
    pub reader: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { stream, reader }
    }

    /// Sends a line and reads the line that answers.
    pub fn ask(&mut self, line: &str) -> String {
        self.stream
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
        self.line()
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        match line.strip_suffix('\n') {
            Some(line) => line.to_owned(),
            None => panic!("the connection ended after {line:?}"),
        }
    }

    /// So many raw bytes, which stand behind the line that was read last.
    #[allow(dead_code, reason = "not all tests have raw bytes")]
    pub fn raw(&mut self, bytes: usize) -> Vec<u8> {
        let mut raw = vec![0; bytes];
        self.reader.read_exact(&mut raw).unwrap();
        raw
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.reader.read_to_string(&mut rest).unwrap();
        rest
    }
}

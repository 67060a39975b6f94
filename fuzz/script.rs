//! Bytes as a script of what happens to a session.
//!
//! Every step is a byte that chooses it and then its arguments, so that a changed byte changes a
//! little. Most numbers are small: what is near to each other is mixed up in more ways. Where the
//! bytes end, zeros follow.

use crds::time::Micros;

use super::wire::datagram;

/// The session's own number.
pub const ME: u64 = 1;

/// Something that happens to a session.
#[derive(Debug)]
pub enum Step {
    /// So many bytes are said.
    Say(usize),
    /// A datagram comes.
    Datagram(Vec<u8>),
    /// Time passes, and the session is woken.
    Pass(Micros),
    /// The person is called something else.
    Rename(String),
    /// It leaves.
    Leave,
}

/// What is left of the bytes.
pub struct Script<'a> {
    bytes: &'a [u8],
    first_sequence: u64,
}

const DATA: u8 = 1;
const REPAIR: u8 = 2;
const HEARTBEAT: u8 = 3;
const REPORT: u8 = 4;
const NACK: u8 = 5;

impl<'a> Script<'a> {
    /// The first byte chooses where sequences begin: at their start, or shortly before their low 32
    /// bits wrap.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut script = Self {
            bytes,
            first_sequence: 1,
        };
        if script.byte().is_multiple_of(4) {
            script.first_sequence = (1 << 32) - 4;
        }
        script
    }

    /// Where every member's sequences begin.
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// What happens next; nothing once the bytes have ended.
    pub fn next_step(&mut self) -> Option<Step> {
        if self.bytes.is_empty() {
            return None;
        }
        Some(match self.byte() % 16 {
            0..=2 => Step::Say(self.length()),
            3..=4 => Step::Pass(self.span()),
            5 => Step::Datagram(self.raw()),
            6 => self.datagram_of_any_kind(),
            7..=9 => self.records(DATA),
            10 => self.records(REPAIR),
            11 => self.heartbeat(),
            12 => self.report(),
            13..=14 => self.nack(),
            _ => self.rare(),
        })
    }

    /// What would end or disturb most scripts, if it were often.
    fn rare(&mut self) -> Step {
        match self.byte() {
            0..=7 => Step::Leave,
            8..=63 => Step::Rename("x".repeat(usize::from(self.byte() % 129))),
            _ => Step::Pass(Micros(u64::from(self.byte()) * 100_000)),
        }
    }

    fn datagram_of_any_kind(&mut self) -> Step {
        let kind = self.byte();
        let content = self.raw();
        self.datagram(kind % 8, &content)
    }

    fn records(&mut self, kind: u8) -> Step {
        let from = self.member();
        let mut content = Vec::new();
        for _ in 0..=self.byte() % 4 {
            // Data is of its transmitter alone.
            let origin = if kind == DATA { from } else { self.member() };
            content.extend_from_slice(&origin.to_be_bytes());
            content.extend_from_slice(&self.sequence().to_be_bytes());
            content.extend_from_slice(&u32::from(self.byte()).to_be_bytes());
            // Most are whole messages, some a fragment of one.
            let flags = self.byte();
            content.push(if flags.is_multiple_of(4) {
                flags / 4 % 4
            } else {
                3
            });
            let length = u16::from(self.byte());
            content.extend_from_slice(&length.to_be_bytes());
            content.resize(content.len() + usize::from(length), b'x');
        }
        self.datagram_from(from, kind, &content)
    }

    fn heartbeat(&mut self) -> Step {
        let mut content = self.sequence().to_be_bytes().to_vec();
        // Whom it replaces: nobody, or somebody.
        let replaces = if self.byte().is_multiple_of(4) {
            self.member()
        } else {
            0
        };
        content.extend_from_slice(&replaces.to_be_bytes());
        let name = usize::from(self.byte() % 140);
        content.resize(content.len() + name, b'n');
        self.datagram(HEARTBEAT, &content)
    }

    fn report(&mut self) -> Step {
        let mut content = Vec::new();
        for _ in 0..=self.byte() % 4 {
            content.extend_from_slice(&self.member().to_be_bytes());
            content.extend_from_slice(&self.sequence().to_be_bytes());
            content.extend_from_slice(&self.sequence().to_be_bytes());
            for _ in 0..3 {
                content.extend_from_slice(&self.number().to_be_bytes());
            }
            content.extend_from_slice(&[self.byte(), self.byte()]);
        }
        self.datagram(REPORT, &content)
    }

    fn nack(&mut self) -> Step {
        let mut content = Vec::new();
        for _ in 0..=self.byte() % 3 {
            content.extend_from_slice(&self.member().to_be_bytes());
            content.extend_from_slice(&self.sequence().to_be_bytes());
            let length = u16::from(self.byte() % 132);
            content.extend_from_slice(&length.to_be_bytes());
            let bits = self.byte();
            content.resize(content.len() + usize::from(length), bits);
        }
        self.datagram(NACK, &content)
    }

    fn datagram(&mut self, kind: u8, content: &[u8]) -> Step {
        let from = self.member();
        self.datagram_from(from, kind, content)
    }

    fn datagram_from(&mut self, from: u64, kind: u8, content: &[u8]) -> Step {
        let asks = self.byte();
        let age_ms = self.number();
        Step::Datagram(datagram(from, kind, asks, age_ms, content))
    }

    /// One of few, most of them others; sometimes one of many.
    fn member(&mut self) -> u64 {
        match self.byte() {
            byte @ 0..=239 => u64::from(byte % 4) + ME,
            byte => 100 + u64::from(byte) * 256 + u64::from(self.byte()),
        }
    }

    /// Near to the first, seldom anything.
    fn sequence(&mut self) -> u32 {
        match self.byte() {
            byte @ 0..=247 => (self.first_sequence as u32).wrapping_add(u32::from(byte % 32)),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> u32 {
        match self.byte() {
            byte @ 0..=191 => u32::from(byte),
            192..=223 => u32::from(self.byte()) << 8,
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }

    /// Of a text: most are lines, some take many fragments, and some are too long.
    fn length(&mut self) -> usize {
        match self.byte() {
            byte @ 0..=223 => usize::from(byte),
            _ => usize::from(self.byte()) * 300,
        }
    }

    fn span(&mut self) -> Micros {
        let byte = u64::from(self.byte());
        Micros(match self.byte() % 4 {
            0 => byte,
            1 => byte * 50,
            2 => byte * 1000,
            _ => byte * 10_000,
        })
    }

    fn raw(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.bytes.len());
        let (raw, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        raw.to_vec()
    }

    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                *byte
            }
            None => 0,
        }
    }
}

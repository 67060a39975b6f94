//! A member that gets a file: puts blocks together and tells what it needs.

use std::collections::BTreeMap;

use super::fec::Fec;
use super::layout::{Layout, ObjectId};
use super::packet::{Answer, BlockNeed, NEED_BLOCKS_MAX, Need, Symbol, encode_need};
use crate::multicast::arrivals::Arrivals;
use crate::multicast::config::{
    ANSWERS_AT_ONCE, BLOCK_SYMBOLS, BLOCKS_OPEN_MAX, FILE_FLOWS_MAX, NEED_RETRY_FIRST,
    NEED_RETRY_MAX, PARITY_SYMBOLS,
};
use crate::multicast::packet::{Header, MemberId, QuantisedShare, QuantisedSize, Role};
use crate::time::{Instant, Micros};

/// Words of a bitmap of a block's source symbols.
const WORDS: usize = (BLOCK_SYMBOLS as usize).div_ceil(64);

/// How often a member that has all says so unasked.
const TOLD_MAX: u32 = 3;

/// One member's side of one file.
pub struct Receiver {
    me: MemberId,
    role: Role,
    room_tag: u32,
    object: ObjectId,
    layout: Layout,
    buffer_kib: u16,
    /// Which blocks are there.
    has: Vec<bool>,
    have: u32,
    first: u32,
    open: BTreeMap<u32, OpenBlock>,
    /// Buffers of blocks that are done with.
    spare: Vec<Vec<u8>>,
    spare_symbols: Vec<Vec<u8>>,
    fec: Fec,
    flows: BTreeMap<MemberId, Flow>,
    /// Whose symbols came last.
    from: MemberId,
    passed: u32,
    /// When a need is due, though nobody asks.
    due: Instant,
    wait: Micros,
    /// Somebody asked.
    is_asked: bool,
    asks: u32,
    told: u32,
    number: u32,
    has_left: bool,
    has_failed: bool,
}

/// A block of which some symbols are there.
struct OpenBlock {
    bytes: Vec<u8>,
    has: [u64; WORDS],
    sources: u16,
    parity: Vec<(u16, Vec<u8>)>,
}

/// Symbols of one transmitter.
struct Flow {
    top: u32,
    stamp_us: u32,
    heard: Instant,
    arrivals: Arrivals,
    answered: u32,
}

/// A block that is there.
pub struct Whole {
    /// Which.
    pub block: u32,
    /// What it holds; longer than [`Layout::bytes_in`] says where the last symbol is filled up.
    pub bytes: Vec<u8>,
}

impl Receiver {
    /// Wants the blocks that `has` does not have yet. `buffer_kib` is what its socket holds.
    pub fn new(
        (me, role): (MemberId, Role),
        room_tag: u32,
        object: ObjectId,
        layout: Layout,
        has: Vec<bool>,
        buffer_kib: u16,
        now: Instant,
    ) -> Self {
        let mut has = has;
        has.resize(layout.blocks() as usize, false);
        let have = has.iter().filter(|has| **has).count() as u32;
        let mut receiver = Self {
            me,
            role,
            room_tag,
            object,
            layout,
            buffer_kib,
            has,
            have,
            first: 0,
            open: BTreeMap::new(),
            spare: Vec::new(),
            spare_symbols: Vec::new(),
            fec: Fec::default(),
            flows: BTreeMap::new(),
            from: MemberId(0),
            passed: 0,
            due: now,
            wait: NEED_RETRY_FIRST,
            is_asked: false,
            asks: 0,
            told: 0,
            number: 0,
            has_left: false,
            has_failed: false,
        };
        receiver.advance();
        receiver
    }

    /// Which file this is of.
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Whether all blocks are there.
    pub fn is_whole(&self) -> bool {
        self.have == self.layout.blocks()
    }

    /// How many blocks are there.
    pub fn have(&self) -> u32 {
        self.have
    }

    /// Bytes that came of blocks that are not whole.
    pub fn open_bytes(&self) -> u64 {
        let symbols = self.open.values().map(OpenBlock::symbols);
        symbols.sum::<usize>() as u64 * self.layout.symbol_bytes() as u64
    }

    /// Whether this block is there.
    pub fn has_block(&self, block: u32) -> bool {
        self.has.get(block as usize).is_some_and(|has| *has)
    }

    /// When a symbol last came; none before the first.
    pub fn heard(&self) -> Option<Instant> {
        self.flows.values().map(|flow| flow.heard).max()
    }

    /// Wants nothing more, and says so with the next [`Receiver::poll_need`].
    pub fn leave(&mut self) {
        self.has_left = true;
        self.is_asked = true;
    }

    /// The same where not even what is whole can be kept.
    pub fn give_up(&mut self) {
        self.leave();
        self.has_failed = true;
    }

    /// Takes a symbol. A block comes out when it is whole; its buffer should come back by [`Receiver::recycle`].
    pub fn hear(&mut self, header: &Header, symbol: &Symbol<'_>, now: Instant) -> Option<Whole> {
        let is_ours = header.room_tag == self.room_tag
            && symbol.object == self.object
            && symbol.bytes.len() == self.layout.symbol_bytes()
            && symbol.block < self.layout.blocks();
        if !is_ours {
            return None;
        }
        self.note(header, now);
        self.passed = self.passed.max(symbol.passed).min(self.layout.blocks());
        self.put_off(now);
        if self.has[symbol.block as usize] {
            return None;
        }
        self.take(symbol)
    }

    /// Counts what came. Where too many claim to send this file, who was not heard for the longest time is forgotten.
    fn note(&mut self, header: &Header, now: Instant) {
        let from = header.transmitter;
        if !self.flows.contains_key(&from) && self.flows.len() >= FILE_FLOWS_MAX {
            let last = self.flows.iter().min_by_key(|(_, flow)| flow.heard);
            if let Some(last) = last.map(|(id, _)| *id) {
                self.flows.remove(&last);
            }
        }
        let flow = self.flows.entry(from).or_insert_with(|| Flow {
            top: header.number,
            stamp_us: header.stamp_us,
            heard: now,
            arrivals: Arrivals::default(),
            answered: header.number.wrapping_sub(1 << 16),
        });
        flow.arrivals.count(header.number);
        if header.number.wrapping_sub(flow.top) as i32 > 0 {
            flow.top = header.number;
        }
        (flow.stamp_us, flow.heard) = (header.stamp_us, now);
        self.from = from;
        // Several in a row ask the same.
        if header.wants_report && header.number.wrapping_sub(flow.answered) > 4 {
            flow.answered = header.number;
            self.asks = self.asks.wrapping_add(1);
            self.is_asked |= self.answers(header.group_size);
        }
    }

    /// In a large group members take turns with their answers.
    fn answers(&self, group: QuantisedSize) -> bool {
        let turns = match group.size() {
            ..=10 => 1,
            size => size.div_ceil(ANSWERS_AT_ONCE) as u64,
        };
        (self.me.0 + u64::from(self.asks)).is_multiple_of(turns)
    }

    /// While symbols come, the sender asks.
    fn put_off(&mut self, now: Instant) {
        if !self.is_whole() {
            self.wait = NEED_RETRY_FIRST;
            self.due = now + self.wait;
        }
    }

    fn take(&mut self, symbol: &Symbol<'_>) -> Option<Whole> {
        let (block, bytes) = (symbol.block, self.layout.symbol_bytes());
        if !self.open.contains_key(&block) && self.open.len() >= BLOCKS_OPEN_MAX {
            self.close_last_after(block)?;
        }
        let sources = self.layout.symbols_in(block);
        let spare = &mut self.spare;
        let open = self
            .open
            .entry(block)
            .or_insert_with(|| OpenBlock::new(spare.pop(), usize::from(sources) * bytes));
        match symbol.symbol.checked_sub(sources) {
            None => open.take_source(symbol),
            Some(parity) if parity < PARITY_SYMBOLS => {
                open.take_parity(parity, symbol, &mut self.spare_symbols);
            }
            Some(_) => {}
        }
        if open.symbols() < usize::from(sources) {
            return None;
        }
        let mut open = self.open.remove(&block)?;
        let is_restored = open.sources == sources || {
            let has = |index: usize| open.has[index / 64] >> (index % 64) & 1 == 1;
            let restored = self.fec.restore(&mut open.bytes, bytes, has, &open.parity);
            restored.is_ok()
        };
        self.recycle_symbols(open.parity);
        // It fails only if the numbers were forged: the block is begun anew.
        if !is_restored {
            return None;
        }
        self.has[block as usize] = true;
        self.have += 1;
        self.advance();
        if self.is_whole() {
            self.is_asked = true;
        }
        Some(Whole {
            block,
            bytes: open.bytes,
        })
    }

    /// Gives up the furthest open block, if it comes after this one: those before are asked for first, and one that nobody
    /// sends any more of would keep its place.
    fn close_last_after(&mut self, block: u32) -> Option<()> {
        let last = self.open.last_entry().filter(|last| *last.key() > block)?;
        let OpenBlock { bytes, parity, .. } = last.remove();
        self.recycle(bytes);
        self.recycle_symbols(parity);
        Some(())
    }

    fn recycle_symbols(&mut self, parity: Vec<(u16, Vec<u8>)>) {
        let symbols = parity.into_iter().map(|(_, bytes)| bytes);
        self.spare_symbols.extend(symbols);
        self.spare_symbols.truncate(usize::from(PARITY_SYMBOLS));
    }

    fn advance(&mut self) {
        while self.has.get(self.first as usize).is_some_and(|has| *has) {
            self.first += 1;
        }
    }

    /// The buffer of a block that was written.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < BLOCKS_OPEN_MAX / 2 {
            self.spare.push(buffer);
        }
    }

    /// When to call [`Receiver::poll_need`] though nothing came.
    pub fn wake(&self) -> Instant {
        match self.is_asked {
            true => Instant::START,
            false if self.is_told() => Instant::NEVER,
            false => self.due,
        }
    }

    /// What to tell the group, if it is time.
    pub fn poll_need(&mut self, now: Instant) -> Option<Vec<u8>> {
        if !self.is_asked && (self.due > now || self.is_told()) {
            return None;
        }
        self.is_asked = false;
        self.told += u32::from(self.wants_nothing());
        self.due = now + self.wait;
        self.wait = Micros(2 * self.wait.0).min(NEED_RETRY_MAX);
        self.number = self.number.wrapping_add(1);
        Some(encode_need(&self.header(now), &self.need(now)))
    }

    fn wants_nothing(&self) -> bool {
        self.has_left || self.is_whole()
    }

    /// It wants nothing, and has said so often enough.
    fn is_told(&self) -> bool {
        self.wants_nothing() && self.told >= TOLD_MAX
    }

    fn header(&self, now: Instant) -> Header {
        Header {
            number: self.number,
            stamp_us: now.as_micros() as u32,
            role: self.role,
            ..Header::new(self.room_tag, self.me)
        }
    }

    fn need(&self, now: Instant) -> Need {
        let flow = self.flows.get(&self.from);
        Need {
            object: self.object,
            to: self.from,
            top: flow.map_or(0, |flow| flow.top),
            echo_stamp_us: flow.map_or(0, |flow| flow.stamp_us),
            echo_delay_us: flow.map_or(u32::MAX, |flow| now.since(flow.heard).0 as u32),
            loss: QuantisedShare::of(flow.and_then(|flow| flow.arrivals.loss())),
            buffer_kib: self.buffer_kib,
            answer: match (self.has_left, self.is_whole()) {
                (_, true) if !self.has_failed => Answer::Has,
                (true, _) => Answer::Leaves,
                (false, _) => Answer::Wants,
            },
            have: self.have,
            first: self.first,
            blocks: self.lacking().take(NEED_BLOCKS_MAX).collect(),
        }
    }

    /// The blocks of which all was sent that was planned, and that need more.
    fn lacking(&self) -> impl Iterator<Item = BlockNeed> {
        let blocks = self.first..self.passed;
        let blocks = blocks.filter(|block| !self.has[*block as usize]);
        blocks.map(|block| {
            let there = self.open.get(&block).map_or(0, OpenBlock::symbols);
            let there = u16::try_from(there).unwrap_or(u16::MAX);
            BlockNeed {
                block,
                symbols: self.layout.symbols_in(block).saturating_sub(there),
            }
        })
    }
}

impl OpenBlock {
    fn new(buffer: Option<Vec<u8>>, bytes: usize) -> Self {
        let mut buffer = buffer.unwrap_or_default();
        buffer.resize(bytes, 0);
        Self {
            bytes: buffer,
            has: [0; WORDS],
            sources: 0,
            parity: Vec::new(),
        }
    }

    fn symbols(&self) -> usize {
        usize::from(self.sources) + self.parity.len()
    }

    fn take_source(&mut self, symbol: &Symbol<'_>) {
        let index = usize::from(symbol.symbol);
        let (word, bit) = (index / 64, 1 << (index % 64));
        if self.has[word] & bit != 0 {
            return;
        }
        self.has[word] |= bit;
        self.sources += 1;
        let bytes = symbol.bytes.len();
        self.bytes[index * bytes..][..bytes].copy_from_slice(symbol.bytes);
    }

    fn take_parity(&mut self, parity: u16, symbol: &Symbol<'_>, spare: &mut Vec<Vec<u8>>) {
        if self.parity.iter().any(|(index, _)| *index == parity) {
            return;
        }
        let mut bytes = spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(symbol.bytes);
        self.parity.push((parity, bytes));
    }
}

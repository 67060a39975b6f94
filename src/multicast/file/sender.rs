//! A member that sends a file: decides which symbol goes out next, and when.

use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;

use super::layout::{Layout, ObjectId};
use super::packet::{Answer, BlockNeed, Need};
use crate::multicast::config::{
    ASK_RETRY_FIRST, ASKING_SYMBOLS, BLOCKS_INTERLEAVED, FILE_GATHER, FILE_RECEIVERS_MAX,
    FILE_WINDOW_BYTES_MAX, LOSS_FOR_PARITY_MIN, LOSS_WEIGHT, NEED_RETRY_MAX, NEED_SILENCE_MAX,
    PARITY_AHEAD_SHARE, PARITY_SYMBOLS, WINDOW_BYTES_MIN,
};
use crate::multicast::floor::Floor;
use crate::multicast::membership::ROUND_TRIP_MAX;
use crate::multicast::pace::{Pace, patience};
use crate::multicast::packet::{Header, MemberId, QuantisedSize, QuantisedTime, Role};
use crate::multicast::stream::expand;
use crate::time::{Instant, Micros};

/// In groups larger than this members take turns with their answers, and who has not answered lately is not waited
/// for.
const SMALL_GROUP_MAX: usize = 10;

/// Who has not answered for so long in a large group has not had its turn.
const TURN_MAX: Micros = Micros::from_millis(20);

/// The part of what a member's socket holds that may be on the way to it.
const BUFFER_SHARE: f64 = 0.75;

/// A loss above this is not believed, so that nobody can make a file travel many times: what is missing then is asked for
/// again.
const LOSS_MAX: f64 = 0.5;

/// One member's side of one file that it sends.
#[derive(Debug)]
pub struct Sender {
    me: MemberId,
    role: Role,
    room_tag: u32,
    object: ObjectId,
    layout: Layout,
    pace: Pace,
    started: Instant,
    /// Symbols sent so far; also the packet number of the last.
    number: u64,
    receivers: BTreeMap<MemberId, Wanting>,
    /// Who is there to answer, as far as known.
    expected: usize,
    /// When the first pass begins; none before somebody wants the file.
    begins: Option<Instant>,
    pass: FirstPass,
    /// Of each block: the next symbol that was not sent, and the packet number of the last that was.
    blocks: Vec<Sent>,
    /// Symbols that repair, by block.
    owed: BTreeMap<u32, u16>,
    /// Those of blocks of which somebody has nothing, as who came late: they go out when all else was sent, so that nobody
    /// waits for that one.
    late: BTreeMap<u32, u16>,
    /// So many of the next symbols ask.
    asking: u32,
    /// When to ask again, if all was sent; and how long to wait after that.
    ask: Option<(Instant, Micros)>,
}

/// The blocks in their order, some of them taking turns.
#[derive(Clone, Copy, Debug)]
struct FirstPass {
    /// The first block of those that take turns now.
    group: u32,
    /// Symbols that were sent before these.
    before: u64,
    turn: u32,
    /// The share of parity that goes ahead with them.
    loss: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    next: u16,
    number: u64,
}

/// A member that has answered.
#[derive(Debug)]
struct Wanting {
    role: Role,
    answer: Answer,
    have: u32,
    first: u32,
    /// The highest of our symbols that it told of.
    top: u64,
    /// Bytes that it has, with what came of blocks that are not whole.
    bytes: u64,
    /// When `top` last grew; none before.
    progressed: Option<Instant>,
    heard: Instant,
    /// In the mean.
    loss: Option<f64>,
    buffer_bytes: u64,
    round_trip_floor: Floor<Micros>,
    round_trip: Micros,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this symbol.
    Send(Planned),
    /// Nothing before this time, or before somebody answers.
    Wait(Instant),
}

/// A symbol that is to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What stands before it.
    pub header: Header,
    /// Of which block.
    pub block: u32,
    /// Which.
    pub symbol: u16,
    /// All that was planned of the blocks before this was sent.
    pub passed: u32,
}

/// How far a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub member: MemberId,
    /// How it takes part.
    pub role: Role,
    /// What it has, in bytes: whole blocks, and of those that are sent now about as much as it may have got.
    pub bytes: u64,
    /// The highest of our symbols that it told of.
    pub top: u64,
    /// It has all.
    pub is_done: bool,
    /// It wants more, and was heard of late.
    pub is_waiting: bool,
}

impl Sender {
    /// Sends to whoever answers. `rate_max` in bytes a second; none to let the members decide.
    pub fn new(
        (me, role): (MemberId, Role),
        room_tag: u32,
        object: ObjectId,
        layout: Layout,
        rate_max: Option<u64>,
        now: Instant,
    ) -> Self {
        Self {
            me,
            role,
            room_tag,
            object,
            layout,
            pace: Pace::new(rate_max, now),
            started: now,
            number: 0,
            receivers: BTreeMap::new(),
            expected: usize::MAX,
            begins: None,
            pass: FirstPass {
                group: 0,
                before: 0,
                turn: 0,
                loss: 0.0,
            },
            blocks: vec![Sent::default(); layout.blocks() as usize],
            owed: BTreeMap::new(),
            late: BTreeMap::new(),
            asking: 0,
            ask: None,
        }
    }

    /// So many members are there: when all of them have answered, nobody else is waited for.
    pub fn expect(&mut self, members: usize) {
        self.expected = members;
    }

    /// Who has answered, and how far each is.
    pub fn progress(&self, now: Instant) -> impl Iterator<Item = Progress> {
        self.receivers
            .iter()
            .map(move |(&member, wanting)| Progress {
                member,
                role: wanting.role,
                bytes: wanting.bytes,
                top: wanting.top,
                is_done: wanting.answer == Answer::Has,
                is_waiting: wanting.is_waiting(now),
            })
    }

    /// Symbols sent so far.
    pub fn symbols_sent(&self) -> u64 {
        self.number
    }

    /// A member tells what it needs.
    pub fn hear(&mut self, header: &Header, need: &Need, now: Instant) {
        if header.room_tag != self.room_tag || need.object != self.object {
            return;
        }
        self.make_room_for(header.transmitter);
        let is_ours = need.to == self.me;
        self.note(header, need, is_ours, now);
        if need.answer == Answer::Wants {
            self.begin_soon(now);
            self.owe(need, is_ours);
        }
        self.advance_window(now);
        // Who answers will do so again.
        self.ask = Some((now + ASK_RETRY_FIRST, ASK_RETRY_FIRST));
    }

    /// Forged answers must not keep those out that are there: who was not heard for the longest time goes first, and of those
    /// who want nothing.
    fn make_room_for(&mut self, member: MemberId) {
        if self.receivers.len() < FILE_RECEIVERS_MAX || self.receivers.contains_key(&member) {
            return;
        }
        let receivers = self.receivers.iter();
        let last = receivers.min_by_key(|(_, w)| (w.answer == Answer::Wants, w.heard));
        if let Some(last) = last.map(|(id, _)| *id) {
            self.receivers.remove(&last);
        }
    }

    fn note(&mut self, header: &Header, need: &Need, is_ours: bool, now: Instant) {
        let from = header.transmitter;
        let top = is_ours.then(|| expand(need.top, self.number).min(self.number));
        let bytes = self.bytes_of(need, top);
        let wanting = self.receivers.entry(from).or_insert_with(|| Wanting {
            role: header.role,
            answer: need.answer,
            have: 0,
            first: 0,
            top: 0,
            bytes: 0,
            progressed: None,
            heard: now,
            loss: None,
            buffer_bytes: WINDOW_BYTES_MIN,
            round_trip_floor: Floor::new(now),
            round_trip: Micros(0),
        });
        wanting.role = header.role;
        wanting.answer = need.answer;
        wanting.heard = now;
        // Less than before has who began anew. Else, what was reckoned of blocks that were not whole stands until they are.
        wanting.bytes = match need.have < wanting.have {
            true => bytes,
            false => bytes.max(wanting.bytes),
        };
        wanting.have = need.have.min(self.layout.blocks());
        wanting.first = need.first.min(self.layout.blocks());
        wanting.buffer_bytes = (u64::from(need.buffer_kib) * 1024).max(WINDOW_BYTES_MIN);
        let Some(top) = top else {
            return;
        };
        if top > wanting.top {
            wanting.top = top;
            wanting.progressed = Some(now);
        }
        let loss = need.loss.share();
        wanting.loss = match (wanting.loss, loss) {
            (Some(mean), Some(loss)) => Some(mean + LOSS_WEIGHT * (loss - mean)),
            (_, loss) => loss,
        };
        let stamp = now.as_micros() as u32;
        let round_trip = stamp
            .wrapping_sub(need.echo_stamp_us)
            .wrapping_sub(need.echo_delay_us);
        let round_trip = Micros(round_trip.into());
        let is_measured = need.echo_delay_us != u32::MAX && round_trip <= ROUND_TRIP_MAX;
        let delay = is_measured.then(|| {
            wanting.round_trip = round_trip;
            let floor = wanting.round_trip_floor.with(round_trip, now);
            Micros(round_trip.0.saturating_sub(floor.0))
        });
        let is_slowest = self.slowest(now).is_none_or(|slowest| top <= slowest);
        let delay = delay.filter(|_| is_slowest);
        self.pace.end_start(delay);
        self.pace.reported(delay, loss);
    }

    /// About how many bytes a member has that saw our symbols up to `top`, if they are ours.
    fn bytes_of(&self, need: &Need, top: Option<u64>) -> u64 {
        let size_bytes = self.layout.size_bytes();
        if need.answer == Answer::Has {
            return size_bytes;
        }
        let (together, _) = self.turns();
        let group = self.pass.group..self.pass.group + together;
        let sources = group.map(|block| u64::from(self.layout.symbols_in(block)));
        let seen = top.map_or(0, |top| top.saturating_sub(self.pass.before));
        let under_way = seen.min(sources.sum()) * self.layout.symbol_bytes() as u64;
        let whole = u64::from(need.have) * self.layout.block_bytes() as u64;
        (whole + under_way).min(size_bytes.saturating_sub(1))
    }

    /// When somebody wants the file it is waited a little for others.
    fn begin_soon(&mut self, now: Instant) {
        // An observer is not among those that are expected.
        let members = self.receivers.values();
        let members = members.filter(|wanting| wanting.role != Role::Observer);
        let all_answered = members.count() >= self.expected;
        match self.begins {
            None if all_answered => self.begins = Some(now),
            None => self.begins = Some(now + FILE_GATHER),
            Some(begins) if all_answered && now < begins => self.begins = Some(now),
            Some(_) => {}
        }
    }

    /// What was sent after the member had answered may have repaired what it needs.
    fn owe(&mut self, need: &Need, is_ours: bool) {
        let top = match is_ours {
            true => expand(need.top, self.number),
            false => 0,
        };
        for BlockNeed { block, symbols } in &need.blocks {
            let is_passed = *block < self.passed();
            let Some(sent) = self.blocks.get_mut(*block as usize).filter(|_| is_passed) else {
                continue;
            };
            if top < sent.number {
                continue;
            }
            let sources = self.layout.symbols_in(*block);
            let symbols = (*symbols).min(sources);
            // Nobody who lacks a block asks for none of it.
            if symbols == 0 {
                continue;
            }
            let is_late = symbols == sources;
            if is_late {
                sent.next = 0;
            }
            // Some will be lost again, and asked for again: meanwhile there is enough else to send.
            let owed = match is_late || self.late.contains_key(block) {
                true => &mut self.late,
                false => &mut self.owed,
            };
            let owed = owed.entry(*block).or_default();
            *owed = (*owed).max(symbols);
        }
    }

    /// The blocks before this were sent as planned.
    fn passed(&self) -> u32 {
        self.pass.group.min(self.layout.blocks())
    }

    /// What was seen by the slowest of those that are waited for; none if nobody is. While some come on, whoever does not
    /// is not waited for; if nobody does, all are: they may be getting the file from somebody else.
    fn slowest(&self, now: Instant) -> Option<u64> {
        let takes_turns = self.receivers.len() > SMALL_GROUP_MAX;
        let is_heard = |w: &Wanting| {
            let patience = match takes_turns {
                false => patience(w.round_trip),
                true => TURN_MAX,
            };
            now.since(w.heard) < patience
        };
        let wanting = self.receivers.values();
        let waited_for = wanting.filter(|w| w.answer == Answer::Wants && is_heard(w));
        let comes_on = |w: &Wanting| {
            let progressed = w.progressed;
            progressed.is_some_and(|at| now.since(at) < patience(w.round_trip))
        };
        let slowest = waited_for.map(|w| (!comes_on(w), w.top)).min();
        slowest.map(|(_, top)| top)
    }

    fn advance_window(&mut self, now: Instant) {
        let buffers = self.receivers.values().filter(|w| w.is_waiting(now));
        let least = buffers.map(|w| w.buffer_bytes).min().unwrap_or_default();
        let window_max = ((least as f64 * BUFFER_SHARE) as u64).min(FILE_WINDOW_BYTES_MAX);
        self.pace.set_window_max(window_max);
        let top = self.slowest(now).unwrap_or(self.number);
        self.pace.arrived(top, now);
    }

    /// What to do next. Drain it until it says `Wait`.
    pub fn poll(&mut self, now: Instant) -> Step {
        let is_wanted = self.receivers.values().any(|w| w.is_waiting(now));
        let Some(begins) = self.begins.filter(|_| is_wanted) else {
            return Step::Wait(now + NEED_RETRY_MAX);
        };
        if now < begins {
            return Step::Wait(begins);
        }
        if self.number == 0 {
            self.skip_what_all_have(now);
        }
        let longest = || {
            let round_trips = self.receivers.values().map(|w| w.round_trip);
            round_trips.max().unwrap_or_default()
        };
        if self.pace.stalled(longest, now).is_some() {
            self.advance_window(now);
        }
        let is_probe = match self.pace.is_open(false, now) {
            true => false,
            false if self.pace.probes(now) => true,
            false => return Step::Wait(self.pace.wake(false)),
        };
        let planned = self.owed_symbol().or_else(|| self.new_symbol());
        let planned = planned.or_else(|| self.late_symbol());
        match planned {
            Some((block, symbol)) => {
                self.ask = None;
                Step::Send(self.send(block, symbol, is_probe, now))
            }
            None => self.ask(now),
        }
    }

    /// Who goes on where it was may have the beginning.
    fn skip_what_all_have(&mut self, now: Instant) {
        let waiting = self.receivers.values().filter(|w| w.is_waiting(now));
        let first = waiting.map(|wanting| wanting.first).min().unwrap_or(0);
        self.pass.group = first;
    }

    fn owed_symbol(&mut self) -> Option<(u32, u16)> {
        let entry = self.owed.first_entry()?;
        Some(next_of(entry, &mut self.blocks, self.layout))
    }

    fn late_symbol(&mut self) -> Option<(u32, u16)> {
        let entry = self.late.first_entry()?;
        Some(next_of(entry, &mut self.blocks, self.layout))
    }

    /// The next of the first pass.
    fn new_symbol(&mut self) -> Option<(u32, u16)> {
        if self.pass.group >= self.layout.blocks() {
            return None;
        }
        if self.pass.turn == 0 {
            self.pass.loss = self.worst_loss();
        }
        let (together, rounds) = self.turns();
        let (block, symbol) = loop {
            let FirstPass { group, turn, .. } = self.pass;
            let (block, symbol) = (group + turn % together, (turn / together) as u16);
            self.pass.turn += 1;
            if symbol < self.planned_of(block) {
                break (block, symbol);
            }
        };
        self.blocks[block as usize].next = symbol + 1;
        let is_last_group = self.pass.group + together >= self.layout.blocks();
        if is_last_group && symbol + 1 == rounds {
            self.asking = ASKING_SYMBOLS;
        }
        // Those that are longest end together, in the order of their turns.
        let rest = block + 1..self.pass.group + together;
        let mut rest = rest.filter(|later| symbol < self.planned_of(*later));
        if symbol + 1 == rounds && rest.next().is_none() {
            self.pass.group += together;
            self.pass.turn = 0;
            // This one is the last of them.
            self.pass.before = self.number + 1;
        }
        Some((block, symbol))
    }

    /// How many blocks take turns now, and how often.
    fn turns(&self) -> (u32, u16) {
        let group = self.pass.group;
        let together = BLOCKS_INTERLEAVED.min(self.layout.blocks() - group);
        let planned = (group..group + together).map(|block| self.planned_of(block));
        (together, planned.max().unwrap_or_default())
    }

    /// Symbols of this block that go out before anybody asks for more.
    fn planned_of(&self, block: u32) -> u16 {
        let (sources, loss) = (self.layout.symbols_in(block), self.pass.loss);
        let ahead = match loss >= LOSS_FOR_PARITY_MIN {
            true => {
                let needed = f64::from(sources) * loss / (1.0 - loss);
                (PARITY_AHEAD_SHARE * needed).ceil() as u16
            }
            false => 0,
        };
        sources + ahead.min(PARITY_SYMBOLS)
    }

    fn worst_loss(&self) -> f64 {
        let wanting = self.receivers.values();
        let wanting = wanting.filter(|w| w.answer == Answer::Wants);
        let losses = wanting.filter_map(|wanting| wanting.loss);
        losses.fold(0.0, f64::max).min(LOSS_MAX)
    }

    fn send(&mut self, block: u32, symbol: u16, is_probe: bool, now: Instant) -> Planned {
        self.number += 1;
        self.blocks[block as usize].number = self.number;
        let bytes = self.layout.symbol_bytes() + super::SYMBOL_HEADER_BYTES;
        let asks = self.pace.sent(self.number, bytes, now);
        self.pace.spend(bytes);
        if asks {
            self.asking = ASKING_SYMBOLS;
        }
        let wants_report = is_probe || self.asking > 0 || self.is_ending();
        self.asking = self.asking.saturating_sub(1);
        Planned {
            header: self.header(wants_report, now),
            block,
            symbol,
            passed: self.passed(),
        }
    }

    /// Nothing may follow for a while.
    fn is_ending(&self) -> bool {
        let owed = self.owed.values().chain(self.late.values());
        let owed = owed.map(|owed| u32::from(*owed));
        self.pass.group >= self.layout.blocks() && owed.sum::<u32>() < ASKING_SYMBOLS
    }

    /// All was sent: whoever still needs something is asked now and then, with one more symbol.
    fn ask(&mut self, now: Instant) -> Step {
        let (due, wait) = *self
            .ask
            .get_or_insert((now + ASK_RETRY_FIRST, ASK_RETRY_FIRST));
        if now < due {
            return Step::Wait(due);
        }
        let wait = Micros(2 * wait.0).min(NEED_RETRY_MAX);
        self.ask = Some((now + wait, wait));
        // An empty file has nothing to ask with.
        if self.layout.blocks() == 0 {
            return Step::Wait(now + wait);
        }
        let lacking = self.receivers.values().filter(|w| w.is_waiting(now));
        let block = lacking.map(|wanting| wanting.first).min().unwrap_or(0);
        let block = block.min(self.layout.blocks() - 1);
        self.owed.insert(block, 1);
        match self.owed_symbol() {
            Some((block, symbol)) => Step::Send(self.send(block, symbol, true, now)),
            None => Step::Wait(now + wait),
        }
    }

    /// What stands before a datagram of this sender's that is no symbol.
    pub fn header(&self, wants_report: bool, now: Instant) -> Header {
        let round_trips = self.receivers.values().map(|w| w.round_trip);
        Header {
            room_tag: self.room_tag,
            transmitter: self.me,
            number: self.number as u32,
            stamp_us: now.as_micros() as u32,
            age_ms: (now.since(self.started).0 / 1000) as u32,
            round_trip: QuantisedTime::of(round_trips.max().unwrap_or_default()),
            group_size: QuantisedSize::of(self.receivers.len()),
            role: self.role,
            poll: false,
            wants_report,
        }
    }
}

/// The next symbol of a block of which some are owed.
fn next_of(
    mut owed: OccupiedEntry<'_, u32, u16>,
    blocks: &mut [Sent],
    layout: Layout,
) -> (u32, u16) {
    let block = *owed.key();
    let sent = &mut blocks[block as usize];
    let all = layout.symbols_in(block) + PARITY_SYMBOLS;
    let symbol = sent.next % all;
    sent.next = symbol + 1;
    *owed.get_mut() -= 1;
    if *owed.get() == 0 {
        owed.remove();
    }
    (block, symbol)
}

impl Wanting {
    fn is_waiting(&self, now: Instant) -> bool {
        self.answer == Answer::Wants && now.since(self.heard) < NEED_SILENCE_MAX
    }
}

//! A sender and several receivers over a network that loses, in virtual time.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::chat::{FileHash, FileName, FileOffer};
use crate::multicast::config::{
    BLOCK_SYMBOLS, BLOCKS_INTERLEAVED, BLOCKS_OPEN_MAX, FILE_FLOWS_MAX, FILE_RECEIVERS_MAX,
    PARITY_SYMBOLS, SYMBOL_BYTES_STEP,
};
use crate::multicast::content::Offer;
use crate::multicast::packet::{Header, MemberId, QuantisedShare, Role};
use crate::time::{Instant, Micros};

const TAG: u32 = 9;
const DELAY: Micros = Micros(80);
const START: Instant = Instant::from_micros(1_000_000);

/// How long a symbol takes to be sent.
const SYMBOL_TIME: Micros = Micros(2);

/// Everything gives up after this.
const PATIENCE: Micros = Micros::from_secs(60);

struct Network {
    now: Instant,
    random: SmallRng,
    loss: f64,
    layout: Layout,
    file: Vec<u8>,
    fec: Fec,
    /// Parity that was reckoned, by block.
    parity: BTreeMap<u32, Vec<u8>>,
    /// When the last datagram arrives at each receiver, and at the sender.
    lanes: Vec<Instant>,
    sender: Sender,
    receivers: Vec<Getting>,
    /// What arrives, when, at whom: nobody is the sender.
    under_way: BTreeMap<(Instant, u64), (Option<usize>, Vec<u8>)>,
    datagrams: u64,
    bytes: u64,
}

struct Getting {
    receiver: Receiver,
    got: Vec<u8>,
    /// It was killed, and comes back then.
    away_until: Instant,
}

fn layout(size_bytes: usize) -> Layout {
    Layout::of(&Offer {
        file: FileOffer {
            name: FileName::of("a"),
            size_bytes: size_bytes as u64,
            hash: FileHash([7; 32]),
        },
        symbol_bytes: SYMBOL_BYTES_STEP as u16,
    })
}

fn object() -> ObjectId {
    ObjectId::of(&FileHash([7; 32]))
}

impl Network {
    fn new(size_bytes: usize, receivers: usize, loss: f64, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let layout = layout(size_bytes);
        let file = (0..size_bytes).map(|_| random.random()).collect();
        let sender = Sender::new(
            (MemberId(1), Role::Member),
            TAG,
            object(),
            layout,
            None,
            START,
        );
        let mut network = Self {
            now: START,
            random,
            loss,
            layout,
            file,
            fec: Fec::default(),
            parity: BTreeMap::new(),
            lanes: vec![START; receivers + 1],
            sender,
            receivers: Vec::new(),
            under_way: BTreeMap::new(),
            datagrams: 0,
            bytes: 0,
        };
        network.sender.expect(receivers);
        for number in 0..receivers {
            let receiver = network.receiver(number, Vec::new());
            network.receivers.push(Getting {
                receiver,
                got: vec![0; size_bytes],
                away_until: START,
            });
        }
        network
    }

    fn receiver(&self, number: usize, has: Vec<bool>) -> Receiver {
        let me = MemberId(100 + number as u64);
        Receiver::new(
            (me, Role::Member),
            TAG,
            object(),
            self.layout,
            has,
            200,
            self.now,
        )
    }

    /// Runs until everybody has the file; how long that took.
    fn run(&mut self) -> Micros {
        while !self.receivers.iter().all(|g| g.receiver.is_whole()) {
            assert!(self.now.since(START) < PATIENCE, "it does not end");
            self.step();
        }
        for getting in &self.receivers {
            assert!(getting.got == self.file);
        }
        self.now.since(START)
    }

    fn step(&mut self) {
        let mut wake = self.send();
        for number in 0..self.receivers.len() {
            wake = wake.min(self.answer(number));
        }
        let next = self.under_way.first_key_value();
        let arrives = next.map_or(wake, |((at, _), _)| *at);
        self.now = self.now.max(wake.min(arrives)).max(self.now + Micros(1));
        while let Some(entry) = self.under_way.first_entry()
            && entry.key().0 <= self.now
        {
            let (to, datagram) = entry.remove();
            self.arrive(to, &datagram);
        }
    }

    /// Sends what the sender plans until it waits.
    fn send(&mut self) -> Instant {
        loop {
            let planned = match self.sender.poll(self.now) {
                Step::Wait(until) => return until,
                Step::Send(planned) => planned,
            };
            let datagram = self.datagram(&planned);
            self.now = self.now + SYMBOL_TIME;
            for number in 0..self.receivers.len() {
                self.put(Some(number), datagram.clone());
            }
            self.bytes += datagram.len() as u64;
        }
    }

    fn datagram(&mut self, planned: &Planned) -> Vec<u8> {
        let sources = usize::from(self.layout.symbols_in(planned.block));
        let symbol_bytes = self.layout.symbol_bytes();
        let start = self.layout.offset(planned.block) as usize;
        let mut block = self.file[start..][..self.layout.bytes_in(planned.block)].to_vec();
        block.resize(sources * symbol_bytes, 0);
        if usize::from(planned.symbol) >= sources {
            let fec = &mut self.fec;
            let parity = self.parity.entry(planned.block).or_insert_with(|| {
                let mut parity = Vec::new();
                fec.encode(&block, symbol_bytes, 0..PARITY_SYMBOLS, &mut parity)
                    .unwrap();
                parity
            });
            block.extend_from_slice(parity);
        }
        let symbol = Symbol {
            object: object(),
            block: planned.block,
            symbol: planned.symbol,
            passed: planned.passed,
            bytes: &block[usize::from(planned.symbol) * symbol_bytes..][..symbol_bytes],
        };
        let mut datagram = Vec::new();
        write_symbol_header(&planned.header, &symbol, &mut datagram);
        datagram.extend_from_slice(symbol.bytes);
        datagram
    }

    fn answer(&mut self, number: usize) -> Instant {
        let getting = &mut self.receivers[number];
        if self.now < getting.away_until {
            return getting.away_until;
        }
        if let Some(need) = getting.receiver.poll_need(self.now) {
            self.put(None, need);
        }
        self.receivers[number].receiver.wake()
    }

    fn put(&mut self, to: Option<usize>, datagram: Vec<u8>) {
        self.datagrams += 1;
        if !self.random.random_bool(self.loss) {
            let jitter = Micros(self.random.random_range(0..40));
            // A cable does not change the order.
            let lane = to.map_or(self.lanes.len() - 1, |number| number);
            let at = (self.now + DELAY + jitter).max(self.lanes[lane]);
            self.lanes[lane] = at;
            self.under_way.insert((at, self.datagrams), (to, datagram));
        }
    }

    fn arrive(&mut self, to: Option<usize>, datagram: &[u8]) {
        let (header, body) = decode(datagram).unwrap();
        match (to, body) {
            (None, FileDatagram::Need(need)) => self.sender.hear(&header, &need, self.now),
            (Some(number), FileDatagram::Symbol(symbol)) => {
                let getting = &mut self.receivers[number];
                if self.now < getting.away_until {
                    return;
                }
                if let Some(whole) = getting.receiver.hear(&header, &symbol, self.now) {
                    let start = self.layout.offset(whole.block) as usize;
                    let bytes = self.layout.bytes_in(whole.block);
                    getting.got[start..][..bytes].copy_from_slice(&whole.bytes[..bytes]);
                    getting.receiver.recycle(whole.bytes);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// Symbols sent over those of the file.
    fn factor(&self) -> f64 {
        let blocks = 0..self.layout.blocks();
        let symbols: u64 = blocks.map(|b| u64::from(self.layout.symbols_in(b))).sum();
        self.sender.symbols_sent() as f64 / symbols as f64
    }
}

const BLOCK_BYTES: usize = SYMBOL_BYTES_STEP * BLOCK_SYMBOLS as usize;

#[test]
fn without_loss_every_symbol_is_sent_once() {
    let mut network = Network::new(8 * BLOCK_BYTES + 1000, 8, 0.0, 1);
    network.run();
    assert!(network.factor() < 1.001, "{}", network.factor());
}

#[test]
fn losses_cost_little_more_than_they_must() {
    // At 20 % loss 1.25 is what must be sent for one, and 1.30 for the unluckiest of eight.
    for (loss, factor) in [(0.01, 1.03), (0.05, 1.09), (0.2, 1.34)] {
        let mut network = Network::new(34 * BLOCK_BYTES, 8, loss, 2);
        let time = network.run();
        let sent = network.factor();
        assert!(sent < factor, "{loss}: {sent} times, {time}");
    }
}

#[test]
fn any_size_and_any_seed_ends_whole() {
    for seed in 0..40 {
        let sizes = [1, 63, 64, 65, 6_400, BLOCK_BYTES, BLOCK_BYTES + 1, 70_000];
        let size = sizes[seed as usize % sizes.len()];
        let loss = [0.0, 0.1, 0.5][seed as usize % 3];
        Network::new(size, 1 + seed as usize % 4, loss, seed).run();
    }
}

#[test]
fn an_empty_file_is_whole_at_once() {
    let network = Network::new(0, 1, 0.0, 1);
    assert!(network.receivers[0].receiver.is_whole());
}

#[test]
fn who_has_all_says_so_some_times_and_sleeps() {
    let network = Network::new(0, 1, 0.0, 1);
    let mut receiver = network.receiver(0, Vec::new());
    let (mut now, mut told) = (START, 0);
    while receiver.wake() < Instant::NEVER {
        now = now.max(receiver.wake());
        told += usize::from(receiver.poll_need(now).is_some());
        // Who does not sleep would be called again and again.
        assert!(receiver.wake() > now);
    }
    assert_eq!(told, 3);
}

#[test]
fn who_cannot_keep_what_is_whole_does_not_say_that_it_has_it() {
    let network = Network::new(0, 1, 0.0, 1);
    for (gives_up, answer) in [(false, Answer::Has), (true, Answer::Leaves)] {
        let mut receiver = network.receiver(0, Vec::new());
        match gives_up {
            true => receiver.give_up(),
            false => receiver.leave(),
        }
        let told = receiver.poll_need(START).unwrap();
        let Ok((_, FileDatagram::Need(need))) = decode(&told) else {
            panic!("{told:?}");
        };
        assert_eq!(need.answer, answer);
    }
}

#[test]
fn a_member_that_was_killed_goes_on_where_it_was() {
    let mut network = Network::new(20 * BLOCK_BYTES, 3, 0.05, 3);
    while network.receivers[0].receiver.have() < 10 {
        network.step();
    }
    let has = (0..20).map(|block| network.receivers[0].receiver.has_block(block));
    let has: Vec<bool> = has.collect();
    network.receivers[0].receiver = network.receiver(0, has);
    network.receivers[0].away_until = network.now + Micros::from_millis(400);
    network.run();
    // Half of it was there.
    assert!(network.factor() < 1.7, "{}", network.factor());
}

#[test]
fn nobody_waits_for_who_comes_late() {
    let first_has_it = |late: bool| {
        let mut network = Network::new(400 * BLOCK_BYTES, 2, 0.0, 3);
        let half = |network: &Network| network.receivers[0].receiver.have() >= 200;
        network.receivers[1].away_until = START + PATIENCE;
        while !network.receivers[0].receiver.is_whole() {
            if late && half(&network) {
                network.receivers[1].away_until = START;
            }
            network.step();
        }
        let time = network.now.since(START);
        network.receivers[1].away_until = START;
        network.run();
        time.0 as f64
    };
    assert!(first_has_it(true) < 1.1 * first_has_it(false));
}

/// A block may take seconds where the network is slow.
#[test]
fn what_came_of_blocks_that_are_not_whole_is_known_at_both_ends() {
    let blocks = 3 * BLOCKS_INTERLEAVED as usize;
    let mut network = Network::new(blocks * BLOCK_BYTES, 1, 0.05, 6);
    let told = |network: &Network| {
        let told = network.sender.progress(network.now).next();
        told.map_or(0, |progress| progress.bytes as usize)
    };
    let (mut before, mut had_before_a_block, mut told_before_a_block) = (0, 0, 0);
    while !network.sender.progress(network.now).any(|p| p.is_done) {
        assert!(network.now.since(START) < PATIENCE, "it does not end");
        network.step();
        let receiver = &network.receivers[0].receiver;
        let has = receiver.have() as usize * BLOCK_BYTES + receiver.open_bytes() as usize;
        let now = told(&network);
        assert!(before <= now && now < has + BLOCKS_INTERLEAVED as usize * BLOCK_BYTES);
        before = now;
        if receiver.have() == 0 {
            (had_before_a_block, told_before_a_block) = (has, now);
        }
    }
    assert!(had_before_a_block > BLOCK_BYTES && told_before_a_block > BLOCK_BYTES);
    assert_eq!(told(&network), blocks * BLOCK_BYTES);
}

#[test]
fn who_comes_when_all_was_sent_gets_it_too() {
    let mut network = Network::new(4 * BLOCK_BYTES, 2, 0.05, 4);
    network.receivers[1].away_until = START + Micros::from_secs(2);
    network.sender.expect(1);
    network.run();
    assert!(network.now > START + Micros::from_secs(2));
    assert!(network.factor() < 2.4, "{}", network.factor());
}

#[test]
fn a_large_group_is_served_by_turns() {
    let mut network = Network::new(10 * BLOCK_BYTES, 40, 0.05, 5);
    network.run();
    assert!(network.factor() < 1.2, "{}", network.factor());
}

/// Of somebody who is nobody here.
fn forged_header(transmitter: u64) -> Header {
    Header::new(TAG, MemberId(transmitter))
}

fn forged_need(answer: Answer, blocks: usize) -> Need {
    let all = BlockNeed {
        block: u32::MAX,
        symbols: u16::MAX,
    };
    Need {
        object: object(),
        to: MemberId(1),
        top: u32::MAX,
        echo_stamp_us: 5,
        echo_delay_us: 7,
        loss: QuantisedShare(u16::MAX - 1),
        buffer_kib: 0,
        answer,
        have: u32::MAX,
        first: u32::MAX,
        blocks: vec![all; blocks],
    }
}

#[test]
fn what_others_say_of_a_file_costs_nothing() {
    let mut network = Network::new(BLOCK_BYTES, 1, 0.0, 6);
    network.run();
    let planned = network.sender.symbols_sent();
    let need = forged_need(Answer::Wants, NEED_BLOCKS_MAX);
    assert_costs_nothing(&mut network, planned, &need);
}

/// What a stranger needs, told when all was sent.
fn assert_costs_nothing(network: &mut Network, planned: u64, need: &Need) {
    network.sender.hear(&forged_header(66), need, network.now);
    for _ in 0..1000 {
        if let Step::Wait(until) = network.sender.poll(network.now) {
            network.now = until.max(network.now + Micros(1));
        }
    }
    // It is asked now and then what it needs, for the seconds that it is believed.
    assert!(network.sender.symbols_sent() < planned + 50);
}

#[test]
fn who_asks_for_none_of_a_block_gets_none() {
    let mut network = Network::new(2 * BLOCK_BYTES, 1, 0.0, 9);
    network.run();
    let planned = network.sender.symbols_sent();
    let mut need = forged_need(Answer::Wants, 0);
    need.top = planned as u32;
    let none = |block| BlockNeed { block, symbols: 0 };
    need.blocks = vec![none(0), none(1)];
    assert_costs_nothing(&mut network, planned, &need);
}

#[test]
fn blocks_that_nobody_sends_keep_no_others_out() {
    let (blocks, forged) = (300 + BLOCKS_OPEN_MAX, 300..300 + BLOCKS_OPEN_MAX as u32);
    let mut network = Network::new(blocks * BLOCK_BYTES, 1, 0.05, 10);
    let bytes = vec![0; network.layout.symbol_bytes()];
    for block in forged {
        let symbol = Symbol {
            object: object(),
            block,
            // It opens the block, and is none of it.
            symbol: u16::MAX,
            passed: 0,
            bytes: &bytes,
        };
        let receiver = &mut network.receivers[0].receiver;
        receiver.hear(&forged_header(1000), &symbol, network.now);
    }
    network.run();
}

#[test]
fn of_an_empty_file_nothing_is_sent_whoever_wants_it() {
    let mut network = Network::new(0, 0, 0.0, 7);
    let need = forged_need(Answer::Wants, NEED_BLOCKS_MAX);
    for _ in 0..1000 {
        network.sender.hear(&forged_header(66), &need, network.now);
        let Step::Wait(until) = network.sender.poll(network.now) else {
            panic!("there is nothing to send");
        };
        network.now = until.max(network.now + Micros(1));
    }
}

#[test]
fn who_only_claims_to_send_or_to_receive_keeps_nobody_out() {
    let mut network = Network::new(4 * BLOCK_BYTES, 3, 0.05, 8);
    for number in 0..FILE_RECEIVERS_MAX as u64 {
        let need = forged_need(Answer::Has, 0);
        let header = forged_header(1000 + number);
        network.sender.hear(&header, &need, network.now);
    }
    let symbol = Symbol {
        object: object(),
        block: 0,
        symbol: u16::MAX,
        passed: 0,
        bytes: &vec![0; network.layout.symbol_bytes()],
    };
    for getting in &mut network.receivers {
        for number in 0..FILE_FLOWS_MAX as u64 {
            let header = forged_header(1000 + number);
            getting.receiver.hear(&header, &symbol, network.now);
        }
    }
    network.run();
}

/// Small numbers are those that mean something here; any other may come too.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..12u32, 0..5000u32, any::<u32>()]
}

fn any_need() -> impl Strategy<Value = Need> {
    let blocks = vec((number(), number()), 0..8);
    let answer = prop_oneof![Just(Answer::Wants), Just(Answer::Has), Just(Answer::Leaves)];
    let counts = (number(), number(), number(), number(), number());
    (counts, any::<(u16, u16)>(), answer, blocks).prop_map(
        |((top, echo_stamp_us, echo_delay_us, have, first), (loss, buffer_kib), answer, blocks)| {
            Need {
                object: object(),
                to: MemberId(1),
                top,
                echo_stamp_us,
                echo_delay_us,
                loss: QuantisedShare(loss),
                buffer_kib,
                answer,
                have,
                first,
                blocks: blocks
                    .into_iter()
                    .map(|(block, symbols)| BlockNeed {
                        block,
                        symbols: symbols as u16,
                    })
                    .collect(),
            }
        },
    )
}

fn any_said() -> impl Strategy<Value = (u64, Need)> {
    (prop_oneof![Just(66), Just(100), Just(101)], any_need())
}

fn any_sent() -> impl Strategy<Value = (u32, u32, u32)> {
    (number(), number(), number())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Also what is said in the name of who receives it.
    #[test]
    fn whatever_others_say_the_file_arrives(
        said in vec((any_said(), any_sent()), 0..60),
        steps in 1..50,
        seed in any::<u64>(),
    ) {
        let mut network = Network::new(6 * BLOCK_BYTES, 2, 0.05, seed);
        let bytes = vec![0; network.layout.symbol_bytes()];
        let of_no_block = BLOCK_SYMBOLS + PARITY_SYMBOLS;
        for ((from, need), (block, symbol, passed)) in said {
            network.sender.hear(&forged_header(from), &need, network.now);
            let symbol = Symbol {
                object: object(),
                block,
                symbol: of_no_block.max(symbol as u16),
                passed,
                bytes: &bytes,
            };
            for getting in &mut network.receivers {
                getting.receiver.hear(&forged_header(1000), &symbol, network.now);
            }
            (0..steps).for_each(|_| network.step());
        }
        network.run();
    }
}

#[test]
fn who_asks_for_a_file_and_gets_nothing_of_it_does_not_stop_it_for_the_others() {
    let size_bytes = 100 * BLOCK_BYTES;
    let alone = Network::new(size_bytes, 2, 0.0, 5).run();
    let mut network = Network::new(size_bytes, 2, 0.0, 5);
    let wants = Need {
        top: 0,
        echo_delay_us: u32::MAX,
        loss: QuantisedShare::of(None),
        buffer_kib: 200,
        ..forged_need(Answer::Wants, 0)
    };
    let mut due = START;
    while !network.receivers.iter().all(|g| g.receiver.is_whole()) {
        assert!(network.now.since(START) < PATIENCE, "it does not end");
        if due <= network.now {
            network.sender.hear(&forged_header(99), &wants, network.now);
            due = network.now + Micros::from_millis(50);
        }
        network.step();
    }
    let took = network.now.since(START);
    let most = alone.mul_f64(1.2) + Micros::from_millis(50);
    assert!(took < most, "{took}, not {alone}");
}

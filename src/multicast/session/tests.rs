//! One session against datagrams that nobody honest sent.

mod delivery;

use proptest::prelude::*;

use super::*;
use crate::multicast::config::{GIVE_UP_WAIT_PAST, MISSING_MAX, PARTIAL_BYTES_MAX};
use crate::multicast::packet::{
    Heartbeat, Leave, NackEntry, QuantisedShare, REPORT_ENTRIES_MAX, Records, ReportEntry,
};

const ROOM: u32 = 7;

fn session(now: Instant) -> Session {
    let config = Config::new(ROOM, "me".to_owned(), Role::Member);
    Session::new(MemberId(1), config, 1, now)
}

fn hear(session: &mut Session, from: u64, body: &Body<'_>, now: Instant) {
    hear_as(Role::Member, session, from, body, now);
}

fn hear_as(role: Role, session: &mut Session, from: u64, body: &Body<'_>, now: Instant) {
    let header = Header {
        role,
        ..Header::new(ROOM, MemberId(from))
    };
    hear_bytes(session, &encode(&header, body), now);
}

fn hear_bytes(session: &mut Session, bytes: &[u8], now: Instant) {
    let source = "10.0.0.2:5".parse().unwrap();
    session.handle_input(Input::Datagram { source, bytes }, now);
}

/// Bytes that the session wants sent, until it waits.
fn sent(session: &mut Session) -> usize {
    let mut bytes = 0;
    loop {
        match session.poll_output() {
            Output::Transmit(datagram) => bytes += datagram.len(),
            Output::Event(_) => {}
            Output::Wait(_) => return bytes,
        }
    }
}

fn heartbeat(next: u32, name: &str) -> Body<'static> {
    let replaces = MemberId(0);
    let name = name.to_owned();
    Body::Heartbeat(Heartbeat {
        next,
        replaces,
        name,
    })
}

/// A line of the same text each time.
fn line(origin: u64, sequence: u32) -> Record<'static> {
    Record {
        origin: MemberId(origin),
        sequence,
        clock: sequence,
        is_first: true,
        is_last: true,
        body: b"a line",
    }
}

fn written(records: &[Record<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    records.iter().for_each(|record| record.write(&mut bytes));
    bytes
}

fn hear_lines(session: &mut Session, from: u64, sequences: &[u32], now: Instant) {
    let records: Vec<_> = sequences.iter().map(|&s| line(from, s)).collect();
    let bytes = written(&records);
    hear(session, from, &Body::Data(Records::written(&bytes)), now);
}

#[test]
fn a_nack_for_everything_is_answered_with_a_burst_at_most() {
    let now = Instant::from_micros(1);
    let mut me = session(now);
    let text = vec![b'x'; 1000];
    for _ in 0..1000 {
        me.say(&text, now).unwrap();
    }
    sent(&mut me);
    let later = now + Micros::from_millis(10);
    let everything = Body::Nack(vec![NackEntry {
        origin: MemberId(1),
        base: 1,
        bitmap: vec![0xff; 125],
    }]);
    hear(&mut me, 2, &everything, later);
    let answer = sent(&mut me);
    assert!(answer > 1000, "nothing was repaired");
    assert!(answer < REPAIR_BURST_BYTES as usize + 4 * 1372, "{answer}");
}

#[test]
fn claims_of_what_nobody_said_are_bounded() {
    let now = Instant::from_micros(1);
    let mut me = session(now);
    for stranger in 10..200 {
        hear(&mut me, stranger, &heartbeat(60_000, "x"), now);
    }
    let missing: usize = me.streams.values().map(Stream::missing_count).sum();
    assert!(missing > 0 && missing <= MISSING_MAX, "{missing}");
    // Asking for it goes on for a while and costs little.
    sent(&mut me);
    let (mut time, mut bytes) = (now, 0);
    for _ in 0..2000 {
        time = time + Micros::from_millis(10);
        me.handle_input(Input::Timeout, time);
        bytes += sent(&mut me);
    }
    assert!(bytes < 1_000_000, "{bytes} bytes sent in 20 s");
    assert!(me.gappy.is_empty(), "given up in the end");
}

/// Whoever forged it, one datagram must not add to what is claimed more than there is room for.
#[test]
fn claims_of_one_datagram_are_counted_one_by_one() {
    let now = Instant::from_micros(1);
    let mut me = session(now);
    for origin in 10..13 {
        hear(&mut me, origin, &heartbeat(1, "x"), now);
    }
    let claims = [(10, 65_000), (11, 65_000), (12, 1000), (12, 2050)];
    let records: Vec<_> = claims
        .map(|(origin, sequence)| line(origin, sequence))
        .into();
    let bytes = written(&records);
    hear(&mut me, 2, &Body::Repair(Records::written(&bytes)), now);
    let missing: usize = me.streams.values().map(Stream::missing_count).sum();
    assert_eq!((missing, me.missing), (130_997, 130_997));
    assert!(missing <= MISSING_MAX);
}

#[test]
fn who_speaks_is_heard_however_many_others_told_of_who_does_not() {
    let now = Instant::from_micros(1_000_000);
    let mut me = session(now);
    for first in (1000..6000).step_by(REPORT_ENTRIES_MAX) {
        let told = (first..first + REPORT_ENTRIES_MAX as u64).map(|origin| ReportEntry {
            origin: MemberId(origin),
            next: 1,
            top: 1,
            lost: (0, 0),
            age_ms: 0,
            echo_stamp_us: 0,
            echo_delay_us: u32::MAX,
            loss: QuantisedShare::of(None),
        });
        hear(&mut me, 9, &Body::Report(told.collect()), now);
    }
    sent(&mut me);
    assert_eq!(me.streams.len(), STREAMS_MAX);
    hear(&mut me, 2, &heartbeat(1, "Ana"), now);
    hear_lines(&mut me, 2, &[1, 2], now);
    assert_eq!(lines_heard(&mut me), [1, 2]);
}

#[test]
fn who_was_away_for_long_goes_on_with_what_is_said_now_and_is_told_the_gap() {
    let mut now = Instant::from_micros(1);
    let mut me = session(now);
    hear(&mut me, 2, &heartbeat(1, "Ana"), now);
    hear_lines(&mut me, 2, &[1, 2], now);
    assert_eq!(lines_heard(&mut me), [1, 2]);
    let mut gap = None;
    let mut heard = Vec::new();
    for sequence in 100_000..100_100 {
        now = now + Micros::from_millis(20);
        hear_lines(&mut me, 2, &[sequence], now);
        loop {
            match me.poll_output() {
                Output::Event(Event::Gap { records, .. }) => gap = Some(records),
                Output::Event(Event::Message { id, .. }) => heard.push(id.sequence),
                Output::Event(_) | Output::Transmit(_) => {}
                Output::Wait(_) => break,
            }
        }
    }
    let first = heard[0];
    assert_eq!(gap, Some(first - 3));
    assert_eq!(heard, (first..100_100).collect::<Vec<_>>());
}

/// What is sent again counts against it too.
#[test]
fn the_rate_that_was_set_is_kept() {
    const RATE: u64 = 100_000;
    let mut now = Instant::from_micros(1);
    let config = Config {
        rate_max: Some(RATE),
        ..session(now).config
    };
    let mut me = Session::new(MemberId(1), config, 1, now);
    let (start, mut bytes) = (now, 0);
    while now < start + Micros::from_secs(3) {
        while me.can_say() {
            me.say(&[b'x'; 200], now).unwrap();
        }
        let everything = Body::Nack(vec![NackEntry {
            origin: MemberId(1),
            base: 1,
            bitmap: vec![0xff; 125],
        }]);
        hear(&mut me, 2, &everything, now);
        bytes += sent(&mut me) as u64;
        now = now + Micros::from_millis(1);
    }
    let bursts = 2 * (REPAIR_BURST_BYTES + 4 * 1372);
    assert!(bytes < 3 * RATE * 3 / 2 + bursts, "{bytes} bytes in 3 s");
    assert!(bytes > 3 * RATE / 2, "{bytes} bytes in 3 s");
}

#[test]
fn who_returns_after_it_was_forgotten_is_not_heard_again() {
    let mut now = Instant::from_micros(1);
    let mut me = session(now);
    hear(&mut me, 2, &heartbeat(1, "Ana"), now);
    hear_lines(&mut me, 2, &[1], now);
    assert_eq!(lines_heard(&mut me), [1]);
    while me.followed.is_empty() {
        now = now + Micros::from_secs(1);
        me.handle_input(Input::Timeout, now);
        lines_heard(&mut me);
    }
    hear(&mut me, 2, &heartbeat(2, "Ana"), now);
    hear_lines(&mut me, 2, &[1, 2], now);
    assert_eq!(lines_heard(&mut me), [2]);
}

/// The sequences of the messages that were handed out.
fn lines_heard(session: &mut Session) -> Vec<u64> {
    let mut heard = Vec::new();
    loop {
        match session.poll_output() {
            Output::Event(Event::Message { id, .. }) => heard.push(id.sequence),
            Output::Event(_) | Output::Transmit(_) => {}
            Output::Wait(_) => return heard,
        }
    }
}

/// A body that nobody honest sent. Records come as what is to be written.
#[derive(Clone, Debug)]
enum Hostile {
    Data(Vec<(u64, u32)>),
    Repair(Vec<(u64, u32)>),
    Other(Body<'static>),
}

fn hostile_body() -> impl Strategy<Value = Hostile> {
    let id = prop_oneof![Just(1_u64), Just(2), Just(3), any::<u64>()];
    let sequence = prop_oneof![0_u32..20, any::<u32>()];
    let records = proptest::collection::vec((id.clone(), sequence.clone()), 0..5);
    let report = (id.clone(), sequence.clone(), any::<(u32, u32, u32, u16)>()).prop_map(
        |(origin, next, (top, age_ms, echo, loss))| ReportEntry {
            origin: MemberId(origin),
            next,
            top,
            lost: (0, 0),
            age_ms,
            echo_stamp_us: echo,
            echo_delay_us: echo,
            loss: QuantisedShare(loss),
        },
    );
    let bitmap = proptest::collection::vec(any::<u8>(), 0..20);
    let nack = (id, sequence.clone(), bitmap).prop_map(|(origin, base, bitmap)| NackEntry {
        origin: MemberId(origin),
        base,
        bitmap,
    });
    let other = prop_oneof![
        (sequence.clone(), "\\PC{0,9}").prop_map(|(next, name)| heartbeat(next, &name)),
        proptest::collection::vec(report.clone(), 0..5).prop_map(Body::Report),
        proptest::collection::vec(nack, 0..5).prop_map(Body::Nack),
        (sequence, proptest::collection::vec(report, 0..5))
            .prop_map(|(next, report)| Body::Leave(Leave { next, report })),
    ];
    prop_oneof![
        records.clone().prop_map(Hostile::Data),
        records.prop_map(Hostile::Repair),
        other.prop_map(Hostile::Other),
    ]
}

fn hear_hostile(session: &mut Session, from: u64, body: &Hostile, now: Instant) {
    let records = |those: &[(u64, u32)]| {
        let those: Vec<_> = those.iter().map(|&(o, s)| line(o, s)).collect();
        written(&those)
    };
    match body {
        Hostile::Data(those) => {
            let bytes = records(those);
            hear(session, from, &Body::Data(Records::written(&bytes)), now);
        }
        Hostile::Repair(those) => {
            let bytes = records(those);
            hear(session, from, &Body::Repair(Records::written(&bytes)), now);
        }
        Hostile::Other(body) => hear(session, from, body, now),
    }
}

proptest! {
    /// Whatever comes, whenever: nothing panics, nothing is answered with much, nothing grows.
    #[test]
    fn no_datagrams_shake_a_session(
        inputs in proptest::collection::vec((1_u64..5, hostile_body(), 0_u64..300_000), 0..60),
        noise in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut now = Instant::from_micros(1);
        let mut me = session(now);
        sent(&mut me);
        for (from, body, pause) in inputs {
            now = now + Micros(pause);
            me.say(b"a line", now).unwrap();
            sent(&mut me);
            hear_hostile(&mut me, from, &body, now);
            hear_bytes(&mut me, &noise, now);
            let answer = sent(&mut me);
            prop_assert!(answer < REPAIR_BURST_BYTES as usize + 8 * 1372, "{} bytes for one datagram", answer);
        }
        let missing: usize = me.streams.values().map(Stream::missing_count).sum();
        prop_assert!(missing <= MISSING_MAX);
        prop_assert_eq!(missing, me.missing);
        let partial: usize = me.streams.values().map(Stream::partial_bytes).sum();
        prop_assert_eq!(partial, me.partial_bytes);
    }
}

/// A flow that three members report, one of them with that round trip, the others with 0.3 ms; how many are
/// told to be slow.
fn slow_in_a_flow(round_trip: Micros, flows: bool) -> usize {
    let mut now = Instant::from_micros(1_000_000);
    let mut session = session(now);
    let mut told = 0;
    for _ in 0..300 {
        now = now + Micros::from_millis(10);
        while flows && session.say(&[b'x'; 1000], now).is_ok() {}
        for (member, round_trip) in [(2, Micros(300)), (3, Micros(300)), (4, round_trip)] {
            hear(&mut session, member, &heartbeat(1, "somebody"), now);
            let known = session.unsent;
            let report = ReportEntry {
                origin: MemberId(1),
                next: known as u32,
                top: known as u32,
                lost: (0, 0),
                age_ms: 0,
                echo_stamp_us: (now - round_trip).as_micros() as u32,
                echo_delay_us: 0,
                loss: QuantisedShare::of(None),
            };
            hear(&mut session, member, &Body::Report(vec![report]), now);
        }
        loop {
            match session.poll_output() {
                Output::Event(Event::Slow(MemberId(4))) => told += 1,
                Output::Event(Event::Slow(id)) => panic!("{id:?} is as fast as others"),
                Output::Wait(_) => break,
                _ => {}
            }
        }
    }
    told
}

#[test]
fn who_slows_a_flow_for_long_is_told_of_once() {
    assert_eq!(slow_in_a_flow(Micros::from_millis(8), true), 1);
    assert_eq!(slow_in_a_flow(Micros(600), true), 0);
    assert_eq!(slow_in_a_flow(Micros::from_millis(8), false), 0);
}

#[test]
fn the_pace_does_not_wait_for_who_is_relayed() {
    let mut now = Instant::from_micros(1_000_000);
    let mut session = session(now);
    hear(&mut session, 2, &heartbeat(1, "near"), now);
    hear_as(Role::Relayed, &mut session, 3, &heartbeat(1, "far"), now);
    let mut said = session.say(b"a line", now).unwrap();
    for _ in 0..50 {
        while let Ok(id) = session.say(&[b'x'; 1000], now) {
            said = id;
        }
        sent(&mut session);
        let entry = ReportEntry {
            origin: MemberId(1),
            next: session.unsent as u32,
            top: session.unsent as u32,
            lost: (0, 0),
            age_ms: 0,
            echo_stamp_us: now.as_micros() as u32,
            echo_delay_us: 0,
            loss: QuantisedShare::of(None),
        };
        // Soon enough that nobody is taken for one that does not come on.
        now = now + Micros::from_millis(1);
        hear(&mut session, 2, &Body::Report(vec![entry]), now);
    }
    assert!(session.unsent > 1000, "{}", session.unsent);
    // It is a member all the same.
    assert_eq!(session.delivered(said).of, 2);
    assert!(session.members().any(|member| member.is_relayed));
}

#[test]
fn signs_of_life_spare_a_server_that_copies_them_for_many() {
    let now = Instant::from_micros(1_000_000);
    let mut session = session(now);
    let interval = |relayed: u64, session: &mut Session| {
        for member in 2..2 + relayed {
            let body = heartbeat(1, &format!("m{member}"));
            hear_as(Role::Relayed, session, member, &body, now);
        }
        session.idle_interval()
    };
    assert_eq!(interval(100, &mut session), Micros::from_secs(1));
    let crowded = interval(999, &mut session);
    // 1,000 heartbeats of 100 bytes, each copied 999 times, at 4 MB a second.
    assert_eq!(crowded, Micros(24_975_000));
    for member in 2..1001 {
        hear_as(
            Role::Member,
            &mut session,
            member,
            &heartbeat(1, &format!("m{member}")),
            now,
        );
    }
    assert_eq!(session.idle_interval(), Micros(1_562_500));
}

/// What was handed out: messages by origin and sequence, and gaps with their first record.
fn handed_out(session: &mut Session) -> Vec<(u64, u64, bool)> {
    let mut all = Vec::new();
    loop {
        match session.poll_output() {
            Output::Event(Event::Message { id, .. }) => {
                all.push((id.origin.0, id.sequence, true));
            }
            Output::Event(Event::Gap { origin, first, .. }) => all.push((origin.0, first, false)),
            Output::Event(_) | Output::Transmit(_) => {}
            Output::Wait(_) => return all,
        }
    }
}

fn session_with(positions: &[(u64, u64)], since: Instant, now: Instant) -> Session {
    let positions = positions.iter().map(|&(id, next)| (MemberId(id), next));
    let past = Past {
        positions: positions.collect(),
        since,
    };
    let config = Config {
        past: Some(past),
        ..session(now).config
    };
    Session::new(MemberId(1), config, 1, now)
}

#[test]
fn a_newcomer_goes_on_where_its_history_ends() {
    let asked = Instant::from_micros(60_000_000);
    let now = asked + Micros::from_millis(300);
    let mut me = session_with(&[(2, 5), (3, 1)], asked, now);
    // All of them are older than we: of the first a history has four lines, of the second none, of the third it
    // does not know. The fourth came after we had asked.
    for id in [2, 3, 4, 5] {
        let age_ms = if id == 5 { 100 } else { 50_000 };
        hear_aged(&mut me, id, &heartbeat(8, "other"), age_ms, now);
    }
    sent(&mut me);
    for id in [2, 3, 4, 5] {
        let all: Vec<u32> = (1..=8).collect();
        hear_lines(&mut me, id, &all, now);
    }
    let heard = handed_out(&mut me);
    let of = |id| {
        let of = heard.iter().filter(|(origin, ..)| *origin == id);
        of.map(|(_, sequence, _)| *sequence).collect::<Vec<_>>()
    };
    assert_eq!(of(2), [5, 6, 7, 8]);
    assert_eq!(of(3), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(of(4), [8]);
    assert_eq!(of(5), [1, 2, 3, 4, 5, 6, 7, 8]);
    let positions: Vec<_> = me.positions().map(|(id, next)| (id.0, next)).collect();
    assert_eq!(positions, [(2, 9), (3, 9), (4, 9), (5, 9)]);
}

#[test]
fn what_nobody_has_of_the_past_does_not_hold_up_what_is_said_now() {
    let start = Instant::from_micros(60_000_000);
    let mut me = session_with(&[(2, 5)], start, start);
    hear_aged(&mut me, 2, &heartbeat(100, "other"), 50_000, start);
    hear_lines(&mut me, 2, &[100], start);
    let mut heard = handed_out(&mut me);
    assert_eq!(heard, []);
    let mut now = start;
    while heard.is_empty() {
        now = now + Micros::from_millis(50);
        me.handle_input(Input::Timeout, now);
        heard = handed_out(&mut me);
    }
    assert_eq!(heard, [(2, 5, false), (2, 100, true)]);
    let waited = now.since(start);
    assert!(
        waited < GIVE_UP_WAIT_PAST + Micros::from_secs(1),
        "{waited}"
    );
}

#[test]
fn a_position_is_where_a_message_begins() {
    let now = Instant::from_micros(60_000_000);
    let mut me = session_with(&[(2, 5)], now, now);
    hear_aged(&mut me, 2, &heartbeat(5, "other"), 50_000, now);
    let fragment = |sequence, is_last| Record {
        is_first: sequence == 6,
        is_last,
        ..line(2, sequence)
    };
    let next = |me: &Session| me.positions().next();
    let mut hear_record = |record: Record<'_>| {
        let bytes = written(&[record]);
        hear(&mut me, 2, &Body::Data(Records::written(&bytes)), now);
        sent(&mut me);
        next(&me)
    };
    assert_eq!(hear_record(line(2, 5)), Some((MemberId(2), 6)));
    assert_eq!(hear_record(fragment(6, false)), Some((MemberId(2), 6)));
    assert_eq!(hear_record(fragment(7, false)), Some((MemberId(2), 6)));
    assert_eq!(hear_record(fragment(8, true)), Some((MemberId(2), 9)));
}

fn hear_aged(session: &mut Session, from: u64, body: &Body<'_>, age_ms: u32, now: Instant) {
    let header = Header {
        age_ms,
        ..Header::new(ROOM, MemberId(from))
    };
    hear_bytes(session, &encode(&header, body), now);
}

#[test]
fn who_is_taken_as_gone_after_a_long_silence_is_told_by_name() {
    let mut now = Instant::from_micros(1_000_000);
    let mut me = session(now);
    hear(&mut me, 2, &heartbeat(1, "Ana"), now);
    sent(&mut me);
    // The machine was asleep: that she was silent meanwhile says nothing.
    now = now + Micros::from_secs(3600);
    let woke = now;
    let mut told = Vec::new();
    while told.is_empty() && now.since(woke) < Micros::from_secs(20) {
        me.handle_input(Input::Timeout, now);
        loop {
            match me.poll_output() {
                Output::Event(Event::Left(id)) => told.push(me.member(id).map(|ana| ana.name)),
                Output::Wait(until) => break now = until,
                _ => {}
            }
        }
    }
    assert_eq!(told, [Some("Ana".to_owned())]);
    assert!(
        now.since(woke) > Micros::from_secs(8),
        "{}",
        now.since(woke)
    );
    // From now on it is kept for a while.
    for (seconds, is_known) in [(59, true), (2, false)] {
        now = now + Micros::from_secs(seconds);
        me.handle_input(Input::Timeout, now);
        sent(&mut me);
        assert_eq!(me.member(MemberId(2)).is_some(), is_known);
    }
}

/// How long until it asks for what it missed of Ana, and again, and once more, where somebody else has told before how
/// long a way is.
fn nacks_after(told: Micros) -> Vec<Micros> {
    let now = Instant::from_micros(10_000_000);
    let mut me = session(now);
    hear(&mut me, 2, &heartbeat(1, "Ana"), now);
    hear(&mut me, 3, &heartbeat(1, "Eve"), now);
    let entry = ReportEntry {
        origin: MemberId(1),
        next: 1,
        top: 1,
        lost: (0, 0),
        age_ms: 0,
        echo_stamp_us: (now - told).as_micros() as u32,
        echo_delay_us: 0,
        loss: QuantisedShare::of(None),
    };
    for _ in 0..100 {
        hear(&mut me, 3, &Body::Report(vec![entry]), now);
    }
    hear_lines(&mut me, 2, &[1, 3], now);
    let (mut waits, mut nacks) = (Vec::new(), 0);
    for millis in 0..300 {
        let wait = Micros::from_millis(millis);
        me.handle_input(Input::Timeout, now + wait);
        sent(&mut me);
        if me.stats().nacks > nacks {
            nacks = me.stats().nacks;
            waits.push(wait);
        }
    }
    waits
}

#[test]
fn a_long_way_to_one_member_does_not_hold_up_repairs_of_another() {
    let waits = nacks_after(Micros::from_millis(1_900));
    assert_eq!(waits[..3], nacks_after(Micros(300))[..3]);
    assert!(waits[2] < Micros::from_millis(20), "{waits:?}");
}

#[test]
fn a_member_that_stood_still_for_a_moment_is_not_taken_for_far() {
    let now = Instant::from_micros(10_000_000);
    let mut me = session(now);
    hear(&mut me, 2, &heartbeat(1, "Ana"), now);
    for told in [300, 1_500_000, 300] {
        let entry = ReportEntry {
            origin: MemberId(1),
            next: 1,
            top: 1,
            lost: (0, 0),
            age_ms: 0,
            echo_stamp_us: (now - Micros(told)).as_micros() as u32,
            echo_delay_us: 0,
            loss: QuantisedShare::of(None),
        };
        hear(&mut me, 2, &Body::Report(vec![entry]), now);
        assert!(
            me.round_trip() < Micros::from_millis(1),
            "{}",
            me.round_trip()
        );
    }
}

#[test]
fn messages_that_nobody_ends_take_little_and_others_are_heard_all_the_same() {
    const FRAGMENTS: u32 = 45;
    let now = Instant::from_micros(1_000_000);
    let mut me = session(now);
    let body = vec![b'x'; 1300];
    let hear_fragment = |me: &mut Session, origin, sequence, now| {
        let record = Record {
            body: &body,
            is_first: sequence == 1,
            is_last: sequence == FRAGMENTS,
            ..line(origin, sequence)
        };
        let bytes = written(&[record]);
        hear(me, origin, &Body::Data(Records::written(&bytes)), now);
        handed_out(me)
    };
    let mut lost = 0;
    for origin in 10..600 {
        let now = now + Micros(origin);
        hear(&mut me, origin, &heartbeat(1, "somebody"), now);
        for sequence in 1..FRAGMENTS {
            lost += hear_fragment(&mut me, origin, sequence, now).len();
        }
        let partial: usize = me.streams.values().map(Stream::partial_bytes).sum();
        assert_eq!(partial, me.partial_bytes);
        assert!(partial <= PARTIAL_BYTES_MAX, "{partial}");
    }
    // Each is told.
    let unfinished = me.streams.values().filter(|s| s.partial_bytes() > 0);
    assert_eq!(lost + unfinished.count(), 590);
    let now = now + Micros(600);
    let ended = hear_fragment(&mut me, 10, FRAGMENTS, now);
    assert_eq!(ended, [(10, u64::from(FRAGMENTS), false)]);
    let ended = hear_fragment(&mut me, 599, FRAGMENTS, now);
    assert_eq!(ended, [(599, u64::from(FRAGMENTS), true)]);
    hear(&mut me, 2, &heartbeat(1, "Ana"), now);
    hear_lines(&mut me, 2, &[1], now);
    assert_eq!(lines_heard(&mut me), [1]);
}

//! Who has what was said.

use super::*;
use crate::multicast::config::{GIVE_UP_WAIT_REPAIRED, LOST_TOLD, MISSED_INTERVALS_MAX};

#[test]
fn an_observer_is_nobody() {
    let now = Instant::from_micros(1_000_000);
    let mut session = session(now);
    hear_as(
        Role::Observer,
        &mut session,
        2,
        &heartbeat(1, "somebody"),
        now,
    );
    let said = session.say(b"a line", now).unwrap();
    loop {
        match session.poll_output() {
            Output::Event(event) => panic!("{event:?}"),
            Output::Transmit(_) => {}
            Output::Wait(_) => break,
        }
    }
    assert_eq!(session.members().count(), 0);
    assert_eq!(session.delivered(said), Delivered { by: 0, of: 0 });
    assert!(session.lacking(said).is_empty());
    assert_eq!(session.stats().ignored, 0);
}

fn report_on_me(next: u32) -> Body<'static> {
    report_of_loss(next, (0, 0))
}

fn report_of_loss(next: u32, lost: (u32, u32)) -> Body<'static> {
    Body::Report(vec![ReportEntry {
        origin: MemberId(1),
        next,
        top: next,
        lost,
        age_ms: 0,
        echo_stamp_us: 0,
        echo_delay_us: u32::MAX,
        loss: QuantisedShare::of(None),
    }])
}

#[test]
fn an_observer_reports_for_whom_it_takes_part_for() {
    let now = Instant::from_micros(1_000_000);
    let mut session = session(now);
    hear_as(Role::Observer, &mut session, 2, &heartbeat(1, ""), now);
    hear_as(Role::Hosted, &mut session, 3, &heartbeat(1, "page"), now);
    hear(&mut session, 4, &heartbeat(1, "near"), now);
    let said = session.say(b"a line", now).unwrap();
    sent(&mut session);
    assert_eq!(session.delivered(said), Delivered { by: 0, of: 2 });
    // What a member tells is of that one alone.
    hear(&mut session, 4, &report_on_me(2), now);
    assert_eq!(session.delivered(said), Delivered { by: 1, of: 2 });
    hear_as(Role::Observer, &mut session, 2, &report_on_me(2), now);
    assert_eq!(session.delivered(said), Delivered { by: 2, of: 2 });
    assert!(session.members().any(|member| member.is_relayed));
}

#[test]
fn who_is_hosted_leaves_hearing_to_the_observer() {
    let mut now = Instant::from_micros(1_000_000);
    let config = Config {
        role: Role::Hosted,
        ..session(now).config
    };
    let mut session = Session::new(MemberId(1), config, 1, now);
    hear(&mut session, 2, &heartbeat(1, "near"), now);
    hear_lines(&mut session, 2, &[1, 2, 9], now);
    for _ in 0..200 {
        now = now + Micros::from_millis(10);
        session.handle_input(Input::Timeout, now);
        loop {
            match session.poll_output() {
                Output::Event(Event::Message { .. } | Event::Gap { .. }) => panic!("it heard"),
                Output::Event(_) => {}
                Output::Transmit(datagram) => {
                    let (header, body) = decode(&datagram).unwrap();
                    assert_eq!(header.role, Role::Hosted);
                    assert!(matches!(body, Body::Heartbeat(_)), "{body:?}");
                }
                Output::Wait(_) => break,
            }
        }
    }
    // It speaks for itself, and knows who has that.
    let said = session.say(b"a line", now).unwrap();
    assert!(sent(&mut session) > 0);
    hear(&mut session, 2, &report_on_me(2), now);
    assert_eq!(session.delivered(said), Delivered { by: 1, of: 1 });
}

#[test]
fn what_a_member_gave_up_is_not_delivered_to_it() {
    let now = Instant::from_micros(1_000_000);
    let mut session = session(now);
    hear(&mut session, 2, &heartbeat(1, "far"), now);
    hear(&mut session, 3, &heartbeat(1, "near"), now);
    let said: Vec<_> = (0..4)
        .map(|_| session.say(b"a line", now).unwrap())
        .collect();
    sent(&mut session);
    assert_eq!(session.reporting(said[3]), Some(0));
    hear(&mut session, 2, &report_of_loss(5, (2, 3)), now);
    hear(&mut session, 3, &report_on_me(5), now);
    // It is known as soon as it is told, and nobody is waited for.
    assert_eq!(session.reporting(said[3]), None);
    let to_all = Delivered { by: 2, of: 2 };
    let to_one = Delivered { by: 1, of: 2 };
    let delivered = said.iter().map(|&id| session.delivered(id));
    let delivered: Vec<_> = delivered.collect();
    assert_eq!(delivered, [to_all, to_one, to_all, to_all]);
    let until = said.iter().map(|&id| session.delivered_until(id));
    let until: Vec<_> = until.collect();
    assert_eq!(until, [to_all, to_one, to_one, to_one]);
    assert_eq!(session.lacking(said[1]), ["far"]);
    assert!(session.lacking(said[2]).is_empty());
    // What is told later of more does not undo it.
    hear(&mut session, 2, &report_of_loss(5, (4, 5)), now);
    assert_eq!(session.delivered(said[1]), to_one);
    assert_eq!(session.delivered(said[3]), to_one);
    assert_eq!(session.delivered(said[2]), to_all);
}

#[test]
fn much_that_was_given_up_stays_known() {
    let now = Instant::from_micros(1_000_000);
    let mut session = session(now);
    hear(&mut session, 2, &heartbeat(1, "far"), now);
    let said: Vec<_> = (0..100)
        .map(|_| session.say(b"a line", now).unwrap())
        .collect();
    sent(&mut session);
    for lost in (2..100).step_by(3) {
        hear(&mut session, 2, &report_of_loss(101, (lost, lost + 1)), now);
    }
    for (sequence, &id) in (1..100).zip(&said) {
        let is_lost = (sequence + 1_u32).is_multiple_of(3);
        let by = session.delivered(id).by;
        assert!(!is_lost || by == 0, "{sequence}");
        // The last are known one by one.
        assert!(is_lost || sequence < 80 || by == 1, "{sequence}");
    }
}

/// What this session reports on what member 2 said, until it waits.
fn reported(session: &mut Session) -> Vec<ReportEntry> {
    let mut entries = Vec::new();
    loop {
        match session.poll_output() {
            Output::Transmit(datagram) => {
                if let Ok((_, Body::Report(report))) = decode(&datagram) {
                    entries.extend(report);
                }
            }
            Output::Event(_) => {}
            Output::Wait(_) => return entries,
        }
    }
}

#[test]
fn who_gives_something_up_says_so() {
    let mut now = Instant::from_micros(1_000_000);
    let mut session = session(now);
    hear(&mut session, 2, &heartbeat(1, "somebody"), now);
    hear_lines(&mut session, 2, &[1, 2, 9], now);
    let (mut lost, mut end) = (Vec::new(), now);
    while now < Instant::from_micros(1_000_000) + GIVE_UP_WAIT_REPAIRED + LOST_TOLD {
        now = now + Micros::from_millis(10);
        session.handle_input(Input::Timeout, now);
        if now.as_micros().is_multiple_of(1_000_000) {
            hear(&mut session, 2, &heartbeat(10, "somebody"), now);
        }
        for entry in reported(&mut session) {
            assert_eq!(entry.lost.0 < entry.lost.1, entry.next == 10);
            if entry.next == 10 {
                lost.push(entry.lost);
                end = now;
            }
        }
    }
    // More than once, as reports are lost too; and not for ever.
    assert!(
        lost.len() > 5 && lost.iter().all(|lost| *lost == (3, 9)),
        "{lost:?}"
    );
    assert!(end < now);
}

#[test]
fn who_goes_without_a_word_did_not_get_it() {
    let mut now = Instant::from_micros(1_000_000);
    let mut session = session(now);
    for (id, name) in [(2, "gone"), (3, "leaves"), (4, "has it, and gone")] {
        hear(&mut session, id, &heartbeat(1, name), now);
    }
    let said = session.say(b"a line", now).unwrap();
    sent(&mut session);
    hear(&mut session, 2, &heartbeat(1, "gone"), now);
    hear(&mut session, 4, &report_on_me(2), now);
    let leave = Leave {
        next: 1,
        report: Vec::new(),
    };
    hear(&mut session, 3, &Body::Leave(leave), now);
    let end = now + Micros(session.idle_interval().0 * (MISSED_INTERVALS_MAX + 1));
    assert_eq!(session.reporting(said), Some(0));
    while now < end {
        now = now + Micros::from_millis(10);
        session.handle_input(Input::Timeout, now);
        sent(&mut session);
    }
    assert_eq!(session.members().count(), 0);
    assert_eq!(session.reporting(said), None);
    assert_eq!(session.delivered(said), Delivered { by: 1, of: 2 });
    assert_eq!(session.delivered_until(said), Delivered { by: 1, of: 2 });
    // Who comes back may have it yet.
    hear(&mut session, 2, &heartbeat(1, "gone"), now);
    assert_eq!(session.reporting(said), Some(0));
    hear(&mut session, 2, &report_on_me(2), now);
    assert_eq!(session.delivered(said), Delivered { by: 2, of: 2 });
}

//! The sender's life.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use super::control::Control;
use super::{Message, SLICE, Said, end_after, report};
use crate::cli::SendArgs;
use crate::clock;
use crate::line::{Line, WARM_UP};
use crate::peers::Sender;

/// Lines before the measured ones: buffers grow, neighbours are found, receivers hear of the sender.
const WARM_UP_LINES: u32 = 100;
const WARM_UP_INTERVAL: Duration = Duration::from_millis(5);

/// How many lines share a time stamp where they are said as fast as can be: nobody reads it there, and a
/// look at the clock for each would slow the fastest transports down.
const LINES_A_LOOK: u64 = 32;

/// Warms up, says its lines when told to go, and goes on to repair until its input ends.
pub fn send(args: &SendArgs) -> Result<Infallible, Box<dyn Error>> {
    end_after(args.place.limit());
    let control = Control::follow();
    let place = args.place.place();
    let mut sender = (args.place.peer()?.sender)(&place, args.receivers)?;
    warm_up(sender.as_mut())?;
    report(&Message::Ready)?;
    while control.waiting() {
        sender.drive(Instant::now() + SLICE)?;
    }

    let began = clock::now();
    let lines = match args.rate {
        Some(rate) => pace(sender.as_mut(), args, rate)?,
        None => flood(sender.as_mut(), args)?,
    };
    let ended = clock::now();
    report(&Message::Said(Said {
        lines,
        began,
        ended,
    }))?;
    loop {
        sender.drive(Instant::now() + SLICE)?;
    }
}

fn warm_up(sender: &mut dyn Sender) -> io::Result<()> {
    let mut line = Line::new();
    for _ in 0..WARM_UP_LINES {
        sender.say(line.set(WARM_UP, 0))?;
        sender.drive(Instant::now() + WARM_UP_INTERVAL)?;
    }
    Ok(())
}

/// Says lines as fast as the transport takes them, until the count or the time is up.
fn flood(sender: &mut dyn Sender, args: &SendArgs) -> io::Result<u64> {
    let count = args.lines.unwrap_or(u64::MAX);
    let time = Duration::from_secs_f64(args.seconds).as_nanos() as u64;
    let end = clock::now().saturating_add(time);
    let mut line = Line::new();
    let (mut said, mut now) = (0, 0);
    while said < count {
        if said % LINES_A_LOOK == 0 {
            now = clock::now();
            if now >= end {
                break;
            }
        }
        sender.say(line.set(said, now))?;
        said += 1;
    }
    sender.drive(Instant::now())?;
    Ok(said)
}

/// Says `rate` lines a second.
fn pace(sender: &mut dyn Sender, args: &SendArgs, rate: f64) -> io::Result<u64> {
    let interval = Duration::from_secs_f64(1.0 / rate);
    let mut line = Line::new();
    let mut next = Instant::now();
    let mut said = 0;
    while said < args.lines.unwrap_or(u64::MAX) {
        sender.say(line.set(said, clock::now()))?;
        said += 1;
        next += interval;
        sender.drive(next)?;
    }
    Ok(said)
}

//! A receiver's life.

use std::error::Error;
use std::time::Instant;

use super::control::Control;
use super::tally::Counter;
use super::{Message, SLICE, end_after, report};
use crate::cli::ReceiveArgs;

/// Receives until it is told to stop, then reports what it saw.
pub fn receive(args: &ReceiveArgs) -> Result<(), Box<dyn Error>> {
    end_after(args.place.limit());
    let control = Control::follow();
    let mut receiver = (args.place.peer()?.receiver)(&args.place.place())?;
    report(&Message::Ready)?;

    let mut counter = Counter::new(args.lines, args.latencies);
    let mut told = false;
    while !control.stopped() {
        let before = counter.delivered();
        receiver.receive(Instant::now() + SLICE, &mut |line| counter.count(line))?;
        if counter.delivered() > before {
            counter.note_time();
        }
        if counter.is_complete() && !told {
            report(&Message::Complete)?;
            told = true;
        }
    }
    report(&Message::Tally(counter.into_tally()))
}

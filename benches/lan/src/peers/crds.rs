//! This project's reliable room, through the seat that needs no runtime.

use std::io;
use std::time::{Duration, Instant};

use crds::chat::RoomAddress;
use crds::client::{Event, Interface, Seat, SeatOptions, SendError};
use crds::time::Micros;

use super::{Place, Receiver, Sender};

/// How long receivers may take to be heard of.
const GATHER_LIMIT: Duration = Duration::from_secs(10);

struct Crds {
    seat: Seat,
    spin: bool,
}

/// A sending end.
pub fn sender(place: &Place, receivers: usize) -> io::Result<Box<dyn Sender>> {
    let mut crds = join(place, "sender")?;
    let limit = Instant::now() + GATHER_LIMIT;
    while crds.seat.session().members().count() < receivers {
        if Instant::now() > limit {
            return Err(io::Error::other("not all receivers were heard of"));
        }
        crds.run(Instant::now() + Duration::from_millis(10), &mut |_| {})?;
    }
    Ok(Box::new(crds))
}

/// A receiving end.
pub fn receiver(place: &Place) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(join(place, "receiver")?))
}

fn join(place: &Place, name: &str) -> io::Result<Crds> {
    let room = RoomAddress::new(*place.group.ip(), place.group.port()).map_err(io::Error::other)?;
    let interface = Interface::named(&place.interface.to_string()).map_err(io::Error::other)?;
    let options = SeatOptions {
        ttl: 1,
        name: name.parse().map_err(io::Error::other)?,
        rate_max: None,
        replaces: None,
    };
    let seat = Seat::join(room, &interface, &options).map_err(io::Error::other)?;
    let spin = place.spin;
    Ok(Crds { seat, spin })
}

impl Crds {
    /// Does what is due, and waits for datagrams until then at most.
    fn run(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let wait = match self.spin {
            true => Micros::default(),
            false => {
                let left = until.saturating_duration_since(Instant::now());
                Micros(u64::try_from(left.as_micros()).map_or(u64::MAX, |micros| micros + 1))
            }
        };
        self.seat.run(wait, |_, event| {
            if let Event::Message { text, .. } = event {
                sink(&text);
            }
        })
    }
}

impl Sender for Crds {
    fn say(&mut self, line: &[u8]) -> io::Result<()> {
        loop {
            match self.seat.say(line) {
                Ok(_) => return Ok(()),
                Err(SendError::Busy) => {
                    self.run(Instant::now() + Duration::from_millis(1), &mut |_| {})?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        loop {
            self.run(until, &mut |_| {})?;
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }
}

impl Receiver for Crds {
    fn receive(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        loop {
            self.run(until, sink)?;
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }
}

//! Aeron, with a media driver of its own in the process of each end.

use std::ffi::CString;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusteron_client::{
    Aeron, AeronContext, AeronOfferError, AeronPublication, AeronSubscription, BackoffIdleStrategy,
    Handlers, IdleStrategy,
};
use rusteron_media_driver::{
    AeronDriver, AeronDriverContext, EmbeddedMediaDriver, bindings::aeron_threading_mode_enum,
};

use super::socket::BUFFER_BYTES;
use super::{Place, Receiver, Sender, sleep_until};

const STREAM: i32 = 1;

/// How long the driver may take to answer, and receivers to be heard of.
const OPENING: Duration = Duration::from_secs(10);

/// How many lines are taken from the log at once.
const FRAGMENTS: usize = 64;

/// The library's client and its driver. Fields are dropped from the first on, as they depend.
struct Client {
    aeron: Aeron,
    _driver: EmbeddedMediaDriver,
}

struct Publisher {
    publication: AeronPublication,
    _client: Client,
}

struct Subscriber {
    subscription: AeronSubscription,
    idle: Idle,
    _client: Client,
}

/// What a receiver does while there is nothing to do. The drivers back off all the same: one that spins
/// would need a core of its own.
enum Idle {
    Spin,
    BackOff(BackoffIdleStrategy),
}

/// A sending end, held back by the slowest of all its receivers.
pub fn sender(place: &Place, receivers: usize) -> io::Result<Box<dyn Sender>> {
    let client = Client::new(place)?;
    let channel = format!("{}|fc=min,g:/{receivers}", channel(place));
    let channel = CString::new(channel)?;
    let adding = client.aeron.async_add_publication(&channel, STREAM);
    let publication = adding.and_then(|adding| adding.poll_blocking(OPENING));
    let publication = publication.map_err(io::Error::other)?;
    let began = Instant::now();
    while !publication.is_connected() {
        if began.elapsed() > OPENING {
            return Err(io::Error::other("Aeron did not hear of its receivers"));
        }
        sleep_until(Instant::now() + Duration::from_millis(1));
    }
    Ok(Box::new(Publisher {
        publication,
        _client: client,
    }))
}

/// A receiving end.
pub fn receiver(place: &Place) -> io::Result<Box<dyn Receiver>> {
    let client = Client::new(place)?;
    let channel = CString::new(channel(place))?;
    let adding =
        client
            .aeron
            .async_add_subscription(&channel, STREAM, Handlers::NONE, Handlers::NONE);
    let subscription = adding.and_then(|adding| adding.poll_blocking(OPENING));
    let subscription = subscription.map_err(io::Error::other)?;
    let idle = match place.spin {
        true => Idle::Spin,
        false => Idle::BackOff(BackoffIdleStrategy::new()),
    };
    Ok(Box::new(Subscriber {
        subscription,
        idle,
        _client: client,
    }))
}

fn channel(place: &Place) -> String {
    let (group, interface) = (place.group, place.interface);
    // The sockets have the buffers that those of all transports have; what is on the way must fit in.
    let (buffer, window) = (BUFFER_BYTES, BUFFER_BYTES / 2);
    format!(
        "aeron:udp?endpoint={group}|interface={interface}/24|ttl=1\
         |so-sndbuf={buffer}|so-rcvbuf={buffer}|rcv-wnd={window}"
    )
}

impl Client {
    fn new(place: &Place) -> io::Result<Self> {
        let directory: PathBuf = place.scratch.join(place.interface.to_string());
        let directory = CString::new(directory.into_os_string().into_encoded_bytes())?;
        let driver = AeronDriverContext::new().and_then(|context| {
            context.set_dir(&directory)?;
            // One thread a host: there are more hosts than cores.
            context.set_threading_mode(aeron_threading_mode_enum::AERON_THREADING_MODE_SHARED)?;
            Ok(context)
        });
        let driver = driver.map_err(io::Error::other)?;
        let driver = AeronDriver::launch_embedded_guard(driver, false);
        let aeron = AeronContext::new().and_then(|context| {
            context.set_dir(&directory)?;
            let aeron = Aeron::new(&context)?;
            aeron.start()?;
            Ok(aeron)
        });
        Ok(Self {
            aeron: aeron.map_err(io::Error::other)?,
            _driver: driver,
        })
    }
}

impl Sender for Publisher {
    fn say(&mut self, line: &[u8]) -> io::Result<()> {
        let mut idle = BackoffIdleStrategy::new();
        loop {
            match self.publication.offer(line) {
                Ok(_) => return Ok(()),
                Err(AeronOfferError::BackPressured | AeronOfferError::AdminAction) => idle.idle(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        sleep_until(until);
        Ok(())
    }
}

impl Receiver for Subscriber {
    fn receive(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        loop {
            let lines = self.subscription.poll_fn(|line, _| sink(line), FRAGMENTS);
            let lines = lines.map_err(io::Error::other)?;
            if let Idle::BackOff(idle) = &mut self.idle {
                idle.idle(lines);
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }
}

//! How a seat speaks the dialect of its room: what it makes of texts and of datagrams.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::offers::{Noted, Offers};
use super::room_event::{RoomEvent, RoomMember, Said, SayError, Traffic};
use super::room_seat::KnownPast;
use super::seat::{Member, Outlet, SeatOptions};
use crate::chat::{Message, MessageText, RecordRange, RoomAddress, SessionId, UserName};
use crate::multicast::content::{self, Content, Offer, UnknownContent};
use crate::multicast::file::{self, Announcement, FileDatagram};
use crate::multicast::packet::{Header, MemberId};
use crate::multicast::plain;
use crate::multicast::session::{Delivered, Event, MessageId, Session};
use crate::time::Micros;

/// How long who is there may take to be heard of, before they are told together.
const GATHER: Duration = Duration::from_millis(500);

/// Who has not got a line after this is told.
const UNDELIVERED_AFTER: Duration = Duration::from_secs(3);

/// Lines that are watched for that; of a flood only the last are.
const WATCHED_MAX: usize = 64;

/// How much of a line is repeated when it is told that somebody has not got it, in characters.
const EXCERPT_CHARS: usize = 40;

/// The plain dialect: each datagram stands for itself.
pub(super) struct Plain {
    pub(super) name: UserName,
}

impl Plain {
    pub(super) fn say(&self, text: &MessageText, outlet: Outlet<'_>) -> (u64, Vec<io::Error>) {
        let mut sent = 0;
        let mut failed = Vec::new();
        let datagrams = plain::encode(&self.name, text);
        match outlet {
            Outlet {
                relay: Some(relay), ..
            } => {
                for datagram in datagrams {
                    relay.push(datagram.as_bytes());
                    sent += 1;
                }
                relay.send();
            }
            Outlet { socket, .. } => {
                for datagram in datagrams {
                    let bytes = datagram.as_bytes();
                    match socket.map(|socket| socket.send(bytes, bytes.len())) {
                        Some(Err(error)) => failed.push(error),
                        Some(Ok(())) | None => sent += 1,
                    }
                }
            }
        }
        (sent, failed)
    }
}

/// The reliable dialect: a session, and what is waited for from it.
pub(super) struct Reliable {
    member: Member,
    rate_max: Option<u64>,
    wake: Instant,
    /// Members heard of since we came, until they are told at that time.
    present: Option<(Instant, Vec<MemberId>)>,
    awaited: Vec<Awaited>,
    /// Lines of ours, when they were said, and how they begin.
    watched: VecDeque<(MessageId, Instant, String)>,
    /// Files that were offered, and by whom.
    offers: Offers,
    /// Datagrams that are neither of this room nor a stranger's line.
    ignored: u64,
}

/// Somebody waits for a line of ours to be everywhere.
struct Awaited {
    id: MessageId,
    /// How long who has not reported it may stand still, and until when.
    wait: Duration,
    until: Instant,
    /// How far those had come when that was last looked at.
    reporting: Option<u64>,
    answer: oneshot::Sender<Delivered>,
}

impl Reliable {
    pub(super) fn new(
        room: RoomAddress,
        options: &SeatOptions,
        id: Option<u64>,
        past: Option<KnownPast>,
    ) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            member: Member::new(room, options, id, past)?,
            rate_max: options.rate_max,
            wake: now,
            present: Some((now + GATHER, Vec::new())),
            awaited: Vec::new(),
            watched: VecDeque::new(),
            offers: Offers::default(),
            ignored: 0,
        })
    }

    /// Which member this is.
    pub(super) fn id(&self) -> MemberId {
        self.member.id()
    }

    pub(super) fn can_say(&self) -> bool {
        self.member.session().can_say()
    }

    pub(super) fn say(&mut self, text: &MessageText) -> Result<Said, SayError> {
        let message = content::encode(&Content::Text(text.clone()), Timestamp::now());
        let said = self.member.say(&message);
        let id = said.map_err(|error| SayError::Network(error.to_string()))?;
        if self.watched.len() >= WATCHED_MAX {
            self.watched.pop_front();
        }
        let excerpt = text.as_str().chars().take(EXCERPT_CHARS).collect();
        self.watched.push_back((id, Instant::now(), excerpt));
        Ok(Said { id: Some(id) })
    }

    /// Offers a file to the room.
    pub(super) fn offer(&mut self, offer: Offer, said_at: Timestamp) -> Result<(), SayError> {
        let message = content::encode(&Content::Offer(offer), said_at);
        let said = self.member.say(&message);
        said.map(drop)
            .map_err(|error| SayError::Network(error.to_string()))
    }

    /// What may be sent at most, in bytes a second.
    pub(super) fn rate_max(&self) -> Option<u64> {
        self.rate_max
    }

    /// Others who are there, and whom no relay serves.
    pub(super) fn members_by_multicast(&self) -> usize {
        let members = self.member.session().members();
        members.filter(|member| !member.is_relayed).count()
    }

    pub(super) fn rename(&mut self, name: &UserName) {
        self.member.rename(name);
    }

    pub(super) fn set_relayed(&mut self, is_relayed: bool) {
        self.member.set_relayed(is_relayed);
    }

    /// The time between two signs of life of a member.
    pub(super) fn idle_interval(&self) -> Micros {
        self.member.session().idle_interval()
    }

    pub(super) fn leave(&mut self) {
        self.member.leave();
    }

    pub(super) fn is_over(&self) -> bool {
        self.member.session().is_over()
    }

    /// Takes a datagram; a stranger's line comes back at once.
    pub(super) fn hear(&mut self, source: SocketAddrV4, bytes: &[u8]) -> Option<RoomEvent> {
        if let Ok((header, FileDatagram::Announcement(told))) = file::decode(bytes) {
            return self.hear_announcement(&header, told);
        }
        if self.member.hear(source, bytes, self.member.now()) {
            return None;
        }
        match plain::decode(bytes, source) {
            Ok(message) => Some(RoomEvent::Stranger(message)),
            Err(_) => {
                self.ignored += 1;
                None
            }
        }
    }

    /// Who came later hears of files too.
    fn hear_announcement(&mut self, header: &Header, told: Announcement) -> Option<RoomEvent> {
        let session = self.member.session();
        let from = header.transmitter;
        // Who comes back is told to have joined before what it offers.
        let may_tell = match told.is_withdrawn {
            true => session.member(from).is_some(),
            false => session.is_there(from),
        };
        if header.room_tag != session.room_tag() || !may_tell {
            return None;
        }
        let from = name(session, header.transmitter);
        let Announcement {
            is_withdrawn,
            offer,
            said_at,
        } = told;
        let key = (header.transmitter, offer.file.hash);
        match is_withdrawn {
            true => {
                let is_news = self.offers.withdraw(key, said_at);
                is_news.then_some(RoomEvent::Withdrawn { from, offer })
            }
            false => {
                let noted = self.offers.note(key, said_at, Instant::now());
                (noted == Noted::New).then_some(RoomEvent::Offered {
                    from,
                    said_at,
                    offer,
                    is_again: true,
                })
            }
        }
    }

    /// The time has come to look at what is due.
    pub(super) fn look(&mut self) {
        self.member.look();
    }

    /// Sends what is to be sent; what happened comes in order.
    pub(super) fn flush(&mut self, outlet: Outlet<'_>) -> Vec<RoomEvent> {
        let mut events = Vec::new();
        let (present, ignored) = (&mut self.present, &mut self.ignored);
        let offers = &mut self.offers;
        let wake = self.member.flush(outlet, |session, event| {
            let origin = match &event {
                Event::Message { id, .. } => Some(id.origin),
                _ => None,
            };
            if let Event::Left(id) = event {
                offers.note_left(id);
            }
            let event = translate(session, event, present, ignored);
            if let (Some(RoomEvent::Offered { offer, said_at, .. }), Some(origin)) =
                (&event, origin)
                && offers.note((origin, offer.file.hash), *said_at, Instant::now())
                    == Noted::Withdrawn
            {
                // The line came late: it was announced before, and withdrawn.
                return;
            }
            events.extend(event);
        });
        self.wake = self.member.system_time(wake).into();
        events.extend(self.tell_present());
        self.answer_awaited();
        events
    }

    /// Why datagrams did not get out since this was last asked.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.member.failure()
    }

    /// When to look, at the latest.
    pub(super) fn wake(&self) -> Instant {
        let present = self.present.iter().map(|(at, _)| *at);
        let awaited = self.awaited.iter().map(|awaited| awaited.until);
        present.chain(awaited).fold(self.wake, Instant::min)
    }

    /// Who was there before us is told together, who came after us meanwhile one by one.
    fn tell_present(&mut self) -> Vec<RoomEvent> {
        let present = self.present.take_if(|(at, _)| *at <= Instant::now());
        let session = self.member.session();
        let ids = present.into_iter().flat_map(|(_, ids)| ids);
        let (here, came): (Vec<_>, Vec<_>) = ids
            .filter_map(|id| session.member(id))
            .partition(|member| member.since < session.started());
        let names: Vec<String> = here.into_iter().map(|member| member.name).collect();
        let here = (!names.is_empty()).then_some(RoomEvent::Present(names));
        let came = came
            .into_iter()
            .map(|member| RoomEvent::Joined(member.name));
        here.into_iter().chain(came).collect()
    }

    /// Answers once no member there can report it any more, all of them having done so, or when nothing came on for that time.
    pub(super) fn await_delivery(
        &mut self,
        said: Said,
        wait: Duration,
        answer: oneshot::Sender<Delivered>,
    ) {
        match said.id {
            Some(id) => {
                let until = Instant::now() + wait;
                self.awaited.push(Awaited {
                    id,
                    wait,
                    until,
                    reporting: None,
                    answer,
                });
                self.answer_awaited();
            }
            None => _ = answer.send(Delivered { by: 0, of: 0 }),
        }
    }

    fn answer_awaited(&mut self) {
        if self.awaited.is_empty() {
            return;
        }
        let now = Instant::now();
        let session = self.member.session();
        let is_done = |awaited: &mut Awaited| {
            let reporting = session.reporting(awaited.id);
            if std::mem::replace(&mut awaited.reporting, reporting) != reporting {
                awaited.until = now + awaited.wait;
            }
            reporting.is_none() || awaited.until <= now
        };
        for Awaited { id, answer, .. } in self.awaited.extract_if(.., is_done) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(session.delivered_until(id));
        }
    }

    /// The lines of ours that are some seconds old and that some member has not got.
    pub(super) fn undelivered(&mut self) -> Vec<RoomEvent> {
        let mut events = Vec::new();
        while let Some((id, said, _)) = self.watched.front()
            && said.elapsed() >= UNDELIVERED_AFTER
        {
            let members = self.member.session().lacking(*id);
            let Some((_, _, text)) = self.watched.pop_front() else {
                break;
            };
            match events.last_mut() {
                _ if members.is_empty() => {}
                Some(RoomEvent::Undelivered {
                    more, members: of, ..
                }) if *of == members => *more += 1,
                _ => events.push(RoomEvent::Undelivered {
                    text,
                    more: 0,
                    members,
                }),
            }
        }
        events
    }

    pub(super) fn members(&self) -> Vec<RoomMember> {
        let now = self.member.now();
        let duration = |micros: Micros| Duration::from_micros(micros.0);
        let members = self.member.session().members();
        let members = members.map(|member| RoomMember {
            name: member.name,
            address: member.address,
            is_relayed: member.is_relayed,
            there_for: duration(now.since(member.since)),
            round_trip: member.round_trip.map(duration),
            loss_here: member.loss_here,
            loss_there: member.loss_there,
        });
        members.collect()
    }

    /// Datagrams sent, failed and ignored.
    pub(super) fn datagrams(&self) -> [u64; 3] {
        let stats = self.member.session().stats();
        [
            stats.sent - self.member.failed_datagrams,
            self.member.failed_datagrams,
            stats.ignored + self.ignored,
        ]
    }

    pub(super) fn traffic(&self) -> Traffic {
        let session = self.member.session();
        let stats = session.stats();
        let losses = session.members().flat_map(|m| [m.loss_here, m.loss_there]);
        Traffic {
            is_relayed: self.member.session().is_relayed(),
            members: session.members().count(),
            round_trip: Duration::from_micros(session.round_trip().0),
            loss: losses.flatten().reduce(f64::max),
            nacks: stats.nacks,
            recovered_records: stats.recovered_records,
            repaired_records: stats.repaired_records,
            window_bytes: session.window_bytes(),
            rate_max: self.rate_max,
            queued_bytes: session.queued_bytes(),
        }
    }
}

/// What a person is told of an event, if anything yet.
fn translate(
    session: &Session,
    event: Event,
    present: &mut Option<(Instant, Vec<MemberId>)>,
    ignored: &mut u64,
) -> Option<RoomEvent> {
    Some(match event {
        Event::Joined(id) => {
            if let Some((_, ids)) = present {
                ids.push(id);
                return None;
            }
            RoomEvent::Joined(name(session, id))
        }
        Event::Renamed { id, before } => RoomEvent::Renamed {
            before,
            now: name(session, id),
        },
        Event::Left(id) => {
            if let Some((_, ids)) = present {
                ids.retain(|there| *there != id);
            }
            RoomEvent::Left(name(session, id))
        }
        Event::ShownAs(name) => RoomEvent::ShownAs(name),
        Event::Message { id, text, .. } => {
            let from = name(session, id.origin);
            match content::decode(&text) {
                Ok((Content::Text(text), said_at)) => RoomEvent::Message(Message {
                    from,
                    text,
                    said_at: Some(said_at),
                }),
                Ok((Content::Offer(offer), said_at)) => RoomEvent::Offered {
                    from,
                    said_at,
                    offer,
                    is_again: false,
                },
                Err(UnknownContent) => {
                    *ignored += 1;
                    return None;
                }
            }
        }
        Event::Slow(id) => RoomEvent::Slow(name(session, id)),
        Event::Gap {
            origin,
            first,
            records,
        } => RoomEvent::Gap {
            from: name(session, origin),
            records,
            range: RecordRange {
                origin: SessionId(origin.0),
                first,
                end: first + records,
            },
        },
    })
}

/// Of who was never heard of by name, what tells it from others.
pub(super) fn name(session: &Session, id: MemberId) -> String {
    let member = session.member(id);
    member.map_or_else(|| format!("?{:04x}", id.0 as u16), |member| member.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{FileHash, FileName, FileOffer};
    use crate::multicast::packet::{Body, Heartbeat, Leave, encode, room_tag};

    const ROOM: &str = "239.7.7.7:7000";

    fn header(number: u32) -> Header {
        Header {
            number,
            ..Header::new(room_tag(ROOM.parse().unwrap()), MemberId(7))
        }
    }

    fn announcement(number: u32, is_withdrawn: bool) -> Vec<u8> {
        let offer = Offer {
            file: FileOffer {
                name: FileName::of("notes.txt"),
                size_bytes: 10_000,
                hash: FileHash([1; 32]),
            },
            symbol_bytes: 1280,
        };
        let announcement = Announcement {
            is_withdrawn,
            offer,
            said_at: Timestamp::UNIX_EPOCH,
        };
        file::encode_announcement(&header(number), &announcement)
    }

    #[test]
    fn what_somebody_offers_who_left_and_comes_back_is_news() {
        let options = SeatOptions {
            ttl: 1,
            name: "Mel".parse().unwrap(),
            rate_max: None,
            replaces: None,
        };
        let seat = Reliable::new(ROOM.parse().unwrap(), &options, None, None);
        let mut seat = seat.unwrap();
        let mut hear = |datagram: &[u8]| {
            let told = seat.hear("127.0.0.1:5000".parse().unwrap(), datagram);
            seat.flush(Outlet {
                socket: None,
                relay: None,
            });
            told.map(|told| matches!(told, RoomEvent::Offered { .. }))
        };
        let there = Body::Heartbeat(Heartbeat {
            next: 1,
            replaces: MemberId(0),
            name: "Ana".to_owned(),
        });
        let left = Body::Leave(Leave {
            next: 1,
            report: Vec::new(),
        });
        let (offered, withdrawn) = (Some(true), Some(false));
        hear(&encode(&header(1), &there));
        assert_eq!(hear(&announcement(2, false)), offered);
        assert_eq!(hear(&announcement(3, false)), None);
        // What was on its way when it left is none.
        hear(&encode(&header(4), &left));
        assert_eq!(hear(&announcement(5, false)), None);
        hear(&encode(&header(6), &there));
        assert_eq!(hear(&announcement(7, false)), offered);
        assert_eq!(hear(&announcement(8, false)), None);
        // That nothing is offered any more may come after that it left.
        hear(&encode(&header(9), &left));
        assert_eq!(hear(&announcement(10, true)), withdrawn);
        assert_eq!(hear(&announcement(11, true)), None);
    }
}

//! What those hear whom the seat takes part for, and what they ask.

use std::net::SocketAddrV4;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::{RoomBridge, Speaker};
use crate::chat::{Dialect, Happening, Message, RecordId};
use crate::control::{Event, Present, Refusal, RefusalCode, Reply, Via};
use crate::hub::ClientId;
use crate::multicast::config::RELIABLE_FIRST_BYTE;
use crate::multicast::content::Content;
use crate::multicast::plain;
use crate::net::{MemberTold, transfer};
use crate::server::bridge::RoomAsk;
use crate::server::bridge::hosted::{Wanted, not_there};
use crate::server::job::Answer;

/// How often in a row what they say is carried before others have their turn.
const ROUNDS_MAX: usize = 4;

/// When that time has come; never without one.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl RoomBridge {
    /// They hear what there is to hear, and what they say to it is carried.
    pub(super) fn serve_hosted(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if !self.hosted.has_work() {
                return;
            }
            for wanted in self.hosted.work() {
                match wanted {
                    Wanted::Carry(key, said) => self.spread(Speaker::Hosted(key), &said),
                    Wanted::Tell(key, told) => {
                        let text = match told {
                            MemberTold::ShownAs(name) => format!("the others see you as {name}"),
                            MemberTold::Slow(name) => {
                                format!("{name} takes what you say only slowly")
                            }
                        };
                        let room = self.room.name.clone();
                        self.hosted.tell_one(key, &Event::RoomNotice { room, text });
                    }
                }
            }
        }
    }

    pub(super) fn answer_hosted(&mut self, client: ClientId, ask: RoomAsk, answer: Answer) {
        let Some(key) = self.hosted.key_of(client) else {
            let _ = answer.send(Err(not_there()));
            return;
        };
        match (ask, self.room.dialect) {
            (RoomAsk::Members, _) => _ = answer.send(Ok(Reply::Members(self.present(key)))),
            (RoomAsk::Say(text, _), Dialect::Plain) => {
                let name = self.hosted.name_of(key).cloned();
                let _ = answer.send(Ok(Reply::Done));
                if let Some(name) = name {
                    self.spread(Speaker::Hosted(key), &plain::encode(&name, &text));
                }
            }
            (RoomAsk::Offer(..), Dialect::Plain) => {
                let text = "files need a reliable room, and this one is plain";
                let _ = answer.send(Err(Refusal::new(RefusalCode::NotRelayed, text)));
            }
            (RoomAsk::Say(text, said_at), Dialect::Reliable) => {
                self.hosted.say(key, Content::Text(text), said_at, answer);
            }
            (RoomAsk::Offer(file, said_at), Dialect::Reliable) => {
                match self.sockets.first_interface() {
                    Some(interface) => {
                        let offer = Content::Offer(transfer::offer(file, interface));
                        self.hosted.say(key, offer, said_at, answer);
                    }
                    None => {
                        let text = "the server has no network to send files on";
                        let _ = answer.send(Err(Refusal::new(RefusalCode::NoRelay, text)));
                    }
                }
            }
        }
    }

    /// Who is here; in a plain room those of whom the server knows.
    fn present(&self, key: u64) -> Vec<Present> {
        let Some(observer) = &self.observer else {
            let guests = self.guests.values().map(|seated| Present {
                name: seated.guest.name.to_string(),
                via: via(seated.guest.is_relayed),
                is_own: false,
            });
            let hosted = self.hosted.names().map(|(other, name)| Present {
                name: name.to_string(),
                via: Via::Relay,
                is_own: other == key,
            });
            return guests.chain(hosted).collect();
        };
        let members = observer.members().into_iter().map(|member| Present {
            name: member.name,
            via: via(member.is_relayed),
            is_own: member.id.0 == key,
        });
        members.collect()
    }

    /// A line of a plain room.
    pub(super) fn tell_plain(&mut self, message: &Message, at: Timestamp, by: Speaker) {
        if self.hosted.is_empty() {
            return;
        }
        let line = |is_own| Event::Heard {
            room: self.room.name.clone(),
            from: message.from.clone(),
            text: message.text.clone(),
            at,
            said_at: at,
            record: None,
            is_own,
        };
        let own = by.hosted().map(|key| (key, line(true)));
        let own = own.as_ref().map(|(key, event)| (*key, Some(event)));
        self.hosted.tell(&line(false), own);
    }

    /// Something happened in a reliable room, to this member.
    pub(super) fn tell_happened(
        &mut self,
        member: u64,
        from: &str,
        what: &Happening,
        record: Option<RecordId>,
        (at, said_at): (Timestamp, Option<Timestamp>),
    ) {
        if self.hosted.is_empty() {
            return;
        }
        let room = || self.room.name.clone();
        let (from, said_at) = (from.to_owned(), said_at.unwrap_or(at));
        let event = |is_own| match (what, record) {
            (Happening::Text(text), record) => Some(Event::Heard {
                room: room(),
                from: from.clone(),
                text: text.clone(),
                at,
                said_at,
                record,
                is_own,
            }),
            (Happening::File(offer), Some(record)) => Some(Event::Offered {
                room: room(),
                from: from.clone(),
                offer: offer.clone(),
                at,
                said_at,
                record,
                is_own,
            }),
            // That one knows itself.
            _ if is_own => None,
            (Happening::Joined, _) => Some(Event::Came {
                room: room(),
                name: from.clone(),
                at,
            }),
            (Happening::Left, _) => Some(Event::Went {
                room: room(),
                name: from.clone(),
                at,
            }),
            // The presence tells who has another name.
            (Happening::Renamed(_) | Happening::File(_), _) => None,
        };
        let own = self.hosted.has_member(member).then(|| event(true));
        if let Some(event) = event(false) {
            let own = own.as_ref().map(|own| (member, own.as_ref()));
            self.hosted.tell(&event, own);
        }
        record.into_iter().for_each(|r| self.hosted.note_heard(r));
    }

    /// So much of somebody is lost.
    pub(super) fn tell_gap(&mut self, from: &str, records: u64) {
        let lines = match records {
            1 => "a line".to_owned(),
            records => format!("up to {records} lines"),
        };
        self.tell_notice(format!(
            "{lines} of {from} can no longer be had from anyone"
        ));
    }

    /// A program that speaks the plain dialect said something in a reliable room.
    pub(super) fn note_stranger(&mut self, source: SocketAddrV4, datagram: &[u8]) {
        if self.hosted.is_empty() || datagram.first() == Some(&RELIABLE_FIRST_BYTE) {
            return;
        }
        if let Ok(Message { from, text, .. }) = plain::decode(datagram, source) {
            self.tell_notice(format!(
                "a program that speaks the plain dialect said, and not all may have heard it: {from}: {text}"
            ));
        }
    }

    fn tell_notice(&mut self, text: String) {
        if !self.hosted.is_empty() {
            let room = self.room.name.clone();
            self.hosted.tell(&Event::RoomNotice { room, text }, None);
        }
    }
}

fn via(is_relayed: bool) -> Via {
    match is_relayed {
        true => Via::Relay,
        false => Via::Multicast,
    }
}

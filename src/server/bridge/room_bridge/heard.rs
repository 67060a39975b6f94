//! What becomes of what is heard in a room.

use jiff::Timestamp;
use tokio::time::Instant;

use super::RoomBridge;
use crate::chat::{Happening, Message};
use crate::net::Observed;
use crate::server::bridge::Overheard;
use crate::server::bridge::hosted::heard_now;
use crate::server::bridge::room_files::{Ended, HeardOffer};
use crate::server::job::Job;

impl RoomBridge {
    pub(super) fn notice(&mut self, observed: Observed) {
        match observed {
            Observed::Offered {
                origin,
                from,
                said_at,
                offer,
            } => self.hear_offer(HeardOffer {
                origin: origin.0,
                from,
                said_at,
                offer,
            }),
            Observed::Withdrawn { origin, hash } => {
                let files = self.files.iter_mut();
                files.for_each(|files| files.withdrawn(origin.0, hash));
            }
            Observed::Seen(position) => {
                if let Some(kept) = &self.history {
                    let at = Timestamp::now();
                    kept.history.note_position(kept.room, position, at);
                }
            }
            Observed::Gap { from, records } => self.tell_gap(&from, records),
            Observed::Happened {
                member,
                from,
                said_at,
                what,
                record,
            } => {
                let when = (heard_now(), said_at);
                if let Some(history) = &self.history {
                    history.keep(from.clone(), what.clone(), when, record);
                }
                self.tell_happened(member.0, &from, &what, record, when);
                if let Happening::Text(text) = what {
                    self.overhear(Message {
                        from,
                        text,
                        said_at,
                    });
                }
            }
        }
    }

    /// Who is relayed has brought the file before; that of others is to be kept.
    fn hear_offer(&mut self, heard: HeardOffer) {
        let mut guests = self.guests.values();
        let is_relayed = guests
            .any(|seated| seated.guest.is_relayed && seated.guest.member == Some(heard.origin))
            || self.hosted.has_member(heard.origin);
        if let Some(files) = &mut self.files {
            files.hear(heard, is_relayed);
        }
        self.start_files();
    }

    pub(super) fn go_on_with_files(&mut self, ended: Ended) {
        if let Some(files) = &mut self.files {
            files.end(ended);
        }
        self.start_files();
    }

    pub(super) fn start_files(&mut self) {
        if let (Some(files), Some(observer), Some(interface)) = (
            &mut self.files,
            &self.observer,
            self.sockets.first_interface(),
        ) {
            files.start(interface, || observer.members_by_multicast());
        }
    }

    pub(super) fn overhear(&mut self, message: Message) {
        let now = Instant::now().into_std();
        self.log
            .said(&self.room, &message.from, message.text.as_str(), now);
        if self.is_followed
            && let Some(jobs) = self.jobs.upgrade()
        {
            let room = self.room.name.clone();
            // Where the hub has its hands full, followers miss a line; the room does not wait.
            let _ = jobs.try_send(Job::Overheard(Overheard { room, message }));
        }
    }
}

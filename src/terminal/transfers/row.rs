//! One transfer: what it is, and how it stands.

use std::time::Duration;

use super::Told;
use super::work::Done;
use crate::chat::{ByteSize, FileName, FileOffer, RoomName, printable};
use crate::client::{FileFor, Offer, RoomFiles, Transfer};
use crate::terminal::offerers::Offerers;
use crate::terminal::progress::Meter;

/// How a transfer has ended that went wrong.
pub(super) const FAILED: &str = "failed";

#[derive(Debug)]
pub(super) struct Row {
    pub(super) what: What,
    pub(super) state: State,
    pub(super) way: Way,
    /// What a short text says was shown already, with the history.
    pub(super) is_text_shown: bool,
    /// Who offers it in the room; nobody where the server has it from the history, or for us alone.
    pub(super) offered_by: Offerers,
    /// It was withdrawn on its way: when it is offered again it goes on.
    pub(super) is_interrupted: bool,
}

/// Which way a file comes.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// The connection of the moment.
    Server,
    /// A room, as it was offered there.
    Room(RoomFiles, Offer),
}

/// A file, and between whom it goes.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// It is ours.
    Sending { to: FileFor, name: FileName },
    /// It is somebody's, for all in a room or for us alone.
    Receiving {
        room: Option<RoomName>,
        from: String,
        offer: FileOffer,
    },
}

#[derive(Debug)]
pub(super) enum State {
    Offered,
    Running(Running),
    /// Those who took it have it, as many as stands here, and others may take it still.
    Shared(Transfer, String),
    Ended(&'static str),
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) transfer: Transfer,
    /// None before it goes: it is hashed, or others come first.
    pub(super) meter: Option<Meter>,
    /// How many have it, where it is sent to several.
    pub(super) who: String,
}

impl Row {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// Notes the end.
    pub(super) fn end(&mut self, result: Result<Done, String>) -> Option<Told> {
        let is_cancelled = match &self.state {
            State::Running(Running { transfer, .. }) | State::Shared(transfer, _) => {
                transfer.cancel.is_cancelled()
            }
            _ => false,
        };
        let name = self.what.name().clone();
        // It came to its end all the same.
        self.is_interrupted &= result.is_err();
        let (state, told) = match (result, &self.what) {
            (Ok(Done::Sent(size)), What::Sending { to, .. }) => {
                let told = format!("sent {name} ({size}) to {}", whom(to));
                ("sent", Told::Notice(told))
            }
            (Ok(Done::Saved { path, text }), What::Receiving { room, from, offer }) => {
                let size = ByteSize(offer.size_bytes);
                let saved = format!("saved {} ({size}) from {from}", path.display());
                let told = match text.filter(|_| !self.is_text_shown) {
                    Some(text) => Told::Text {
                        is_private: room.is_none(),
                        from: from.clone(),
                        text,
                        saved,
                    },
                    None => Told::Notice(saved),
                };
                ("saved", told)
            }
            (Err(_), _) if is_cancelled => {
                ("cancelled", Told::Notice(format!("{name}: cancelled")))
            }
            (Err(error), _) => (FAILED, Told::Failure(format!("{name}: {error}"))),
            (Ok(_), _) => return None,
        };
        self.state = State::Ended(state);
        Some(told)
    }
}

impl Running {
    /// None before it goes, and before it has gone for so long.
    pub(super) fn far(&mut self, time: Duration) -> Option<String> {
        let done = *self.transfer.progress.borrow();
        let meter = self.meter.as_mut().filter(|meter| meter.has_taken(time));
        let far = meter?.line(done);
        Some(match self.who.as_str() {
            "" => far,
            who => format!("{far} {who}"),
        })
    }

    /// Whether something has moved of late.
    pub(super) fn moves(&self) -> bool {
        self.meter
            .as_ref()
            .is_some_and(|meter| !meter.stands_still())
    }

    /// Whether it is to be told that nothing has come for long.
    pub(super) fn is_stuck(&mut self) -> bool {
        let done = *self.transfer.progress.borrow();
        self.meter
            .as_mut()
            .is_some_and(|meter| meter.is_stuck(done))
    }

    /// The same as a bar.
    pub(super) fn bar(&self) -> Option<String> {
        let done = *self.transfer.progress.borrow();
        Some(self.meter.as_ref()?.bar(done))
    }
}

impl What {
    pub(super) fn name(&self) -> &FileName {
        match self {
            Self::Sending { name, .. } => name,
            Self::Receiving { offer, .. } => &offer.name,
        }
    }
}

impl Row {
    pub(super) fn line(&mut self, id: u32) -> String {
        let what = match &self.what {
            What::Sending { to, name } => format!("{name} to {}", whom(to)),
            What::Receiving { from, offer, .. } => {
                let size = ByteSize(offer.size_bytes);
                format!("{} ({size}) from {from}", offer.name)
            }
        };
        let state = match &mut self.state {
            State::Offered => format!("offered: /receive {id}"),
            State::Running(running) => running
                .far(Duration::ZERO)
                .unwrap_or_else(|| "not begun yet".to_owned()),
            State::Shared(_, who) => format!("offered to who comes{who}"),
            State::Ended(how) => (*how).to_owned(),
        };
        // A history's sender may be called anything.
        printable(&format!("{id}  {what}  {state}")).into_owned()
    }
}

fn whom(to: &FileFor) -> String {
    match to {
        FileFor::Room(room) if room.is_lobby() => "the lobby".to_owned(),
        FileFor::Room(room) => format!("room {room}"),
        FileFor::Person(name) => name.to_string(),
    }
}

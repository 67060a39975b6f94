//! What this client is on the server: its name, where it is, whom it follows. After a connection that
//! broke, it is asked for again.

use crate::chat::{Followed, OneLine, RoomName, UserName};
use crate::control::Request;

/// As the answers of the server have made it.
#[derive(Debug, Default)]
pub(super) struct Standing {
    name: Option<UserName>,
    away: Option<OneLine>,
    follows: Vec<Followed>,
    rooms: Vec<Entered>,
    /// Rooms that were left while there was no connection to say so.
    left: Vec<RoomName>,
    /// The name was not had again: what needs one waits until there is another.
    is_owed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entered {
    room: RoomName,
    /// The request that told so.
    enter: Request,
}

impl Standing {
    /// The server has carried this out. Gives back what is to be asked for next.
    pub(super) fn note(&mut self, request: &Request) -> Vec<Request> {
        match request {
            Request::Name(name) => {
                self.name = Some(name.clone());
                if std::mem::take(&mut self.is_owed) {
                    return self.rest();
                }
            }
            Request::Away(text) => self.away.clone_from(text),
            Request::Follow(what) => {
                self.follows.retain(|followed| followed != what);
                self.follows.push(what.clone());
            }
            Request::Unfollow(what) => self.follows.retain(|followed| followed != what),
            Request::Enter { room, .. } => {
                self.rooms.retain(|entered| entered.room != *room);
                self.rooms.push(Entered {
                    room: room.clone(),
                    enter: request.clone(),
                });
            }
            Request::Leave(room) => self.rooms.retain(|entered| entered.room != *room),
            _ => {}
        }
        Vec::new()
    }

    /// Without a connection a room can be left all the same; the server hears of it later. Whether this
    /// was such a request.
    pub(super) fn withdraw(&mut self, request: &Request) -> bool {
        let Request::Leave(room) = request else {
            return false;
        };
        self.rooms.retain(|entered| entered.room != *room);
        self.left.push(room.clone());
        true
    }

    /// What a new connection asks for first; `resumed` is whom the server still takes us for.
    pub(super) fn regain(&mut self, resumed: Option<&UserName>) -> Vec<Request> {
        self.is_owed = false;
        let left = std::mem::take(&mut self.left);
        let Some(name) = &self.name else {
            return self.rest();
        };
        let claim = Request::Name(name.clone());
        let Some(resumed) = resumed else {
            return std::iter::once(claim).chain(self.rest()).collect();
        };
        // The server may have given us a name of which we never heard that we have it.
        let claim = (resumed.as_str() != name.as_str()).then_some(claim);
        let left = left.into_iter().map(Request::Leave);
        claim.into_iter().chain(left).collect()
    }

    /// The server refuses what it gave before.
    pub(super) fn lose(&mut self, request: &Request) {
        match request {
            Request::Name(_) => {
                self.name = None;
                self.is_owed = true;
            }
            // For want of a name: it is asked for again when there is one.
            _ if self.is_owed => {}
            Request::Follow(what) => self.follows.retain(|followed| followed != what),
            Request::Enter { room, .. } => self.rooms.retain(|entered| entered.room != *room),
            Request::Away(_) => self.away = None,
            _ => {}
        }
    }

    /// Whether what was refused waits for another name.
    pub(super) fn is_owed(&self) -> bool {
        self.is_owed
    }

    fn rest(&self) -> Vec<Request> {
        let away = self
            .away
            .iter()
            .map(|text| Request::Away(Some(text.clone())));
        let follows = self.follows.iter().cloned().map(Request::Follow);
        let rooms = self.rooms.iter().map(|entered| entered.enter.clone());
        away.chain(follows).chain(rooms).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Via;

    fn enter(room: &str) -> Request {
        Request::Enter {
            room: room.parse().unwrap(),
            via: Via::Relay,
            member: None,
            interface: None,
            name: None,
        }
    }

    fn standing() -> Standing {
        let mut standing = Standing::default();
        for request in [
            Request::Name("Mel".parse().unwrap()),
            Request::Follow("exam".parse().unwrap()),
            Request::Follow("@ana".parse().unwrap()),
            Request::Unfollow("exam".parse().unwrap()),
            enter("tea"),
            Request::Leave("TEA".parse().unwrap()),
            enter("lobby"),
            enter("lobby"),
            Request::Ping,
        ] {
            assert_eq!(standing.note(&request), []);
        }
        standing
    }

    #[test]
    fn what_was_had_is_asked_for_again_in_order() {
        let wanted = [
            Request::Name("Mel".parse().unwrap()),
            Request::Follow("@ana".parse().unwrap()),
            enter("lobby"),
        ];
        assert_eq!(standing().regain(None), wanted);
        // A server that still knows us has kept it all.
        let mel = "Mel".parse().unwrap();
        assert_eq!(standing().regain(Some(&mel)), []);
        let other = "Ana".parse().unwrap();
        assert_eq!(standing().regain(Some(&other)), wanted[..1]);
        assert_eq!(Standing::default().regain(None), []);
    }

    #[test]
    fn a_room_left_without_a_server_is_not_entered_again() {
        let leave = Request::Leave("lobby".parse().unwrap());
        let mel = "Mel".parse().unwrap();
        let mut known = standing();
        assert!(known.withdraw(&leave));
        assert!(!known.withdraw(&Request::Names));
        assert_eq!(known.regain(Some(&mel)), std::slice::from_ref(&leave));
        assert_eq!(known.regain(Some(&mel)), []);
        let mut forgotten = standing();
        forgotten.withdraw(&leave);
        assert_eq!(forgotten.regain(None).len(), 2);
    }

    #[test]
    fn without_the_name_the_rest_waits_for_another() {
        let mut standing = standing();
        let asked = standing.regain(None);
        for request in &asked {
            standing.lose(request);
        }
        assert!(standing.is_owed());
        let again = standing.note(&Request::Name("Melanie".parse().unwrap()));
        assert_eq!(again, asked[1..]);
        assert!(!standing.is_owed());
    }

    #[test]
    fn a_room_that_is_gone_is_asked_for_once() {
        let mut standing = standing();
        standing.lose(&enter("lobby"));
        assert_eq!(standing.regain(None).len(), 2);
    }
}

//! Who says something in a room, and who of those whom multicast does not reach hears it.

use crate::hub::ClientId;
use crate::multicast::packet::MemberId;
use crate::server::bridge::Guest;

/// Whose datagrams are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The group's, or our own.
    Nobody,
    Guest(ClientId),
    /// Somebody's whom we take part for.
    Hosted(u64),
}

/// Who of those whom multicast does not reach is to hear something.
#[derive(Clone, Copy)]
pub(super) enum Audience<'a> {
    All,
    AllBut(Speaker),
    /// These members, but who says it.
    Of(&'a [MemberId], Speaker),
}

impl Speaker {
    pub(super) fn hosted(self) -> Option<u64> {
        match self {
            Self::Hosted(key) => Some(key),
            Self::Nobody | Self::Guest(_) => None,
        }
    }
}

impl Audience<'_> {
    pub(super) fn has(&self, id: ClientId, guest: &Guest) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(by) => *by != Speaker::Guest(id),
            Self::Of(members, by) => {
                let is_concerned = members.iter().any(|m| guest.member == Some(m.0));
                *by != Speaker::Guest(id) && is_concerned
            }
        }
    }
}

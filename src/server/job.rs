//! What the owner of hub and directory is asked, and by whom.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::bridge::Overheard;
use super::outbox::Outbox;
use super::rendered::Form;
use crate::chat::{AvatarId, RoomName, UserName};
use crate::control::{Refusal, Reply, Request, Token};
use crate::hub::ClientId;

/// A request to the owner.
#[derive(Debug)]
pub(super) enum Job {
    /// A connection speaks JSON from now on.
    Hello {
        by: Caller,
        /// With the first hello of a connection.
        outbox: Option<Outbox>,
        token: Token,
        resume: Option<Token>,
        answer: Answer,
    },
    Ask {
        by: Caller,
        request: Request,
        answer: Answer,
    },
    Show {
        form: Form,
        answer: oneshot::Sender<Arc<str>>,
    },
    /// Who is online at the connection with this token?
    WhoIs {
        token: Token,
        answer: oneshot::Sender<Option<UserName>>,
    },
    /// Who is online at the connection with this token has this picture now, or none.
    SetAvatar {
        token: Token,
        picture: Option<Bytes>,
        answer: Answer,
    },
    /// Which picture is that?
    Avatar {
        id: AvatarId,
        answer: oneshot::Sender<Option<Bytes>>,
    },
    /// A connection has ended.
    Gone(ClientId),
    /// Those who watch are to be told what changed.
    Tick,
    /// The server has no seat for this client in a room where it was to take part in its place.
    NotHosted(ClientId, RoomName),
    /// The server's seat in a room has heard a line.
    Overheard(Overheard),
}

/// The connection that asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) client: ClientId,
    pub(super) address: SocketAddr,
    /// Our own end of the connection.
    pub(super) local: IpAddr,
}

pub(super) type Answer = oneshot::Sender<Result<Reply, Refusal>>;

//! A seat in a room.

use tokio::sync::{mpsc, oneshot};

use crate::chat::{MessageText, RoomAddress, UserName};
use crate::net::{Interface, OpenError, RoomCommand, RoomEvent, RoomStats, SayError, spawn_room};

/// How to join.
#[derive(Clone, Debug)]
pub struct RoomOptions {
    /// Where to send and listen.
    pub interface: Interface,
    /// How many hops datagrams may go; 1 is this network only.
    pub ttl: u8,
    /// The name to speak under.
    pub name: UserName,
}

/// A seat in a room; dropping it leaves the room. What is heard while nobody calls
/// [`Room::next_event`] waits, up to 1,024 lines.
#[derive(Debug)]
pub struct Room {
    commands: mpsc::Sender<RoomCommand>,
    events: mpsc::Receiver<RoomEvent>,
}

impl Room {
    /// Joins the room at `address`. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// The group could not be joined on that interface.
    pub fn join(address: RoomAddress, options: RoomOptions) -> Result<Self, OpenError> {
        let RoomOptions {
            interface,
            ttl,
            name,
        } = options;
        let (commands, events) = spawn_room(address, interface, ttl, name)?;
        Ok(Self { commands, events })
    }

    /// Says `text`, and returns when it is handed to the network.
    ///
    /// # Errors
    /// The interface is down, or the network did not take it. The room goes on.
    pub async fn say(&self, text: MessageText) -> Result<(), SayError> {
        self.ask(|done| RoomCommand::Say(text, done))
            .await
            .unwrap_or(Err(SayError::Left))
    }

    /// Speaks under another name from now on.
    pub async fn rename(&self, name: UserName) {
        // The task ends only when this seat is dropped.
        let _ = self.commands.send(RoomCommand::Rename(name)).await;
    }

    /// The counters of this seat; none if the room was left.
    pub async fn stats(&self) -> Option<RoomStats> {
        self.ask(RoomCommand::Stats).await
    }

    /// The next thing said or to be told. May be dropped and called again without losing any.
    pub async fn next_event(&mut self) -> Option<RoomEvent> {
        self.events.recv().await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> RoomCommand) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.ok()?;
        answered.await.ok()
    }
}

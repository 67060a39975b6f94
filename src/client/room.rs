//! A seat in a room.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Files, RoomFiles};
use crate::chat::{MessageText, RoomAddress, UserName};
use crate::multicast::session::Delivered;
use crate::net::{
    OpenError, RelayLink, RoomCommand, RoomEvent, RoomMember, RoomOptions, RoomStats, Said,
    SayError, Seated, spawn_room,
};

/// A seat in a room; dropping it leaves the room. What is heard while nobody calls
/// [`Room::next_event`] waits, up to 1,024 lines; more are left out and counted in a plain room, and make
/// the others wait in a reliable one.
#[derive(Debug)]
pub struct Room {
    id: Option<u64>,
    commands: mpsc::Sender<RoomCommand>,
    events: mpsc::Receiver<RoomEvent>,
    task: JoinHandle<()>,
}

impl Room {
    /// Joins the room at `address`. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// The group could not be joined on that interface.
    pub fn join(address: RoomAddress, options: RoomOptions) -> Result<Self, OpenError> {
        let Seated {
            id,
            commands,
            events,
            task,
        } = spawn_room(address, options)?;
        Ok(Self {
            id,
            commands,
            events,
            task,
        })
    }

    /// Which member of a reliable room this is; none in a plain room. Who is started again names it
    /// in [`RoomOptions::replaces`].
    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// Says `text`, and returns when it is handed to the network; in a reliable room when it stands in the
    /// queue, which has room for a mebibyte. So it waits while the members cannot take more.
    ///
    /// # Errors
    /// The interface is down, or the network did not take it. The room goes on.
    pub async fn say(&self, text: MessageText) -> Result<Said, SayError> {
        self.ask(|done| RoomCommand::Say(text, done))
            .await
            .unwrap_or(Err(SayError::Left))
    }

    /// The way of files: by multicast, and by the server's if there is one, for whom multicast does not reach.
    pub fn files(&self, server: Option<Files>) -> RoomFiles {
        RoomFiles::new(self.commands.downgrade(), server)
    }

    /// Waits until every member there has reported what was said, and everything said before it, as long as one of them comes on
    /// within that time. In a plain room, where nobody reports, that is nobody of nobody at once.
    pub async fn delivered(&self, said: Said, wait: Duration) -> Delivered {
        self.ask(|answer| RoomCommand::AwaitDelivery(said, wait, answer))
            .await
            .unwrap_or(Delivered { by: 0, of: 0 })
    }

    /// A server is there now that would relay.
    pub async fn use_relay(&self, link: RelayLink) {
        // The task ends only when this seat is dropped.
        let _ = self.commands.send(RoomCommand::UseRelay(link)).await;
    }

    /// Waits until it is known whether multicast works here: at once without a server, else within two
    /// seconds. What is said in a reliable room before waits for it.
    pub async fn way_known(&self) {
        _ = self.ask(RoomCommand::AwaitWay).await;
    }

    /// Who is there, as far as known; in a plain room nobody knows.
    pub async fn members(&self) -> Vec<RoomMember> {
        self.ask(RoomCommand::Members).await.unwrap_or_default()
    }

    /// Leaves: sends what still waits, as long as some of it gets out every 10 s and for two minutes at most, gives the
    /// others half a second to report it, and tells them.
    pub async fn leave(self) {
        drop(self.commands);
        // It ends by itself.
        let _ = self.task.await;
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

    /// What happens, for a reader of its own; [`Room::next_event`] has nothing more to tell then.
    pub fn take_events(&mut self) -> mpsc::Receiver<RoomEvent> {
        let (_, none) = mpsc::channel(1);
        std::mem::replace(&mut self.events, none)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> RoomCommand) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.ok()?;
        answered.await.ok()
    }
}

//! How much goes on in which room, for who watches: told once a second at most.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::job::Job;
use crate::chat::{RoomId, RoomName};
use crate::control::{Activity, Event};
use crate::directory::Directory;
use crate::hub::Hub;
use crate::store::{History, LOBBY};

/// How often those who watch are told what changed.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// Reminds the owner of the hub, until that has ended.
pub(super) async fn remind(jobs: mpsc::WeakSender<Job>) {
    let mut ticks = interval(TELL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(jobs) = jobs.upgrade() else {
            return;
        };
        // Where it has its hands full, it is told a second later.
        let _ = jobs.try_send(Job::Tick);
    }
}

/// Of all rooms.
pub(super) fn of_all(hub: &Hub, directory: &Directory, history: Option<&History>) -> Event {
    let lobby = activity(hub, history, LOBBY, RoomName::lobby());
    let rooms = directory.entries();
    let rooms = rooms.map(|(id, room)| activity(hub, history, id, room.name.clone()));
    Event::Activity(std::iter::once(lobby).chain(rooms).collect())
}

/// Of those where something changed since this was last asked; none if nothing did.
pub(super) fn changed(
    hub: &mut Hub,
    directory: &Directory,
    history: Option<&History>,
) -> Option<Event> {
    let talked = history.map_or_else(Vec::new, History::talked_in);
    let stirred = hub.take_stirred();
    let stirred = stirred.iter().filter_map(|room| match room.is_lobby() {
        true => Some(LOBBY),
        false => directory.id_of(room),
    });
    let rooms: BTreeSet<RoomId> = talked.into_iter().chain(stirred).collect();
    let rooms = rooms.into_iter().filter_map(|id| {
        let name = match id {
            LOBBY => RoomName::lobby(),
            id => directory.get(id)?.name.clone(),
        };
        Some(activity(hub, history, id, name))
    });
    let rooms: Vec<Activity> = rooms.collect();
    (!rooms.is_empty()).then_some(Event::Activity(rooms))
}

fn activity(hub: &Hub, history: Option<&History>, id: RoomId, room: RoomName) -> Activity {
    Activity {
        members: hub.members_in(&room) as u64,
        talk: history.and_then(|history| history.talk(id)),
        room,
    }
}

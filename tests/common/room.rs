//! Members of a room on loopback, through the library.
#![allow(dead_code, reason = "no test needs all of it")]

use std::borrow::Borrow;
use std::time::Duration;

use crds::chat::{Dialect, RoomAddress};
use crds::client::{Interface, Room, RoomEvent, RoomOptions, Said};
use tokio::time::timeout;

use crate::patience::PATIENCE;

pub fn loopback() -> Interface {
    Interface::named("lo")
        .or_else(|_| Interface::named("lo0"))
        .unwrap()
}

pub fn options(name: &str, dialect: Dialect) -> RoomOptions {
    RoomOptions::new(loopback(), name.parse().unwrap(), dialect)
}

pub fn join(address: RoomAddress, name: &str, dialect: Dialect) -> Room {
    Room::join(address, options(name, dialect)).unwrap()
}

/// Waits until all know of all.
pub async fn gathered(members: &[impl Borrow<Room>]) {
    let others = members.len() - 1;
    for member in members {
        let all_there = async {
            while member.borrow().members().await.len() < others {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let all_there = timeout(PATIENCE, all_there).await;
        all_there.expect("all find each other");
    }
}

pub async fn say(room: &Room, text: &str) -> Said {
    let said = timeout(PATIENCE, room.say(text.parse().unwrap())).await;
    said.expect("said in time").unwrap()
}

pub async fn event(room: &mut Room) -> RoomEvent {
    let event = timeout(PATIENCE, room.next_event()).await;
    event.expect("something happens in time").unwrap()
}

/// The next message, whoever came meanwhile; nothing else may happen before it.
pub async fn heard(room: &mut Room) -> String {
    loop {
        match event(room).await {
            RoomEvent::Message(message) => return format!("{}: {}", message.from, message.text),
            RoomEvent::Joined(_) | RoomEvent::Present(_) | RoomEvent::ShownAs(_) => {}
            other => panic!("no message: {other:?}"),
        }
    }
}

/// The next message, whatever else happens before it.
pub async fn heard_in_the_end(room: &mut Room) -> String {
    let message = |event| match event {
        RoomEvent::Message(message) => Some(format!("{}: {}", message.from, message.text)),
        _ => None,
    };
    next(room, message).await
}

/// The first event that this gives something for.
pub async fn next<T>(room: &mut Room, mut wanted: impl FnMut(RoomEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = room.next_event().await.unwrap();
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("nothing came")
}

//! Sits in a room and tells whom it has heard there: in a plain room nobody else keeps that list.
//!
//! ```text
//! cargo run --example room_bot -- HOST[:PORT] ROOM [INTERFACE [ANSWERS]]
//! cargo run --example room_bot -- 127.0.0.1 lab
//! ```
//!
//! Makes the room if there is none. Answers lines that begin with its name, such as `bot, who?`.
//! Ends after ANSWERS answers, or with Ctrl-C.

use std::collections::BTreeSet;
use std::error::Error;

use crds::chat::{Dialect, NewRoom, RoomName, ServerAddress};
use crds::client::{Connection, Interface, Room, RoomEvent, RoomOptions, Towards};

const USAGE: &str = "usage: room_bot HOST[:PORT] ROOM [INTERFACE [ANSWERS]]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server: ServerAddress = arguments.next().ok_or(USAGE)?.parse()?;
    let wanted: RoomName = arguments.next().ok_or(USAGE)?.parse()?;
    let interface = arguments.next();
    let mut left: u64 = arguments
        .next()
        .map_or(Ok(u64::MAX), |count| count.parse())?;

    let name = "bot".parse()?;
    // It needs to be in the room only, not online on the server.
    let connection = Connection::open(&server, None).await?;
    let rooms = connection.get_directory().await?;
    let found = match rooms.into_iter().find(|room| room.name == wanted) {
        Some(room) => room,
        None => {
            let room = NewRoom {
                name: wanted,
                address: None,
                dialect: Dialect::Reliable,
                limit: None,
                topic: None,
                history: None,
            };
            connection.make_room(room).await?
        }
    };
    let towards = Towards::Server(connection.local_address());
    let interface = Interface::choose(interface.as_deref(), towards)?;
    // The room needs the server no more.
    connection.bye().await;

    let options = RoomOptions::new(interface.clone(), name, found.dialect);
    let mut room = Room::join(found.address, options)?;
    println!("in room {} ({}) on {interface}", found.name, found.address);
    room.say("hello! Say `bot, who?` and I tell whom I heard.".parse()?)
        .await?;
    let mut heard = BTreeSet::new();
    while left > 0
        && let Some(event) = room.next_event().await
    {
        let RoomEvent::Message(message) = event else {
            continue;
        };
        heard.insert(message.from);
        let mut words = message.text.as_str().split([' ', ',', ':']);
        if words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("bot"))
        {
            left -= 1;
            let names: Vec<_> = heard.iter().map(String::as_str).collect();
            room.say(format!("heard so far: {}", names.join(", ")).parse()?)
                .await?;
        }
    }
    // Waits until the others have the last answer.
    room.leave().await;
    Ok(())
}

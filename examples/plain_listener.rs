//! Joins a plain room by its address, without any server, and prints what is said there.
//!
//! ```text
//! cargo run --example plain_listener -- ADDRESS:PORT [INTERFACE [COUNT]]
//! cargo run --example plain_listener -- 239.1.1.1:6000 eth0
//! ```
//!
//! Ends after COUNT messages, or with Ctrl-C.

use std::error::Error;

use crds::chat::{Dialect, RoomAddress, printable};
use crds::client::{Interface, Room, RoomEvent, RoomOptions, Towards};

const USAGE: &str = "usage: plain_listener ADDRESS:PORT [INTERFACE [COUNT]]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address: RoomAddress = arguments.next().ok_or(USAGE)?.parse()?;
    let interface = Interface::choose(arguments.next().as_deref(), Towards::Group(address))?;
    let mut left: u64 = arguments
        .next()
        .map_or(Ok(u64::MAX), |count| count.parse())?;

    let options = RoomOptions::new(interface.clone(), "listener".parse()?, Dialect::Plain);
    let mut room = Room::join(address, options)?;
    println!("listening to {address} on {interface}");
    while left > 0
        && let Some(event) = room.next_event().await
    {
        match event {
            RoomEvent::Message(message) => {
                left -= 1;
                // What comes from the network is made safe before a terminal sees it.
                println!(
                    "{}: {}",
                    printable(&message.from),
                    printable(message.text.as_str())
                );
            }
            RoomEvent::Notice(text) => eprintln!("({text})"),
            // A plain room does not know more.
            _ => {}
        }
    }
    Ok(())
}

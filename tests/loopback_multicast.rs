//! Several members of a room on one machine, through the library and beside foreign programs. All
//! traffic stays on loopback.
//!
//! On loopback a datagram lies in every receiver's queue before the sender goes on. So whoever hears
//! the second of two things said, and not the first, will not hear the first any more.

use std::net::Ipv4Addr;

use crds::chat::{Dialect, RoomAddress};
use crds::client::Room;

#[path = "common/foreign.rs"]
mod foreign;
#[path = "common/group.rs"]
mod group;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/room.rs"]
mod room;
use group::free_group;
use room::{heard, say};

#[tokio::test]
async fn all_members_hear_each_other_and_none_hears_itself() {
    let address = free_group();
    // Two of one name: an echo is told by where it comes from, not by what it is called.
    let mut members = ["Ana", "Mel", "Mel"].map(|name| join(address, name));
    for (number, member) in members.iter().enumerate() {
        say(member, &format!("from {number}")).await;
    }
    for (number, member) in members.iter_mut().enumerate() {
        let others = (0..3).filter(|&other| other != number);
        for (other, name) in others.map(|other| (other, ["Ana", "Mel", "Mel"][other])) {
            assert_eq!(heard(member).await, format!("{name}: from {other}"));
        }
    }
    // The echo of the last one to speak would lie before this.
    say(&members[0], "bye").await;
    assert_eq!(heard(&mut members[2]).await, "Ana: bye");
}

#[tokio::test]
async fn rooms_on_one_port_do_not_leak_into_each_other() {
    let here = free_group();
    let low = here.group().to_bits() ^ 1;
    let there = RoomAddress::new(Ipv4Addr::from_bits(low), here.port()).unwrap();
    let mut listener = join(here, "Lou");
    // This process is in both groups, which is when a careless socket hears both.
    let mut other_listener = join(there, "Lea");
    let (ana, mel) = (join(here, "Ana"), join(there, "Mel"));
    say(&mel, "there").await;
    say(&ana, "here").await;
    assert_eq!(heard(&mut listener).await, "Ana: here");
    say(&mel, "there again").await;
    assert_eq!(heard(&mut other_listener).await, "Mel: there");
    assert_eq!(heard(&mut other_listener).await, "Mel: there again");
    let stats = listener.stats().await.unwrap();
    assert_eq!((stats.heard, stats.ignored_datagrams), (1, 0));
}

#[tokio::test]
async fn a_datagram_of_a_foreign_program_is_read() {
    let address = free_group();
    let mut room = join(address, "Mel");
    let foreign = foreign::sender();
    for text in ["Ana: hi", "Ana:hi\n", "Ana : hi"] {
        foreign::send(&foreign, address, text);
        assert_eq!(heard(&mut room).await, "Ana: hi");
    }
}

#[tokio::test]
async fn a_foreign_program_reads_exactly_what_is_said() {
    let address = free_group();
    // Before us and after us on the port: both must find their place.
    let before = foreign::receiver(address);
    let room = join(address, "Mel");
    let after = foreign::receiver(address);
    say(&room, "hi").await;
    for receiver in [before, after] {
        assert_eq!(foreign::receive(&receiver), "Mel: hi");
    }
}

#[tokio::test]
async fn a_long_line_arrives_as_several_datagrams_and_as_the_same_words() {
    let address = free_group();
    let receiver = foreign::receiver(address);
    let (room, mut listener) = (join(address, "Mel"), join(address, "Ana"));
    let line = "Grüße an alle 👋 ".repeat(40);
    let line = line.trim_end();
    say(&room, line).await;
    let mut pieces = Vec::new();
    while pieces.join(" ").len() < line.len() {
        let text = foreign::receive(&receiver);
        assert!(text.len() <= 240, "{} bytes", text.len());
        pieces.push(text.strip_prefix("Mel: ").unwrap().to_owned());
    }
    assert!(pieces.len() > 1);
    assert_eq!(pieces.join(" "), line);
    for piece in pieces {
        assert_eq!(heard(&mut listener).await, format!("Mel: {piece}"));
    }
}

#[tokio::test]
async fn the_talk_goes_on_when_members_leave_join_and_rename() {
    let address = free_group();
    let mut staying = join(address, "Ana");
    let leaving = join(address, "Lou");
    say(&leaving, "bye").await;
    drop(leaving);
    assert_eq!(heard(&mut staying).await, "Lou: bye");
    let mut late = join(address, "Mel");
    say(&staying, "who is there?").await;
    assert_eq!(heard(&mut late).await, "Ana: who is there?");
    late.rename("Melanie".parse().unwrap()).await;
    say(&late, "me").await;
    assert_eq!(heard(&mut staying).await, "Melanie: me");
}

fn join(address: RoomAddress, name: &str) -> Room {
    room::join(address, name, Dialect::Plain)
}

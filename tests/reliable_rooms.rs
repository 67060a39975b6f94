//! Reliable rooms through the library, beside foreign programs. All traffic stays on loopback.

use std::time::Duration;

use crds::chat::{Dialect, RoomAddress};
use crds::client::{Room, RoomEvent};

#[path = "common/foreign.rs"]
#[expect(
    dead_code,
    reason = "what a foreign program hears is the plain rooms' matter"
)]
mod foreign;
#[path = "common/group.rs"]
mod group;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/room.rs"]
mod room;
use group::free_group;
use patience::PATIENCE;
use room::{event, gathered, heard, say};

#[tokio::test]
async fn every_line_arrives_once_and_in_order_and_its_sender_knows() {
    let address = free_group();
    let mut members = ["Ana", "Mel", "Lou"].map(|name| join(address, name));
    gathered(&members).await;
    let mut last = None;
    for number in 0..500 {
        last = Some(say(&members[0], &format!("line {number}")).await);
    }
    for member in &mut members[1..] {
        for number in 0..500 {
            assert_eq!(heard(member).await, format!("Ana: line {number}"));
        }
    }
    let delivered = members[0].delivered(last.unwrap(), PATIENCE).await;
    assert_eq!((delivered.by, delivered.of), (2, 2));
}

/// More than wait for who reads: those make the sender wait, and none is left out.
#[tokio::test]
async fn who_reads_late_has_every_line() {
    const LINES: usize = 5000;
    let address = free_group();
    let members = ["Ana", "Mel"].map(|name| join(address, name));
    gathered(&members).await;
    let [ana, mut mel] = members;
    for number in 0..LINES {
        say(&ana, &format!("line {number}")).await;
    }
    for number in 0..LINES {
        assert_eq!(heard(&mut mel).await, format!("Ana: line {number}"));
    }
    assert_eq!(mel.stats().await.unwrap().not_shown, 0);
}

#[tokio::test]
async fn a_text_of_64_kib_and_of_many_lines_is_one_message() {
    let address = free_group();
    let mut members = ["Ana", "Mel"].map(|name| join(address, name));
    gathered(&members).await;
    let text = "Grüße 👋\n  indented\n".repeat(65_536 / 24);
    let text = text.trim_end();
    say(&members[0], text).await;
    say(&members[0], "and on").await;
    let [_, mel] = &mut members;
    assert_eq!(heard(mel).await, format!("Ana: {text}"));
    assert_eq!(heard(mel).await, "Ana: and on");
}

#[tokio::test]
async fn who_is_there_comes_goes_and_is_renamed_is_told() {
    let address = free_group();
    let mut ana = join(address, "Ana");
    let mel = join(address, "Mel");
    assert_eq!(event(&mut ana).await, RoomEvent::Joined("Mel".into()));
    let mut lou = join(address, "Lou");
    let RoomEvent::Present(mut names) = event(&mut lou).await else {
        panic!("nobody is told to be there");
    };
    names.sort();
    assert_eq!(names, ["Ana", "Mel"]);
    assert_eq!(event(&mut ana).await, RoomEvent::Joined("Lou".into()));
    mel.rename("Melanie".parse().unwrap()).await;
    let renamed = RoomEvent::Renamed {
        before: "Mel".into(),
        now: "Melanie".into(),
    };
    assert_eq!(event(&mut ana).await, renamed);
    mel.leave().await;
    assert_eq!(event(&mut ana).await, RoomEvent::Left("Melanie".into()));
    let there = ana.members().await;
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].name, "Lou");
    assert!(there[0].address.ip().is_loopback());
}

#[tokio::test]
async fn of_two_with_one_name_the_later_is_shown_with_a_suffix_and_told_so() {
    let address = free_group();
    let mut first = join(address, "Mel");
    to_be_older().await;
    let mut ana = join(address, "Ana");
    assert_eq!(event(&mut first).await, RoomEvent::Joined("Ana".into()));
    assert_eq!(
        event(&mut ana).await,
        RoomEvent::Present(vec!["Mel".into()])
    );
    to_be_older().await;
    let mut second = join(address, "mel");
    let RoomEvent::ShownAs(shown) = event(&mut second).await else {
        panic!("not told");
    };
    assert!(shown.starts_with("mel~"), "{shown}");
    assert_eq!(event(&mut ana).await, RoomEvent::Joined(shown.clone()));
    say(&second, "hi").await;
    assert_eq!(heard(&mut ana).await, format!("{shown}: hi"));
    say(&first, "me too").await;
    assert_eq!(heard(&mut ana).await, "Mel: me too");
    first.leave().await;
    assert_eq!(event(&mut ana).await, RoomEvent::Left("Mel".into()));
    loop {
        if let RoomEvent::ShownAs(shown) = event(&mut second).await {
            assert_eq!(shown, "mel");
            return;
        }
    }
}

#[tokio::test]
async fn a_strangers_plain_line_is_shown_as_such_and_noise_is_counted() {
    let address = free_group();
    let mut room = join(address, "Mel");
    let foreign = foreign::sender();
    foreign::send(&foreign, address, "\u{1}");
    foreign::send(&foreign, address, " \n");
    foreign::send(&foreign, address, "Ana: hi");
    let line = loop {
        match event(&mut room).await {
            RoomEvent::Stranger(line) if line.from == "Ana" => break line,
            // A control character alone is a line too; it is made visible where it is shown.
            RoomEvent::Stranger(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(line.text.as_str(), "hi");
    assert_eq!(room.stats().await.unwrap().ignored_datagrams, 1);
}

#[tokio::test]
async fn who_comes_later_starts_clean_and_hears_what_is_said_then() {
    let address = free_group();
    let members = ["Ana", "Lou"].map(|name| join(address, name));
    gathered(&members).await;
    let said = say(&members[0], "before").await;
    members[0].delivered(said, PATIENCE).await;
    // Who was there before the line was said is owed it.
    to_be_older().await;
    let mut late = join(address, "Mel");
    assert!(matches!(event(&mut late).await, RoomEvent::Present(_)));
    say(&members[0], "after").await;
    assert_eq!(heard(&mut late).await, "Ana: after");
}

#[tokio::test]
async fn what_is_said_just_before_leaving_is_heard() {
    let address = free_group();
    let members = ["Ana", "Mel"].map(|name| join(address, name));
    gathered(&members).await;
    let [ana, mut mel] = members;
    for number in 0..100 {
        say(&ana, &format!("line {number}")).await;
    }
    ana.leave().await;
    for number in 0..100 {
        assert_eq!(heard(&mut mel).await, format!("Ana: line {number}"));
    }
    assert_eq!(event(&mut mel).await, RoomEvent::Left("Ana".into()));
}

/// Ages are told in milliseconds: who is to be older must be so by some of them.
async fn to_be_older() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn join(address: RoomAddress, name: &str) -> Room {
    room::join(address, name, Dialect::Reliable)
}

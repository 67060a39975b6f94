//! Files in reliable rooms, through the library. All traffic stays on loopback.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crds::chat::{Dialect, RoomAddress};
use crds::client::{
    Fetched, Offer, Room, RoomEvent, RoomFileError, RoomOptions, SayError, Shared, SourceFile,
    Transfer, Turn,
};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::timeout;

#[path = "common/group.rs"]
mod group;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/room.rs"]
mod room;
use group::free_group;
use room::{gathered, next, options};

/// Far more than anything here takes, for a machine that is busy.
const WAIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_file_reaches_all_and_nothing_is_overwritten() {
    let home = TempDir::new().unwrap();
    let address = free_group();
    let members = ["Ana", "Mel", "Lou"].map(|name| join(address, name, None));
    let [ana, mut mel, mut lou] = members;
    gathered(&[&ana, &mel, &lou]).await;
    let folder = home.path().join("downloads");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("notes.bin"), "mine").unwrap();
    let (path, content) = file(home.path(), "notes.bin", 3_000_000);
    let shared = share(&ana, &path).await;
    // What is there when the second one comes is for that one too.
    for member in [&mut mel, &mut lou] {
        let (from, offer) = offered(member).await;
        assert_eq!(from, "Ana");
        let fetched = fetch(member, &offer, &folder).await;
        assert_eq!(fetched.path, folder.join("notes (2).bin"));
        assert!(std::fs::read(&fetched.path).unwrap() == content);
    }
    let Shared::ByMulticast(outgoing) = &shared else {
        panic!("{shared:?}");
    };
    let delivered = ana.files(None).all_have(outgoing, |_, _| {}).await.unwrap();
    assert_eq!((delivered.by, delivered.of), (2, 2));
    assert_eq!(std::fs::read(folder.join("notes.bin")).unwrap(), b"mine");
    // No part is left.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
}

/// Symbols are of kind 7, needs of kind 8: the third byte.
#[tokio::test]
async fn the_talk_s_group_hears_of_a_file_and_nothing_of_what_it_holds() {
    let home = TempDir::new().unwrap();
    let address = free_group();
    let (beside, files) = (listener(address), listener(address.for_files()));
    let [ana, mut mel] = ["Ana", "Mel"].map(|name| join(address, name, None));
    gathered(&[&ana, &mel]).await;
    let (path, _) = file(home.path(), "notes.bin", 100_000);
    let _shared = share(&ana, &path).await;
    let (_, offer) = offered(&mut mel).await;
    fetch(&mel, &offer, &home.path().join("mel")).await;
    assert!(kinds(&files).is_superset(&BTreeSet::from([7, 8])));
    let talk = kinds(&beside);
    assert!(
        !talk.is_empty() && talk.is_disjoint(&BTreeSet::from([7, 8])),
        "{talk:?}"
    );
}

#[tokio::test]
async fn who_comes_later_is_told_and_gets_it_until_it_is_withdrawn() {
    let home = TempDir::new().unwrap();
    let address = free_group();
    let ana = join(address, "Ana", None);
    let (path, content) = file(home.path(), "notes.bin", 100_000);
    let shared = share(&ana, &path).await;
    let mut mel = join(address, "Mel", None);
    let (from, offer) = offered(&mut mel).await;
    assert_eq!(
        (from.as_str(), offer.file.name.as_str()),
        ("Ana", "notes.bin")
    );
    let fetched = fetch(&mel, &offer, &home.path().join("mel")).await;
    assert!(std::fs::read(&fetched.path).unwrap() == content);
    drop(shared);
    let withdrawn = next(&mut mel, |event| match event {
        RoomEvent::Withdrawn { from, offer } => Some((from, offer)),
        _ => None,
    });
    assert_eq!(withdrawn.await, ("Ana".to_owned(), offer));
}

/// At 2 Mb/s it takes some seconds, in which its sender is gone and comes back.
#[tokio::test]
async fn a_sender_that_is_started_again_goes_on() {
    const BYTES: usize = 1_500_000;
    let home = TempDir::new().unwrap();
    let address = free_group();
    let slow = Some(250_000);
    let ana = join(address, "Ana", slow);
    let mut mel = join(address, "Mel", None);
    gathered(&[&ana, &mel]).await;
    let (path, content) = file(home.path(), "notes.bin", BYTES);
    let shared = share(&ana, &path).await;
    let (_, offer) = offered(&mut mel).await;
    let transfer = Transfer::default();
    let mut progress = transfer.progress.subscribe();
    let files = mel.files(None);
    let folder = home.path().join("mel");
    let wanted = offer.clone();
    let fetching = tokio::spawn(async move {
        let mut turn = Turn::alone().await;
        files.fetch(&wanted, &folder, &transfer, &mut turn).await
    });
    let some = progress.wait_for(|bytes| *bytes > 0);
    timeout(WAIT, some).await.unwrap().unwrap();
    drop((shared, ana));
    let again = join(address, "Ana", None);
    gathered(&[&again, &mel]).await;
    let _shared = share(&again, &path).await;
    let fetched = timeout(WAIT, fetching).await.unwrap().unwrap().unwrap();
    assert!(std::fs::read(&fetched.path).unwrap() == content);
}

#[tokio::test]
async fn what_stands_still_lets_others_have_their_turn() {
    let home = TempDir::new().unwrap();
    let address = free_group();
    let ana = join(address, "Ana", Some(250_000));
    let mut mel = join(address, "Mel", None);
    gathered(&[&ana, &mel]).await;
    let (first, _) = file(home.path(), "first.bin", 1_500_000);
    let shared = share(&ana, &first).await;
    let (_, offer) = offered(&mut mel).await;
    // One place for all.
    let (places, files) = (Arc::new(Semaphore::new(1)), mel.files(None));
    let fetch = |offer: Offer, transfer: Transfer| {
        let (places, files) = (Arc::clone(&places), files.clone());
        let folder = home.path().join("mel");
        tokio::spawn(async move {
            let mut turn = Turn::take(&places).await;
            files.fetch(&offer, &folder, &transfer, &mut turn).await
        })
    };
    let transfer = Transfer::default();
    let mut progress = transfer.progress.subscribe();
    let standing_still = fetch(offer.clone(), transfer);
    let some = progress.wait_for(|bytes| *bytes > 0);
    timeout(WAIT, some).await.unwrap().unwrap();
    drop((shared, ana));
    let again = join(address, "Ana", None);
    gathered(&[&again, &mel]).await;
    let (second, content) = file(home.path(), "second.bin", 100_000);
    let _second = share(&again, &second).await;
    let (_, offer) = next(&mut mel, |event| match event {
        RoomEvent::Offered { from, offer, .. } if offer.file.name.as_str() == "second.bin" => {
            Some((from, offer))
        }
        _ => None,
    })
    .await;
    let fetched = fetch(offer, Transfer::default());
    let fetched = timeout(WAIT, fetched).await.unwrap().unwrap().unwrap();
    assert!(std::fs::read(&fetched.path).unwrap() == content);
    assert!(!standing_still.is_finished());
    let _first = share(&again, &first).await;
    let fetched = timeout(WAIT, standing_still).await.unwrap().unwrap();
    assert!(fetched.is_ok());
}

#[tokio::test]
async fn what_is_cancelled_leaves_nothing_behind() {
    let home = TempDir::new().unwrap();
    let address = free_group();
    let ana = join(address, "Ana", Some(250_000));
    let mut mel = join(address, "Mel", None);
    gathered(&[&ana, &mel]).await;
    let (path, _) = file(home.path(), "notes.bin", 1_500_000);
    let _shared = share(&ana, &path).await;
    let (_, offer) = offered(&mut mel).await;
    let (transfer, mut turn) = (Transfer::default(), Turn::alone().await);
    let (files, folder) = (mel.files(None), home.path().join("mel"));
    let (begun, fetched) = tokio::join!(
        async {
            let mut progress = transfer.progress.subscribe();
            let begun = progress.wait_for(|bytes| *bytes > 0).await.is_ok();
            transfer.cancel.cancel();
            begun
        },
        files.fetch(&offer, &folder, &transfer, &mut turn)
    );
    assert!(begun);
    assert!(fetched.unwrap_err().is_cancelled());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_changes_is_not_sent_any_more_and_all_are_told() {
    let home = TempDir::new().unwrap();
    let address = free_group();
    let ana = join(address, "Ana", None);
    let mut mel = join(address, "Mel", None);
    gathered(&[&ana, &mel]).await;
    let (path, _) = file(home.path(), "notes.bin", 100_000);
    let source = SourceFile::open(&path).unwrap();
    std::fs::write(&path, "another").unwrap();
    let shared = ana.files(None).share(source, &Transfer::default()).await;
    let Ok(Shared::ByMulticast(outgoing)) = shared else {
        panic!("{shared:?}");
    };
    let (_, offer) = offered(&mut mel).await;
    let files = mel.files(None);
    let folder = home.path().join("mel");
    let fetching = tokio::spawn(async move {
        let (transfer, mut turn) = (Transfer::default(), Turn::alone().await);
        files.fetch(&offer, &folder, &transfer, &mut turn).await
    });
    let mut state = outgoing.state();
    let failed = state.wait_for(|state| state.failed.is_some());
    let failed = timeout(WAIT, failed).await.unwrap().unwrap().failed.clone();
    assert!(failed.unwrap().contains("was changed"));
    next(&mut mel, |event| {
        matches!(event, RoomEvent::Withdrawn { .. }).then_some(())
    })
    .await;
    fetching.abort();
}

#[tokio::test]
async fn a_plain_room_takes_no_files() {
    let home = TempDir::new().unwrap();
    let ana = room::join(free_group(), "Ana", Dialect::Plain);
    let (path, _) = file(home.path(), "notes.bin", 10);
    let source = SourceFile::open(&path).unwrap();
    let shared = ana.files(None).share(source, &Transfer::default()).await;
    assert!(matches!(shared, Err(RoomFileError::Room(SayError::Plain))));
}

/// A bare socket in this group alone.
fn listener(address: RoomAddress) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.socket_address().into()).unwrap();
    let loopback = Ipv4Addr::LOCALHOST;
    socket
        .join_multicast_v4(&address.group(), &loopback)
        .unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.into()
}

/// The kinds of the datagrams that wait there, as many as the socket held.
fn kinds(listener: &UdpSocket) -> BTreeSet<u8> {
    let mut buffer = [0; 2048];
    std::iter::from_fn(|| listener.recv(&mut buffer).ok().map(|_| buffer[2])).collect()
}

fn join(address: RoomAddress, name: &str, rate_max: Option<u64>) -> Room {
    let options = RoomOptions {
        rate_max,
        ..options(name, Dialect::Reliable)
    };
    Room::join(address, options).unwrap()
}

fn file(home: &Path, name: &str, bytes: usize) -> (PathBuf, Vec<u8>) {
    let content: Vec<u8> = (0..bytes).map(|at| (at * 7 + at / 251) as u8).collect();
    let path = home.join(name);
    std::fs::write(&path, &content).unwrap();
    (path, content)
}

async fn share(room: &Room, path: &Path) -> Shared {
    let source = SourceFile::open(path).unwrap();
    let shared = room.files(None).share(source, &Transfer::default()).await;
    shared.unwrap()
}

async fn fetch(room: &Room, offer: &Offer, folder: &Path) -> Fetched {
    let (files, transfer) = (room.files(None), Transfer::default());
    let mut turn = Turn::alone().await;
    let fetching = files.fetch(offer, folder, &transfer, &mut turn);
    timeout(WAIT, fetching).await.unwrap().unwrap()
}

async fn offered(room: &mut Room) -> (String, Offer) {
    next(room, |event| match event {
        RoomEvent::Offered { from, offer, .. } => Some((from, offer)),
        _ => None,
    })
    .await
}

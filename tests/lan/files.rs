//! Files on a local network that loses datagrams: five hosts on one switch.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::lan::{Lan, in_lossy_namespaces};
use crate::program::crds;
use crate::running::Running;

const HOSTS: [&str; 5] = ["a", "b", "c", "d", "e"];
const GROUP: [&str; 2] = ["--group", "239.77.2.1:6000"];
const NAME: &str = "big.bin";
const FILE_BYTES: u64 = 300_000_000;
const LOSS_PERCENT: u32 = 5;

/// Far more than it takes, for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(240);

#[test]
fn a_file_reaches_all_hosts_through_loss_while_they_talk() {
    let name = "files::a_file_reaches_all_hosts_through_loss_while_they_talk";
    in_lossy_namespaces(name, || {
        let home = tempfile::tempdir().unwrap();
        let (lan, file) = lossy_lan_with_file(home.path());
        let receivers = HOSTS[1..]
            .iter()
            .map(|host| receiver(&lan, home.path(), host));
        let receivers: Vec<_> = receivers.collect();
        let mut talker = start(&lan, home.path(), "b", &["send", "--name", "Bea"]);
        let mut sender = send(&lan, home.path(), &file);
        let mut said = 0;
        while sender.child.try_wait().unwrap().is_none() {
            said += 1;
            talker.give(&format!("line {said}"));
            std::thread::sleep(Duration::from_millis(20));
        }
        sender.wait_for("4 of 4 have the file");
        talker.give("the end");
        drop(talker.input.take());
        for (host, receiver) in HOSTS[1..].iter().zip(receivers) {
            receiver.wait_for("saved ");
            receiver.wait_for("Bea: the end");
            let lines = receiver.output.lines.lock().unwrap();
            let heard = lines.iter().filter(|line| line.starts_with("Bea: line "));
            let expected = (1..=said).map(|line| format!("Bea: line {line}"));
            assert!(heard.cloned().eq(expected), "{host}: {lines:?}");
            assert_same(&file, &saved(home.path(), host));
        }
    });
}

#[test]
fn a_receiver_that_was_killed_goes_on_where_it_was() {
    in_lossy_namespaces(
        "files::a_receiver_that_was_killed_goes_on_where_it_was",
        || {
            let home = tempfile::tempdir().unwrap();
            let (lan, file) = lossy_lan_with_file(home.path());
            let others = HOSTS[2..]
                .iter()
                .map(|host| receiver(&lan, home.path(), host));
            let others: Vec<_> = others.collect();
            let mut killed = receiver(&lan, home.path(), "b");
            let sender = send(&lan, home.path(), &file);
            wait_until(|| part_bytes(home.path(), "b") > FILE_BYTES / 2);
            killed.child.kill().unwrap();
            killed.child.wait().unwrap();
            assert!(!saved(home.path(), "b").exists());
            let again = receiver(&lan, home.path(), "b");
            wait_until(|| saved(home.path(), "b").exists());
            again.wait_for("going on with big.bin");
            for host in &HOSTS[1..] {
                wait_until(|| saved(home.path(), host).exists());
                assert_same(&file, &saved(home.path(), host));
            }
            // Nothing is left of the part.
            assert_eq!(part_bytes(home.path(), "b"), 0);
            drop((others, sender));
        },
    );
}

#[test]
fn a_file_goes_on_at_another_address_of_its_sender_and_of_a_receiver() {
    let name = "files::a_file_goes_on_at_another_address_of_its_sender_and_of_a_receiver";
    in_lossy_namespaces(name, || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&HOSTS[..3]);
        let file = file(home.path().join(NAME), FILE_BYTES / 10);
        let receivers = ["b", "c"].map(|host| receiver(&lan, home.path(), host));
        let words = ["send", "--name", "Ana", "--rate-max", "20mbit", "--file"];
        let words = [&words[..], &[file.to_str().unwrap()]].concat();
        let sender = start(&lan, home.path(), "a", &words);
        for (moved, others, last) in [("a", "b", 31), ("b", "c", 32)] {
            let before = part_bytes(home.path(), others);
            wait_until(|| part_bytes(home.path(), others) > before + FILE_BYTES / 100);
            lan.run_on(moved, "ip address flush dev eth0");
            lan.run_on(moved, &format!("ip address add 10.77.0.{last}/24 dev eth0"));
        }
        sender.wait_for("2 of 2 have the file");
        for (host, receiver) in ["b", "c"].iter().zip(&receivers) {
            receiver.wait_for("saved ");
            assert_same(&file, &saved(home.path(), host));
        }
    });
}

#[test]
fn a_switch_that_knows_who_listens_spares_those_who_get_no_file() {
    let name = "files::a_switch_that_knows_who_listens_spares_those_who_get_no_file";
    in_lossy_namespaces(name, || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&HOSTS[..3]);
        lan.snoop();
        let bytes = FILE_BYTES / 10;
        let file = file(home.path().join(NAME), bytes);
        let _receiver = receiver(&lan, home.path(), "b");
        let bystander = start(&lan, home.path(), "c", &["listen", "--name", "c"]);
        bystander.wait_for("in room ");
        let before = ["b", "c"].map(|host| lan.carried_bytes(host));
        let _sender = send(&lan, home.path(), &file);
        wait_until(|| saved(home.path(), "b").exists());
        bystander.wait_for(NAME);
        let after = ["b", "c"].map(|host| lan.carried_bytes(host));
        assert!(after[0] - before[0] >= bytes);
        let spared = after[1] - before[1];
        assert!(spared < bytes / 100, "{spared} bytes");
    });
}

fn lossy_lan_with_file(home: &Path) -> (Lan, PathBuf) {
    let lan = Lan::of(&HOSTS);
    for host in HOSTS {
        // A large packet would cross the switch, and be lost, as a whole.
        lan.run_on(host, "ethtool -K eth0 tx-udp-segmentation off gso off");
        lan.lose(host, LOSS_PERCENT);
    }
    (lan, file(home.join(NAME), FILE_BYTES))
}

/// Makes a file to send, of which no two blocks are alike.
pub fn file(path: PathBuf, bytes: u64) -> PathBuf {
    let content: Vec<u8> = (0..bytes / 8)
        .flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
        .collect();
    fs::write(&path, content).unwrap();
    path
}

fn start(lan: &Lan, home: &Path, host: &str, words: &[&str]) -> Running {
    let words = [words, &GROUP].concat();
    Running::start(lan.on(host, &crds(home, &words)))
}

fn receiver(lan: &Lan, home: &Path, host: &str) -> Running {
    let folder = home.join(host);
    let words = ["listen", "--name", host, "--save", folder.to_str().unwrap()];
    let receiver = start(lan, home, host, &words);
    receiver.wait_for("in room ");
    receiver
}

fn send(lan: &Lan, home: &Path, file: &Path) -> Running {
    let words = ["send", "--name", "Ana", "--file", file.to_str().unwrap()];
    start(lan, home, "a", &words)
}

fn saved(home: &Path, host: &str) -> PathBuf {
    home.join(host).join(NAME)
}

/// What a part file takes on the disk.
fn part_bytes(home: &Path, host: &str) -> u64 {
    let entries = fs::read_dir(home.join(host)).into_iter().flatten();
    let parts = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let is_part = entry.file_name().to_string_lossy().ends_with(".crds-part");
        is_part.then(|| entry.metadata().ok())?
    });
    parts.map(|metadata| metadata.blocks() * 512).sum()
}

pub fn wait_until(condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "it takes too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn assert_same(one: &Path, other: &Path) {
    assert!(fs::read(one).unwrap() == fs::read(other).unwrap());
}

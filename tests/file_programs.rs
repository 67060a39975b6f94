//! Files between programs in pipes, from the sender's start to its end: what comes by itself, once, and what is told when it
//! does not come. All traffic stays on loopback.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

#[path = "common/folder.rs"]
mod folder;
#[path = "common/group.rs"]
mod group;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/process.rs"]
mod process;
#[path = "common/program.rs"]
mod program;
#[path = "common/running.rs"]
mod running;
use folder::names_in;
use group::free_group;
use patience::PATIENCE;
use process::{exit_code, signal};
use program::crds;
use running::Running;

/// A reliable room without a server.
struct Place {
    home: TempDir,
    group: String,
}

impl Place {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            group: free_group().to_string(),
        }
    }

    fn start(&self, name: &str, words: &[&str]) -> Running {
        let common = ["--interface", "lo", "--name", name, "--group", &self.group];
        Running::start(crds(self.home.path(), &[words, &common].concat()))
    }

    fn listen(&self, folder: &Path, words: &[&str]) -> Running {
        let save = ["listen", "--save", folder.to_str().unwrap()];
        let listener = self.start("Lis", &[&save, words].concat());
        listener.wait_for("in room ");
        listener
    }

    fn send(&self, file: &Path, words: &[&str]) -> Running {
        let send = ["send", "--file", file.to_str().unwrap()];
        self.start("Ana", &[&send, words].concat())
    }

    /// Ana sends this plan, and ends in the middle.
    fn withdraw_while_it_comes(&self, plan: &Path, listener: &Running) {
        let mut ana = self.send(plan, &["--rate-max", "4mbit"]);
        listener.wait_for("receiving plan: ");
        signal(&ana.child, "INT");
        assert_eq!(exit_code(&mut ana.child), Some(1));
        ana.wait_for("interrupted");
        listener.wait_for("was not saved: it is not offered any more");
    }

    fn file(&self, name: &str, bytes: usize) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, name.repeat(bytes / name.len())).unwrap();
        path
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

/// Those that a person sees.
fn shown_in(folder: &Path) -> Vec<String> {
    let mut names = names_in(folder);
    names.retain(|name| !name.starts_with('.'));
    names
}

#[test]
fn who_withdraws_a_file_ends_the_waiting_and_what_came_is_there_when_it_is_offered_again() {
    let place = Place::new();
    let (folder, file) = (place.folder("saved"), place.file("plan", 3_000_000));
    let mut listener = place.listen(&folder, &["--count", "1"]);
    place.withdraw_while_it_comes(&file, &listener);
    assert_eq!(exit_code(&mut listener.child), Some(1));
    assert_eq!(shown_in(&folder), Vec::<String>::new());
    let listener = place.listen(&folder, &[]);
    let mut ana = place.send(&file, &[]);
    listener.wait_for("going on with plan");
    ana.wait_for("1 of 1 have the file");
    assert_eq!(exit_code(&mut ana.child), Some(0));
    listener.wait_for("saved/plan: plan (3.0 MB) from Ana");
    assert_eq!(shown_in(&folder), ["plan"]);
}

#[test]
fn what_came_in_the_end_was_saved() {
    let place = Place::new();
    let (folder, file) = (place.folder("saved"), place.file("plan", 3_000_000));
    let mut listener = place.listen(&folder, &["--count", "2"]);
    place.withdraw_while_it_comes(&file, &listener);
    let mut ana = place.send(&file, &[]);
    assert_eq!(exit_code(&mut ana.child), Some(0));
    listener.wait_for("saved/plan: plan (3.0 MB) from Ana");
    assert_eq!(exit_code(&mut listener.child), Some(0));
}

/// A block of it takes longer than it is waited for who is silent.
#[test]
fn a_file_that_comes_slowly_is_waited_for() {
    let place = Place::new();
    let listener = place.listen(&place.folder("in"), &["--count", "1"]);
    let mut ana = place.send(&place.file("plan", 150_000), &["--rate-max", "100kbit"]);
    ana.wait_for("1 of 1 have the file");
    assert_eq!(exit_code(&mut ana.child), Some(0));
    listener.wait_for("saved ");
    let lines = listener.output.lines.lock().unwrap();
    let is_told_nothing_comes = lines.iter().any(|line| line.contains("nothing comes"));
    assert!(!is_told_nothing_comes, "{lines:?}");
}

#[test]
fn who_is_gone_in_the_middle_is_told_and_waited_for() {
    let place = Place::new();
    let (folder, file) = (place.folder("saved"), place.file("plan", 3_000_000));
    let mut listener = place.listen(&folder, &["--count", "1"]);
    let ana = place.send(&file, &["--rate-max", "4mbit"]);
    listener.wait_for("receiving plan: ");
    signal(&ana.child, "KILL");
    listener.wait_for("plan (3.0 MB): nothing comes; it goes on when somebody sends it");
    assert_eq!(shown_in(&folder), Vec::<String>::new());
    let mut ana = place.send(&file, &[]);
    assert_eq!(exit_code(&mut ana.child), Some(0));
    listener.wait_for("saved/plan: plan (3.0 MB) from Ana");
    assert_eq!(exit_code(&mut listener.child), Some(0));
}

#[test]
fn what_is_there_already_is_told_to_the_sender_and_not_saved_twice() {
    let place = Place::new();
    let (folder, file) = (place.folder("saved"), place.file("plan", 100_000));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("plan"), "another").unwrap();
    for _ in 0..2 {
        let listener = place.listen(&folder, &[]);
        for _ in 0..2 {
            let mut ana = place.send(&file, &[]);
            ana.wait_for("1 of 1 have the file");
            assert_eq!(exit_code(&mut ana.child), Some(0));
        }
        listener.wait_for("saved/plan (2): plan (100 kB) from Ana");
        assert_eq!(shown_in(&folder), ["plan", "plan (2)"]);
    }
    assert_eq!(fs::read(folder.join("plan")).unwrap(), b"another");
}

#[test]
fn what_cannot_be_sent_or_saved_is_told_by_the_exit_code_too() {
    let place = Place::new();
    let nowhere = place.file("no-folder", 10);
    let save = ["listen", "--save", nowhere.to_str().unwrap()];
    let mut refused = place.start("Lis", &save);
    refused.wait_for("no-folder is no folder");
    assert_eq!(exit_code(&mut refused.child), Some(1));
    // The same where it is known only when a file comes.
    let folder = place.folder("folder");
    let mut listener = place.listen(&folder, &["--count", "1"]);
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    let mut ana = place.send(&place.folder("missing"), &[]);
    ana.wait_for("there is no file");
    assert_eq!(exit_code(&mut ana.child), Some(1));
    // And not as one that was not heard of any more.
    listener.wait_for("Ana left");
    let _ana = place.send(&place.file("plan", 100_000), &[]);
    listener.wait_for("was not saved: ");
    listener.wait_for("folder is no folder");
    assert_eq!(exit_code(&mut listener.child), Some(1));
}

/// People with a server, in its room.
struct Lab {
    place: Place,
    address: String,
    server: Running,
}

impl Lab {
    fn new(flags: &[&str]) -> Self {
        let place = Place::new();
        let serve = ["serve", "--no-web", "--port", "0", "--listen", "127.0.0.1"];
        let server = Running::start(crds(place.home.path(), &[&serve, flags].concat()));
        let line = server.wait_for("Chat Room Directory Server listening on port ");
        let port = line.rsplit(' ').next().unwrap().trim_end_matches('.');
        Self {
            address: format!("127.0.0.1:{port}"),
            place,
            server,
        }
    }

    fn enter(&self, name: &str) -> Running {
        self.enter_with(name, &[])
    }

    fn enter_with(&self, name: &str, more_flags: &[&str]) -> Running {
        let folder = self.place.folder(name);
        let folder = folder.to_str().unwrap();
        let flags = ["--server", &self.address, "--interface", "lo"];
        let more = ["--name", name, "--rate-max", "4mbit", "--downloads", folder];
        let words = [&flags[..], &more, more_flags].concat();
        let mut client = Running::start(crds(self.place.home.path(), &words));
        client.give("connect");
        if name == "Ana" {
            client.give("makeroom lab");
        }
        client.give("chat lab");
        client.wait_for("[in room lab");
        client
    }
}

#[test]
fn who_offers_a_file_again_at_once_has_it_gone_on_with() {
    let lab = Lab::new(&[]);
    let (mut ana, mel) = (lab.enter("Ana"), lab.enter("Mel"));
    mel.wait_for("here: Ana");
    let file = lab.place.file("plan", 3_000_000);
    let send = format!("/send {}", file.display());
    ana.give(&send);
    mel.wait_for("[receiving plan: ");
    ana.give("/cancel 1");
    mel.wait_for("[Ana does not offer plan any more]");
    ana.give(&send);
    mel.wait_for("/plan (3.0 MB) from Ana]");
    ana.wait_for("[1 of 1 have plan]");
    assert_eq!(shown_in(&lab.place.folder("Mel")), ["plan"]);
}

#[test]
fn many_small_files_all_come_by_themselves() {
    const FILES: usize = 40;
    let lab = Lab::new(&[]);
    let (mut ana, mel) = (lab.enter("Ana"), lab.enter("Mel"));
    mel.wait_for("here: Ana");
    for number in 0..FILES {
        let file = lab.place.file(&format!("file-{number}"), 100);
        ana.give(&format!("/send {}", file.display()));
    }
    let began = Instant::now();
    let folder = lab.place.folder("Mel");
    while shown_in(&folder).len() < FILES {
        assert!(began.elapsed() < PATIENCE, "{:?}", shown_in(&folder));
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_was_offered_is_had_from_the_server_by_who_comes_back_and_when_its_sender_is_gone() {
    let lab = Lab::new(&[]);
    let mut ana = lab.enter("Ana");
    let [mut mel, mut lou] = ["Mel", "Lou"].map(|name| {
        let client = lab.enter_with(name, &["--auto-accept", "off"]);
        client.wait_for("Ana");
        client
    });
    let file = lab.place.file("plan", 100_000);
    ana.give(&format!("/send {}", file.display()));
    for client in [&mel, &lou] {
        client.wait_for("[Ana offers plan (100 kB): /receive 1]");
    }
    lab.server.wait_for("keeps plan (100 kB) of Ana");
    signal(&ana.child, "KILL");
    lou.give("/leave");
    lou.give("chat lab");
    lou.wait_for(") [Ana offers plan (100 kB)] [/receive 1]");
    mel.wait_for("[Ana left]");
    for client in [&mut mel, &mut lou] {
        client.give("/receive 1");
        client.wait_for("/plan (100 kB) from Ana]");
    }
    for folder in ["Mel", "Lou"] {
        assert_eq!(shown_in(&lab.place.folder(folder)), ["plan"]);
    }
}

#[test]
fn who_sends_what_the_server_keeps_already_is_told_so() {
    let lab = Lab::new(&[]);
    let mut ana = lab.enter("Ana");
    ana.give("/leave");
    drop(ana.input.take());
    assert_eq!(exit_code(&mut ana.child), Some(0));
    let file = lab.place.file("plan", 100_000);
    for name in ["Ana", "Ana", "Mel"] {
        let server = ["--server", &lab.address, "--interface", "lo"];
        let send = [
            "send",
            "lab",
            "--file",
            file.to_str().unwrap(),
            "--name",
            name,
        ];
        let words = [&send[..], &server].concat();
        let mut sender = Running::start(crds(lab.place.home.path(), &words));
        sender.wait_for("0 of 0 have the file; the server keeps it");
        assert_eq!(exit_code(&mut sender.child), Some(0));
    }
}

#[test]
fn a_script_waits_for_no_file_whose_sender_is_gone() {
    let lab = Lab::new(&["--keep-files", "off"]);
    let (mut ana, mut mel) = (lab.enter("Ana"), lab.enter("Mel"));
    let lou = lab.enter_with("Lou", &["--auto-accept", "off"]);
    for client in [&mel, &lou] {
        client.wait_for("Ana");
    }
    let file = lab.place.file("plan", 3_000_000);
    ana.give(&format!("/send {}", file.display()));
    mel.wait_for("[receiving plan: ");
    drop(mel.input.take());
    signal(&ana.child, "KILL");
    mel.wait_for("plan: it is not offered any more");
    assert_eq!(exit_code(&mut mel.child), Some(1));
    // Nor does who asks for it then.
    let mut lou = lou;
    lou.wait_for("[Ana left]");
    lou.give("/receive 1");
    lou.wait_for("plan: it is not offered any more");
}

#[test]
fn a_file_that_is_withdrawn_on_its_way_to_the_server_is_not_waited_for() {
    let lab = Lab::new(&[]);
    let (mut ana, lou) = (lab.enter("Ana"), lab.enter("Lou"));
    let mel = lab.enter_with("Mel", &["--transport", "relay"]);
    for client in [&lou, &mel] {
        client.wait_for("Ana");
    }
    let file = lab.place.file("plan", 3_000_000);
    ana.give(&format!("/send {}", file.display()));
    mel.wait_for("[Ana offers plan");
    lou.wait_for("[receiving plan: ");
    ana.give("/cancel 1");
    mel.wait_for("plan: it is not offered any more");
}

#[test]
fn a_file_that_is_still_coming_at_the_end_was_not_saved() {
    let place = Place::new();
    let (folder, file) = (place.folder("saved"), place.file("plan", 3_000_000));
    let mut listener = place.listen(&folder, &[]);
    let _ana = place.send(&file, &["--rate-max", "4mbit"]);
    listener.wait_for("receiving plan: ");
    signal(&listener.child, "INT");
    listener.wait_for("plan (3.0 MB) from Ana was not saved: it was still coming");
    assert_eq!(exit_code(&mut listener.child), Some(1));
}

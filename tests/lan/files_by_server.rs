//! Files of a room with a server, on a network where multicast does not reach everybody.

use std::path::{Path, PathBuf};

use crate::files::{self, assert_same, wait_until};
use crate::lan::{Lan, in_lossy_namespaces};
use crate::process::{exit_code, signal};
use crate::program::crds;
use crate::running::Running;
use crate::{start_client, start_server};

const ROOM: &str = "239.77.3.1:6000";

/// Some blocks, and the beginning of one.
const FILE_BYTES: u64 = 3_000_000;

/// A room with a server on `a`; who listens on `b` and `c` is reached by multicast, who does on `d` is not.
struct Place {
    lan: Lan,
    home: tempfile::TempDir,
    server: Running,
    address: String,
    /// Made the room.
    _bea: Running,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c", "d"]);
        lan.block_multicast("d", true);
        let (server, port) = start_server(&lan, home.path(), "a");
        let address = format!("10.77.0.1:{port}");
        let mut bea = start_client(&lan, home.path(), "b", &address, "Bea");
        bea.give("connect");
        bea.give("makeroom lab1 239.77.3.1 6000");
        bea.wait_for("Room lab1 made");
        Self {
            lan,
            home,
            server,
            address,
            _bea: bea,
        }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    /// What somebody on this host runs.
    fn start(&self, host: &str, name: &str, words: &[&str]) -> Running {
        let words = [words, &["--name", name]].concat();
        Running::start(self.lan.on(host, &crds(self.home(), &words)))
    }

    /// Saves what is offered, with the help of the server or without.
    fn listen(&self, host: &str, name: &str, knows_server: bool) -> Running {
        let folder = self.home().join(name);
        let folder = folder.to_str().unwrap();
        let place: &[&str] = match knows_server {
            true => &["lab1", "--server", &self.address],
            false => &["--group", ROOM],
        };
        let listener = self.start(host, name, &[&["listen", "--save", folder], place].concat());
        listener.wait_for("in room ");
        listener
    }

    fn send(&self, host: &str, name: &str, file: &Path) -> Running {
        let file = file.to_str().unwrap();
        let words = ["send", "lab1", "--server", &self.address, "--file", file];
        self.start(host, name, &words)
    }

    fn file(&self, name: &str) -> PathBuf {
        files::file(self.home().join(name), FILE_BYTES)
    }

    /// When Mel begins to receive the file, multicast stops reaching the host from which it comes, `b`.
    fn lose_the_sender(&self, file: &Path, sender: &Running, mel: &Running) {
        mel.wait_for("receiving notes.bin");
        self.lan.block_multicast("b", true);
        sender.wait_for("using the relay");
        self.wait_for_same(file, &self.home().join("Mel").join("notes.bin"));
    }

    fn wait_for_same(&self, file: &Path, saved: &Path) {
        wait_until(|| saved.exists());
        assert_same(file, saved);
    }
}

#[test]
fn the_server_keeps_what_is_sent_by_multicast_for_those_whom_that_does_not_reach() {
    let name = "files_by_server::the_server_keeps_what_is_sent_by_multicast_for_those_whom_that_does_not_reach";
    in_lossy_namespaces(name, || {
        let place = Place::new();
        let lou = place.listen("d", "Lou", true);
        lou.wait_for("using the relay");
        let _mel = place.listen("c", "Mel", false);
        place.lan.lose("a", 5);
        let file = place.file("notes.bin");
        let mut ana = place.send("b", "Ana", &file);
        ana.wait_for("the server keeps it");
        assert!(ana.child.wait().unwrap().success());
        place
            .server
            .wait_for("Room lab1: keeps notes.bin (3.0 MB) of Ana");
        // From the server alone: who sent it is gone.
        for folder in ["Lou", "Mel"] {
            place.wait_for_same(&file, &place.home().join(folder).join("notes.bin"));
        }
    });
}

#[test]
fn the_server_sends_by_multicast_what_who_is_relayed_has_brought() {
    let name = "files_by_server::the_server_sends_by_multicast_what_who_is_relayed_has_brought";
    in_lossy_namespaces(name, || {
        let place = Place::new();
        let ana = place.listen("b", "Ana", true);
        ana.wait_for("in room ");
        // Without the server's help, so that it has no other way.
        let _mel = place.listen("c", "Mel", false);
        place.lan.lose("c", 5);
        let file = place.file("notes.bin");
        let mut lou = place.send("d", "Lou", &file);
        lou.wait_for("the server has the file");
        assert!(lou.child.wait().unwrap().success());
        place
            .server
            .wait_for("Room lab1: sends notes.bin (3.0 MB) for Lou");
        for folder in ["Ana", "Mel"] {
            place.wait_for_same(&file, &place.home().join(folder).join("notes.bin"));
        }
    });
}

/// Before it is known that multicast does not work.
#[test]
fn who_is_relayed_may_send_a_file_as_the_first_thing() {
    let name = "files_by_server::who_is_relayed_may_send_a_file_as_the_first_thing";
    in_lossy_namespaces(name, || {
        let place = Place::new();
        let _mel = place.listen("c", "Mel", false);
        let file = place.file("notes.bin");
        let mut lou = start_client(&place.lan, place.home(), "d", &place.address, "Lou");
        lou.give("connect");
        lou.give("chat lab1");
        lou.give(&format!("/send {}", file.display()));
        lou.wait_for("using the relay");
        place.wait_for_same(&file, &place.home().join("Mel").join("notes.bin"));
    });
}

#[test]
fn a_file_goes_on_through_the_server_where_multicast_stops_reaching_its_sender() {
    let name = "files_by_server::a_file_goes_on_through_the_server_where_multicast_stops_reaching_its_sender";
    in_lossy_namespaces(name, || {
        let place = Place::new();
        let mel = place.listen("c", "Mel", true);
        let file = place.file("notes.bin");
        let slow = ["--server", &place.address, "--rate-max", "1mbit"];
        let takes_none = ["--auto-accept", "off"];
        let mut ana = place.start("b", "Ana", &[&slow[..], &takes_none].concat());
        ana.give("connect");
        ana.give("chat lab1");
        ana.wait_for("here: ");
        ana.give(&format!("/send {}", file.display()));
        place.lose_the_sender(&file, &ana, &mel);
    });
}

#[test]
fn a_file_that_a_command_sends_goes_on_through_the_server_too() {
    let name = "files_by_server::a_file_that_a_command_sends_goes_on_through_the_server_too";
    in_lossy_namespaces(name, || {
        let place = Place::new();
        let mel = place.listen("c", "Mel", true);
        let file = place.file("notes.bin");
        let words = ["send", "lab1", "--server", &place.address];
        let how = ["--rate-max", "1mbit", "--file", file.to_str().unwrap()];
        let mut ana = place.start("b", "Ana", &[&words[..], &how].concat());
        place.lose_the_sender(&file, &ana, &mel);
        ana.wait_for("the server has the file");
        assert!(ana.child.wait().unwrap().success());
    });
}

#[test]
fn who_gets_the_talk_but_no_files_gets_them_from_the_server() {
    let name = "files_by_server::who_gets_the_talk_but_no_files_gets_them_from_the_server";
    in_lossy_namespaces(name, || {
        let place = Place::new();
        // The group of files, beside the room's.
        place.lan.block("c", "239.76.3.1");
        let mel = place.listen("c", "Mel", true);
        let file = place.file("notes.bin");
        let _ana = place.send("b", "Ana", &file);
        place
            .server
            .wait_for("Room lab1: keeps notes.bin (3.0 MB) of Ana");
        place.wait_for_same(&file, &place.home().join("Mel").join("notes.bin"));
        let lines = mel.output.lines.lock().unwrap();
        assert!(
            !lines.iter().any(|line| line.contains("relay")),
            "{lines:?}"
        );
    });
}

/// It is not known yet by which way it is in the room.
#[test]
fn who_ends_a_command_as_it_begins_leaves_the_room() {
    let name = "files_by_server::who_ends_a_command_as_it_begins_leaves_the_room";
    in_lossy_namespaces(name, || {
        let place = Place::new();
        let send = ["send", "lab1", "--server", &place.address, "hello"];
        let listen = ["listen", "lab1", "--server", &place.address];
        for (words, code) in [(&send[..], 1), (&listen[..], 0)] {
            let mut lou = place.start("d", "Lou", words);
            lou.wait_for("in room ");
            signal(&lou.child, "INT");
            assert_eq!(exit_code(&mut lou.child), Some(code), "{words:?}");
        }
    });
}

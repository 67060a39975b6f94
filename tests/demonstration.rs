//! The lab's demonstration as people play it: the server and two clients in three terminals. All
//! traffic stays on loopback.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::net::{Ipv4Addr, SocketAddrV4};

use crds::chat::RoomAddress;
use socket2::{Domain, Socket, Type};

#[path = "common/group.rs"]
mod group;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/program.rs"]
mod program;
#[path = "common/pty.rs"]
mod pty;
#[path = "common/session.rs"]
mod session;
use group::free_group;
use pty::{LEAVE, Terminal};
use session::{MAIN, start_client, start_server};

const CTRL_D: &str = "\x04";

#[test]
fn the_demonstration_in_eight_steps() {
    let home = tempfile::tempdir().unwrap();

    // 1. The server says that it listens, and where.
    let (server, address) = start_server(home.path(), &[]);

    // 2. A client starts with its main prompt and connects; the server says so.
    let ana = start_client(home.path(), &address);
    let connected = format!("crds {address}> ");
    ana.answer(MAIN, "connect");
    ana.wait_for_text(&format!("Connected to {address}"));
    ana.wait_for_text("Rooms use interface lo (127.0.0.1).");
    ana.wait_for_prompt(&connected);
    let peer = connected_peers(&server, 1).remove(0);

    // 3. It makes a room, and the directory has it.
    let group = free_group();
    let (group_address, port) = (group.group(), group.port());
    ana.answer(&connected, &format!("makeroom lab1 {}", words(group)));
    ana.wait_for_text(&format!("Room lab1 made at {group}."));
    ana.answer(&connected, "getdir");
    ana.wait_for("row of lab1", |screen| {
        let wanted = ["lab1", &group_address.to_string(), &port.to_string()];
        let contents = screen.contents();
        let mut rows = contents.lines().map(|row| row.split_whitespace().take(3));
        rows.any(|row| row.eq(wanted))
    });
    server.wait_for_text("lab1");

    // 4. It says goodbye; the server says that this connection is closed.
    ana.answer(&connected, "bye");
    ana.wait_for_text(&format!("Connection to {address} closed."));
    ana.wait_for_prompt(MAIN);
    server.wait_for_line(&format!("Connection from {peer} closed"));

    // 5. Two clients set their names.
    let mel = start_client(home.path(), &address);
    for (client, name) in [(&ana, "Ana"), (&mel, "Mel")] {
        client.answer(MAIN, &format!("name {name}"));
        client.wait_for_text(&format!("Your name is {name}."));
    }

    // 6. They chat: one knows the room from the directory, the other has to ask the server.
    ana.answer(MAIN, "chat lab1");
    ana.wait_for_prompt("[lab1] Ana> ");
    let asked = ana.lines().iter().any(|line| line.contains("asking"));
    assert!(!asked, "{:#?}", ana.lines());
    mel.answer(MAIN, "chat lab1");
    mel.wait_for_text(&format!("[asking {address} for room lab1]"));
    mel.answer("[lab1] Mel> ", "Good morning!");
    for client in [&ana, &mel] {
        client.wait_for_text("Mel: Good morning!");
    }
    ana.answer("[lab1] Ana> ", "And to you.");
    for client in [&ana, &mel] {
        client.wait_for_text("Ana: And to you.");
    }
    // The control sequence leaves at once, without Enter and whatever is typed.
    ana.type_text("half a li");
    ana.wait_for_prompt("[lab1] Ana> half a li");
    for client in [&ana, &mel] {
        client.type_text(LEAVE);
        client.wait_for_prompt(MAIN);
    }

    // 7. One deletes the room, and the directory has it no more.
    ana.answer(MAIN, "connect");
    ana.answer(&connected, "deleteroom lab1");
    ana.wait_for_text("Room lab1 deleted.");
    ana.answer(&connected, "getdir");
    ana.wait_for_text("No rooms yet");

    // 8. Several clients are connected at the same time, and each sees what the other does.
    mel.answer(MAIN, "connect");
    mel.answer(&connected, "makeroom lab2");
    mel.wait_for_text("Room lab2 made at 239.255.");
    ana.answer(&connected, "makeroom lab3");
    ana.wait_for_text("Room lab3 made at 239.255.");
    for client in [&ana, &mel] {
        client.answer(&connected, "getdir");
        client.wait_for("rows of lab2 and lab3", |screen| {
            let contents = screen.contents();
            let has = |name: &str| contents.lines().any(|row| row.starts_with(name));
            has("lab2 ") && has("lab3 ")
        });
    }
    let mut open = connected_peers(&server, 4);
    let lines = server.lines();
    open.retain(|peer| !lines.contains(&format!("Connection from {peer} closed")));
    assert_eq!(open.len(), 2, "{lines:#?}");
}

#[test]
fn directory_commands_ask_to_connect_first() {
    let home = tempfile::tempdir().unwrap();
    let client = start_client(home.path(), "127.0.0.1:9");
    for (number, command) in ["getdir", "makeroom lab1", "deleteroom lab1"]
        .iter()
        .enumerate()
    {
        client.answer(MAIN, command);
        client.wait_for("advice", |screen| {
            let advice = "not connected: `connect` first";
            screen.contents().matches(advice).count() == number + 1
        });
    }
    client.answer(MAIN, "bye");
    client.wait_for_text("\nnot connected\n");
}

#[test]
fn chat_without_a_name_asks_for_one() {
    let home = tempfile::tempdir().unwrap();
    let (_server, address) = start_server(home.path(), &[]);
    let client = start_client(home.path(), &address);
    make_room(&client, &address);
    client.answer(&format!("crds {address}> "), "chat lab1");
    client.answer("Your name: ", "a b");
    client.wait_for_text("user name `a b` is not allowed: use 1 to 32 letters");
    client.answer("Your name: ", "Zoë");
    client.wait_for_prompt("[lab1] Zoë> ");
}

#[test]
fn a_room_is_left_in_each_way_for_the_prompt_of_where_one_is() {
    let home = tempfile::tempdir().unwrap();
    let (_server, address) = start_server(home.path(), &[]);
    let client = start_client(home.path(), &address);
    client.answer(MAIN, "name Ana");
    make_room(&client, &address);
    let connected = format!("crds {address}> ");
    let enter_and_leave = |prompt: &str| {
        for leave in [LEAVE, CTRL_D, "/leave\r"] {
            client.answer(prompt, "chat lab1");
            client.wait_for_prompt("[lab1] Ana> ");
            client.type_text(leave);
        }
    };
    enter_and_leave(&connected);
    client.answer(&connected, "getdir");
    client.answer(&connected, "bye");
    // What the directory said before serves after goodbye.
    enter_and_leave(MAIN);
    client.wait_for_prompt(MAIN);
    let lines = client.lines();
    let left = lines.iter().filter(|line| *line == "[left room lab1]");
    assert_eq!(left.count(), 6, "{lines:#?}");
}

#[test]
fn two_slashes_say_a_line_that_begins_with_one() {
    let home = tempfile::tempdir().unwrap();
    let (_server, address) = start_server(home.path(), &[]);
    let client = start_client(home.path(), &address);
    client.answer(MAIN, "name Ana");
    make_room(&client, &address);
    client.answer(&format!("crds {address}> "), "chat lab1");
    client.answer("[lab1] Ana> ", "//etc is a folder");
    client.wait_for_text("Ana: /etc is a folder");
    client.answer("[lab1] Ana> ", "/etc is a folder");
    client.wait_for_text("unknown command `/etc`");
    client.answer("[lab1] Ana> ", "/name Anabel");
    client.answer("[lab1] Anabel> ", "/help");
    client.wait_for_text("//TEXT");
    client.answer("[lab1] Anabel> ", "/stats");
    client.wait_for_text("Said 1 in ");
}

#[test]
fn what_cannot_be_reached_is_told_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    // Bound and not listened on: nobody else can take the port meanwhile.
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any_port = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    held.bind(&any_port.into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap().to_string();
    let client = start_client(home.path(), &address);
    client.answer(MAIN, "name Ana");
    client.answer(MAIN, "connect");
    client.wait_for_text(&format!("no server at {address} (connection refused)"));
    // No name server is asked: no name has a part of 64 letters.
    let nobody = "x".repeat(64);
    client.answer(MAIN, &format!("connect {nobody}"));
    client.wait_for_text(&format!("host `{nobody}` not found"));
    // Nor can the server be asked for a room.
    client.answer(MAIN, "chat lab1");
    client.wait_for_text(&format!("[asking {address} for room lab1]"));
    client.wait_for("word that there is still no server", |screen| {
        screen.contents().matches("(connection refused)").count() == 2
    });
    client.wait_for_prompt(MAIN);
}

#[test]
fn a_room_that_is_not_there_is_told() {
    let home = tempfile::tempdir().unwrap();
    let (_server, address) = start_server(home.path(), &[]);
    let client = start_client(home.path(), &address);
    let connected = format!("crds {address}> ");
    client.answer(MAIN, "name Ana");
    client.answer(MAIN, "connect");
    client.answer(&connected, "chat nowhere");
    client.wait_for_text("no such room: nowhere (`getdir`");
    client.answer(&connected, "deleteroom nowhere");
    client.wait_for_text("no such room: nowhere (getdir");
    client.wait_for_prompt(&connected);
}

/// Connects, and makes `lab1`.
fn make_room(client: &Terminal, server: &str) {
    let connected = format!("crds {server}> ");
    client.answer(MAIN, "connect");
    client.answer(
        &connected,
        &format!("makeroom lab1 {}", words(free_group())),
    );
    client.wait_for_text("Room lab1 made");
}

/// Who connected to the server, in order, once there are so many.
fn connected_peers(server: &Terminal, count: usize) -> Vec<String> {
    const CONNECTED: &str = "Client connected from ";
    server.wait_for("connection", |screen| {
        screen.contents().matches(CONNECTED).count() >= count
    });
    let lines = server.lines();
    let peers = lines.iter().filter_map(|line| line.strip_prefix(CONNECTED));
    peers.map(str::to_owned).collect()
}

/// The address as `makeroom` takes it.
fn words(group: RoomAddress) -> String {
    format!("{} {}", group.group(), group.port())
}

//! The protocol as people speak it with `nc`: a command a line, one line of answer.

use super::{Refusal, RefusalCode, Reply, Request};
use crate::chat::{Dialect, NewRoom, Room, RoomAddress, excerpt};

/// The commands in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `getdir`
    GetDir,
    /// `makeroom`
    MakeRoom,
    /// `deleteroom`
    DeleteRoom,
    /// `help`
    Help,
    /// `bye`
    Bye,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::GetDir,
        Self::MakeRoom,
        Self::DeleteRoom,
        Self::Help,
        Self::Bye,
    ];

    /// How it is written.
    pub fn usage(self) -> &'static str {
        match self {
            Self::GetDir => "getdir",
            Self::MakeRoom => "makeroom NAME [ADDRESS PORT]",
            Self::DeleteRoom => "deleteroom NAME",
            Self::Help => "help",
            Self::Bye => "bye",
        }
    }

    /// The first word.
    pub fn as_str(self) -> &'static str {
        self.usage().split(' ').next().unwrap_or_default()
    }
}

/// What a line in plain words asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// The commands; only who types them needs that.
    Help,
    /// What JSON lines can ask for too.
    Request(Request),
}

/// Reads one line. The command's case does not matter; words are divided by white space.
///
/// # Errors
/// The refusal to answer: unknown command, wrong count, or a name or address that is not allowed.
pub fn parse(line: &str) -> Result<Spoken, Refusal> {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    let command = Command::ALL
        .into_iter()
        .find(|command| command.as_str().eq_ignore_ascii_case(first))
        .ok_or_else(|| unknown(first))?;
    let arguments: Vec<&str> = words.collect();
    let request = match (command, arguments.as_slice()) {
        (Command::GetDir, []) => Request::GetDirectory,
        (Command::MakeRoom, [name]) => make_room(name, None)?,
        (Command::MakeRoom, [name, address, port]) => make_room(name, Some((address, port)))?,
        (Command::DeleteRoom, [name]) => Request::DeleteRoom(name.parse()?),
        (Command::Help, []) => return Ok(Spoken::Help),
        (Command::Bye, []) => Request::Bye,
        (command, _) => {
            let text = format!("wrong number of words: write {}", command.usage());
            return Err(Refusal::new(RefusalCode::WrongCount, text));
        }
    };
    Ok(Spoken::Request(request))
}

/// A room made in plain words speaks plain: whoever made it so expects programs of the lab in it.
fn make_room(name: &str, address: Option<(&&str, &&str)>) -> Result<Request, Refusal> {
    Ok(Request::MakeRoom(NewRoom {
        name: name.parse()?,
        address: address
            .map(|(address, port)| RoomAddress::from_words(address, port))
            .transpose()?,
        dialect: Dialect::Plain,
        limit: None,
        topic: None,
        history: None,
    }))
}

fn unknown(word: &str) -> Refusal {
    let word = excerpt(word, 64);
    Refusal::new(
        RefusalCode::UnknownCommand,
        format!("unknown command `{word}`: {}", help()),
    )
}

fn help() -> String {
    let usages: Vec<_> = Command::ALL.iter().map(|command| command.usage()).collect();
    format!("the commands are {}", usages.join(", "))
}

/// The line that answers, without its end.
pub fn answer(result: &Result<Reply, Refusal>) -> String {
    match result {
        Ok(Reply::Directory(rooms)) => directory_line(rooms.iter()),
        Ok(Reply::RoomMade(room)) => format!("OK room {} made at {}", room.name, room.address),
        Ok(Reply::RoomDeleted(room)) => format!("OK room {} deleted", room.name),
        // Of the others, plain words ask for none that tells more than that it was done.
        Ok(_) => "OK".to_owned(),
        Err(refusal) => format!("ERR {refusal}"),
    }
}

/// The line that answers `help`.
pub fn answer_to_help() -> String {
    format!("OK {}", help())
}

// A room name has no character that JSON would escape, so the two forms of the directory are
// written straight into one string.

/// The line that answers `getdir`:
/// `OKDIR [{"name":"r1","address":"239.1.1.1","port":6000,"dialect":"plain"},…]`.
pub fn directory_line<'a>(rooms: impl Iterator<Item = &'a Room>) -> String {
    let entries = rooms.map(|room| {
        let (group, port) = (room.address.group(), room.address.port());
        format!(
            r#"{{"name":"{}","address":"{group}","port":{port},"dialect":"{}"}}"#,
            room.name, room.dialect
        )
    });
    format!("OKDIR [{}]", joined(entries))
}

/// The directory for programs that send no line end, which know no dialects: `{"r1":{"address":"239.1.1.1","port":6000}}`.
pub fn directory_object<'a>(rooms: impl Iterator<Item = &'a Room>) -> String {
    let entries = rooms.map(|room| {
        let (group, port) = (room.address.group(), room.address.port());
        format!(r#""{}":{{"address":"{group}","port":{port}}}"#, room.name)
    });
    format!("{{{}}}", joined(entries))
}

fn joined(entries: impl Iterator<Item = String>) -> String {
    entries.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Origin;
    use proptest::prelude::*;

    fn refusal(line: &str) -> (RefusalCode, String) {
        let refusal = parse(line).unwrap_err();
        (refusal.code, refusal.text)
    }

    fn room(name: &str, address: &str) -> Room {
        Room {
            name: name.parse().unwrap(),
            address: address.parse().unwrap(),
            dialect: Dialect::Plain,
            limit: None,
            topic: None,
            history: None,
            made_by: Origin {
                name: None,
                address: "10.0.0.2:5".parse().unwrap(),
            },
            made_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn commands_are_read() {
        let request = |line: &str| match parse(line) {
            Ok(Spoken::Request(request)) => Some(request),
            _ => None,
        };
        assert_eq!(request(" GetDir "), Some(Request::GetDirectory));
        assert_eq!(request("bye"), Some(Request::Bye));
        assert_eq!(parse("help"), Ok(Spoken::Help));
        assert_eq!(
            request("makeroom r1 239.1.1.1 6000"),
            Some(Request::MakeRoom(NewRoom {
                name: "r1".parse().unwrap(),
                address: Some("239.1.1.1:6000".parse().unwrap()),
                dialect: Dialect::Plain,
                limit: None,
                topic: None,
                history: None,
            }))
        );
        assert_eq!(
            request("deleteroom r1"),
            Some(Request::DeleteRoom("r1".parse().unwrap()))
        );
    }

    #[test]
    fn each_mistake_has_its_refusal() {
        assert_eq!(refusal("dance").0, RefusalCode::UnknownCommand);
        assert!(refusal("dance").1.contains("makeroom NAME [ADDRESS PORT]"));
        for line in [
            "makeroom",
            "makeroom r1 239.1.1.1",
            "makeroom a 239.1.1.1 1 x",
            "getdir x",
        ] {
            assert_eq!(refusal(line).0, RefusalCode::WrongCount, "{line}");
        }
        assert_eq!(refusal("makeroom a/b").0, RefusalCode::NameNotAllowed);
        for line in [
            "makeroom r1 10.0.0.1 6000",
            "makeroom r1 somewhere 6000",
            "makeroom r1 239.1.1.1 0",
            "makeroom r1 239.1.1.1 65536",
        ] {
            assert_eq!(refusal(line).0, RefusalCode::AddressNotAllowed, "{line}");
        }
    }

    #[test]
    fn the_directory_in_its_two_forms() {
        let rooms = [room("r1", "239.1.1.1:6000"), room("r2", "239.1.1.2:6001")];
        assert_eq!(
            directory_line(rooms.iter()),
            r#"OKDIR [{"name":"r1","address":"239.1.1.1","port":6000,"dialect":"plain"},{"name":"r2","address":"239.1.1.2","port":6001,"dialect":"plain"}]"#
        );
        assert_eq!(
            directory_object(rooms[..1].iter()),
            r#"{"r1":{"address":"239.1.1.1","port":6000}}"#
        );
        assert_eq!(directory_line([].into_iter()), "OKDIR []");
        assert_eq!(directory_object([].into_iter()), "{}");
    }

    proptest! {
        #[test]
        fn every_line_is_read_or_refused_in_one_line(line in any::<String>()) {
            if let Err(refusal) = parse(&line) {
                prop_assert!(!answer(&Err(refusal)).contains(char::is_control));
            }
        }
    }
}

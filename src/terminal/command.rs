//! The one table of commands: dispatch, help and completion read it.

use crate::chat::{Dialect, RoomAddress, RoomName, ServerAddress, UserName, printable};

/// A command with its arguments, valid once read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Connect(Option<ServerAddress>),
    Bye,
    GetDir,
    MakeRoom {
        name: RoomName,
        address: Option<RoomAddress>,
        dialect: Dialect,
    },
    DeleteRoom(RoomName),
    Name(UserName),
    Chat(RoomName),
    Leave,
    Who,
    Stats,
    Help(Option<&'static str>),
    Quit,
}

/// Where a command may be typed. In a room it begins with a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Prompt,
    Room,
    Both,
}

/// What Tab offers for a command's first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completes {
    Nothing,
    Rooms,
    Commands,
}

/// A row of the table.
pub(super) struct Command {
    pub(super) name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    place: Place,
    pub(super) completes: Completes,
    parse: fn(&[&str]) -> Result<Parsed, Mistake>,
}

/// What is wrong with a command's arguments.
enum Mistake {
    /// Too few or too many.
    Count,
    /// One is not allowed, for this reason.
    Argument(String),
}

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "connect",
        arguments: "[HOST[:PORT]]",
        summary: "connect to a directory server",
        place: Place::Prompt,
        completes: Completes::Nothing,
        parse: |words| match words {
            [] => Ok(Parsed::Connect(None)),
            [server] => Ok(Parsed::Connect(Some(argument(server)?))),
            _ => Err(Mistake::Count),
        },
    },
    Command {
        name: "bye",
        arguments: "",
        summary: "close the connection to the server",
        place: Place::Prompt,
        completes: Completes::Nothing,
        parse: |words| none(words, Parsed::Bye),
    },
    Command {
        name: "getdir",
        arguments: "",
        summary: "list the rooms",
        place: Place::Prompt,
        completes: Completes::Nothing,
        parse: |words| none(words, Parsed::GetDir),
    },
    Command {
        name: "makeroom",
        arguments: "NAME [ADDRESS PORT] [--plain]",
        summary: "make a room; picks a free address; --plain for other programs",
        place: Place::Prompt,
        completes: Completes::Nothing,
        parse: make_room,
    },
    Command {
        name: "deleteroom",
        arguments: "NAME",
        summary: "delete a room; those in it may go on talking",
        place: Place::Prompt,
        completes: Completes::Rooms,
        parse: |words| one(words).and_then(|room| Ok(Parsed::DeleteRoom(argument(room)?))),
    },
    Command {
        name: "name",
        arguments: "NAME",
        summary: "set the name you speak under",
        place: Place::Both,
        completes: Completes::Nothing,
        parse: |words| one(words).and_then(|name| Ok(Parsed::Name(argument(name)?))),
    },
    Command {
        name: "chat",
        arguments: "ROOM",
        summary: "enter a room; Ctrl-] leaves it",
        place: Place::Prompt,
        completes: Completes::Rooms,
        parse: |words| one(words).and_then(|room| Ok(Parsed::Chat(argument(room)?))),
    },
    Command {
        name: "leave",
        arguments: "",
        summary: "leave the room, as Ctrl-] and Ctrl-D do",
        place: Place::Room,
        completes: Completes::Nothing,
        parse: |words| none(words, Parsed::Leave),
    },
    Command {
        name: "who",
        arguments: "",
        summary: "show who is in the room",
        place: Place::Room,
        completes: Completes::Nothing,
        parse: |words| none(words, Parsed::Who),
    },
    Command {
        name: "stats",
        arguments: "",
        summary: "show how the room is doing: address, interface, loss, repairs, pace",
        place: Place::Room,
        completes: Completes::Nothing,
        parse: |words| none(words, Parsed::Stats),
    },
    Command {
        name: "help",
        arguments: "[COMMAND]",
        summary: "show the commands",
        place: Place::Both,
        completes: Completes::Commands,
        parse: |words| match words {
            [] => Ok(Parsed::Help(None)),
            [name] => match find(name) {
                Some(command) => Ok(Parsed::Help(Some(command.name))),
                None => Err(Mistake::Argument(unknown(name))),
            },
            _ => Err(Mistake::Count),
        },
    },
    Command {
        name: "quit",
        arguments: "",
        summary: "end the program",
        place: Place::Both,
        completes: Completes::Nothing,
        parse: |words| none(words, Parsed::Quit),
    },
];

impl Command {
    /// Whether it may be typed here.
    pub(super) fn works(&self, in_room: bool) -> bool {
        match self.place {
            Place::Both => true,
            Place::Room => in_room,
            Place::Prompt => !in_room,
        }
    }

    fn usage(&self, in_room: bool) -> String {
        let slash = if in_room && self.works(true) { "/" } else { "" };
        let usage = format!("{slash}{} {}", self.name, self.arguments);
        usage.trim_end().to_owned()
    }
}

/// Reads a command, with or without a slash before it.
///
/// # Errors
/// A text for the person: unknown command, not here, wrong arguments.
pub(super) fn parse(line: &str, in_room: bool) -> Result<Parsed, String> {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    let command = find(first).ok_or_else(|| match in_room {
        true => format!(
            "unknown command `{0}`: /help lists the commands; //… says it",
            shown(first)
        ),
        false => unknown(first),
    })?;
    let arguments: Vec<&str> = words.collect();
    if !command.works(in_room) {
        return Err(match in_room {
            true => format!("`{}` does not work in a room: /leave first", command.name),
            false => format!("`{}` works in a room: `chat ROOM` first", command.name),
        });
    }
    (command.parse)(&arguments).map_err(|mistake| match mistake {
        Mistake::Count => format!("write it as `{}`", command.usage(in_room)),
        Mistake::Argument(reason) => reason,
    })
}

/// The lines of `help`, for all commands that work here or for one.
pub(super) fn help(about: Option<&str>, in_room: bool) -> Vec<String> {
    let about = about.and_then(find);
    let shown = COMMANDS.iter().filter(|command| match about {
        Some(about) => command.name == about.name,
        None => command.works(in_room),
    });
    let mut rows: Vec<(String, &str)> = shown
        .map(|command| (command.usage(in_room), command.summary))
        .collect();
    if in_room && about.is_none() {
        rows.push(("//TEXT".to_owned(), "say a line that begins with a slash"));
        rows.push(("anything else".to_owned(), "say it to the room"));
    }
    let width = rows.iter().map(|(usage, _)| usage.len()).max();
    let width = width.unwrap_or_default();
    rows.iter()
        .map(|(usage, summary)| format!("  {usage:<width$}  {summary}"))
        .collect()
}

fn find(name: &str) -> Option<&'static Command> {
    let name = name.strip_prefix('/').unwrap_or(name);
    COMMANDS.iter().find(|c| c.name.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> String {
    format!("unknown command `{}`: help lists the commands", shown(name))
}

/// What an error repeats of a word.
fn shown(word: &str) -> String {
    printable(word).chars().take(64).collect()
}

fn none(words: &[&str], parsed: Parsed) -> Result<Parsed, Mistake> {
    match words {
        [] => Ok(parsed),
        _ => Err(Mistake::Count),
    }
}

fn one<'a>(words: &[&'a str]) -> Result<&'a str, Mistake> {
    match words {
        [word] => Ok(word),
        _ => Err(Mistake::Count),
    }
}

fn argument<T: std::str::FromStr>(word: &str) -> Result<T, Mistake>
where
    T::Err: std::fmt::Display,
{
    word.parse()
        .map_err(|error: T::Err| Mistake::Argument(error.to_string()))
}

/// A room is reliable, unless `--plain` says that programs of the lab are to take part.
fn make_room(words: &[&str]) -> Result<Parsed, Mistake> {
    let dialect = match words.contains(&"--plain") {
        true => Dialect::Plain,
        false => Dialect::Reliable,
    };
    let words: Vec<&str> = words.iter().copied().filter(|&w| w != "--plain").collect();
    let (name, address) = match words.as_slice() {
        [name] => (name, None),
        [name, address, port] => {
            let address = RoomAddress::from_words(address, port);
            (
                name,
                Some(address.map_err(|error| Mistake::Argument(error.to_string()))?),
            )
        }
        _ => return Err(Mistake::Count),
    };
    Ok(Parsed::MakeRoom {
        name: argument(name)?,
        address,
        dialect,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_command_is_in_the_help_of_its_place() {
        for command in COMMANDS {
            for in_room in [false, true] {
                let listed = help(None, in_room).iter().any(|line| {
                    line.split_whitespace()
                        .next()
                        .unwrap()
                        .trim_start_matches('/')
                        == command.name
                });
                assert_eq!(listed, command.works(in_room), "{}", command.name);
            }
        }
    }

    #[test]
    fn commands_are_read_in_their_place() {
        assert_eq!(parse("connect", false), Ok(Parsed::Connect(None)));
        assert_eq!(parse(" BYE ", false), Ok(Parsed::Bye));
        assert_eq!(parse("/leave", true), Ok(Parsed::Leave));
        assert!(parse("leave", false).unwrap_err().contains("chat ROOM"));
        assert!(parse("/getdir", true).unwrap_err().contains("/leave"));
        assert!(parse("dance", false).unwrap_err().contains("help"));
        assert!(parse("chat", false).unwrap_err().contains("chat ROOM"));
        assert!(parse("name a b", false).unwrap_err().contains("name NAME"));
        assert!(
            parse("makeroom r 10.0.0.1 5", false)
                .unwrap_err()
                .contains("239.0.0.0")
        );
        let plain = parse("makeroom r 239.1.1.1 5 --plain", false).unwrap();
        assert_eq!(
            plain,
            parse("makeroom --plain r 239.1.1.1 5", false).unwrap()
        );
    }

    proptest! {
        #[test]
        fn any_line_is_a_command_or_an_error(line in any::<String>(), in_room: bool) {
            if let Err(error) = parse(&line, in_room) {
                prop_assert!(!error.is_empty());
                prop_assert!(!error.contains(char::is_control));
            }
        }
    }
}

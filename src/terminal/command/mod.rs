//! The one table of commands: dispatch, help and completion read it.

mod arguments;
mod at;
mod table;

pub(super) use at::{AtLine, parse_at};
pub(super) use table::COMMANDS;

use std::path::PathBuf;

use unicode_width::UnicodeWidthStr;

use crate::chat::{
    Followed, GroupName, MessageText, NewRoom, OneLine, RoomName, SearchWords, ServerAddress,
    UserName, excerpt,
};
use arguments::Arguments;

/// A command with its arguments, valid once read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Connect(Option<ServerAddress>),
    Bye,
    /// Leave the room, then the server.
    Disconnect,
    GetDir,
    MakeRoom(NewRoom),
    DeleteRoom(RoomName),
    Name(UserName),
    Chat(RoomName),
    Leave,
    Who,
    Stats,
    Names,
    Report,
    Whisper {
        to: UserName,
        text: MessageText,
    },
    Reply(MessageText),
    GroupSet {
        group: GroupName,
        members: Vec<UserName>,
    },
    GroupSend(MessageText),
    GroupLeave(GroupName),
    GroupDelete(GroupName),
    Groups,
    Follow(Followed),
    Unfollow(Followed),
    Following,
    Me(MessageText),
    ShowTopic,
    /// None to take it away.
    SetTopic(Option<OneLine>),
    /// So many entries of the room's history.
    History(Option<usize>),
    Search(SearchWords),
    Away(Option<OneLine>),
    /// None to list who is ignored.
    Ignore(Option<String>),
    Unignore(String),
    /// To one person, or to the room.
    Send {
        to: Option<UserName>,
        path: PathBuf,
    },
    Receive(u32),
    Transfers,
    Cancel(u32),
    Clear,
    Help(Option<&'static str>),
    Quit,
}

/// Where a command may be typed. In a room it begins with a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Prompt,
    Room,
    Both,
}

/// What Tab offers for a command's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completes {
    Nothing,
    Rooms,
    RoomsAndLobby,
    Commands,
    /// Who is online or in the room.
    Names,
    /// Behind an `@` the same, otherwise files.
    NamesAndPaths,
    /// What one does with a group, then groups or names.
    Group,
}

/// A row of the table.
pub(super) struct Command {
    pub(super) name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    place: Place,
    pub(super) completes: Completes,
    parse: fn(&Arguments<'_>) -> Result<Parsed, Mistake>,
}

/// What is wrong with a command's arguments.
enum Mistake {
    /// Too few or too many.
    Count,
    /// One is not allowed, for this reason.
    Argument(String),
}

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
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let command = find(first).ok_or_else(|| match in_room {
        true => format!(
            "unknown command `{0}`: /help lists the commands; //… says it",
            excerpt(first, 64)
        ),
        false => unknown(first),
    })?;
    if !command.works(in_room) {
        return Err(match in_room {
            true => format!("`{}` does not work in a room: /leave first", command.name),
            false => format!("`{}` works in a room: `chat ROOM` first", command.name),
        });
    }
    (command.parse)(&Arguments::new(rest)).map_err(|mistake| match mistake {
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
    if about.is_none() {
        rows.push(("@NAME TEXT".to_owned(), "say it to one person alone"));
        rows.push((
            "@names, @group …".to_owned(),
            "as the commands of that name",
        ));
        rows.push(("@quit".to_owned(), "leave the room and the server"));
    }
    if in_room && about.is_none() {
        rows.push((
            "//TEXT, @@TEXT".to_owned(),
            "say a line that begins with / or @",
        ));
        rows.push(("anything else".to_owned(), "say it to the room"));
    }
    let width = rows.iter().map(|(usage, _)| usage.width());
    // A usage that is longer than most has a line of its own.
    let width = width.filter(|&width| width <= USAGE_COLUMNS_MAX).max();
    let width = width.unwrap_or_default();
    let left = HELP_COLUMNS - (2 + width + 2);
    let lines = rows.iter().flat_map(|(usage, summary)| {
        let mut summary = wrapped(summary, left);
        if usage.width() > width {
            summary.insert(0, String::new());
        }
        let usage = std::iter::once(usage.as_str()).chain(std::iter::repeat(""));
        let lines = usage.zip(summary);
        let lines = lines.map(|(usage, summary)| format!("  {usage:<width$}  {summary}"));
        lines
            .map(|line| line.trim_end().to_owned())
            .collect::<Vec<_>>()
    });
    lines.collect()
}

/// The columns of a terminal that nobody has made larger.
const HELP_COLUMNS: usize = 80;

/// Columns of `help` for how a command is written.
const USAGE_COLUMNS_MAX: usize = 40;

/// Cut between words.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// With or without a slash before it, whatever the case.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    let name = name.strip_prefix('/').unwrap_or(name);
    COMMANDS.iter().find(|c| c.name.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> String {
    format!(
        "unknown command `{}`: help lists the commands",
        excerpt(name, 64)
    )
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
        for (option, value) in [("--limit", "3"), ("--history", "7d")] {
            let once = format!("makeroom r {option} {value}");
            assert!(parse(&once, false).is_ok());
            let twice = parse(&format!("{once} {option} {value}"), false);
            assert_eq!(twice, Err(format!("{option} is there twice")));
        }
    }

    #[test]
    fn a_path_is_read_as_a_shell_reads_it() {
        let path = |typed: &str| match parse(&format!("send {typed}"), false) {
            Ok(Parsed::Send { to: None, path }) => path.to_str().unwrap().to_owned(),
            other => panic!("{typed}: {other:?}"),
        };
        assert_eq!(path("my notes.txt"), "my notes.txt");
        assert_eq!(path(r"my\ notes\(1\).txt "), "my notes(1).txt");
        assert_eq!(path(r#""my \"notes\".txt""#), r#"my "notes".txt"#);
        assert_eq!(path(r"'my\notes.txt'"), r"my\notes.txt");
        assert_eq!(path("\"my notes.txt"), "my notes.txt");
        assert!(parse("send \"\"", false).is_err());
        let number = parse("receive notes.txt", false).unwrap_err();
        assert!(number.contains("`transfers` lists them"), "{number}");
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

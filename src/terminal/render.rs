//! How things look on the screen. Everything that came from elsewhere is made safe here.

use jiff::{Timestamp, Zoned};
use unicode_width::UnicodeWidthStr;

use super::progress::described;
use crate::chat::{ByteSize, Happening, HistoryEntry, Room, RoomName, UserName, printable};
use crate::client::RoomEvent;

/// How to show.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// With the time before each message.
    pub timestamps: bool,
}

/// Colours of the 256-colour palette that can be read on black and on white.
const NAME_COLORS: [u8; 12] = [31, 65, 97, 131, 136, 67, 133, 168, 172, 37, 70, 105];

impl Style {
    /// A message as it reads: `[10:15:02] Mel: Good morning!` One of several lines has the name before
    /// each, so that none can pass for somebody else's.
    pub(super) fn message(&self, from: &str, text: &str) -> String {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let lines: Vec<String> = lines.map(|line| self.line(from, line)).collect();
        lines.join("\n")
    }

    /// A message on one line whatever its text: `Mel: first⏎second`
    pub(super) fn message_in_one_line(&self, from: &str, text: &str) -> String {
        self.line(from, &text.replace("\r\n", "\n").replace('\n', "⏎"))
    }

    /// A line that does not come from the room, marked with where it comes from: `(private) John: hi`
    pub(super) fn marked(&self, mark: &str, from: &str, text: &str) -> String {
        let mark = format!("({mark}) ");
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let lines: Vec<String> = lines
            .map(|line| self.marked_line(&mark, from, line))
            .collect();
        lines.join("\n")
    }

    /// A line of a program that speaks plain in a reliable room.
    pub(super) fn stranger(&self, from: &str, text: &str) -> String {
        self.marked_line("(plain) ", from, text)
    }

    fn line(&self, from: &str, text: &str) -> String {
        self.marked_line("", from, text)
    }

    fn marked_line(&self, mark: &str, from: &str, text: &str) -> String {
        let from = printable(from);
        let time = match self.timestamps {
            true => self.painted("2", &Zoned::now().strftime("[%H:%M:%S] ").to_string()),
            false => String::new(),
        };
        let color = format!("1;38;5;{}", NAME_COLORS[color_index(&from)]);
        let from = self.painted(&color, &from);
        match text.strip_prefix("/me ") {
            Some(action) => format!("{time}{mark}* {from} {}", printable(action)),
            None => format!("{time}{mark}{from}: {}", printable(text)),
        }
    }

    /// Something from a history: `(10:15:02) Mel: Good morning!`, with when it was said, in round brackets, however
    /// it is shown; `room` is where, if that is not plain.
    pub(super) fn past(&self, entry: &HistoryEntry, room: Option<&RoomName>) -> String {
        let time = said_at(entry.said_at);
        let mark = match room {
            Some(room) => format!("(in {room}, {time}) "),
            None => format!("({time}) "),
        };
        let plain = Self {
            color: false,
            timestamps: false,
        };
        let line = match &entry.what {
            Happening::Text(text) => {
                let text = text.as_str().lines().filter(|line| !line.trim().is_empty());
                let lines = text.map(|line| plain.marked_line(&mark, &entry.from, line));
                lines.collect::<Vec<_>>().join("\n")
            }
            what => format!("{mark}{}", plain.notice(&happening(&entry.from, what))),
        };
        let lines = line.split('\n').map(|line| self.painted("2", line));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Something that the program says: `[room r1 was deleted by Mel]`
    pub(super) fn notice(&self, text: &str) -> String {
        self.painted("2", &format!("[{}]", printable(text)))
    }

    /// Something that went wrong.
    pub(super) fn error(&self, text: &str) -> String {
        self.painted("31", &printable(text))
    }

    fn painted(&self, color: &str, text: &str) -> String {
        match self.color {
            true => format!("\x1b[{color}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// When something was said, by the clock on this wall; the day too if it was another.
fn said_at(at: Timestamp) -> String {
    let now = Zoned::now();
    let at = at.to_zoned(now.time_zone().clone());
    let format = match at.date() == now.date() {
        true => "%H:%M:%S",
        false => "%Y-%m-%d %H:%M",
    };
    at.strftime(format).to_string()
}

/// What happened to somebody, in words; a text is for another form.
fn happening(from: &str, what: &Happening) -> String {
    match what {
        Happening::Text(text) => format!("{from}: {text}"),
        Happening::File(file) => format!(
            "{from} offers {} ({})",
            file.name,
            ByteSize(file.size_bytes)
        ),
        Happening::Joined => format!("{from} joined"),
        Happening::Left => format!("{from} left"),
        Happening::Renamed(name) => format!("{from} is called {name} now"),
    }
}

/// What a person is told of an event that is no message.
pub(super) fn notice(event: &RoomEvent) -> Option<String> {
    Some(match event {
        RoomEvent::Message(_) | RoomEvent::Stranger(_) => return None,
        RoomEvent::Offered { from, offer, .. } => {
            format!("{from} offers {}", described(&offer.file))
        }
        RoomEvent::Withdrawn { from, offer } => {
            format!("{from} does not offer {} any more", offer.file.name)
        }
        RoomEvent::Present(names) => format!("here: {}", names.join(", ")),
        RoomEvent::Joined(name) => format!("{name} joined"),
        RoomEvent::Left(name) => format!("{name} left"),
        RoomEvent::Renamed { before, now } => format!("{before} is called {now} now"),
        RoomEvent::ShownAs(name) => format!("the others see you as {name}"),
        RoomEvent::Gap { from, records, .. } => {
            let what = if *records == 1 { "line" } else { "lines" };
            format!("{records} {what} of {from} got lost and cannot be had from anyone")
        }
        RoomEvent::Slow(name) => format!("{name} has a slow connection: what you say waits for it"),
        RoomEvent::Undelivered {
            text,
            more,
            members,
        } => {
            let more = match more {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            format!("not yet at {}: {text}{more}", members.join(", "))
        }
        RoomEvent::Notice(text) => text.clone(),
    })
}

/// The form in which two names are compared, also those that programs of other kinds have.
pub(super) fn name_key(name: &str) -> String {
    match name.parse::<UserName>() {
        Ok(name) => name.key(),
        Err(_) => name.to_lowercase(),
    }
}

/// The same name has the same colour on every machine.
fn color_index(name: &str) -> usize {
    let sum = name.to_lowercase().bytes().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31) + usize::from(byte)
    });
    sum % NAME_COLORS.len()
}

/// The rooms as aligned columns, with or without a heading.
pub(super) fn directory(rooms: &[Room], heading: bool) -> Vec<String> {
    let heading =
        heading.then(|| ["ROOM", "ADDRESS", "PORT", "DIALECT", "MADE BY"].map(String::from));
    let rows = rooms.iter().map(|room| {
        let by = &room.made_by;
        [
            room.name.to_string(),
            room.address.group().to_string(),
            room.address.port().to_string(),
            room.dialect.to_string(),
            by.name
                .as_ref()
                .map_or(by.address.to_string(), ToString::to_string),
        ]
    });
    columns(&heading.into_iter().chain(rows).collect::<Vec<_>>())
}

/// Rows with their cells aligned to the left; the last is not filled up.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| {
            let filling = width - cell.width();
            format!("{cell}{:filling$}", "")
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        color: false,
        timestamps: false,
    };

    #[test]
    fn a_message_reads_as_name_and_text() {
        assert_eq!(PLAIN.message("Mel", "Good morning!"), "Mel: Good morning!");
        let stamped = Style {
            timestamps: true,
            ..PLAIN
        };
        let line = stamped.message("Mel", "hi");
        assert_eq!(line.len(), "[10:15:02] Mel: hi".len());
        assert!(line.starts_with('[') && line.ends_with("] Mel: hi"));
    }

    #[test]
    fn nothing_from_elsewhere_reaches_the_terminal_raw() {
        let line = PLAIN.message("\x1b]0;x\x07", "a\nBob: b\u{202e}");
        assert!(!line.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'));
        assert!(!line.contains("\nBob"), "{line}");
        let line = PLAIN.message_in_one_line("Mel", "a\r\nb\nc");
        assert_eq!(line, "Mel: a⏎b⏎c");
        assert!(!PLAIN.notice("\x1b[2J").contains('\x1b'));
        assert!(!PLAIN.error("\x1b[2J").contains('\x1b'));
    }

    #[test]
    fn what_somebody_does_is_shown_as_that_wherever_it_is_said() {
        assert_eq!(PLAIN.message("Ann", "/me waves"), "* Ann waves");
        assert_eq!(PLAIN.message("Ann", "/meow"), "Ann: /meow");
        assert_eq!(PLAIN.message_in_one_line("Ann", "/me waves"), "* Ann waves");
        assert_eq!(PLAIN.stranger("Ann", "/me waves"), "(plain) * Ann waves");
        let private = PLAIN.marked("private", "Ann", "/me waves\nhi");
        assert_eq!(private, "(private) * Ann waves\n(private) Ann: hi");
    }

    #[test]
    fn what_is_past_says_when_it_was_and_is_as_safe() {
        let entry = |what| HistoryEntry {
            number: 1,
            said_at: Timestamp::now(),
            heard_at: Timestamp::now(),
            from: "Ana".into(),
            what,
            record: None,
        };
        let text = |text: &str| entry(Happening::Text(text.parse().unwrap()));
        let lines = PLAIN.past(&text("/me waves\n\x1b[2Jhi"), None);
        let lines: Vec<&str> = lines.lines().collect();
        let len = "(10:15:02) ".len();
        assert_eq!(&lines[0][len..], "* Ana waves");
        assert!(lines[1][len..].starts_with("Ana: ") && !lines[1].contains('\x1b'));
        let file = crate::chat::FileOffer {
            name: "notes.txt".to_owned().into(),
            size_bytes: 12_345,
            hash: crate::chat::FileHash([0; 32]),
        };
        let line = PLAIN.past(&entry(Happening::File(file)), None);
        assert_eq!(&line[len..], "[Ana offers notes.txt (12 kB)]");
        let old = HistoryEntry {
            said_at: "2020-01-02T12:00:00Z".parse().unwrap(),
            ..entry(Happening::Joined)
        };
        let room = "lab".parse().unwrap();
        let line = PLAIN.past(&old, Some(&room));
        assert!(line.starts_with("(in lab, 2020-01-0"), "{line}");
        assert!(line.ends_with(") [Ana joined]"), "{line}");
    }

    #[test]
    fn names_are_compared_without_case() {
        assert_eq!(name_key("ÉMILE"), name_key("e\u{301}mile"));
        assert_eq!(name_key("Mel~45E2"), name_key("mel~45e2"));
        assert_ne!(name_key("Mel"), name_key("Mal"));
    }

    #[test]
    fn a_name_keeps_its_colour() {
        let colored = Style {
            color: true,
            ..PLAIN
        };
        let start = |name| {
            colored
                .message(name, "hi")
                .split('m')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(start("Mel"), start("MEL"));
        assert_ne!(start("Mel"), start("Ana"));
    }
}

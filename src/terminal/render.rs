//! How things look on the screen. Everything that came from elsewhere is made safe here.

use std::fmt::Write;

use jiff::Zoned;

use crate::chat::{Room, printable};

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
    /// A message as it reads: `[10:15:02] Mel: Good morning!`
    pub(super) fn message(&self, from: &str, text: &str) -> String {
        let from = printable(from);
        let time = match self.timestamps {
            true => self.painted("2", &Zoned::now().strftime("[%H:%M:%S] ").to_string()),
            false => String::new(),
        };
        let color = format!("1;38;5;{}", NAME_COLORS[color_index(&from)]);
        format!("{time}{}: {}", self.painted(&color, &from), printable(text))
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
    let rows: Vec<[String; 5]> = heading
        .into_iter()
        .chain(rooms.iter().map(|room| {
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
        }))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max();
    let widths: [usize; 4] = std::array::from_fn(|column| width(column).unwrap_or_default());
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                // Writing to a string does not fail.
                let _ = write!(line, "{cell:<width$}  ");
            }
            line + &row[4]
        })
        .collect()
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
        assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'));
        assert!(!PLAIN.notice("\x1b[2J").contains('\x1b'));
        assert!(!PLAIN.error("\x1b[2J").contains('\x1b'));
    }

    #[test]
    fn a_name_keeps_its_colour() {
        let colored = Style {
            color: true,
            ..PLAIN
        };
        let start = |name| {
            colored
                .message(name, "")
                .split('m')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(start("Mel"), start("MEL"));
        assert_ne!(start("Mel"), start("Ana"));
    }
}

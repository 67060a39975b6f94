//! Files that are offered to a room.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{MessageText, from_hexadecimal, is_printable};

/// What a file is called, safe to be created in a folder: no path, not hidden, not a device, no flag of a command, nothing that a
/// terminal would obey. At most 200 bytes of UTF-8 in NFC. Any text gives one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct FileName(String);

/// What a name becomes of which nothing is left.
const NAMELESS: &str = "file";

/// Names that Windows takes for a device, whatever follows their first dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The same with a digit after them.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

impl FileName {
    /// The longest name, in bytes: file systems take 255, and a copy gets ` (2)` or more.
    pub const BYTES_MAX: usize = 200;

    /// The longest ending that is kept when a name is cut, in bytes with its dot.
    const ENDING_BYTES_MAX: usize = 16;

    /// The last part of what may be a path, with everything replaced that is not safe.
    pub fn of(given: &str) -> Self {
        let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
        let safe = |c: char| match c {
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
            c if is_printable(c) => c,
            _ => '_',
        };
        let name: String = last.nfc().map(safe).collect();
        let name = name.trim_start_matches(|c: char| c == '.' || c.is_whitespace());
        let name = cut(name)
            .trim_end_matches(|c: char| c == '.' || c.is_whitespace())
            .to_owned();
        if name.is_empty() {
            Self(NAMELESS.to_owned())
        } else if is_device(&name) {
            Self(format!("_{name}"))
        } else if let Some(rest) = name.strip_prefix('-') {
            // In its folder `rm *` would take it for a flag.
            Self(format!("_{rest}"))
        } else {
            Self(name)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name before its last dot, and its ending with the dot; empty if it has none.
    pub fn parts(&self) -> (&str, &str) {
        match self.0.rfind('.') {
            Some(dot) if dot > 0 => self.0.split_at(dot),
            _ => (&self.0, ""),
        }
    }
}

/// Shortens a name and leaves its ending.
fn cut(name: &str) -> String {
    if name.len() <= FileName::BYTES_MAX {
        return name.to_owned();
    }
    let dot = name.rfind('.').unwrap_or(name.len());
    let ending = match name.len() - dot {
        1..=FileName::ENDING_BYTES_MAX => &name[dot..],
        _ => "",
    };
    let end = name.floor_char_boundary(FileName::BYTES_MAX - ending.len());
    format!("{}{ending}", &name[..end])
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_lowercase();
    let is_numbered = NUMBERED_DEVICES.iter().any(|device| {
        let number = stem.strip_prefix(device);
        number.is_some_and(|number| {
            matches!(number.chars().next(), Some('0'..='9' | '¹' | '²' | '³'))
                && number.chars().count() == 1
        })
    });
    is_numbered || DEVICES.contains(&stem.as_str())
}

impl From<String> for FileName {
    fn from(given: String) -> Self {
        Self::of(&given)
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The BLAKE3 hash of a file's content; written as 64 hexadecimal digits. Two files with one hash are the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileHash(pub [u8; 32]);

/// This is no such hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file's hash is 64 hexadecimal digits")]
pub struct FileHashError;

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileHash({self})")
    }
}

impl FromStr for FileHash {
    type Err = FileHashError;

    fn from_str(given: &str) -> Result<Self, FileHashError> {
        from_hexadecimal(given).map(Self).ok_or(FileHashError)
    }
}

/// A file as it is offered: what a person decides by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOffer {
    /// What it is called.
    pub name: FileName,
    /// How long it is, in bytes.
    pub size_bytes: u64,
    /// What it holds.
    pub hash: FileHash,
}

impl FileOffer {
    /// Whether it is short enough to be shown as what its sender says, and not empty: if it is a text.
    pub fn may_be_text(&self) -> bool {
        (1..=MessageText::BYTES_MAX as u64).contains(&self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_last_part_of_a_path_is_left() {
        for (given, name) in [
            ("notes.txt", "notes.txt"),
            ("attachments/cool file.txt", "cool file.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\Ann\\a.png", "a.png"),
            ("/", "file"),
            ("..", "file"),
            (" .bashrc. ", "bashrc"),
            ("a\u{202e}gpj.exe", "a_gpj.exe"),
            ("a:b\n?.txt", "a_b__.txt"),
            ("Con.txt", "_Con.txt"),
            ("com1", "_com1"),
            ("lpt¹.log", "_lpt¹.log"),
            ("com12", "com12"),
            ("Console.txt", "Console.txt"),
            ("-rf", "_rf"),
            ("--", "_-"),
            ("a-b", "a-b"),
        ] {
            assert_eq!(FileName::of(given).as_str(), name, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let name = FileName::of(&format!("{}.tar", "é".repeat(300)));
        assert!(name.as_str().len() <= FileName::BYTES_MAX);
        assert_eq!(name.parts().1, ".tar");
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = FileHash(std::array::from_fn(|index| index as u8 * 7));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in [
            "",
            "00",
            &"g0".repeat(32),
            &"+0".repeat(32),
            &"é".repeat(32),
        ] {
            assert_eq!(bad.parse::<FileHash>(), Err(FileHashError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_name_that_is_safe(given in any::<String>()) {
            let name = FileName::of(&given);
            let text = name.as_str();
            prop_assert!((1..=FileName::BYTES_MAX).contains(&text.len()));
            prop_assert!(!text.starts_with(['.', '-']) && !text.contains(['/', '\\']));
            prop_assert!(text.chars().all(is_printable));
            prop_assert_eq!(&FileName::of(text), &name);
        }
    }
}

//! Names of rooms, of people and of groups.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::printable;

/// Why a name is not allowed. The text says what a name may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a room name.
    #[error(
        "room name `{given}` is not allowed: use 1 to 64 ASCII letters, digits, `-`, `_` or `.`, without spaces"
    )]
    Room {
        /// What was given, shortened and safe to show.
        given: String,
    },
    /// Not a user name.
    #[error(
        "user name `{given}` is not allowed: use 1 to 32 letters, digits, `-`, `_` or `.`, without spaces"
    )]
    User {
        /// What was given, shortened and safe to show.
        given: String,
    },
    /// Not a group name.
    #[error("group name `{given}` is not allowed: use one word of 1 to 32 letters and digits")]
    Group {
        /// What was given, shortened and safe to show.
        given: String,
    },
}

/// Letters by their class, blanks by their look: the fillers of Hangul.
const INVISIBLE_LETTERS: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];

/// What a message about a bad name repeats of it.
fn shown(given: &str) -> String {
    const LETTERS_SHOWN_MAX: usize = 72;
    let mut shown = printable(given).into_owned();
    if let Some((end, _)) = shown.char_indices().nth(LETTERS_SHOWN_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// A room's name: 1 to 64 ASCII letters, digits, `-`, `_`, `.`; compared without case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomName(String);

impl RoomName {
    /// The longest room name.
    pub const LETTERS_MAX: usize = 64;

    /// The room that every server has, without an address: its lines go over the server.
    pub const LOBBY: &str = "lobby";

    /// The lobby's name.
    pub fn lobby() -> Self {
        Self(Self::LOBBY.to_owned())
    }

    /// Whether this is the lobby.
    pub fn is_lobby(&self) -> bool {
        self.0.eq_ignore_ascii_case(Self::LOBBY)
    }

    /// The name as it was first written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two names are compared.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for RoomName {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if (1..=Self::LETTERS_MAX).contains(&given.len()) && given.chars().all(allowed) {
            Ok(Self(given.to_owned()))
        } else {
            Err(NameError::Room {
                given: shown(given),
            })
        }
    }
}

/// A person's name: 1 to 32 letters of any script, digits, `-`, `_`, `.`; kept in Unicode NFC and
/// compared without case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

impl UserName {
    /// The longest user name.
    pub const LETTERS_MAX: usize = 32;

    /// Words that mean something else after an `@`, and what announcements are signed with: nobody online may be
    /// called so.
    pub const RESERVED: [&str; 5] = ["names", "quit", "group", RoomName::LOBBY, "server"];

    /// Whether nobody online may have this name.
    pub fn is_reserved(&self) -> bool {
        Self::RESERVED.contains(&self.key().as_str())
    }

    /// The name in NFC, in the case it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two names are compared.
    pub fn key(&self) -> String {
        self.0.to_lowercase().nfc().collect()
    }
}

impl FromStr for UserName {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        let name = letters_and(&['-', '_', '.'], Self::LETTERS_MAX, given);
        name.map(Self).ok_or_else(|| NameError::User {
            given: shown(given),
        })
    }
}

/// A group's name: 1 to 32 letters of any script or digits; kept in Unicode NFC and compared without case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(String);

impl GroupName {
    /// The longest group name.
    pub const LETTERS_MAX: usize = 32;

    /// The name in NFC, in the case it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two names are compared.
    pub fn key(&self) -> String {
        self.0.to_lowercase().nfc().collect()
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        let name = letters_and(&[], Self::LETTERS_MAX, given);
        name.map(Self).ok_or_else(|| NameError::Group {
            given: shown(given),
        })
    }
}

/// `given` in NFC, if it has 1 to `letters_max` letters of any script, digits and `signs`, and no other.
fn letters_and(signs: &[char], letters_max: usize, given: &str) -> Option<String> {
    // A mark belongs to the letter before it, so it may not come first.
    let allowed = |(at, c): (usize, char)| {
        (c.is_alphanumeric() && !INVISIBLE_LETTERS.contains(&c))
            || signs.contains(&c)
            || (at > 0 && is_combining_mark(c))
    };
    // Of a longer text no more than this is needed to see that it is too long.
    let name: String = given.nfc().take(4 * letters_max).collect();
    let letters = name.chars().count();
    let fits = (1..=letters_max).contains(&letters) && name.chars().enumerate().all(allowed);
    fits.then_some(name)
}

macro_rules! a_name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(given: String) -> Result<Self, NameError> {
                given.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.key() == other.key()
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.key().cmp(&other.key())
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.key().hash(state);
            }
        }
    };
}

a_name!(RoomName);
a_name!(UserName);
a_name!(GroupName);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_compared_without_case() {
        let room = |s: &str| s.parse::<RoomName>().unwrap();
        assert_eq!(room("Lab-4.b_2"), room("lab-4.B_2"));
        let user = |s: &str| s.parse::<UserName>().unwrap();
        assert_eq!(user("ÉMILE"), user("e\u{301}mile"));
        assert_eq!(user("e\u{301}mile").as_str(), "\u{e9}mile");
        assert_eq!(user("नमस्ते").as_str(), "नमस्ते");
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_a_name_may_be() {
        for bad in ["", "two words", "a:b", "é", "tab\t", "a/b", &"x".repeat(65)] {
            let error = bad.parse::<RoomName>().unwrap_err().to_string();
            assert!(error.contains("1 to 64"), "{error}");
        }
        for bad in [
            "",
            "two words",
            "Mel:",
            "👋",
            "\u{301}e",
            "\u{202e}x",
            "\u{3164}",
            &"x".repeat(33),
        ] {
            let error = bad.parse::<UserName>().unwrap_err().to_string();
            assert!(error.contains("1 to 32"), "{error}");
            assert!(!error.contains('\u{202e}'));
        }
    }

    #[test]
    fn a_group_name_is_one_word_of_letters_and_digits() {
        let group = |s: &str| s.parse::<GroupName>();
        assert_eq!(group("Dinner2").unwrap(), group("dINNER2").unwrap());
        assert_eq!(group("नमस्ते").unwrap().as_str(), "नमस्ते");
        for bad in ["", "din ner", "din-ner", "a.b", &"x".repeat(33)] {
            let error = group(bad).unwrap_err().to_string();
            assert!(error.contains("letters and digits"), "{error}");
        }
    }

    #[test]
    fn reserved_words_are_known_in_any_case() {
        let is_reserved = |s: &str| s.parse::<UserName>().unwrap().is_reserved();
        assert!(is_reserved("Quit") && is_reserved("LOBBY"));
        assert!(!is_reserved("quits"));
        assert!("Lobby".parse::<RoomName>().unwrap().is_lobby());
        assert_eq!(RoomName::lobby(), "lobby".parse().unwrap());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in any::<String>()) {
            if let Ok(name) = text.parse::<UserName>() {
                prop_assert_eq!(&name.to_string().parse::<UserName>().unwrap(), &name);
                prop_assert!(name.as_str().len() <= 128);
            }
            if let Ok(name) = text.parse::<RoomName>() {
                prop_assert_eq!(name.as_str(), text);
            }
        }

        #[test]
        fn a_user_name_that_is_printed_parses_back(text in "[\\p{L}\\p{N}._-]{1,32}") {
            if let Ok(name) = text.parse::<UserName>() {
                let again: UserName = name.to_string().parse().unwrap();
                prop_assert_eq!(again.as_str(), name.as_str());
            }
        }
    }
}

//! A short text of one line: a room's topic, or why somebody is away.

use std::fmt;
use std::str::FromStr;

/// 1 to 240 bytes of UTF-8 without a control character or a line break; not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneLine(String);

/// Why this text is no short line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OneLineError {
    /// Nothing but white space.
    #[error("the text is blank: write something, or leave it out")]
    Blank,
    /// More than the limit.
    #[error("the text has more than 240 bytes: make it shorter")]
    TooLong,
    /// It has a line break or another control character.
    #[error("the text has a line break or a control character: write one line of plain text")]
    NotOneLine,
}

impl OneLine {
    /// The longest text, in bytes: it is shown in one line of a terminal or two.
    pub const BYTES_MAX: usize = 240;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OneLine {
    type Err = OneLineError;

    /// Takes white space at both ends off.
    fn from_str(given: &str) -> Result<Self, OneLineError> {
        let text = given.trim();
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if text.is_empty() {
            Err(OneLineError::Blank)
        } else if text.len() > Self::BYTES_MAX {
            Err(OneLineError::TooLong)
        } else if text.contains(breaks) {
            Err(OneLineError::NotOneLine)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for OneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_short_line_is_refused() {
        let parse = |text: &str| text.parse::<OneLine>();
        assert_eq!(parse("  tea at four ").unwrap().as_str(), "tea at four");
        assert_eq!(parse(" \t"), Err(OneLineError::Blank));
        assert_eq!(parse("a\nb"), Err(OneLineError::NotOneLine));
        assert_eq!(parse("a\u{2028}b"), Err(OneLineError::NotOneLine));
        assert_eq!(parse("\u{1b}[2Jb"), Err(OneLineError::NotOneLine));
        assert!(parse(&"x".repeat(240)).is_ok());
        assert_eq!(parse(&"x".repeat(241)), Err(OneLineError::TooLong));
    }
}

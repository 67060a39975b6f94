//! What is said in a room.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// A text that can be said: 1 byte to 64 KiB of UTF-8, not blank. It may have several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageText(String);

/// Why this text cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageTextError {
    /// Nothing but white space.
    #[error("nothing to say: the text is blank")]
    Blank,
    /// More than the limit.
    #[error("the text has more than 65536 bytes: say it in parts")]
    TooLong,
}

impl MessageText {
    /// The longest text, in bytes of UTF-8.
    pub const BYTES_MAX: usize = 65_536;

    /// What a file says, if it can be said: without other control characters than those that make lines. A byte order mark at
    /// its beginning is nothing that it says.
    pub fn of_file(content: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8(content).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        text.chars().all(is_text).then(|| text.parse().ok())?
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageText {
    type Err = MessageTextError;

    /// Takes trailing white space off.
    fn from_str(given: &str) -> Result<Self, MessageTextError> {
        let text = given.trim_end();
        if text.trim_start().is_empty() {
            Err(MessageTextError::Blank)
        } else if text.len() > Self::BYTES_MAX {
            Err(MessageTextError::TooLong)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something said in a room. `from` is what the sender calls itself: another program may use a name
/// that is no [`UserName`](super::UserName). Neither part is safe to show before
/// [`printable`](super::printable).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub from: String,
    /// What is said.
    pub text: MessageText,
    /// When, by the clock of who says it; none where that is not told, as in a plain room.
    pub said_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_and_oversized_texts_are_refused() {
        assert_eq!(" \t\n".parse::<MessageText>(), Err(MessageTextError::Blank));
        assert_eq!("  hi \n".parse::<MessageText>().unwrap().as_str(), "  hi");
        let long = "x".repeat(MessageText::BYTES_MAX);
        assert!(long.parse::<MessageText>().is_ok());
        assert_eq!(
            (long + "x").parse::<MessageText>(),
            Err(MessageTextError::TooLong)
        );
    }

    #[test]
    fn only_what_is_a_text_is_said_of_a_file() {
        let text = MessageText::of_file(b"a\tb\r\nc\n".to_vec());
        assert_eq!(text.unwrap().as_str(), "a\tb\r\nc");
        let marked = MessageText::of_file("\u{feff}hi\n".into());
        assert_eq!(marked.unwrap().as_str(), "hi");
        let only_marked = "\u{feff}\n".as_bytes();
        for content in [&b"\xff"[..], b"a\0b", b"\x1b[2J", b" \n", b"", only_marked] {
            assert_eq!(MessageText::of_file(content.to_vec()), None);
        }
    }
}

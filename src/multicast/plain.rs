//! The plain dialect: one datagram is `name: text` in UTF-8, as every program for the lab speaks.

use std::net::SocketAddrV4;

use unicode_segmentation::UnicodeSegmentation;

use super::config::{PLAIN_DATAGRAM_BYTES_MAX, PLAIN_NAME_BYTES_MAX, RELIABLE_FIRST_BYTE};
use crate::chat::{Message, MessageText, UserName};

/// Why a datagram holds no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Nothing but white space.
    Blank,
    /// It belongs to another dialect.
    OtherDialect,
}

/// The datagrams that say `text`: one for each line, or several, each with the name, where a line
/// would pass 240 bytes. Lines are cut between words where that can be, never inside a character.
/// Each datagram is valid UTF-8 without a line break; blank lines are left out.
pub fn encode(name: &UserName, text: &MessageText) -> Vec<String> {
    let prefix = format!("{name}: ");
    let piece_bytes_max = PLAIN_DATAGRAM_BYTES_MAX - prefix.len();
    text.as_str()
        .split(['\n', '\r'])
        .flat_map(|line| pieces(line.trim_end(), piece_bytes_max))
        .map(|piece| format!("{prefix}{piece}"))
        .collect()
}

/// Cuts one line into pieces of at most `bytes_max`, none of them blank.
fn pieces(line: &str, bytes_max: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while !rest.trim_start().is_empty() {
        let (piece, after) = if rest.len() <= bytes_max {
            (rest, "")
        } else {
            rest.split_at(cut(rest, bytes_max))
        };
        if !piece.trim().is_empty() {
            pieces.push(piece.trim_end());
        }
        // The space between two words falls to the cut; a line's own indentation stays.
        rest = after.trim_start();
    }
    pieces
}

/// Where to cut a text that is longer than `bytes_max`: before a space, else between two characters
/// as a reader sees them, else between two code points.
fn cut(text: &str, bytes_max: usize) -> usize {
    let mut code_point = 0;
    let mut character = 0;
    let mut word = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        if at > bytes_max {
            break;
        }
        character = at;
        if cluster.starts_with(char::is_whitespace) && !text[..at].trim_start().is_empty() {
            word = at;
        }
    }
    if character == 0 {
        code_point = text.floor_char_boundary(bytes_max);
    }
    [word, character, code_point]
        .into_iter()
        .find(|&at| at > 0)
        .expect("a code point has at most 4 bytes, a piece at least 110")
}

/// Reads `name: text`, `name:text` and `name : text`, with or without line breaks behind it. Text
/// without a name is told by where it comes from. Bytes that are no UTF-8 are replaced by U+FFFD.
///
/// # Errors
/// [`Ignored`] says why there is nothing to show.
pub fn decode(bytes: &[u8], source: SocketAddrV4) -> Result<Message, Ignored> {
    if bytes.first() == Some(&RELIABLE_FIRST_BYTE) {
        return Err(Ignored::OtherDialect);
    }
    let datagram = String::from_utf8_lossy(bytes);
    // Some programs send their whole buffer, filled up with zeros.
    let datagram = datagram.trim_end_matches('\0').trim_end();
    let named = datagram.split_once(':').and_then(|(name, text)| {
        let name = name.trim();
        let text = text.strip_prefix(' ').unwrap_or(text);
        let is_name = !name.is_empty() && name.len() <= PLAIN_NAME_BYTES_MAX;
        (is_name && !text.trim().is_empty()).then_some((name, text))
    });
    let (from, text) = match named {
        Some((name, text)) => (name.to_owned(), text),
        None => (source.to_string(), datagram),
    };
    let text = text.parse().map_err(|_| Ignored::Blank)?;
    Ok(Message {
        from,
        text,
        said_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOURCE: &str = "10.0.0.2:4242";

    fn decoded(bytes: &[u8]) -> Result<(String, String), Ignored> {
        decode(bytes, SOURCE.parse().unwrap()).map(|m| (m.from, m.text.to_string()))
    }

    fn said(text: &str) -> Vec<String> {
        encode(&"Mel".parse().unwrap(), &text.parse().unwrap())
    }

    #[test]
    fn a_line_is_one_datagram() {
        assert_eq!(said("Good morning!"), ["Mel: Good morning!"]);
        assert_eq!(said("a\n\n  b\r\nc"), ["Mel: a", "Mel:   b", "Mel: c"]);
    }

    #[test]
    fn a_long_line_is_cut_between_words() {
        let line = "word ".repeat(100);
        let datagrams = said(&line);
        assert_eq!(datagrams.len(), 3);
        for datagram in &datagrams {
            assert!(datagram.len() <= 240 && datagram.ends_with("word"));
        }
    }

    #[test]
    fn a_word_without_end_is_cut_between_characters() {
        let family = "👩‍👩‍👧‍👦";
        for datagram in said(&family.repeat(40)) {
            assert!(datagram.len() <= 240);
            assert!(datagram[5..].replace(family, "").is_empty());
        }
        // One character of 401 bytes: between code points, then.
        let zalgo = format!("a{}", "\u{301}".repeat(200));
        assert_eq!(said(&zalgo).len(), 2);
    }

    #[test]
    fn what_other_programs_send_is_read() {
        let ana = |text: &str| Ok(("Ana".to_owned(), text.to_owned()));
        assert_eq!(decoded(b"Ana: hi"), ana("hi"));
        assert_eq!(decoded(b"Ana:hi"), ana("hi"));
        assert_eq!(decoded(b"Ana : hi\r\n"), ana("hi"));
        assert_eq!(decoded(b"Ana: hi\0\0\0"), ana("hi"));
        assert_eq!(decoded(b"Ana: see http://x"), ana("see http://x"));
        assert_eq!(decoded(b"hi"), Ok((SOURCE.into(), "hi".into())));
        assert_eq!(decoded(b": hi"), Ok((SOURCE.into(), ": hi".into())));
        assert_eq!(decoded(b"Ana: caf\xe9"), ana("caf\u{fffd}"));
        assert_eq!(decoded(b" \n"), Err(Ignored::Blank));
        assert_eq!(decoded(b""), Err(Ignored::Blank));
        assert_eq!(decoded(b"\xff\x01"), Err(Ignored::OtherDialect));
    }

    proptest! {
        #[test]
        fn nothing_panics_on_any_datagram(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = decoded(&bytes);
        }

        #[test]
        fn what_is_said_is_read_back(
            name in "[\\p{L}0-9._-]{1,32}",
            text in "[ \\n\\PC👩‍👧🇬🇧\u{301}]{1,600}",
        ) {
            let (Ok(name), Ok(text)) = (name.parse::<UserName>(), text.parse::<MessageText>()) else {
                return Ok(());
            };
            let mut heard = String::new();
            for datagram in encode(&name, &text) {
                prop_assert!(datagram.len() <= PLAIN_DATAGRAM_BYTES_MAX);
                prop_assert!(!datagram.contains('\n'));
                let (from, piece) = decoded(datagram.as_bytes()).unwrap();
                prop_assert_eq!(from, name.as_str());
                heard.push_str(&piece);
            }
            let without_spaces = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(without_spaces(&heard), without_spaces(text.as_str()));
        }
    }
}

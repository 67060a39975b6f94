//! What a message of a reliable room holds: what was said, and when by its sender's clock. A session carries it
//! as bytes and does not look inside.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |  kind  | milliseconds since 1970-01-01 UTC                   | ...
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! ```
//!
//! A text (kind 1) goes on as UTF-8; an offer of a file (kind 2) with its size (8 bytes), its BLAKE3 hash (32), the
//! bytes of its symbols (2) and its name in UTF-8.

use bytes::{Buf, BufMut};
use jiff::Timestamp;

use super::config::{CONTENT_HEADER_BYTES, FILE_BYTES_MAX, SYMBOL_BYTES_MAX, SYMBOL_BYTES_STEP};
use crate::chat::{FileHash, FileName, FileOffer, MessageText};

const TEXT: u8 = 1;
const OFFER: u8 = 2;

/// Bytes of an offer before the name.
const OFFER_BYTES: usize = 8 + 32 + 2;

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text(MessageText),
    /// A file is offered to the room.
    Offer(Offer),
}

/// A file that is offered, and how it is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The file, of a tebibyte at most.
    pub file: FileOffer,
    /// The bytes of each symbol, the last of the file perhaps fewer: a multiple of [`SYMBOL_BYTES_STEP`], and at most
    /// [`SYMBOL_BYTES_MAX`].
    pub symbol_bytes: u16,
}

/// This is no content that we know: damaged, or of a later version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownContent;

/// Writes what was said at that time.
pub fn encode(content: &Content, said_at: Timestamp) -> Vec<u8> {
    let mut out = Vec::with_capacity(CONTENT_HEADER_BYTES + OFFER_BYTES);
    let millis = u64::try_from(said_at.as_millisecond()).unwrap_or_default();
    match content {
        Content::Text(text) => {
            out.put_u8(TEXT);
            out.put_uint(millis, 6);
            out.put_slice(text.as_str().as_bytes());
        }
        Content::Offer(Offer { file, symbol_bytes }) => {
            out.put_u8(OFFER);
            out.put_uint(millis, 6);
            out.put_u64(file.size_bytes);
            out.put_slice(&file.hash.0);
            out.put_u16(*symbol_bytes);
            out.put_slice(file.name.as_str().as_bytes());
        }
    }
    out
}

/// Reads what was said, and when. A text that is no UTF-8 is mended; a name of a file is made safe.
///
/// # Errors
/// It is not known what this is.
pub fn decode(mut bytes: &[u8]) -> Result<(Content, Timestamp), UnknownContent> {
    if bytes.len() < CONTENT_HEADER_BYTES {
        return Err(UnknownContent);
    }
    let (kind, millis) = (bytes.get_u8(), bytes.get_uint(6));
    let millis = i64::try_from(millis).map_err(|_| UnknownContent)?;
    let said_at = Timestamp::from_millisecond(millis).map_err(|_| UnknownContent)?;
    let content = match kind {
        TEXT => {
            let text = String::from_utf8_lossy(bytes).parse();
            Content::Text(text.map_err(|_| UnknownContent)?)
        }
        OFFER => Content::Offer(read_offer(bytes)?),
        _ => return Err(UnknownContent),
    };
    Ok((content, said_at))
}

fn read_offer(mut bytes: &[u8]) -> Result<Offer, UnknownContent> {
    if bytes.len() < OFFER_BYTES {
        return Err(UnknownContent);
    }
    let size_bytes = bytes.get_u64();
    let mut hash = [0; 32];
    bytes.copy_to_slice(&mut hash);
    let symbol_bytes = bytes.get_u16();
    // Who takes it at its word would have no memory left for the map of its blocks.
    let is_cut_well = size_bytes <= FILE_BYTES_MAX
        && (SYMBOL_BYTES_STEP..=SYMBOL_BYTES_MAX).contains(&usize::from(symbol_bytes))
        && usize::from(symbol_bytes).is_multiple_of(SYMBOL_BYTES_STEP);
    if !is_cut_well {
        return Err(UnknownContent);
    }
    let file = FileOffer {
        name: FileName::of(&String::from_utf8_lossy(bytes)),
        size_bytes,
        hash: FileHash(hash),
    };
    Ok(Offer { file, symbol_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millisecond(millis as i64).unwrap()
    }

    proptest! {
        #[test]
        fn a_text_is_read_as_it_was_written(text in "[^\\s]\\PC{0,300}", millis in 0..1_u64 << 46) {
            let Ok(text) = text.parse::<MessageText>() else { return Ok(()) };
            let content = Content::Text(text);
            prop_assert_eq!(decode(&encode(&content, at(millis))), Ok((content, at(millis))));
        }

        #[test]
        fn an_offer_is_read_as_it_was_written(name: String, size_bytes in 0..=2 * FILE_BYTES_MAX, hash: [u8; 32], steps in 0..=12_u16, odd in 0..=1_u16) {
            let file = FileOffer { name: FileName::of(&name), size_bytes, hash: FileHash(hash) };
            let symbol_bytes = 128 * steps + odd;
            let content = Content::Offer(Offer { file, symbol_bytes });
            let is_allowed =
                (1..=11).contains(&steps) && odd == 0 && size_bytes <= FILE_BYTES_MAX;
            let read = decode(&encode(&content, at(5)));
            prop_assert_eq!(read, if is_allowed { Ok((content, at(5))) } else { Err(UnknownContent) });
        }

        #[test]
        fn whatever_comes_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes);
        }
    }
}

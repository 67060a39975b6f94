//! The datagrams of files, behind the header that all datagrams of a room have; that of kinds 7 and 8 has no age.
//!
//! A symbol (kind 7): object (4), block (4), symbol (1), how many blocks from this one on were sent whole (2, signed), the
//! symbol's bytes. Its packet number counts the symbols of this object from this transmitter, apart from the talk's. A need
//! (kind 8): object (4), whose symbols it answers (8), the highest packet number of theirs (4), the last time stamp of theirs (4), how long ago
//! that came in µs (4), loss (2), what the socket holds in KiB (2), what it wants (1), blocks that are there (4), the
//! first that is not (4), then for each block that needs more: block (4), symbols (2). An announcement (kind 9): 0, or 1 if the
//! file is no longer to be had (1), then the offer as a message has it.

use bytes::{Buf, BufMut};
use jiff::Timestamp;

use super::layout::ObjectId;
use crate::multicast::config::{BLOCK_SYMBOLS, DATAGRAM_BYTES_MAX, PARITY_SYMBOLS};
use crate::multicast::content::{self, Content, Offer};
use crate::multicast::packet::{
    ANNOUNCEMENT, FILE_HEADER_BYTES, Header, Malformed, MemberId, NEED, QuantisedShare, SYMBOL,
    all, need,
};

/// Bytes before a symbol's own.
pub const SYMBOL_HEADER_BYTES: usize = FILE_HEADER_BYTES + 4 + 4 + 1 + 2;

/// A symbol's number has one byte.
const _: () = assert!(BLOCK_SYMBOLS + PARITY_SYMBOLS <= 256);

const NEED_BYTES: usize = 4 + 8 + 4 + 4 + 4 + 2 + 2 + 1 + 4 + 4;
const BLOCK_NEED_BYTES: usize = 4 + 2;

/// Blocks that one need can tell of.
pub const NEED_BLOCKS_MAX: usize =
    (DATAGRAM_BYTES_MAX - FILE_HEADER_BYTES - NEED_BYTES) / BLOCK_NEED_BYTES;

/// A source or parity symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Of which file.
    pub object: ObjectId,
    /// Of which block.
    pub block: u32,
    /// Which, below 256: source symbols come first, parity symbols after them.
    pub symbol: u16,
    /// All that was planned of the blocks before this was sent.
    pub passed: u32,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// What a member wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What it does not have.
    Wants,
    /// Nothing more: it has all.
    Has,
    /// Nothing more: it gave up.
    Leaves,
}

/// How far a member has a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Of which file.
    pub object: ObjectId,
    /// Whose symbols this answers.
    pub to: MemberId,
    /// The highest packet number of theirs that came.
    pub top: u32,
    /// The time stamp of the last symbol of theirs.
    pub echo_stamp_us: u32,
    /// How long ago that came, in µs; `u32::MAX` if none did.
    pub echo_delay_us: u32,
    /// The share of their symbols that was lost lately.
    pub loss: QuantisedShare,
    /// What the member's socket holds, in KiB.
    pub buffer_kib: u16,
    /// What it wants.
    pub answer: Answer,
    /// Blocks that are there.
    pub have: u32,
    /// The first that is not.
    pub first: u32,
    /// Blocks that need more symbols, the first of them.
    pub blocks: Vec<BlockNeed>,
}

/// A block needs more symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockNeed {
    /// Which block.
    pub block: u32,
    /// How many more: any of them.
    pub symbols: u16,
}

/// A datagram of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileDatagram<'a> {
    /// A symbol.
    Symbol(Symbol<'a>),
    /// What a member needs.
    Need(Need),
    /// Its transmitter has a file for whoever came later.
    Announcement(Announcement),
}

/// A file that was offered before, or is no longer to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// It is no longer to be had.
    pub is_withdrawn: bool,
    /// The file.
    pub offer: Offer,
    /// When it was offered, by its sender's clock.
    pub said_at: Timestamp,
}

/// Writes all but the bytes of a symbol.
pub fn write_symbol_header(header: &Header, symbol: &Symbol<'_>, out: &mut Vec<u8>) {
    header.write(SYMBOL, out);
    out.put_u32(symbol.object.0);
    out.put_u32(symbol.block);
    out.put_u8(symbol.symbol as u8);
    out.put_i16(beyond(symbol));
}

/// Blocks from a symbol's own on that were sent whole. Of an early block of a very long file it tells fewer, which the symbols
/// of later ones make good.
fn beyond(symbol: &Symbol<'_>) -> i16 {
    let beyond = i64::from(symbol.passed) - i64::from(symbol.block);
    beyond.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// Writes a need with at most [`NEED_BLOCKS_MAX`] blocks.
pub fn encode_need(header: &Header, need: &Need) -> Vec<u8> {
    let mut out = Vec::with_capacity(DATAGRAM_BYTES_MAX);
    header.write(NEED, &mut out);
    out.put_u32(need.object.0);
    out.put_u64(need.to.0);
    out.put_u32(need.top);
    out.put_u32(need.echo_stamp_us);
    out.put_u32(need.echo_delay_us);
    out.put_u16(need.loss.0);
    out.put_u16(need.buffer_kib);
    out.put_u8(match need.answer {
        Answer::Wants => 0,
        Answer::Has => 1,
        Answer::Leaves => 2,
    });
    out.put_u32(need.have);
    out.put_u32(need.first);
    for block in &need.blocks {
        out.put_u32(block.block);
        out.put_u16(block.symbols);
    }
    debug_assert!(out.len() <= DATAGRAM_BYTES_MAX);
    out
}

/// Writes an announcement.
pub fn encode_announcement(header: &Header, announcement: &Announcement) -> Vec<u8> {
    let mut out = Vec::with_capacity(DATAGRAM_BYTES_MAX);
    header.write(ANNOUNCEMENT, &mut out);
    out.put_u8(announcement.is_withdrawn.into());
    let content = Content::Offer(announcement.offer.clone());
    out.extend_from_slice(&content::encode(&content, announcement.said_at));
    out
}

/// Reads a datagram of a file.
///
/// # Errors
/// It is of the talk, or nothing that we know.
pub fn decode(datagram: &[u8]) -> Result<(Header, FileDatagram<'_>), Malformed> {
    let mut input = datagram;
    let (kind, header) = Header::read(&mut input)?;
    let body = match kind {
        SYMBOL => FileDatagram::Symbol(read_symbol(input)?),
        NEED => FileDatagram::Need(read_need(input)?),
        ANNOUNCEMENT => FileDatagram::Announcement(read_announcement(input)?),
        _ => return Err(Malformed::Content),
    };
    Ok((header, body))
}

fn read_symbol(mut input: &[u8]) -> Result<Symbol<'_>, Malformed> {
    need(input, SYMBOL_HEADER_BYTES - FILE_HEADER_BYTES)?;
    let object = ObjectId(input.get_u32());
    let block = input.get_u32();
    Ok(Symbol {
        object,
        block,
        symbol: input.get_u8().into(),
        passed: block.saturating_add_signed(input.get_i16().into()),
        bytes: input,
    })
}

fn read_need(mut input: &[u8]) -> Result<Need, Malformed> {
    need(input, NEED_BYTES)?;
    if input.len() > DATAGRAM_BYTES_MAX {
        return Err(Malformed::Content);
    }
    Ok(Need {
        object: ObjectId(input.get_u32()),
        to: MemberId(input.get_u64()),
        top: input.get_u32(),
        echo_stamp_us: input.get_u32(),
        echo_delay_us: input.get_u32(),
        loss: QuantisedShare(input.get_u16()),
        buffer_kib: input.get_u16(),
        answer: match input.get_u8() {
            0 => Answer::Wants,
            1 => Answer::Has,
            2 => Answer::Leaves,
            _ => return Err(Malformed::Content),
        },
        have: input.get_u32(),
        first: input.get_u32(),
        blocks: all(&mut input, read_block)?,
    })
}

fn read_announcement(mut input: &[u8]) -> Result<Announcement, Malformed> {
    need(input, 1)?;
    let is_withdrawn = input.get_u8() != 0;
    match content::decode(input) {
        Ok((Content::Offer(offer), said_at)) => Ok(Announcement {
            is_withdrawn,
            offer,
            said_at,
        }),
        _ => Err(Malformed::Content),
    }
}

fn read_block(input: &mut &[u8]) -> Result<BlockNeed, Malformed> {
    need(input, BLOCK_NEED_BYTES)?;
    Ok(BlockNeed {
        block: input.get_u32(),
        symbols: input.get_u16(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{FileHash, FileName, FileOffer};
    use crate::multicast::packet::{QuantisedSize, QuantisedTime, Role};
    use proptest::prelude::*;

    fn header() -> Header {
        Header {
            room_tag: 1,
            transmitter: MemberId(2),
            number: 3,
            stamp_us: 4,
            age_ms: 0,
            round_trip: QuantisedTime(6),
            group_size: QuantisedSize(7),
            role: Role::Observer,
            poll: false,
            wants_report: true,
        }
    }

    #[test]
    fn a_symbol_is_read_as_it_was_written() {
        let bytes = [9; 64];
        let symbol = Symbol {
            object: ObjectId(1 << 31),
            block: 7,
            symbol: 250,
            passed: 4,
            bytes: &bytes,
        };
        let mut datagram = Vec::new();
        write_symbol_header(&header(), &symbol, &mut datagram);
        assert_eq!(datagram.len(), SYMBOL_HEADER_BYTES);
        datagram.extend_from_slice(&bytes);
        let read = decode(&datagram);
        assert_eq!(read, Ok((header(), FileDatagram::Symbol(symbol))));
    }

    #[test]
    fn of_an_early_block_it_tells_fewer_that_were_sent_but_never_more() {
        for (block, passed, read) in [(9, 6, 6), (1, 40_000, 32_768), (0, 2, 2)] {
            let symbol = Symbol {
                object: ObjectId(1),
                block,
                symbol: 0,
                passed,
                bytes: &[],
            };
            let mut datagram = Vec::new();
            write_symbol_header(&header(), &symbol, &mut datagram);
            let Ok((_, FileDatagram::Symbol(symbol))) = decode(&datagram) else {
                panic!("{datagram:?}")
            };
            assert_eq!(symbol.passed, read);
        }
    }

    #[test]
    fn an_announcement_is_read_as_it_was_written() {
        let announcement = Announcement {
            is_withdrawn: true,
            offer: Offer {
                file: FileOffer {
                    name: FileName::of("cool file.txt"),
                    size_bytes: 5,
                    hash: FileHash([3; 32]),
                },
                symbol_bytes: 1408,
            },
            said_at: Timestamp::from_millisecond(77).unwrap(),
        };
        let datagram = encode_announcement(&header(), &announcement);
        let read = decode(&datagram);
        assert_eq!(
            read,
            Ok((header(), FileDatagram::Announcement(announcement)))
        );
    }

    proptest! {
        #[test]
        fn a_need_is_read_as_it_was_written(
            numbers: (u32, u64, u32, u32, u32, u16, u16, u32, u32),
            answer in prop::sample::select(vec![Answer::Wants, Answer::Has, Answer::Leaves]),
            blocks in proptest::collection::vec(any::<(u32, u16)>(), 0..=NEED_BLOCKS_MAX),
        ) {
            let (object, to, top, stamp, delay, loss, buffer_kib, have, first) = numbers;
            let need = Need {
                object: ObjectId(object),
                to: MemberId(to),
                top,
                echo_stamp_us: stamp,
                echo_delay_us: delay,
                loss: QuantisedShare(loss),
                buffer_kib,
                answer,
                have,
                first,
                blocks: blocks.into_iter().map(|(block, symbols)| BlockNeed { block, symbols }).collect(),
            };
            let datagram = encode_need(&header(), &need);
            prop_assert!(datagram.len() <= DATAGRAM_BYTES_MAX);
            prop_assert_eq!(decode(&datagram), Ok((header(), FileDatagram::Need(need))));
        }

        #[test]
        fn whatever_comes_does_not_panic(kind in 0..12_u8, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut datagram = vec![0xff, 3, kind];
            datagram.extend(rest);
            let _ = decode(&datagram);
        }
    }
}

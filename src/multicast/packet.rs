//! The datagrams of a reliable room, big-endian.
//!
//! The outer header belongs to whoever transmits, the records inside to whoever said them: a repair
//! carries another member's record unchanged under the repairer's own header.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |  0xff  | version|  kind  |  flags | room tag                          |
//! | transmitter                                                           |
//! | packet number                     | time stamp, µs                    |
//! | age of the session, ms            | rtt, q | size, q| body ...
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! ```
//!
//! Kinds 7 to 9 are of files: see [`file`](super::file).

use bytes::{Buf, BufMut};

pub use super::quantised::{QuantisedShare, QuantisedSize, QuantisedTime};

use crate::chat::RoomAddress;

use super::config::{
    DATAGRAM_BYTES_MAX, NACK_BITMAP_BYTES_MAX, NAME_BYTES_MAX, RECORD_BODY_BYTES_MAX,
    RELIABLE_FIRST_BYTE,
};

/// The version of the datagrams.
const VERSION: u8 = 4;

/// Bytes of the outer header.
pub const HEADER_BYTES: usize = 30;

/// The same of a symbol and a need, which do without the age.
pub const FILE_HEADER_BYTES: usize = HEADER_BYTES - 4;

/// Bytes of a record before its body: origin, sequence, clock, flags, length.
pub const RECORD_HEADER_BYTES: usize = 8 + 4 + 4 + 1 + 2;

/// Who says something: random for each session, so that a restarted program is another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// Tells the datagrams of rooms apart that meet where they should not: the FNV-1a hash of the group's
/// address and port in network order.
pub fn room_tag(room: RoomAddress) -> u32 {
    let [p, q] = room.port().to_be_bytes();
    let [a, b, c, d] = room.group().octets();
    let bytes = [a, b, c, d, p, q];
    bytes.into_iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// How somebody takes part in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// By multicast.
    #[default]
    Member,
    /// A member whose datagrams a relay carries: its way is longer, and the others do not wait for it when they
    /// set their pace.
    Relayed,
    /// An observer takes part in its place: it hears for it, so that its reports stand for this one's too.
    Hosted,
    /// It hears, repairs and reports, but is nobody: neither shown nor counted among those a line is for.
    Observer,
}

impl Role {
    /// Whether somebody else carries its datagrams.
    pub fn is_relayed(self) -> bool {
        matches!(self, Self::Relayed | Self::Hosted)
    }
}

/// The outer header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Tells a stray group's datagrams apart.
    pub room_tag: u32,
    /// Whose datagram this is.
    pub transmitter: MemberId,
    /// Counts every datagram of the transmitter; what is missing in it was lost.
    pub number: u32,
    /// When it was sent, by the transmitter's clock, in µs; wraps.
    pub stamp_us: u32,
    /// How long the transmitter's session has lasted, in ms; 0 with symbols and needs, which do not tell.
    pub age_ms: u32,
    /// The longest round trip that the transmitter knows of, quantised as RFC 5401 does.
    pub round_trip: QuantisedTime,
    /// The members of the room as the transmitter counts them, quantised.
    pub group_size: QuantisedSize,
    /// How the transmitter takes part.
    pub role: Role,
    /// Every member is asked to give a sign of life soon.
    pub poll: bool,
    /// Every member is asked to report at once how far it has what the transmitter said.
    pub wants_report: bool,
}

/// A message or a fragment of one, as its origin said it. The body lies in the datagram or with whoever
/// keeps the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Who said it.
    pub origin: MemberId,
    /// The low 32 bits of its sequence.
    pub sequence: u32,
    /// The origin's logical clock, for display order across origins; wraps.
    pub clock: u32,
    /// The first fragment of its message.
    pub is_first: bool,
    /// The last fragment of its message.
    pub is_last: bool,
    /// The text, or a part of it.
    pub body: &'a [u8],
}

/// Records one after the other, as they lie in a datagram. Reading them allocates nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Records<'a> {
    /// Whole records, each within its limits: checked by [`decode`], or written by [`Record::write`].
    bytes: &'a [u8],
}

/// What a transmitter tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The low 32 bits of the sequence after the last one said.
    pub next: u32,
    /// The member that this one goes on from, as a program does that was started again; 0 for none.
    pub replaces: MemberId,
    /// What the person is called.
    pub name: String,
}

/// A transmitter's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// The low 32 bits of the sequence after its last.
    pub next: u32,
    /// What has arrived. It goes with the leave, so that nobody hears the one without the other.
    pub report: Vec<ReportEntry>,
}

/// How far the transmitter has what an origin said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportEntry {
    /// Whose records.
    pub origin: MemberId,
    /// The low 32 bits of the first sequence that is not there, nor given up.
    pub next: u32,
    /// The low 32 bits of the sequence after the highest known to exist.
    pub top: u32,
    /// The low 32 bits of the first sequence that was given up of late, and of the one after the last; equal if none was.
    pub lost: (u32, u32),
    /// How long the origin's session has lasted by now, in ms.
    pub age_ms: u32,
    /// The time stamp of the last datagram heard from the origin.
    pub echo_stamp_us: u32,
    /// How long ago that was, in µs; `u32::MAX` if none was heard.
    pub echo_delay_us: u32,
    /// The share of the origin's datagrams that was lost lately.
    pub loss: QuantisedShare,
}

/// What the transmitter misses of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NackEntry {
    /// Whose records.
    pub origin: MemberId,
    /// The low 32 bits of the first missing sequence.
    pub base: u32,
    /// Bit i of byte j stands for `base + 8 j + i`.
    pub bitmap: Vec<u8>,
}

/// What a datagram says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Records of the transmitter, old ones among them perhaps.
    Data(Records<'a>),
    /// Records of anyone, once more.
    Repair(Records<'a>),
    /// A sign of life.
    Heartbeat(Heartbeat),
    /// What has arrived.
    Report(Vec<ReportEntry>),
    /// What is missing.
    Nack(Vec<NackEntry>),
    /// The transmitter leaves; the low 32 bits of the sequence after its last.
    Leave(Leave),
}

/// Why a datagram is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It is of another dialect, such as a stranger's plain line.
    OtherDialect,
    /// It is of another version of this one.
    OtherVersion,
    /// It is of a file, which is no matter of the talk.
    OfFile,
    /// It ends too early, has more than it should, or passes a limit.
    Content,
}

const DATA: u8 = 1;
const REPAIR: u8 = 2;
const HEARTBEAT: u8 = 3;
const REPORT: u8 = 4;
const NACK: u8 = 5;
const LEAVE: u8 = 6;

/// The kind of a symbol of a file.
pub const SYMBOL: u8 = 7;

/// The kind of what a member needs of a file.
pub const NEED: u8 = 8;

/// The kind of what tells those who came later of a file.
pub const ANNOUNCEMENT: u8 = 9;

const FLAG_POLL: u8 = 1;
const FLAG_WANTS_REPORT: u8 = 2;
const FLAG_RELAYED: u8 = 4;
const FLAG_OBSERVER: u8 = 8;
const FLAG_HOSTED: u8 = 16;

const RECORD_FIRST: u8 = 1;
const RECORD_LAST: u8 = 2;

const REPORT_ENTRY_BYTES: usize = 8 + 7 * 4 + 2;
const NACK_ENTRY_BYTES: usize = 8 + 4 + 2;

/// Report entries that fit into a datagram, also beside the sequence of a leave.
pub const REPORT_ENTRIES_MAX: usize = (DATAGRAM_BYTES_MAX - HEADER_BYTES - 4) / REPORT_ENTRY_BYTES;

/// Nack entries that fit into a datagram whatever their bitmaps.
pub const NACK_ENTRIES_MAX: usize =
    (DATAGRAM_BYTES_MAX - HEADER_BYTES) / (NACK_ENTRY_BYTES + NACK_BITMAP_BYTES_MAX);

/// Whether the header tells the age of the session: symbols are many, and who gets a file has no use for it.
fn has_age(kind: u8) -> bool {
    !matches!(kind, SYMBOL | NEED)
}

impl Header {
    /// Of a member that has only come, and asks for nothing.
    pub fn new(room_tag: u32, transmitter: MemberId) -> Self {
        Self {
            room_tag,
            transmitter,
            number: 0,
            stamp_us: 0,
            age_ms: 0,
            round_trip: QuantisedTime::default(),
            group_size: QuantisedSize::default(),
            role: Role::Member,
            poll: false,
            wants_report: false,
        }
    }

    /// Writes the header of a datagram of this kind.
    pub(super) fn write(&self, kind: u8, out: &mut Vec<u8>) {
        let poll = if self.poll { FLAG_POLL } else { 0 };
        let wants_report = match self.wants_report {
            true => FLAG_WANTS_REPORT,
            false => 0,
        };
        let role = match self.role {
            Role::Member => 0,
            Role::Relayed => FLAG_RELAYED,
            Role::Hosted => FLAG_RELAYED | FLAG_HOSTED,
            Role::Observer => FLAG_OBSERVER,
        };
        let flags = poll | wants_report | role;
        out.put_slice(&[RELIABLE_FIRST_BYTE, VERSION, kind, flags]);
        out.put_u32(self.room_tag);
        out.put_u64(self.transmitter.0);
        out.put_u32(self.number);
        out.put_u32(self.stamp_us);
        if has_age(kind) {
            out.put_u32(self.age_ms);
        }
        out.put_slice(&[self.round_trip.0, self.group_size.0]);
    }

    /// Reads the kind and the header of a datagram, and leaves its body.
    pub(super) fn read(input: &mut &[u8]) -> Result<(u8, Self), Malformed> {
        if input.first() != Some(&RELIABLE_FIRST_BYTE) {
            return Err(Malformed::OtherDialect);
        }
        need(input, FILE_HEADER_BYTES)?;
        input.advance(1);
        if input.get_u8() != VERSION {
            return Err(Malformed::OtherVersion);
        }
        let (kind, flags) = (input.get_u8(), input.get_u8());
        if has_age(kind) {
            need(input, HEADER_BYTES - 4)?;
        }
        let header = Self {
            room_tag: input.get_u32(),
            transmitter: MemberId(input.get_u64()),
            number: input.get_u32(),
            stamp_us: input.get_u32(),
            age_ms: if has_age(kind) { input.get_u32() } else { 0 },
            round_trip: QuantisedTime(input.get_u8()),
            group_size: QuantisedSize(input.get_u8()),
            role: match flags {
                _ if flags & FLAG_OBSERVER != 0 => Role::Observer,
                _ if flags & FLAG_HOSTED != 0 => Role::Hosted,
                _ if flags & FLAG_RELAYED != 0 => Role::Relayed,
                _ => Role::Member,
            },
            poll: flags & FLAG_POLL != 0,
            wants_report: flags & FLAG_WANTS_REPORT != 0,
        };
        Ok((kind, header))
    }
}

impl<'a> Record<'a> {
    /// What it takes in a datagram.
    pub fn wire_bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.body.len()
    }

    /// Writes it behind what is there.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.put_u64(self.origin.0);
        out.put_u32(self.sequence);
        out.put_u32(self.clock);
        let first = if self.is_first { RECORD_FIRST } else { 0 };
        let last = if self.is_last { RECORD_LAST } else { 0 };
        out.put_u8(first | last);
        out.put_u16(u16::try_from(self.body.len()).unwrap_or(u16::MAX));
        out.put_slice(self.body);
    }

    fn read(input: &mut &'a [u8]) -> Result<Self, Malformed> {
        need(input, RECORD_HEADER_BYTES)?;
        let origin = MemberId(input.get_u64());
        let (sequence, clock) = (input.get_u32(), input.get_u32());
        let flags = input.get_u8();
        let length = usize::from(input.get_u16());
        need(input, length)?;
        if length > RECORD_BODY_BYTES_MAX || flags & !(RECORD_FIRST | RECORD_LAST) != 0 {
            return Err(Malformed::Content);
        }
        let (body, rest) = input.split_at(length);
        *input = rest;
        Ok(Self {
            origin,
            sequence,
            clock,
            is_first: flags & RECORD_FIRST != 0,
            is_last: flags & RECORD_LAST != 0,
            body,
        })
    }
}

impl<'a> Records<'a> {
    /// Records that [`Record::write`] wrote.
    pub fn written(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Reads to the end of the datagram. If `only` is given, nobody else's records may be there.
    fn read(input: &mut &'a [u8], only: Option<MemberId>) -> Result<Self, Malformed> {
        let bytes = std::mem::take(input);
        let mut rest = bytes;
        while !rest.is_empty() {
            let record = Record::read(&mut rest)?;
            if only.is_some_and(|only| only != record.origin) {
                return Err(Malformed::Content);
            }
        }
        Ok(Self { bytes })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        // At the end there is nothing to be read.
        Record::read(&mut self.bytes).ok()
    }
}

/// Writes a datagram. What does not fit is the caller's mistake: it counts before.
pub fn encode(header: &Header, body: &Body<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(DATAGRAM_BYTES_MAX);
    let kind = match body {
        Body::Data(_) => DATA,
        Body::Repair(_) => REPAIR,
        Body::Heartbeat(_) => HEARTBEAT,
        Body::Report(_) => REPORT,
        Body::Nack(_) => NACK,
        Body::Leave(_) => LEAVE,
    };
    header.write(kind, &mut out);
    match body {
        Body::Data(records) | Body::Repair(records) => out.put_slice(records.bytes),
        Body::Heartbeat(heartbeat) => {
            out.put_u32(heartbeat.next);
            out.put_u64(heartbeat.replaces.0);
            out.put_slice(heartbeat.name.as_bytes());
        }
        Body::Report(entries) => write_report(entries, &mut out),
        Body::Nack(entries) => {
            for entry in entries {
                out.put_u64(entry.origin.0);
                out.put_u32(entry.base);
                out.put_u16(u16::try_from(entry.bitmap.len()).unwrap_or(u16::MAX));
                out.put_slice(&entry.bitmap);
            }
        }
        Body::Leave(leave) => {
            out.put_u32(leave.next);
            write_report(&leave.report, &mut out);
        }
    }
    debug_assert!(out.len() <= DATAGRAM_BYTES_MAX);
    out
}

/// Reads a datagram. Whatever its bytes, nothing panics and nothing is kept beyond them.
///
/// # Errors
/// [`Malformed`] says why it is dropped.
pub fn decode(datagram: &[u8]) -> Result<(Header, Body<'_>), Malformed> {
    let mut input = datagram;
    let (kind, header) = Header::read(&mut input)?;
    let body = match kind {
        SYMBOL | NEED | ANNOUNCEMENT => return Err(Malformed::OfFile),
        // What one datagram can ask of whoever hears it is bounded by its length.
        _ if datagram.len() > DATAGRAM_BYTES_MAX => return Err(Malformed::Content),
        DATA => Body::Data(Records::read(&mut input, Some(header.transmitter))?),
        REPAIR => Body::Repair(Records::read(&mut input, None)?),
        HEARTBEAT => Body::Heartbeat(read_heartbeat(&mut input)?),
        REPORT => Body::Report(all(&mut input, read_report_entry)?),
        NACK => Body::Nack(all(&mut input, read_nack_entry)?),
        LEAVE => {
            need(input, 4)?;
            let next = input.get_u32();
            let report = all(&mut input, read_report_entry)?;
            Body::Leave(Leave { next, report })
        }
        _ => return Err(Malformed::Content),
    };
    match input.is_empty() {
        true => Ok((header, body)),
        false => Err(Malformed::Content),
    }
}

/// Whose datagram this is; none if it is no reliable one.
pub fn transmitter(datagram: &[u8]) -> Option<MemberId> {
    let [RELIABLE_FIRST_BYTE, VERSION, ..] = datagram else {
        return None;
    };
    let transmitter = datagram.get(8..16)?.try_into().ok()?;
    Some(MemberId(u64::from_be_bytes(transmitter)))
}

/// Whose records a report tells of; none if the datagram is no report.
pub fn reported_on(datagram: &[u8]) -> Option<Vec<MemberId>> {
    match decode(datagram) {
        Ok((_, Body::Report(entries))) => Some(entries.iter().map(|entry| entry.origin).collect()),
        _ => None,
    }
}

/// Whether a datagram may be late: a sign of life that asks for nothing.
pub fn can_wait(datagram: &[u8]) -> bool {
    let asks = |flags: &u8| flags & (FLAG_POLL | FLAG_WANTS_REPORT) != 0;
    let is_reliable = transmitter(datagram).is_some();
    is_reliable && is_heartbeat(datagram) && !datagram.get(3).is_none_or(asks)
}

/// Whether a datagram carries a file, or answers one that does.
pub fn carries_file(datagram: &[u8]) -> bool {
    matches!(datagram, [RELIABLE_FIRST_BYTE, VERSION, SYMBOL | NEED, ..])
}

/// Whether a datagram tells of a file, or that there is one no more.
pub fn announces_file(datagram: &[u8]) -> bool {
    matches!(datagram, [RELIABLE_FIRST_BYTE, VERSION, ANNOUNCEMENT, ..])
}

/// Whether a datagram of ours is a sign of life.
pub fn is_heartbeat(datagram: &[u8]) -> bool {
    datagram.get(2) == Some(&HEARTBEAT)
}

pub(super) fn need(input: &[u8], bytes: usize) -> Result<(), Malformed> {
    match input.len() >= bytes {
        true => Ok(()),
        false => Err(Malformed::Content),
    }
}

/// Reads entries to the end of the datagram, which bounds them.
pub(super) fn all<T>(
    input: &mut &[u8],
    read: impl Fn(&mut &[u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut entries = Vec::new();
    while !input.is_empty() {
        entries.push(read(input)?);
    }
    Ok(entries)
}

fn read_heartbeat(input: &mut &[u8]) -> Result<Heartbeat, Malformed> {
    need(input, 12)?;
    let (next, replaces) = (input.get_u32(), MemberId(input.get_u64()));
    let name = std::str::from_utf8(std::mem::take(input)).map_err(|_| Malformed::Content)?;
    match name.len() <= NAME_BYTES_MAX {
        true => Ok(Heartbeat {
            next,
            replaces,
            name: name.to_owned(),
        }),
        false => Err(Malformed::Content),
    }
}

fn write_report(entries: &[ReportEntry], out: &mut Vec<u8>) {
    for entry in entries {
        out.put_u64(entry.origin.0);
        out.put_u32(entry.next);
        out.put_u32(entry.top);
        out.put_u32(entry.lost.0);
        out.put_u32(entry.lost.1);
        out.put_u32(entry.age_ms);
        out.put_u32(entry.echo_stamp_us);
        out.put_u32(entry.echo_delay_us);
        out.put_u16(entry.loss.0);
    }
}

fn read_report_entry(input: &mut &[u8]) -> Result<ReportEntry, Malformed> {
    need(input, REPORT_ENTRY_BYTES)?;
    Ok(ReportEntry {
        origin: MemberId(input.get_u64()),
        next: input.get_u32(),
        top: input.get_u32(),
        lost: (input.get_u32(), input.get_u32()),
        age_ms: input.get_u32(),
        echo_stamp_us: input.get_u32(),
        echo_delay_us: input.get_u32(),
        loss: QuantisedShare(input.get_u16()),
    })
}

fn read_nack_entry(input: &mut &[u8]) -> Result<NackEntry, Malformed> {
    need(input, NACK_ENTRY_BYTES)?;
    let (origin, base) = (MemberId(input.get_u64()), input.get_u32());
    let length = usize::from(input.get_u16());
    need(input, length)?;
    if length > NACK_BITMAP_BYTES_MAX {
        return Err(Malformed::Content);
    }
    let (bitmap, rest) = input.split_at(length);
    *input = rest;
    Ok(NackEntry {
        origin,
        base,
        bitmap: bitmap.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> impl Strategy<Value = Header> {
        let numbers = any::<(u32, u64, u32, u32, u32)>();
        let rest = any::<(u8, u8, bool, bool)>();
        let role = prop::sample::select(vec![
            Role::Member,
            Role::Relayed,
            Role::Hosted,
            Role::Observer,
        ]);
        (numbers, rest, role).prop_map(
            |((room_tag, transmitter, number, stamp_us, age_ms), rest, role)| {
                let (round_trip, group_size, poll, wants_report) = rest;
                Header {
                    room_tag,
                    transmitter: MemberId(transmitter),
                    number,
                    stamp_us,
                    age_ms,
                    round_trip: QuantisedTime(round_trip),
                    group_size: QuantisedSize(group_size),
                    role,
                    poll,
                    wants_report,
                }
            },
        )
    }

    /// Records as they are written, with what is in them.
    type Owned = (u64, u32, u32, bool, bool, Vec<u8>);

    fn record() -> impl Strategy<Value = Owned> {
        let body = proptest::collection::vec(any::<u8>(), 0..200);
        (any::<(u64, u32, u32, bool, bool)>(), body)
            .prop_map(|((o, s, c, first, last), body)| (o, s, c, first, last, body))
    }

    fn as_record((origin, sequence, clock, is_first, is_last, body): &Owned) -> Record<'_> {
        Record {
            origin: MemberId(*origin),
            sequence: *sequence,
            clock: *clock,
            is_first: *is_first,
            is_last: *is_last,
            body,
        }
    }

    fn body() -> impl Strategy<Value = Body<'static>> {
        let numbers = any::<(u64, u32, u32, u32, u32, u16)>();
        let report = numbers.prop_map(|(o, next, age, echo, delay, loss)| ReportEntry {
            origin: MemberId(o),
            next,
            top: next.wrapping_add(age),
            lost: (next.wrapping_sub(age), next.wrapping_sub(delay)),
            age_ms: age,
            echo_stamp_us: echo,
            echo_delay_us: delay,
            loss: QuantisedShare(loss),
        });
        let bitmap = proptest::collection::vec(any::<u8>(), 0..=NACK_BITMAP_BYTES_MAX);
        let nack = (any::<(u64, u32)>(), bitmap).prop_map(|((origin, base), bitmap)| NackEntry {
            origin: MemberId(origin),
            base,
            bitmap,
        });
        prop_oneof![
            (any::<(u32, u64)>(), "\\PC{0,30}").prop_map(|((next, replaces), name)| {
                let replaces = MemberId(replaces);
                Body::Heartbeat(Heartbeat {
                    next,
                    replaces,
                    name,
                })
            }),
            proptest::collection::vec(report.clone(), 0..=REPORT_ENTRIES_MAX)
                .prop_map(Body::Report),
            (
                any::<u32>(),
                proptest::collection::vec(report, 0..=REPORT_ENTRIES_MAX)
            )
                .prop_map(|(next, report)| Body::Leave(Leave { next, report })),
            proptest::collection::vec(nack, 0..=NACK_ENTRIES_MAX).prop_map(Body::Nack),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(header in header(), body in body()) {
            let datagram = encode(&header, &body);
            prop_assert_eq!(decode(&datagram), Ok((header, body)));
        }

        #[test]
        fn records_read_back(
            header in header(),
            mut records in proptest::collection::vec(record(), 0..6),
            are_own: bool,
        ) {
            let mut bytes = Vec::new();
            for record in &mut records {
                if are_own {
                    record.0 = header.transmitter.0;
                }
                as_record(record).write(&mut bytes);
            }
            let written = Records::written(&bytes);
            let body = if are_own { Body::Data(written) } else { Body::Repair(written) };
            let datagram = encode(&header, &body);
            let (read, Body::Data(read_records) | Body::Repair(read_records)) =
                decode(&datagram).unwrap()
            else {
                panic!("records became something else");
            };
            prop_assert_eq!(read, header);
            let expected: Vec<_> = records.iter().map(as_record).collect();
            prop_assert_eq!(read_records.collect::<Vec<_>>(), expected);
        }

        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..1500), kind in 0u8..8) {
            let _ = decode(&bytes);
            if bytes.len() > 3 {
                bytes[..3].copy_from_slice(&[RELIABLE_FIRST_BYTE, VERSION, kind]);
                let _ = decode(&bytes);
            }
        }
    }

    #[test]
    fn rooms_have_tags_of_their_own() {
        let tag = |room: &str| room_tag(room.parse().unwrap());
        assert_eq!(tag("239.1.1.1:6000"), tag("239.1.1.1:6000"));
        assert_ne!(tag("239.1.1.1:6000"), tag("239.1.1.1:6001"));
        assert_ne!(tag("239.1.1.1:6000"), tag("239.129.1.1:6000"));
    }

    #[test]
    fn a_datagram_that_nobody_sends_so_long_is_dropped() {
        let mut header = Vec::new();
        Header::new(1, MemberId(2)).write(REPORT, &mut header);
        let report = |entries| [&header[..], &vec![0; entries * REPORT_ENTRY_BYTES]].concat();
        assert!(decode(&report(REPORT_ENTRIES_MAX)).is_ok());
        assert!(decode(&report(1000)).is_err());
    }

    #[test]
    fn a_stranger_and_another_version_are_told_apart() {
        assert_eq!(decode(b"Ana: hi"), Err(Malformed::OtherDialect));
        assert_eq!(decode(b""), Err(Malformed::OtherDialect));
        assert_eq!(decode(&[0xff; 40]), Err(Malformed::OtherVersion));
    }
}

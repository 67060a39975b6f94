//! Every limit of the rooms' protocol, with its unit in its name and its reason beside it.

use crate::time::Micros;

/// The longest datagram that a plain room is sent, in bytes. Programs for the same lab read into
/// buffers of 256 bytes and up.
pub const PLAIN_DATAGRAM_BYTES_MAX: usize = 240;

/// The longest name that is read from a plain datagram, in bytes: longer is text that happens to have
/// a colon. Our own names have at most 128 bytes.
pub const PLAIN_NAME_BYTES_MAX: usize = 128;

/// First byte of a datagram of the reliable dialect; no UTF-8 text starts with it.
pub const RELIABLE_FIRST_BYTE: u8 = 0xff;

/// The longest reliable datagram of lines, in bytes of UDP payload: it passes unfragmented where the
/// MTU is 1,400.
pub const DATAGRAM_BYTES_MAX: usize = 1372;

/// The longest part of a message that one record carries, in bytes: what a datagram holds beside its
/// headers, with 16 bytes left for the authentication tag of a later version.
pub const RECORD_BODY_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - 30 - 19 - 16;

/// The longest name in a heartbeat, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// The longest bitmap of one nack entry, in bytes: 1,024 sequences.
pub const NACK_BITMAP_BYTES_MAX: usize = 128;

/// What stands before a text in its message, in bytes: a kind and a time.
pub const CONTENT_HEADER_BYTES: usize = 7;

/// The longest message, in bytes: the longest [`MessageText`](crate::chat::MessageText) and what stands before it.
pub const MESSAGE_BYTES_MAX: usize = 65_536 + CONTENT_HEADER_BYTES;

/// Sequences that an origin may be ahead of what was handed out; a claim beyond is not believed.
pub const SEQUENCES_AHEAD_MAX: u64 = 65_536;

/// An origin that stays so far ahead, whatever comes from it, is followed from where it is then: what is
/// between is told as a gap. A forged claim is answered by the next honest datagram within this.
pub const CATCH_UP_AFTER: Micros = Micros::from_secs(1);

/// Records that one member may miss at once, of all origins; a claim beyond is not believed yet.
pub const MISSING_MAX: usize = 131_072;

/// Members of whom one knows at once, and origins that it follows: of whom others told, only while it follows fewer. So it
/// follows twice as many at most.
pub const STREAMS_MAX: usize = 4096;

/// Records of earlier datagrams that each datagram carries again while they fit (ride-along).
pub const RIDE_ALONG_RECORDS: u64 = 3;

/// Bytes of our own records that are kept until every member there has reported them.
pub const KEPT_BYTES_MAX_OWN: usize = 8 * 1024 * 1024;

/// Bytes of records that are kept of one origin, reported or not, to repair them for others: five windows.
/// More would not stay in a processor's cache, and cost a fast flow a third of its speed.
pub const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of records that are kept of each origin however many there are: of as many as can be as much as of all.
pub const KEPT_BYTES_MIN: usize = KEPT_BYTES_MAX_ALL / (2 * STREAMS_MAX);

/// Bytes of records that are kept of all origins: where there are many, each has less.
pub const KEPT_BYTES_MAX_ALL: usize = 64 * 1024 * 1024;

/// Bytes of messages of all origins that are not yet whole: 128 of the longest. Of what passes it, the one to which nothing
/// was added for longest is lost.
pub const PARTIAL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a record takes here beside its body, in bytes, about.
pub const SLOT_BYTES: usize = 80;

/// Bytes of texts that wait to be sent; what passes it has to wait with being said.
pub const QUEUED_BYTES_MAX: u64 = 1024 * 1024;

/// How long records are kept to repair them for others.
pub const KEPT_AGE_MAX: Micros = Micros::from_secs(60);

/// How long a missing record is asked for before it is given up.
pub const GIVE_UP_WAIT: Micros = Micros::from_secs(10);

/// The same where others of its origin are repaired meanwhile: a slow way brings one after the other.
pub const GIVE_UP_WAIT_REPAIRED: Micros = Micros::from_secs(30);

/// The same for records from before we came, which a history or an earlier stay left off at: who has them repairs
/// within milliseconds, and what is said now should not wait long for what nobody has any more. Counted anew whenever
/// one of them comes.
pub const GIVE_UP_WAIT_PAST: Micros = Micros::from_secs(2);

/// What an origin said that is so much older than the question for a history may not have reached that history yet,
/// nor its origin's name: whom the history does not know then is heard from its first record on.
pub const HISTORY_SLACK: Micros = Micros::from_secs(2);

/// The smallest round trip that is reckoned with.
pub const ROUND_TRIP_MIN: Micros = Micros(500);

/// The longest round trip that nacks and repairs wait for, as an access point holds multicast back for those who save power:
/// whoever tells a longer one, which may be a lie, does not keep the others from being repaired.
pub const REPAIR_ROUND_TRIP_MAX: Micros = Micros::from_millis(100);

/// The round trip before one is measured.
pub const ROUND_TRIP_FIRST: Micros = Micros::from_millis(1);

/// The longest time over which first nacks are spread (RFC 5401's T), for large groups.
pub const NACK_SPREAD_MIN: Micros = Micros::from_millis(1);

/// When a nack is repeated first; each further wait is half as long again.
pub const NACK_RETRY_FIRST: Micros = Micros(2_500);

/// The longest wait between two nacks for the same record at a round trip of a local network. In
/// simulation at 20 % loss a cap of 50 ms cost a p99 of 101 ms, this one 14 ms.
pub const NACK_RETRY_MAX: Micros = Micros::from_millis(8);

/// Nacks for one record at this pace; further ones wait twice as long each time.
pub const NACK_ATTEMPTS_FAST: u32 = 20;

/// The longest wait of those.
pub const NACK_RETRY_VAIN_MAX: Micros = Micros::from_secs(1);

/// What nacks of one member may take, in bytes a second: 2 Mb/s. A claim of many records, whoever forged
/// it, cannot make it send more.
pub const NACK_BYTES_PER_SECOND: u64 = 250_000;

/// Bytes of nacks that may go out at once.
pub const NACK_BURST_BYTES: u64 = 8192;

/// Only among so many records from the next to hand out is looked for what to ask for; the rest follows.
pub const NACK_HORIZON: usize = 8192;

/// Nacks that are due within this go out together.
pub const NACK_SLACK: Micros = Micros(500);

/// How long a first nack may wait for the next datagram, whose ride-along may bring what is missing.
pub const RIDE_ALONG_WAIT_MAX: Micros = Micros::from_millis(8);

/// Nacks for a record within this after its repair, or within the round trip, are answered already.
pub const REPAIR_HOLD: Micros = Micros(600);

/// What repairs of one member may take, in bytes a second: half of a 100 Mb/s network. A nack, whoever
/// forged it, cannot make it send more.
pub const REPAIR_BYTES_PER_SECOND: u64 = 6_250_000;

/// Bytes of repairs that may go out at once.
pub const REPAIR_BURST_BYTES: u64 = 65_536;

/// Records that wait to be repaired.
pub const REPAIRS_WAITING_MAX: usize = 4096;

/// The window that a flow begins with, in bytes of records that were sent and not yet reported: talk of 500
/// lines a second never closes it.
pub const WINDOW_BYTES_FIRST: u64 = 32 * 1024;

/// The smallest window, in bytes: four datagrams, so that a loss shows by what follows.
pub const WINDOW_BYTES_MIN: u64 = 5_488;

/// The largest window, in bytes: what a receiver's socket holds where nobody made it larger (Linux gives
/// 212,992 bytes and counts a datagram of 1,372 bytes as 2,304).
pub const WINDOW_BYTES_MAX: u64 = 192 * 1024;

/// The delay by queues on the way that a flow aims at. What a busy machine takes to wake its programs must
/// stay below; a queue of 150 kB at 100 Mb/s is full at 12 ms.
pub const QUEUE_DELAY_AIM: Micros = Micros::from_millis(5);

/// A loss that is so much above the lowest of late comes from a queue that is full, not from the air.
pub const LOSS_ABOVE_FLOOR_MAX: f64 = 0.1;

/// How long the lowest round trip and the lowest loss are remembered.
pub const FLOOR_MEMORY: Micros = Micros::from_secs(10);

/// A member that does not report for so long while the window is closed is not waited for any more.
pub const STALL_MAX: Micros = Micros::from_millis(100);

/// On a slow way it is waited for so many round trips.
pub const STALL_ROUND_TRIPS: f64 = 3.0;

/// But not longer than this: a long round trip may be a lie.
pub const STALL_MAX_SLOW: Micros = Micros::from_secs(1);

/// A member whose round trip is more than so many times the median's has less than a quarter of the median's
/// rate, as all have the same window.
pub const SLOW_ROUND_TRIPS: f64 = 4.0;

/// A flow that is held up by such a member for so long tells of it.
pub const SLOW_AFTER: Micros = Micros::from_secs(2);

/// With fewer other members there is no median to speak of.
pub const SLOW_MEMBERS_MIN: usize = 3;

/// How soon a closed window asks for reports again.
pub const WINDOW_PROBE: Micros = Micros::from_millis(5);

/// Each time later by this factor until something arrives: on a slow way the questions would fill the queue that they
/// wait for.
pub const WINDOW_PROBE_GROWTH: f64 = 1.5;

/// The longest wait of these.
pub const WINDOW_PROBE_MAX: Micros = Micros::from_millis(500);

/// Where nobody reports, lines go out at this rate, in bytes a second: 10 Mb/s.
pub const BLIND_BYTES_PER_SECOND: u64 = 1_250_000;

/// What who is relayed sends at most, in bytes a second: 20 Mb/s. A server carries at most 5,000 datagrams a second of one
/// client, and what comes faster is lost.
pub const RELAYED_BYTES_PER_SECOND: u64 = 2_500_000;

/// Datagrams of one member over which a loss is measured.
pub const LOSS_SAMPLE_DATAGRAMS: u32 = 32;

/// Who has come within this takes the size of the group from what others tell.
pub const GATHER: Micros = Micros::from_secs(2);

/// How long the texts of a member wait for its name.
pub const NAME_WAIT: Micros = Micros::from_secs(1);

/// How long after the first a second copy of a repeated repair is sent.
pub const REPAIR_COPY_WAIT: Micros = Micros::from_millis(1);

/// How long others wait for the origin before they repair in its place.
pub const PEER_REPAIR_WAIT: Micros = Micros::from_millis(8);

/// The first wait after the last record, doubled for each sign of life that follows.
pub const TAIL_FIRST: Micros = Micros::from_millis(1);

/// Lines that follow each other within half of this are a flow: its tail begins when the next line is
/// late by two gaps. Others have their tail at once.
pub const TAIL_LATE_MAX: Micros = Micros::from_millis(20);

/// The longest wait of these; after it a member is idle.
pub const TAIL_MAX: Micros = Micros::from_millis(500);

/// Who is relayed leaves out so many of these: a connection loses nothing on the way, and what it carries is copied for
/// each who is relayed.
pub const TAIL_STEPS_RELAYED: u32 = 6;

/// Signs of life after the last record that carry the last records once more.
pub const TAIL_RECORDS_AGAIN: u32 = 3;

/// The time in which members answer a poll.
pub const POLL_ANSWER_MAX: Micros = Micros::from_millis(40);

/// The least time between two answers to polls, in small groups; in large ones their share of the network
/// sets it.
pub const POLL_ANSWER_INTERVAL: Micros = Micros::from_millis(20);

/// Groups up to this size report each line of talk and spread their nacks over one round trip, larger ones
/// over four.
pub const SMALL_GROUP_MAX: usize = 16;

/// Reports that are asked for at once are spread over this for each member.
pub const ASKED_SPREAD_EACH: Micros = Micros(100);

/// The least time between two reports of one member while records come; who must know sooner polls.
pub const REPORT_INTERVAL: Micros = Micros::from_millis(200);

/// Lines further apart than this are talk, and each is reported soon; others are a flow.
pub const FLOW_GAP_MAX: Micros = Micros::from_millis(20);

/// How soon a line is reported after some silence.
pub const REPORT_SOON: Micros = Micros::from_millis(5);

/// Streams that were active within this are reported.
pub const REPORT_ACTIVE: Micros = Micros::from_secs(10);

/// Streams that a report with a sign of life tells of in a large group.
pub const REPORT_ENTRIES_LARGE_GROUP: usize = 3;

/// The least time between two signs of life of an idle member.
pub const IDLE_INTERVAL_MIN: Micros = Micros::from_secs(1);

/// What the signs of life of all members together may take, in bytes a second.
pub const IDLE_BYTES_PER_SECOND: u64 = 64_000;

/// What a server sends of the signs of life of all to all whom it relays, in bytes a second: 32 Mb/s, a third of a
/// 100 Mb/s network. It is reached with about 200 of them.
pub const IDLE_RELAYED_BYTES_PER_SECOND: u64 = 4_000_000;

/// What one sign of life is reckoned at, in bytes.
pub const IDLE_HEARTBEAT_BYTES: u64 = 100;

/// Intervals without a sign of life after which a member has left.
pub const MISSED_INTERVALS_MAX: u64 = 8;

/// Who does what is due so much later was asleep, or stood still: that others were silent meanwhile says nothing.
pub const ASLEEP_MIN: Micros = Micros::from_secs(2);

/// How long what is known of a member that left is kept: one that returns goes on where it was.
pub const MEMBER_KEPT: Micros = Micros::from_secs(60);

/// How long reports tell of what was given up; it is longer than reports are likely to be lost one after the other.
pub const LOST_TOLD: Micros = MEMBER_KEPT;

/// What a member gave up is known of in so many spans; of more, the oldest are taken as one.
pub const LOST_SPANS_MAX: usize = 8;

/// How often what is old is looked for.
pub const SWEEP_INTERVAL: Micros = Micros::from_millis(250);

/// Who leaves waits so long for the reports of what it said last.
pub const LINGER_MAX: Micros = Micros::from_millis(500);

/// Who leaves sends what still waits, as long as some of it gets out within this.
pub const LEAVE_WAIT_MAX: Micros = Micros::from_secs(10);

/// But not longer than this in all.
pub const LEAVE_WAIT_ALL: Micros = Micros::from_secs(120);

/// A leave is sent this often. Nobody answers it: where one datagram of five is lost, all six are in one of 15,600 cases
/// (0.2⁶), and all of three were in one of 125.
pub const LEAVES: u32 = 6;

/// The time between two leaves: all are out within 100 ms.
pub const LEAVE_INTERVAL: Micros = Micros::from_millis(20);

/// So long the server's seat and we have to hear each other when a room is entered; then the relay is used.
pub const TRANSPORT_PROBE_WAIT: Micros = Micros::from_secs(2);

/// And so long when they did and do so no more: who stood still, the server or we, is heard again within about half a second.
pub const TRANSPORT_LOST_WAIT: Micros = Micros::from_millis(1_500);

/// Who is relayed goes back to multicast when that has worked for so long: longer than one sign of life counts.
pub const TRANSPORT_BACK_WAIT: Micros = Micros::from_secs(5);

/// That time doubles with each return that did not last, up to this.
pub const TRANSPORT_BACK_WAIT_MAX: Micros = Micros::from_secs(80);

/// A silence of less than this says nothing about multicast.
pub const TRANSPORT_SILENCE_MIN: Micros = Micros::from_millis(3_500);

/// The longest symbol of a file, in bytes: it fills an Ethernet frame (1,472 bytes of UDP payload) behind its header
/// of 37 bytes, in the steps that parity needs.
pub const SYMBOL_BYTES_MAX: usize = 1408;

/// A symbol has a multiple of so many bytes: eight strips for parity, each a multiple of what is XORed at once. On networks of the
/// smallest MTU it has just these.
pub const SYMBOL_BYTES_STEP: usize = 128;

/// What a symbol's datagram takes of an IP packet beside the symbol: headers of IPv4, UDP and ours.
pub const FILE_DATAGRAM_OVERHEAD_BYTES: usize = 20 + 8 + 37;

/// Files of which is remembered who offered them.
pub const OFFERS_KNOWN_MAX: usize = 1024;

/// Source symbols of a block. With the parity they fill the field that it is reckoned in. What it takes to restore a symbol
/// grows with what a block lacks, and so with its symbols; of smaller blocks more has to be sent at a loss.
pub const BLOCK_SYMBOLS: u16 = 160;

/// Parity symbols that can be made of a block: at losses above a third, source symbols are sent again besides.
pub const PARITY_SYMBOLS: u16 = 96;

/// Parity symbols that are reckoned together: each time all source symbols are gone through.
pub const PARITY_AT_ONCE: u16 = 12;

/// The longest file, in bytes: 1 TiB.
pub const FILE_BYTES_MAX: u64 = 1 << 40;

/// Blocks whose symbols take turns, so that a burst of losses is shared by them.
pub const BLOCKS_INTERLEAVED: u32 = 4;

/// The weight of a member's last word of its loss in the mean by which parity is sent ahead. What a member tells is of some hundred
/// symbols, so that the worst of several would seem far worse than it is.
pub const LOSS_WEIGHT: f64 = 0.1;

/// So much of the parity that the worst member is likely to need goes ahead: what is more than a block needed is wasted,
/// and what it lacks is asked for.
pub const PARITY_AHEAD_SHARE: f64 = 0.9;

/// Below this loss no parity is sent ahead: what is missing is asked for.
pub const LOSS_FOR_PARITY_MIN: f64 = 0.005;

/// Members whose answers about files are waited for; others of a room are not served at once.
pub const FILE_RECEIVERS_MAX: usize = 1024;

/// Who sends one file at a time to one member; what more claim to do so is not counted.
pub const FILE_FLOWS_MAX: usize = 8;

/// Blocks that a member puts together at once: 15 MB and 9 MB of parity at most. Symbols of others find no room.
pub const BLOCKS_OPEN_MAX: usize = 64;

/// Blocks that a sender keeps in memory, for repairs: 12 MB with their parity at most.
pub const BLOCKS_KEPT: usize = 32;

/// Symbols in a row that ask for answers: one of them arrives.
pub const ASKING_SYMBOLS: u32 = 3;

/// Groups up to this size answer whenever they are asked; of larger ones about so many members at a time.
pub const ANSWERS_AT_ONCE: usize = 16;

/// Who wants a file may take so long to say so before its first symbol goes out.
pub const FILE_GATHER: Micros = Micros::from_millis(20);

/// A member that wants more of a file says so again when nothing came for this; each further wait is twice as long.
pub const NEED_RETRY_FIRST: Micros = Micros::from_millis(20);

/// The longest of these waits.
pub const NEED_RETRY_MAX: Micros = Micros::from_millis(500);

/// Who sends a file asks again when no answer came for this after all was sent; each further wait is twice as long.
pub const ASK_RETRY_FIRST: Micros = Micros::from_millis(2);

/// A member that was silent for so long does not want the file any more.
pub const NEED_SILENCE_MAX: Micros = Micros::from_secs(5);

/// The largest window of a file's flow, in bytes, where the members' sockets hold as much: what a switch of a
/// gigabit network may have to queue.
pub const FILE_WINDOW_BYTES_MAX: u64 = 1024 * 1024;

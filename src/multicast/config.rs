//! Every limit of the rooms' protocol, with its unit in its name and its reason beside it.

/// The longest datagram that a plain room is sent, in bytes. Programs for the same lab read into
/// buffers of 256 bytes and up.
pub const PLAIN_DATAGRAM_BYTES_MAX: usize = 240;

/// The longest name that is read from a plain datagram, in bytes: longer is text that happens to have
/// a colon. Our own names have at most 128 bytes.
pub const PLAIN_NAME_BYTES_MAX: usize = 128;

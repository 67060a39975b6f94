//! The words that every layer shares. Pure, and valid once built: each type's constructor is its parser.

mod bit_rate;
mod message;
mod name;
mod printable;
mod room;
mod room_address;
mod server_address;

pub use bit_rate::{BitRate, BitRateError};
pub use message::{Message, MessageText, MessageTextError};
pub use name::{NameError, RoomName, UserName};
pub use printable::{is_printable, printable};
pub use room::{Dialect, DialectError, Origin, Room, RoomId};
pub use room_address::{RoomAddress, RoomAddressError};
pub use server_address::{DEFAULT_PORT, ServerAddress, ServerAddressError};

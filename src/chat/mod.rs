//! The words that every layer shares. Pure, and valid once built: each type's constructor is its parser.

mod avatar;
mod bit_rate;
mod byte_size;
mod file;
mod followed;
mod hexadecimal;
mod history;
mod history_limit;
mod message;
mod name;
mod one_line;
mod printable;
mod room;
mod room_address;
mod server_address;
mod session_id;
mod transport_choice;
mod web_address;

pub use avatar::{Avatar, AvatarId, AvatarIdError};
pub use bit_rate::{BitRate, BitRateError};
pub use byte_size::{ByteSize, ByteSizeError};
pub use file::{FileHash, FileHashError, FileName, FileOffer};
pub use followed::{Followed, FollowedError, TopicWord};
pub use hexadecimal::from_hexadecimal;
pub use history::{
    Found, Happening, HistoryEntry, HistoryPage, HistoryQuery, Position, RecordId, RecordRange,
    SearchWords, SearchWordsError, Since, Talk, to_the_millisecond,
};
pub use history_limit::{HistoryLimit, HistoryLimitError};
pub use message::{Message, MessageText, MessageTextError};
pub use name::{GroupName, NameError, RoomName, UserName};
pub use one_line::{OneLine, OneLineError};
pub use printable::{excerpt, is_printable, printable};
pub use room::{
    Dialect, DialectError, MemberLimit, MemberLimitError, NewRoom, Origin, Room, RoomId,
};
pub use room_address::{RoomAddress, RoomAddressError};
pub use server_address::{DEFAULT_PORT, ServerAddress, ServerAddressError};
pub use session_id::{SessionId, SessionIdError};
pub use transport_choice::{TransportChoice, TransportChoiceError};
pub use web_address::{DEFAULT_WEB_PORT, WebAddress, WebAddressError};

//! What the pure parts could not do, as it is answered.

use super::follows::TooManyFollowed;
use super::groups::GroupError;
use crate::control::{Refusal, RefusalCode};
use crate::directory::{MakeRoomError, NoSuchRoom};

impl From<MakeRoomError> for Refusal {
    fn from(error: MakeRoomError) -> Self {
        let code = match error {
            MakeRoomError::Lobby(_) | MakeRoomError::NameTaken(_) => RefusalCode::NameTaken,
            MakeRoomError::AddressTaken { .. } => RefusalCode::AddressTaken,
            MakeRoomError::NoFreeAddress => RefusalCode::NoFreeAddress,
            MakeRoomError::Full(_) => RefusalCode::DirectoryFull,
        };
        Self::new(code, error.to_string())
    }
}

impl From<NoSuchRoom> for Refusal {
    fn from(error: NoSuchRoom) -> Self {
        Self::new(RefusalCode::NoSuchRoom, error.to_string())
    }
}

impl From<TooManyFollowed> for Refusal {
    fn from(error: TooManyFollowed) -> Self {
        Self::new(RefusalCode::TooManyFollowed, error.to_string())
    }
}

impl From<GroupError> for Refusal {
    fn from(error: GroupError) -> Self {
        let code = match error {
            GroupError::Exists(_) => RefusalCode::GroupExists,
            GroupError::TooMany | GroupError::TooManyMembers | GroupError::TooManyOfOne(_) => {
                RefusalCode::TooManyGroups
            }
            GroupError::NoSuch(_) => RefusalCode::NoSuchGroup,
            GroupError::NotAMember(_) | GroupError::InNone => RefusalCode::NotAMember,
            GroupError::Which(_) => RefusalCode::WhichGroup,
        };
        Self::new(code, error.to_string())
    }
}

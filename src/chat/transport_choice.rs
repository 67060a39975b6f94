//! By which way a person wants to take part in rooms.

use std::str::FromStr;

use super::Dialect;

/// What the person wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportChoice {
    /// Multicast where it works, else the relay.
    #[default]
    Auto,
    /// Never the relay.
    Multicast,
    /// The relay wherever there is one.
    Relay,
}

/// No word for a transport.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transport is one of auto, multicast and relay")]
pub struct TransportChoiceError;

impl TransportChoice {
    /// The same, for a room of this dialect: nothing in a plain room tells whether multicast works.
    pub fn for_dialect(self, dialect: Dialect) -> Self {
        match (self, dialect) {
            (Self::Auto, Dialect::Plain) => Self::Multicast,
            (choice, _) => choice,
        }
    }
}

impl FromStr for TransportChoice {
    type Err = TransportChoiceError;

    fn from_str(given: &str) -> Result<Self, TransportChoiceError> {
        match given {
            "auto" => Ok(Self::Auto),
            "multicast" => Ok(Self::Multicast),
            "relay" => Ok(Self::Relay),
            _ => Err(TransportChoiceError),
        }
    }
}

//! What the measurements of the protocol core share: sessions on a virtual network, and what one of
//! them heard, to be played again to it alone.
//!
//! A session is a pure state machine: from the same start the same inputs have the same effect. So a
//! flow is played once between two sessions, whatever pacing and reports it takes, and then only one
//! of the two is played again and measured.

// Each program uses its part of it.
#![allow(dead_code)]

pub mod flow;
pub mod room;
pub mod trace;

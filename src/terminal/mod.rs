//! What a person types and reads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod bars;
mod command;
mod complete;
mod console;
mod downloads;
mod editor;
mod former_seat;
mod joining;
mod lines;
mod mode;
mod offerers;
pub mod oneshot;
mod progress;
mod relay;
mod render;
mod repl;
mod report;
mod signals;
mod transfers;

pub use console::Console;
pub use render::Style;
pub use repl::{Settings, run};

//! Many sessions over one virtual network in virtual time, from one seed: what fails once fails again.
//! After every step a checker holds what members were promised.

mod checker;
mod network;
mod scenario;
mod world;

pub use checker::Violation;
pub use network::{Bottleneck, Conditions};
pub use scenario::{Report, Scenario, play};

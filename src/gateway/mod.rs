//! Ways to a server for programs that speak neither its control protocol nor multicast.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod web;

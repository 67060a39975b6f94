//! How long a line takes to everyone who has the page open: the lobby, and a reliable room in which the server takes part
//! for each of them.

use super::latency::Latency;
use super::{Column, Figures, Scenario};
use crate::cli::Options;
use crate::servers::{HOSTED_PAGES, PAGES, Server};

/// Our server's clients are pages in the lobby; those of the others are as in [`Latency`].
pub struct Pages<'a>(pub &'a Options);

/// The same in a reliable room.
pub struct HostedPages<'a>(pub &'a Options);

/// Who has pages.
const WITH_PAGES: &str = "crds";

impl Scenario for Pages<'_> {
    const TITLE: &'static str = "Pages in the lobby";
    const CLIENTS: &'static str = Latency::CLIENTS;
    const COLUMNS: &'static [Column] = Latency::COLUMNS;

    fn figures(&self, server: &'static dyn Server, receivers: u32) -> Figures {
        let ours = server.name() == WITH_PAGES;
        Latency(self.0).figures(if ours { PAGES } else { server }, receivers)
    }
}

impl Scenario for HostedPages<'_> {
    const TITLE: &'static str = "Pages in a reliable room";
    const CLIENTS: &'static str = Latency::CLIENTS;
    const COLUMNS: &'static [Column] = Latency::COLUMNS;

    fn figures(&self, server: &'static dyn Server, receivers: u32) -> Figures {
        let ours = server.name() == WITH_PAGES;
        Latency(self.0).figures(if ours { HOSTED_PAGES } else { server }, receivers)
    }
}

//! What an idle client costs the server in memory.

use std::time::{Duration, Instant};

use super::{Column, Figures, Scenario};
use crate::cli::Options;
use crate::crowd::Watch;
use crate::servers::{Seat, Server};
use crate::stage::Stage;

/// The clients are in the room, and silent.
pub struct Memory<'a>(pub &'a Options);

/// How long the server may tidy up before it is looked at.
const SETTLE: Duration = Duration::from_secs(2);

const BYTES_A_KIBIBYTE: f64 = 1024.0;
const BYTES_A_MEBIBYTE: f64 = 1024.0 * 1024.0;

impl Scenario for Memory<'_> {
    const TITLE: &'static str = "Memory";
    const CLIENTS: &'static str = "clients";
    const COLUMNS: &'static [Column] = &[
        Column {
            heading: "without clients, MiB",
            digits: 1,
            ratios: &[],
        },
        Column {
            heading: "with them, MiB",
            digits: 1,
            ratios: &[],
        },
        Column {
            heading: "of all, KiB a client",
            digits: 1,
            ratios: &[],
        },
        Column {
            heading: "of growth, KiB a client",
            digits: 1,
            ratios: &[],
        },
    ];

    fn figures(&self, server: &'static dyn Server, clients: u32) -> Figures {
        let mut stage = Stage::new(server, clients, Watch::Count, self.0)?;
        let settled = || Instant::now() + SETTLE;
        stage.crowd.wait(settled(), || false)?;
        let without = stage.process.memory()? as f64;
        stage.crowd.seat(clients, Seat::Member)?;
        stage.crowd.await_quiet()?;
        stage.crowd.wait(settled(), || false)?;
        let with = stage.process.memory()? as f64;
        let for_each = |bytes: f64| Some(bytes / BYTES_A_KIBIBYTE / f64::from(clients));
        Ok(vec![
            Some(without / BYTES_A_MEBIBYTE),
            Some(with / BYTES_A_MEBIBYTE),
            for_each(with),
            for_each(with - without),
        ])
    }
}

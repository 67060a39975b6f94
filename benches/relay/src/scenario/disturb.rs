//! What idle clients, and one that reads nothing, cost those who talk.

use std::error::Error;
use std::time::Instant;

use super::{
    Column, Figures, INTERVAL, LINES_A_SECOND, PATIENCE, Scenario, WARM_UP_LINES, milliseconds,
};
use crate::cli::Options;
use crate::crowd::Watch;
use crate::servers::{Seat, Server};
use crate::speaker::Speaker;
use crate::stage::Stage;
use crate::statistics::percentile;

/// Three clients talk, alone and among others.
pub struct Disturb<'a>(pub &'a Options);

const SPEAKERS: u8 = 3;

/// As many lines fill all that the system holds for a client that reads nothing (`tcp_wmem` is 4 MiB at most), so
/// that the server has to keep what is said after them, or has to drop the client.
const FILLING_LINES: u64 = 80_000;

impl Scenario for Disturb<'_> {
    const TITLE: &'static str = "Disturb";
    const CLIENTS: &'static str = "idle";
    const COLUMNS: &'static [Column] = &[
        Column {
            heading: "p50 alone, ms",
            digits: 3,
            ratios: &["bare"],
        },
        Column {
            heading: "p50 among them, ms",
            digits: 3,
            ratios: &["bare"],
        },
        Column {
            heading: "p99 alone, ms",
            digits: 3,
            ratios: &["bare"],
        },
        Column {
            heading: "p99 among them, ms",
            digits: 3,
            ratios: &["bare"],
        },
        Column {
            heading: "p99, × alone",
            digits: 2,
            ratios: &[],
        },
    ];

    fn figures(&self, server: &'static dyn Server, idle: u32) -> Figures {
        let mut alone = self.chat(server, 0)?;
        let mut among = self.chat(server, idle)?;
        let alone_99 = percentile(&mut alone, 0.99);
        let among_99 = percentile(&mut among, 0.99);
        Ok(vec![
            percentile(&mut alone, 0.5),
            percentile(&mut among, 0.5),
            alone_99,
            among_99,
            alone_99.zip(among_99).map(|(alone, among)| among / alone),
        ])
    }
}

impl Disturb<'_> {
    /// The latencies of a chat, in milliseconds. With idle clients there is a deaf one too.
    fn chat(&self, server: &'static dyn Server, idle: u32) -> Result<Vec<f64>, Box<dyn Error>> {
        let clients = idle + u32::from(SPEAKERS);
        let mut stage = Stage::new(server, clients, Watch::Time, self.0)?;
        let speakers = (0..SPEAKERS).map(|number| stage.speaker(number));
        let mut speakers: Vec<Speaker> = speakers.collect::<Result<_, _>>()?;
        stage.crowd.seat(idle, Seat::Bystander)?;
        let _deaf = match idle {
            0 => None,
            _ => Some(stage.deaf()?),
        };
        // Said in both cases, so that all else is alike.
        let hears = |number: usize| (1..usize::from(SPEAKERS)).contains(&number);
        let filled = |said| said >= FILLING_LINES;
        stage.burst(&mut speakers[0], hears, self.0.window, PATIENCE, filled)?;
        stage.crowd.await_quiet()?;

        let before: u64 = stage.crowd.heard().sum();
        let lines = self.0.seconds() * LINES_A_SECOND;
        stage.talk(&mut speakers, WARM_UP_LINES, INTERVAL, false)?;
        stage.talk(&mut speakers, lines, INTERVAL, true)?;
        let listeners = u64::from(SPEAKERS - 1);
        let all = before + u64::from(WARM_UP_LINES + lines) * listeners;
        let have_all = || stage.crowd.heard().sum::<u64>() >= all;
        if !stage.crowd.wait(Instant::now() + PATIENCE, have_all)? {
            return Err("a line was not delivered".into());
        }
        Ok(milliseconds(stage.crowd.finish()))
    }
}

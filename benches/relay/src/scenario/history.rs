//! What it costs those who talk that the server keeps what they say: a lively flood in the lobby and in a reliable
//! room, with history and without.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use super::{Column, Figures, PATIENCE, Scenario, milliseconds};
use crate::cli::Options;
use crate::clock;
use crate::crowd::Watch;
use crate::members::Members;
use crate::process::Process;
use crate::servers::{Seat, Server, WITHOUT_HISTORY};
use crate::stage::Stage;
use crate::statistics::percentile;
use crate::text::NO_STAMP;

/// Our server, beside itself without history.
pub struct History<'a>(pub &'a Options);

/// How many lines a second are said.
const LINES_A_SECOND: u32 = 5000;
const INTERVAL: Duration = Duration::from_micros(1_000_000 / LINES_A_SECOND as u64);

/// Lines before the measured ones: a second of them.
const WARM_UP_LINES: u32 = LINES_A_SECOND;

/// How long the members of a reliable room get to know each other.
const SETTLE: Duration = Duration::from_secs(3);

/// Whose history it is.
const OURS: &str = "crds";

impl Scenario for History<'_> {
    const TITLE: &'static str = "History";
    const CLIENTS: &'static str = "receivers";
    const COLUMNS: &'static [Column] = &[
        column("lobby: p50 off, ms"),
        column("on, ms"),
        column("lobby: p99 off, ms"),
        column("on, ms"),
        column("on, × off"),
        column("room: p50 off, ms"),
        column("on, ms"),
        column("room: p99 off, ms"),
        column("on, ms"),
        column("on, × off"),
    ];

    fn figures(&self, server: &'static dyn Server, receivers: u32) -> Figures {
        if server.name() != OURS {
            return Ok(vec![None; Self::COLUMNS.len()]);
        }
        let mut figures = Vec::new();
        type Talk<'a> = &'a dyn Fn(&'static dyn Server) -> Result<Vec<f64>, Box<dyn Error>>;
        let lobby: Talk<'_> = &|server| self.lobby(server, receivers);
        let room: Talk<'_> = &|server| self.room(server, receivers);
        for talk in [lobby, room] {
            let [mut off, mut on] = [talk(WITHOUT_HISTORY)?, talk(server)?];
            let [off_99, on_99] = [&mut off, &mut on].map(|all| percentile(all, 0.99));
            figures.extend([&mut off, &mut on].map(|all| percentile(all, 0.5)));
            let ratio = off_99.zip(on_99).map(|(off, on)| on / off);
            figures.extend([off_99, on_99, ratio]);
        }
        Ok(figures)
    }
}

const fn column(heading: &'static str) -> Column {
    Column {
        heading,
        digits: 2,
        ratios: &[],
    }
}

impl History<'_> {
    /// The latencies of a flood in the lobby, in milliseconds.
    fn lobby(
        &self,
        server: &'static dyn Server,
        receivers: u32,
    ) -> Result<Vec<f64>, Box<dyn Error>> {
        let mut stage = Stage::new(server, receivers, Watch::Time, self.0)?;
        stage.crowd.seat(receivers, Seat::Member)?;
        let mut speakers = [stage.speaker(0)?];
        stage.crowd.await_quiet()?;
        let lines = self.0.seconds() * LINES_A_SECOND;
        stage.talk(&mut speakers, WARM_UP_LINES, INTERVAL, false)?;
        stage.talk(&mut speakers, lines, INTERVAL, true)?;
        let all = u64::from(WARM_UP_LINES + lines) * u64::from(receivers);
        let have_all = || stage.crowd.heard().sum::<u64>() >= all;
        if !stage.crowd.wait(Instant::now() + PATIENCE, have_all)? {
            return Err("a line was not delivered".into());
        }
        Ok(milliseconds(stage.crowd.finish()))
    }

    /// The same in a reliable room of which all are relayed.
    fn room(
        &self,
        server: &'static dyn Server,
        receivers: u32,
    ) -> Result<Vec<f64>, Box<dyn Error>> {
        let process = Process::start(server, receivers + 2, self.0)?;
        let members = Members::enter(process.address(), receivers + 1)?;
        members.rest(SETTLE)?;
        let lines = self.0.seconds() * LINES_A_SECOND;
        let began = Instant::now();
        for line in 0..WARM_UP_LINES + lines {
            thread::sleep((began + INTERVAL * line).saturating_duration_since(Instant::now()));
            members.rest(Duration::ZERO)?;
            members.say(match line < WARM_UP_LINES {
                true => NO_STAMP,
                false => clock::now(),
            });
        }
        let all = u64::from(WARM_UP_LINES + lines) * u64::from(receivers);
        members.await_texts(all, PATIENCE)?;
        Ok(milliseconds(members.latencies()))
    }
}

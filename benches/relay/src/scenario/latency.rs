//! How long a line takes to everyone in a large room.

use std::time::Instant;

use super::{
    Column, Figures, INTERVAL, LINES_A_SECOND, PATIENCE, Scenario, WARM_UP_LINES, milliseconds,
};
use crate::cli::Options;
use crate::crowd::Watch;
use crate::servers::{IRC, Seat, Server};
use crate::stage::Stage;
use crate::statistics::percentile;

/// One client says lines as people do.
pub struct Latency<'a>(pub &'a Options);

const MICROSECONDS_A_SECOND: f64 = 1e6;

impl Scenario for Latency<'_> {
    const TITLE: &'static str = "Latency";
    const CLIENTS: &'static str = "receivers";
    const COLUMNS: &'static [Column] = &[
        Column {
            heading: "p50, ms",
            digits: 2,
            ratios: &["bare", IRC],
        },
        Column {
            heading: "p99, ms",
            digits: 2,
            ratios: &["bare", IRC],
        },
        Column {
            heading: "server's processor time, µs a line",
            digits: 0,
            ratios: &["bare", IRC],
        },
        Column {
            heading: "delivered, %",
            digits: 3,
            ratios: &[],
        },
    ];

    fn figures(&self, server: &'static dyn Server, receivers: u32) -> Figures {
        let mut stage = Stage::new(server, receivers, Watch::Time, self.0)?;
        stage.crowd.seat(receivers, Seat::Member)?;
        let mut speakers = [stage.speaker(0)?];
        stage.crowd.await_quiet()?;
        let lines = self.0.seconds() * LINES_A_SECOND;
        stage.talk(&mut speakers, WARM_UP_LINES, INTERVAL, false)?;
        let busy = stage.process.processor_time()?;
        stage.talk(&mut speakers, lines, INTERVAL, true)?;
        let all = u64::from(WARM_UP_LINES + lines) * u64::from(receivers);
        let have_all = || stage.crowd.heard().sum::<u64>() >= all;
        stage.crowd.wait(Instant::now() + PATIENCE, have_all)?;
        let busy = stage.process.processor_time()?.saturating_sub(busy);
        let mut latencies = milliseconds(stage.crowd.finish());
        let wanted = f64::from(lines) * f64::from(receivers);
        Ok(vec![
            percentile(&mut latencies, 0.5),
            percentile(&mut latencies, 0.99),
            Some(busy.as_secs_f64() * MICROSECONDS_A_SECOND / f64::from(lines)),
            Some(latencies.len() as f64 * 100.0 / wanted),
        ])
    }
}

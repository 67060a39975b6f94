//! How many deliveries a second a server makes.

use std::time::{Duration, Instant};

use super::{Column, Figures, INTERVAL, PATIENCE, Scenario, WARM_UP_LINES};
use crate::cli::Options;
use crate::crowd::Watch;
use crate::servers::{BROKER, Seat, Server};
use crate::stage::Stage;

/// One client says lines as fast as they are taken and delivered.
pub struct Burst<'a>(pub &'a Options);

impl Scenario for Burst<'_> {
    const TITLE: &'static str = "Burst";
    const CLIENTS: &'static str = "receivers";
    const COLUMNS: &'static [Column] = &[
        Column {
            heading: "deliveries/s",
            digits: 0,
            ratios: &["bare", BROKER],
        },
        Column {
            heading: "server's processor time, ns a delivery",
            digits: 0,
            ratios: &["bare", BROKER],
        },
    ];

    fn figures(&self, server: &'static dyn Server, receivers: u32) -> Figures {
        let mut stage = Stage::new(server, receivers, Watch::Count, self.0)?;
        stage.crowd.seat(receivers, Seat::Member)?;
        let mut speaker = stage.speaker(0)?;
        stage.crowd.await_quiet()?;
        let warm_up = std::slice::from_mut(&mut speaker);
        stage.talk(warm_up, WARM_UP_LINES, INTERVAL, false)?;
        stage.crowd.await_quiet()?;

        // The speaker is the last of them.
        let is_receiver = |number: usize| number < receivers as usize;
        let busy = stage.process.processor_time()?;
        let began = Instant::now();
        let end = began + Duration::from_secs(self.0.seconds().into());
        let enough = |_| Instant::now() >= end;
        let said = stage.burst(&mut speaker, is_receiver, self.0.window, PATIENCE, enough)?;
        let time = began.elapsed();
        let busy = stage.process.processor_time()?.saturating_sub(busy);

        let deliveries = said as f64 * f64::from(receivers);
        Ok(vec![
            Some(deliveries / time.as_secs_f64()),
            Some(busy.as_nanos() as f64 / deliveries),
        ])
    }
}

//! What happens in one run: who comes, talks, goes and crashes, and what the network does meanwhile.

use rand::RngExt;

use super::checker::Violation;
use super::network::{Bottleneck, Conditions};
use super::world::World;
use crate::multicast::config::KEPT_BYTES_MAX;
use crate::multicast::session::Past;
use crate::time::{Instant, Micros};

/// How a run is made. Everything that is left open is drawn from the seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The run's seed.
    pub seed: u64,
    /// Machines; not all need be there from the start.
    pub members: usize,
    /// What the network does.
    pub conditions: Conditions,
    /// How many lines are said.
    pub lines: usize,
    /// The time between two lines, on average.
    pub line_gap: Micros,
    /// Crashes, leaves, restarts, partitions and one-way links happen.
    pub troubles: bool,
    /// Some texts are long: several fragments, which nothing rides along with.
    pub long_texts: bool,
    /// What each keeps of another's records at most, in bytes.
    pub kept_bytes_max: usize,
    /// Members repair; switched off only to see that the checker notices.
    pub repairs: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Lines handed out, over all hearers.
    pub heard: usize,
    /// Datagrams sent by all, while lines were said and until the quiet time.
    pub datagrams: u64,
    /// The median time from saying to hearing.
    pub median: Micros,
    /// The time within which 99 of 100 lines were heard.
    pub p99: Micros,
}

/// Memory for some texts only, in bytes.
const KEPT_BYTES_FEW: usize = 16_000;

/// How long the network is whole and nobody speaks, before everything must have arrived.
const QUIET: Micros = Micros::from_secs(15);

/// How long members get to find each other before the first line, where no troubles are wanted.
const GATHER: Micros = Micros::from_secs(2);

/// A newcomer with a history joins so long after asking for it, at most.
const HISTORY_WAIT_MAX: Micros = Micros::from_millis(400);

/// A partition or a one-way link lasts this long at most: shorter than what is missing is given up.
const CUT_OFF_MAX: Micros = Micros::from_millis(1500);

impl Scenario {
    /// A run whose size, network and troubles are drawn from the seed.
    pub fn random(seed: u64) -> Self {
        use rand::SeedableRng;
        let mut random =
            rand::rngs::SmallRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let jitter = [0, 60, 300, 3_000][random.random_range(0..4)];
        Self {
            seed,
            members: random.random_range(2..=8),
            conditions: Conditions {
                loss: [0.0, 0.01, 0.05, 0.2, 0.3][random.random_range(0..5)],
                burst: [1.0, 1.0, 3.0, 10.0][random.random_range(0..4)],
                delay: Micros(random.random_range(20..1_000)),
                jitter: Micros(jitter),
                duplicated: [0.0, 0.05][random.random_range(0..2)],
                cut: [0.0, 0.02][random.random_range(0..2)],
                bottleneck: random.random_bool(0.2).then(|| Bottleneck {
                    bytes_per_second: random.random_range(100_000..2_000_000),
                    queue_bytes: random.random_range(20_000..150_000),
                }),
            },
            lines: random.random_range(20..200),
            line_gap: Micros([300, 2_000, 20_000][random.random_range(0..3)]),
            troubles: random.random_bool(0.7),
            long_texts: true,
            // As when a flood fills it.
            kept_bytes_max: [KEPT_BYTES_MAX, KEPT_BYTES_MAX, KEPT_BYTES_FEW]
                [random.random_range(0..3)],
            repairs: true,
        }
    }
}

/// Plays a scenario to its end.
///
/// # Errors
/// The first promise that was not kept.
pub fn play(scenario: &Scenario) -> Result<Report, Violation> {
    // Half of all runs see the sequences wrap.
    let first = match scenario.seed % 2 {
        0 => 1,
        _ => (1 << 32) - 20,
    };
    let conditions = scenario.conditions.clone();
    let mut world = World::new(
        conditions,
        scenario.members,
        scenario.seed,
        first,
        scenario.kept_bytes_max,
        scenario.repairs,
    );
    for node in 0..scenario.members {
        if node < 2 || !scenario.troubles || world.random.random_bool(0.7) {
            world.start(node, None)?;
        }
    }
    let mut newcomer: Option<Newcomer> = None;
    if !scenario.troubles {
        world.run_until(world.now + GATHER)?;
    }
    let gathered = world.datagrams;
    let mut healed_at = None;
    for number in 0..scenario.lines {
        let gap = scenario
            .line_gap
            .mul_f64(world.random.random_range(0.2..1.8));
        world.run_until(world.now + gap)?;
        if healed_at.is_some_and(|at| at <= world.now) {
            heal(&mut world);
            healed_at = None;
        }
        if scenario.troubles && world.random.random_bool(0.04) {
            trouble(&mut world, scenario.members, &mut healed_at, &mut newcomer)?;
        }
        if let Some(coming) = newcomer.take_if(|coming| coming.at <= world.now)
            && !world.is_there(coming.node)
        {
            world.start(coming.node, Some(coming.past))?;
        }
        let speaker = match scenario.troubles {
            true => world.random.random_range(0..scenario.members),
            false => 0,
        };
        let text = text(&mut world, number, scenario.long_texts);
        world.say(speaker, text)?;
    }
    heal(&mut world);
    // Up to here the talk; the signs of life of an idle room are not its cost.
    world.run_until(world.now + Micros::from_millis(200))?;
    let datagrams = world.datagrams - gathered;
    // Bursts are counted in datagrams: in a quiet room one could last for all of this.
    world.conditions.burst = 1.0;
    world.run_until(world.now + QUIET)?;
    let there = world.members();
    world.checker.all_heard(&there)?;
    let mut latencies = std::mem::take(&mut world.latencies);
    latencies.sort_unstable();
    let at = |part: f64| {
        let index = (latencies.len() as f64 * part) as usize;
        latencies
            .get(index.min(latencies.len().saturating_sub(1)))
            .copied()
    };
    Ok(Report {
        heard: latencies.len(),
        datagrams,
        median: at(0.5).unwrap_or_default(),
        p99: at(0.99).unwrap_or_default(),
    })
}

/// Mostly a short line, sometimes one of several fragments if that is wanted.
fn text(world: &mut World, number: usize, long_texts: bool) -> Vec<u8> {
    let mut text = format!("line {number}").into_bytes();
    if long_texts && world.random.random_bool(0.03) {
        let more = world.random.random_range(1..5_000);
        text.resize(text.len() + more, b'.');
    }
    text
}

/// Who has asked for the history, and joins a little later.
struct Newcomer {
    node: usize,
    past: Past,
    at: Instant,
}

fn trouble(
    world: &mut World,
    nodes: usize,
    healed_at: &mut Option<Instant>,
    newcomer: &mut Option<Newcomer>,
) -> Result<(), Violation> {
    let node = world.random.random_range(0..nodes);
    match world.random.random_range(0..4) {
        0 if world.is_there(node) => {
            world.crash(node);
            Ok(())
        }
        1 if world.is_there(node) => world.leave(node),
        0 => world.start(node, None),
        1 => {
            // Whatever happens between the question and the joining.
            let keeper = world.random.random_range(0..nodes);
            let wait = HISTORY_WAIT_MAX.mul_f64(world.random.random_range(0.0..1.0));
            let at = world.now + wait;
            *newcomer = (world.past(keeper)).map(|past| Newcomer { node, past, at });
            Ok(())
        }
        2 => {
            let sides: u64 = world.random.random();
            world.part(|index| sides >> index & 1 == 1);
            let length = CUT_OFF_MAX.mul_f64(world.random.random_range(0.0..1.0));
            *healed_at = Some(world.now + length);
            Ok(())
        }
        _ => {
            let other = world.random.random_range(0..nodes);
            world.blocked.insert((node, other));
            let length = CUT_OFF_MAX.mul_f64(world.random.random_range(0.0..1.0));
            *healed_at = Some(world.now + length);
            Ok(())
        }
    }
}

fn heal(world: &mut World) {
    world.part(|_| false);
    world.blocked.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundreds_of_seeds_keep_every_promise() {
        for seed in 0..400 {
            let scenario = Scenario::random(seed);
            if let Err(violation) = play(&scenario) {
                panic!("seed {seed}: {violation}\n{scenario:#?}");
            }
        }
    }

    #[test]
    fn a_run_is_the_same_each_time() {
        let run = || format!("{:?}", play(&Scenario::random(11)));
        assert_eq!(run(), run());
    }

    #[test]
    fn without_repairs_the_checker_finds_what_is_missing() {
        let scenario = Scenario {
            conditions: Conditions {
                loss: 0.2,
                burst: 10.0,
                ..Conditions::default()
            },
            troubles: false,
            repairs: false,
            ..Scenario::random(1)
        };
        assert!(play(&scenario).is_err());
    }
}

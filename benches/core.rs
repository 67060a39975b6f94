//! How fast the pure core is: one session alone, without sockets and clocks.
//!
//! `cargo bench --bench core`; each measurement is told in lines and in datagrams a second.

// A benchmark reads the clock, and criterion's macro writes functions without documentation.
#![allow(clippy::disallowed_methods, missing_docs)]

mod rig;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};

use rig::flow::{FLOOD, Flow, MEASURED_LINES, Pace, SINGLE};
use rig::trace::{Trace, is_read, play};

/// Measures in lines, and then in datagrams: criterion reckons in one unit at a time.
fn in_both(
    criterion: &mut Criterion,
    name: &str,
    datagrams: u64,
    measure: impl Fn(&mut BenchmarkGroup<'_, WallTime>, &str),
) {
    for (unit, count) in [("lines", MEASURED_LINES), ("datagrams", datagrams)] {
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(10)
            .sampling_mode(SamplingMode::Flat)
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(3))
            .throughput(Throughput::Elements(count));
        measure(&mut group, unit);
        group.finish();
    }
}

/// One end of a flow alone.
fn alone(criterion: &mut Criterion, name: &str, trace: &Trace, datagrams: u64) {
    in_both(criterion, name, datagrams, |group, unit| {
        group.bench_function(unit, |bencher| {
            bencher.iter_batched_ref(
                || trace.warm_session(),
                |session| play(session, &trace.measured),
                // A warm session keeps megabytes.
                BatchSize::PerIteration,
            );
        });
    });
}

fn decoding(criterion: &mut Criterion, name: &str, trace: &Trace, datagrams: u64) {
    in_both(criterion, name, datagrams, |group, unit| {
        group.bench_function(unit, |bencher| {
            bencher.iter(|| trace.datagrams().filter(|d| is_read(d)).count());
        });
    });
}

fn flow(criterion: &mut Criterion, pace: Pace) {
    let flow = Flow::play(pace);
    let name = |what: &str| format!("{what}, {}", pace.name);
    let sent = flow.sender.tally().datagrams_out;
    let heard = flow.receiver.tally().datagrams_in;
    alone(criterion, &name("sender"), &flow.sender, sent);
    alone(criterion, &name("receiver"), &flow.receiver, heard);
    decoding(criterion, &name("decode"), &flow.receiver, heard);
}

fn core(criterion: &mut Criterion) {
    flow(criterion, FLOOD);
    flow(criterion, SINGLE);
}

criterion_group!(benches, core);
criterion_main!(benches);

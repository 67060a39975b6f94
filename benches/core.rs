//! How fast the pure core is, without sockets and clocks: one session alone, and the parity of a file.
//!
//! `cargo bench --bench core`; a session is measured in lines and in datagrams a second, parity in bytes of the file.

// A benchmark reads the clock, and criterion's macro writes functions without documentation.
#![allow(clippy::disallowed_methods, missing_docs)]

mod rig;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};

use crds::multicast::config::{BLOCK_SYMBOLS, PARITY_AT_ONCE, SYMBOL_BYTES_MAX};
use crds::multicast::file::Fec;
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

/// A block that lacks some of its symbols, as 1, 5 and 20 % of loss leave it, and its parity.
fn parity(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parity");
    let mut block = vec![0; usize::from(BLOCK_SYMBOLS) * SYMBOL_BYTES_MAX];
    let bytes = block.iter_mut().zip(0_u32..);
    bytes.for_each(|(byte, n)| *byte = n.wrapping_mul(0x9E37_79B1).to_be_bytes()[0]);
    group.throughput(Throughput::Bytes(block.len() as u64));
    let mut fec = Fec::default();
    let mut made = Vec::new();
    group.bench_function(format!("make {PARITY_AT_ONCE}"), |bencher| {
        bencher.iter(|| {
            made.clear();
            fec.encode(&block, SYMBOL_BYTES_MAX, 0..PARITY_AT_ONCE, &mut made)
        });
    });
    for missing in [1, 8, 32] {
        let mut made = Vec::new();
        fec.encode(&block, SYMBOL_BYTES_MAX, 0..missing, &mut made)
            .expect("parity of a whole block");
        let made = made.chunks(SYMBOL_BYTES_MAX).map(<[u8]>::to_vec);
        let made: Vec<_> = (0..missing).zip(made).collect();
        let every = usize::from(BLOCK_SYMBOLS / missing);
        group.bench_function(format!("restore {missing}"), |bencher| {
            let has = |index: usize| !index.is_multiple_of(every);
            bencher.iter(|| fec.restore(&mut block, SYMBOL_BYTES_MAX, has, &made));
        });
    }
    group.finish();
}

fn core(criterion: &mut Criterion) {
    flow(criterion, FLOOD);
    flow(criterion, SINGLE);
    parity(criterion);
}

criterion_group!(benches, core);
criterion_main!(benches);

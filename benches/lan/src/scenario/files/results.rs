//! What came of the runs of one peer in one case, as cells.

use crate::statistics::median;
use crate::table::number;
use crate::transfer::Outcome;

/// The runs.
pub struct Results {
    outcomes: Vec<Outcome>,
    receivers: usize,
    bytes: u64,
}

/// For what has no value.
const NONE: &str = "–";

impl Results {
    /// No runs yet, with so many receivers of so many bytes.
    pub fn new(receivers: usize, bytes: u64) -> Self {
        Self {
            outcomes: Vec::new(),
            receivers,
            bytes,
        }
    }

    /// Adds a run.
    pub fn push(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// Adds the runs of another.
    pub fn append(&mut self, mut other: Self) {
        self.outcomes.append(&mut other.outcomes);
    }

    /// For each run the seconds from the start of the sender's program to its first data.
    pub fn before(&self) -> impl Iterator<Item = f64> {
        self.outcomes.iter().filter_map(|outcome| outcome.before)
    }

    /// Seconds from the first data to the last receiver, in the run in the middle.
    pub fn seconds(&self) -> Option<f64> {
        // A stalled run is longer than any other.
        let seconds = self.outcomes.iter();
        let seconds = seconds.map(|outcome| outcome.seconds.unwrap_or(f64::INFINITY));
        median(&mut seconds.collect::<Vec<_>>())
    }

    /// [`Self::seconds`], in words.
    pub fn seconds_cell(&self) -> String {
        match self.seconds() {
            Some(seconds) if seconds.is_finite() => number(seconds, 2),
            Some(_) => "stalls".to_owned(),
            None => NONE.to_owned(),
        }
    }

    /// How many megabits of the file came in a second to the last receiver.
    pub fn goodput_cell(&self) -> String {
        let seconds = self.seconds().filter(|seconds| seconds.is_finite());
        seconds.map_or(NONE.to_owned(), |seconds| {
            number(self.bytes as f64 * 8.0 / 1e6 / seconds, 1)
        })
    }

    /// Bytes on the wire over those of the file.
    pub fn wire_cell(&self) -> String {
        let bytes = self.outcomes.iter().map(|outcome| outcome.wire_bytes);
        let mut ratios: Vec<_> = bytes
            .map(|bytes| bytes as f64 / self.bytes as f64)
            .collect();
        median(&mut ratios).map_or(NONE.to_owned(), |ratio| number(ratio, 2))
    }

    /// How many files arrived whole in all runs, of how many.
    pub fn whole_cell(&self) -> String {
        let (whole, all) = self.whole();
        format!("{whole} of {all}")
    }

    /// Seconds, bytes on the wire and, where not all arrived whole, how many did.
    pub fn cell(&self) -> String {
        let (whole, all) = self.whole();
        match () {
            () if all == 0 => NONE.to_owned(),
            () if whole == all => format!("{} / {}", self.seconds_cell(), self.wire_cell()),
            () => format!(
                "{} / {}, {}",
                self.seconds_cell(),
                self.wire_cell(),
                self.whole_cell()
            ),
        }
    }

    fn whole(&self) -> (usize, usize) {
        let whole = self.outcomes.iter().map(|outcome| outcome.whole).sum();
        (whole, self.outcomes.len() * self.receivers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(runs: &[(Option<f64>, usize)]) -> Results {
        let mut results = Results::new(8, 100);
        for &(seconds, whole) in runs {
            results.push(Outcome {
                before: Some(0.5),
                seconds,
                wire_bytes: 110,
                whole,
            });
        }
        results
    }

    #[test]
    fn a_stalled_run_is_not_forgotten() {
        assert_eq!(results(&[]).cell(), "–");
        let good = (Some(2.0), 8);
        assert_eq!(results(&[good, (Some(4.0), 8)]).cell(), "3.00 / 1.10");
        let stalled = (None, 7);
        let mostly_good = results(&[good, stalled, good]);
        assert_eq!(mostly_good.cell(), "2.00 / 1.10, 23 of 24");
        let mostly_stalled = results(&[stalled, stalled, good]);
        assert_eq!(mostly_stalled.cell(), "stalls / 1.10, 22 of 24");
        assert_eq!(mostly_stalled.goodput_cell(), "–");
    }
}

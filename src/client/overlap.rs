//! Where a history and what is heard meet in a room whose lines have no numbers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::chat::{Happening, HistoryPage};

/// A line may be heard so much earlier or later here than where the history is kept.
const SLACK: Duration = Duration::from_millis(500);

/// Lines that a history has and that are also heard: of each as many are left out as the history has of it since
/// one joined.
#[derive(Clone, Debug, Default)]
pub struct Overlap {
    /// By sender and text.
    left: BTreeMap<(String, String), usize>,
    until: Option<Instant>,
}

impl Overlap {
    /// Of a page that was asked for after joining at this time, and has just come.
    pub fn new(page: &HistoryPage, joined: Instant) -> Self {
        let span = joined.elapsed() + SLACK;
        let mut left = BTreeMap::new();
        for entry in &page.entries {
            let age = page.now.duration_since(entry.heard_at);
            let is_since =
                Duration::try_from(age).is_ok_and(|age| age <= span) || age.is_negative();
            if let (true, Happening::Text(text)) = (is_since, &entry.what) {
                let line = (entry.from.clone(), text.to_string());
                *left.entry(line).or_default() += 1;
            }
        }
        Self {
            left,
            until: Some(Instant::now() + SLACK),
        }
    }

    /// Whether the history has this line, which was heard now or waited to be read. Each is told once.
    pub fn has(&mut self, from: &str, text: &str) -> bool {
        if self.left.is_empty() {
            return false;
        }
        if self.until.is_some_and(|until| Instant::now() > until) {
            // What is said from here on is new, whatever it is.
            self.left.clear();
            return false;
        }
        let line = (from.to_owned(), text.to_owned());
        let Some(count) = self.left.get_mut(&line) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.left.remove(&line);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::chat::HistoryEntry;

    #[test]
    fn each_line_since_the_joining_is_left_out_once() {
        let now = Timestamp::now();
        let entry = |number, text: &str, age_ms| HistoryEntry {
            number,
            said_at: now,
            heard_at: now - SignedDuration::from_millis(age_ms),
            from: "Ana".into(),
            what: Happening::Text(text.parse().unwrap()),
            record: None,
        };
        let page = HistoryPage {
            entries: vec![
                entry(1, "long ago", 60_000),
                entry(2, "twice", 300),
                entry(3, "twice", 200),
                entry(4, "once", 100),
            ],
            before: None,
            kept: 4,
            positions: Vec::new(),
            now,
        };
        let mut overlap = Overlap::new(&page, Instant::now());
        assert!(!overlap.has("Ana", "long ago"));
        assert!(!overlap.has("Bob", "once"));
        let twice = [(); 3].map(|()| overlap.has("Ana", "twice"));
        assert_eq!(twice, [true, true, false]);
        assert!(overlap.has("Ana", "once"));
        assert!(!Overlap::default().has("Ana", "once"));
    }
}

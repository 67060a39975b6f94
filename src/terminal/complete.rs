//! What Tab offers.

use std::collections::BTreeSet;

use super::command::{COMMANDS, Completes};
use crate::chat::printable;
use crate::client::RoomEvent;

/// Names that are remembered of a room: enough for any class, bounded against a flood.
const NAMES_MAX: usize = 1000;

/// What Tab offers at once; more would not fit a screen.
const CANDIDATES_MAX: usize = 50;

/// The words that Tab knows at the moment.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    in_room: bool,
    rooms: Vec<String>,
    names: BTreeSet<String>,
}

impl Vocabulary {
    /// In or out of a room; the names of another room are forgotten.
    pub(super) fn set_in_room(&mut self, in_room: bool) {
        if self.in_room != in_room {
            self.names.clear();
        }
        self.in_room = in_room;
    }

    pub(super) fn set_rooms(&mut self, rooms: impl Iterator<Item = String>) {
        self.rooms = rooms.collect();
    }

    /// Somebody is there, or has left.
    pub(super) fn add_names(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::Present(names) => names.iter().for_each(|name| self.add_name(name)),
            RoomEvent::Joined(name) => self.add_name(name),
            RoomEvent::Renamed { before, now } => {
                self.names.remove(before);
                self.add_name(now);
            }
            RoomEvent::Left(name) => _ = self.names.remove(name),
            _ => {}
        }
    }

    /// Somebody of this name spoke.
    pub(super) fn add_name(&mut self, name: &str) {
        let is_word = !name.contains(char::is_whitespace) && printable(name) == name;
        if is_word && self.names.len() < NAMES_MAX {
            self.names.insert(name.to_owned());
        }
    }

    /// Where the word before the cursor begins, and what it may become.
    pub(super) fn complete(&self, before_cursor: &str) -> (usize, Vec<String>) {
        let start = before_cursor
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + 1);
        // A break of more than one byte leaves the index inside it.
        let start = before_cursor.ceil_char_boundary(start);
        let (before, word) = before_cursor.split_at(start);
        let mut candidates = self.candidates(before.trim(), word);
        candidates.truncate(CANDIDATES_MAX);
        (start, candidates)
    }

    fn candidates(&self, before: &str, word: &str) -> Vec<String> {
        let is_command = !self.in_room || before.starts_with('/') || word.starts_with('/');
        if !is_command {
            // A name at the head of a line addresses somebody.
            let end = if before.is_empty() { ": " } else { " " };
            return starting(word, self.names.iter().map(String::as_str), "", end);
        }
        if before.is_empty() {
            let slash = if word.starts_with('/') { "/" } else { "" };
            let here = COMMANDS.iter().filter(|c| c.works(self.in_room));
            return starting(word, here.map(|c| c.name), slash, " ");
        }
        let command = before.strip_prefix('/').unwrap_or(before);
        let command = COMMANDS
            .iter()
            .find(|c| c.name.eq_ignore_ascii_case(command));
        match command.map(|c| c.completes) {
            Some(Completes::Rooms) => starting(word, self.rooms.iter().map(String::as_str), "", ""),
            Some(Completes::Commands) => {
                let here = COMMANDS.iter().filter(|c| c.works(self.in_room));
                starting(word, here.map(|c| c.name), "", "")
            }
            Some(Completes::Nothing) | None => Vec::new(),
        }
    }
}

/// The words that begin as `typed` does, whatever the case, between `head` and `tail`.
fn starting<'a>(
    typed: &str,
    words: impl Iterator<Item = &'a str>,
    head: &str,
    tail: &str,
) -> Vec<String> {
    let typed = typed.to_lowercase();
    words
        .map(|word| format!("{head}{word}{tail}"))
        .filter(|word| word.to_lowercase().starts_with(&typed))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vocabulary(in_room: bool) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        vocabulary.set_in_room(in_room);
        vocabulary.set_rooms(["lab1", "lab2", "Dinner"].into_iter().map(String::from));
        for name in ["Mel", "Émile", "two words", "e\x1bvil"] {
            vocabulary.add_name(name);
        }
        vocabulary
    }

    #[test]
    fn commands_rooms_and_names() {
        let v = vocabulary(false);
        assert_eq!(v.complete("ma"), (0, vec!["makeroom ".into()]));
        assert_eq!(
            v.complete("chat l"),
            (5, vec!["lab1".into(), "lab2".into()])
        );
        assert_eq!(v.complete("deleteroom d"), (11, vec!["Dinner".into()]));
        assert_eq!(v.complete("help q"), (5, vec!["quit".into()]));
        assert_eq!(v.complete("makeroom l"), (9, vec![]));
        let v = vocabulary(true);
        assert_eq!(v.complete("/st"), (0, vec!["/stats ".into()]));
        assert_eq!(v.complete("m"), (0, vec!["Mel: ".into()]));
        assert_eq!(v.complete("hello é"), (6, vec!["Émile ".into()]));
        assert_eq!(v.complete("/help le"), (6, vec!["leave".into()]));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>(), in_room: bool) {
            let (start, _) = vocabulary(in_room).complete(&text);
            prop_assert!(text.is_char_boundary(start));
        }
    }
}

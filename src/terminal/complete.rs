//! What Tab offers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::completion::{Completer, FilenameCompleter, Pair, longest_common_prefix};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use super::command::{COMMANDS, Command, Completes, find};
use crate::chat::{GroupName, RoomName, UserName, is_printable, printable};
use crate::client::RoomEvent;

/// Names that are remembered of a room: enough for any class, bounded against a flood.
const NAMES_MAX: usize = 1000;

/// What stands behind an `@` besides names.
const AT_WORDS: [&str; 3] = ["names", "quit", "group"];

/// What one does with a group.
const GROUP_WORDS: [&str; 4] = ["set", "send", "leave", "delete"];

/// What Tab offers at once; more would not fit a screen.
const CANDIDATES_MAX: usize = 50;

/// The words that Tab knows at the moment.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    in_room: bool,
    rooms: Vec<String>,
    /// Who is or speaks in the room.
    names: BTreeSet<String>,
    /// Who is on the server.
    online: BTreeSet<String>,
    groups: Vec<String>,
}

impl Vocabulary {
    /// In or out of a room; the names of another room are forgotten.
    pub(super) fn set_in_room(&mut self, in_room: bool) {
        if self.in_room != in_room {
            self.names.clear();
        }
        self.in_room = in_room;
    }

    /// Whether somebody of this name is or spoke in the room.
    pub(super) fn is_in_room(&self, name: &UserName) -> bool {
        self.names.contains(name.as_str())
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

    pub(super) fn set_online(&mut self, names: &[UserName]) {
        self.online = names
            .iter()
            .take(NAMES_MAX)
            .map(UserName::to_string)
            .collect();
    }

    pub(super) fn come_online(&mut self, name: &UserName) {
        if self.online.len() < NAMES_MAX {
            self.online.insert(name.to_string());
        }
    }

    pub(super) fn go_offline(&mut self, name: &UserName) {
        self.online.remove(name.as_str());
    }

    /// There is no server to say who is there.
    pub(super) fn forget_online(&mut self) {
        self.online.clear();
    }

    pub(super) fn set_groups(&mut self, groups: &[GroupName]) {
        self.groups = groups.iter().map(GroupName::to_string).collect();
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
        if before.is_empty() && word.starts_with('@') {
            let words = AT_WORDS.into_iter().chain(self.people());
            return starting(word, words, "@", " ");
        }
        let is_group = before
            .split_whitespace()
            .next()
            .is_some_and(|first| first.eq_ignore_ascii_case("@group"));
        if is_group {
            return self.of_group(before, word);
        }
        let is_command = !self.in_room || before.starts_with('/') || word.starts_with('/');
        if !is_command {
            // A name at the head of a line addresses somebody.
            let end = if before.is_empty() { ": " } else { " " };
            let names = if self.names.is_empty() {
                &self.online
            } else {
                &self.names
            };
            return starting(word, names.iter().map(String::as_str), "", end);
        }
        if before.is_empty() {
            let slash = if word.starts_with('/') { "/" } else { "" };
            let here = COMMANDS.iter().filter(|c| c.works(self.in_room));
            return starting(word, here.map(|c| c.name), slash, " ");
        }
        let first = before.split_whitespace().next().unwrap_or_default();
        let is_first_argument = first.len() == before.len();
        match self.command(first).map(|c| c.completes) {
            Some(Completes::Group) => self.of_group(before, word),
            _ if !is_first_argument => Vec::new(),
            Some(Completes::Names | Completes::NamesAndPaths) => {
                let head = if word.starts_with('@') { "@" } else { "" };
                starting(word, self.people(), head, " ")
            }
            Some(Completes::Rooms) => starting(word, self.rooms.iter().map(String::as_str), "", ""),
            Some(Completes::RoomsAndLobby) => {
                let rooms = self.rooms.iter().map(String::as_str);
                starting(word, rooms.chain([RoomName::LOBBY]), "", "")
            }
            Some(Completes::Commands) => {
                let here = COMMANDS.iter().filter(|c| c.works(self.in_room));
                starting(word, here.map(|c| c.name), "", "")
            }
            Some(Completes::Nothing) | None => Vec::new(),
        }
    }

    /// Whether a path stands before the cursor, or may begin there.
    fn is_in_path(&self, before_cursor: &str) -> bool {
        let line = before_cursor.trim_start();
        let Some((first, rest)) = line.split_once(char::is_whitespace) else {
            return false;
        };
        let takes_path = |command: &Command| command.completes == Completes::NamesAndPaths;
        let rest = rest.trim_start();
        self.command(first).is_some_and(takes_path)
            && (!rest.starts_with('@') || rest.contains(char::is_whitespace))
    }

    /// The command that a line with this first word is, here.
    fn command(&self, first: &str) -> Option<&'static Command> {
        let is_command = !self.in_room || first.starts_with('/');
        find(first).filter(|_| is_command)
    }

    /// Everybody who can be spoken to alone, and whom else one reads.
    fn people(&self) -> impl Iterator<Item = &str> {
        self.online.union(&self.names).map(String::as_str)
    }

    /// Behind `group`: what to do, then the group, then for `set` its members.
    fn of_group(&self, before: &str, word: &str) -> Vec<String> {
        let mut words = before.split_whitespace().skip(1);
        match (words.next(), words.next()) {
            (None, _) => starting(word, GROUP_WORDS.into_iter(), "", " "),
            (Some("set"), None) => Vec::new(),
            (Some("set"), Some(_)) => starting(word, self.people(), "", " "),
            (Some(_), None) => starting(word, self.groups.iter().map(String::as_str), "", " "),
            (Some(_), Some(_)) => Vec::new(),
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

/// Completion for the editor: words that are known here, and the names of files.
pub(super) struct Words {
    vocabulary: Arc<Mutex<Vocabulary>>,
    files: FilenameCompleter,
}

impl Words {
    pub(super) fn new(vocabulary: Arc<Mutex<Vocabulary>>) -> Self {
        Self {
            vocabulary,
            files: FilenameCompleter::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vocabulary> {
        // The words stay usable whatever happened to their last user.
        self.vocabulary
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of many paths only what they have in common: before it lists more than a screen holds the editor asks, and takes no other key.
fn offered(mut paths: Vec<Pair>) -> Vec<Pair> {
    // What would move the cursor is not shown.
    paths.retain(|path| path.replacement.chars().all(is_printable));
    if paths.len() <= CANDIDATES_MAX {
        return paths;
    }
    let common = longest_common_prefix(&paths).unwrap_or_default().to_owned();
    vec![Pair {
        display: common.clone(),
        replacement: common,
    }]
}

impl Helper for Words {}
impl Hinter for Words {
    type Hint = String;
}
impl Highlighter for Words {}
impl Validator for Words {}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> Result<(usize, Vec<Pair>), ReadlineError> {
        let before_cursor = &line[..position];
        if self.lock().is_in_path(before_cursor) {
            // Not under the lock: a folder may be far away.
            let (start, paths) = self.files.complete_path(line, position)?;
            return Ok((start, offered(paths)));
        }
        let (start, words) = self.lock().complete(before_cursor);
        let pairs = words.into_iter().map(|word| Pair {
            display: word.trim_end_matches([' ', ':']).to_owned(),
            replacement: word,
        });
        Ok((start, pairs.collect()))
    }
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
            (5, vec!["lab1".into(), "lab2".into(), "lobby".into()])
        );
        assert_eq!(v.complete("deleteroom d"), (11, vec!["Dinner".into()]));
        assert_eq!(v.complete("help q"), (5, vec!["quit".into()]));
        assert_eq!(v.complete("makeroom l"), (9, vec![]));
        assert_eq!(v.complete("chat lab1 l"), (10, vec![]));
        let v = vocabulary(true);
        assert_eq!(v.complete("/st"), (0, vec!["/stats ".into()]));
        assert_eq!(v.complete("m"), (0, vec!["Mel: ".into()]));
        assert_eq!(v.complete("hello é"), (6, vec!["Émile ".into()]));
        assert_eq!(v.complete("/help le"), (6, vec!["leave".into()]));
    }

    #[test]
    fn names_and_groups_where_somebody_is_spoken_to() {
        let mut v = vocabulary(true);
        v.set_online(&["John", "Jane", "Mel"].map(|name| name.parse().unwrap()));
        v.go_offline(&"Jane".parse().unwrap());
        v.set_groups(&["dinner".parse().unwrap()]);
        let complete = |line: &str| v.complete(line).1;
        assert_eq!(complete("@jo"), ["@John "]);
        assert_eq!(complete("@m"), ["@Mel "]);
        assert_eq!(complete("@n"), ["@names "]);
        assert_eq!(complete("/msg j"), ["John "]);
        assert_eq!(complete("/msg John j"), [""; 0]);
        assert_eq!(complete("/follow @j"), ["@John "]);
        assert_eq!(complete("/ignore é"), ["Émile "]);
        assert_eq!(complete("@group se"), ["set ", "send "]);
        assert_eq!(complete("@group send d"), ["dinner "]);
        assert_eq!(complete("/group leave d"), ["dinner "]);
        assert_eq!(complete("/group set tea John, m"), ["Mel "]);
        v.set_in_room(false);
        assert_eq!(v.complete("msg j").1, ["John "]);
        assert_eq!(v.complete("@jo").1, ["@John "]);
        v.forget_online();
        assert_eq!(v.complete("@jo").1, [""; 0]);
    }

    #[test]
    fn a_path_stands_where_send_takes_one() {
        let mut v = vocabulary(true);
        for line in ["/send ", "/send a b", " /SEND ~/pic", "/send @Mel no"] {
            assert!(v.is_in_path(line), "{line}");
        }
        for line in ["/send", "/send @Me", "/msg Mel no", "send no", "I send no"] {
            assert!(!v.is_in_path(line), "{line}");
        }
        assert_eq!(v.complete("/send @m").1, ["@Mel "]);
        v.set_in_room(false);
        assert!(v.is_in_path("send no"));
    }

    #[test]
    fn of_many_paths_only_what_they_begin_with_is_offered() {
        let paths = |count: usize| {
            let paths = (0..count).map(|number| format!("photo{number}.jpg"));
            let pairs = paths.map(|path| Pair {
                display: path.clone(),
                replacement: path,
            });
            offered(pairs.collect())
        };
        assert_eq!(paths(CANDIDATES_MAX).len(), CANDIDATES_MAX);
        let many = paths(CANDIDATES_MAX + 1);
        assert_eq!(many.len(), 1);
        assert_eq!(many[0].replacement, "photo");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>(), in_room: bool) {
            vocabulary(in_room).is_in_path(&text);
            let (start, _) = vocabulary(in_room).complete(&text);
            prop_assert!(text.is_char_boundary(start));
        }
    }
}

//! What stands behind a command, read into values.

use rustyline::completion::unescape;

use super::{Mistake, Parsed};
use crate::chat::{Dialect, MessageText, NewRoom, RoomAddress, UserName};

/// The rest of a line behind its command.
pub(super) struct Arguments<'a> {
    text: &'a str,
    words: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.trim();
        let words = text.split_whitespace().collect();
        Self { text, words }
    }

    /// As it was typed.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn words(&self) -> &[&'a str] {
        &self.words
    }

    pub(super) fn none(&self, parsed: Parsed) -> Result<Parsed, Mistake> {
        match self.words() {
            [] => Ok(parsed),
            _ => Err(Mistake::Count),
        }
    }

    pub(super) fn one<T: std::str::FromStr>(&self) -> Result<T, Mistake>
    where
        T::Err: std::fmt::Display,
    {
        match self.words() {
            [word] => argument(word),
            _ => Err(Mistake::Count),
        }
    }

    /// All of it, which must be something.
    pub(super) fn rest(&self) -> Result<MessageText, Mistake> {
        match self.text {
            "" => Err(Mistake::Count),
            text => argument(text),
        }
    }

    /// All of it, if it is something.
    pub(super) fn optional<T: std::str::FromStr>(&self) -> Result<Option<T>, Mistake>
    where
        T::Err: std::fmt::Display,
    {
        match self.text {
            "" => Ok(None),
            text => argument(text).map(Some),
        }
    }
}

pub(super) fn argument<T: std::str::FromStr>(word: &str) -> Result<T, Mistake>
where
    T::Err: std::fmt::Display,
{
    word.parse()
        .map_err(|error: T::Err| Mistake::Argument(error.to_string()))
}

/// The first word, and what follows it.
pub(super) fn head(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// A name, also as people write it to each other: `@Mel`, `Mel:`, `Mel,`
pub(super) fn name(word: &str) -> Result<UserName, Mistake> {
    argument(word.trim_start_matches('@').trim_end_matches([':', ',']))
}

/// A room is reliable, unless `--plain` says that programs of the lab are to take part.
pub(super) fn make_room(given: &Arguments<'_>) -> Result<Parsed, Mistake> {
    let (mut dialect, mut limit, mut history) = (Dialect::Reliable, None, None);
    let mut words = Vec::new();
    let mut given = given.words().iter().copied();
    while let Some(word) = given.next() {
        match word {
            "--plain" => dialect = Dialect::Plain,
            "--limit" => once(&mut limit, word, given.next())?,
            "--history" => once(&mut history, word, given.next())?,
            word => words.push(word),
        }
    }
    let (name, address) = match words.as_slice() {
        [name] => (name, None),
        [name, address, port] => {
            let address = RoomAddress::from_words(address, port);
            let address = address.map_err(|error| Mistake::Argument(error.to_string()))?;
            (name, Some(address))
        }
        _ => return Err(Mistake::Count),
    };
    Ok(Parsed::MakeRoom(NewRoom {
        name: argument(name)?,
        address,
        dialect,
        limit,
        topic: None,
        history,
    }))
}

/// An option's value. Which of two was meant is not guessed.
fn once<T: std::str::FromStr>(
    value: &mut Option<T>,
    option: &str,
    given: Option<&str>,
) -> Result<(), Mistake>
where
    T::Err: std::fmt::Display,
{
    let given = argument(given.ok_or(Mistake::Count)?)?;
    match value.replace(given) {
        None => Ok(()),
        Some(_) => Err(Mistake::Argument(format!("{option} is there twice"))),
    }
}

/// `NAME TEXT`
pub(super) fn whisper(text: &str) -> Result<Parsed, Mistake> {
    match head(text) {
        (_, "") => Err(Mistake::Count),
        (to, text) => Ok(Parsed::Whisper {
            to: name(to)?,
            text: argument(text)?,
        }),
    }
}

/// `[@NAME] PATH`; the path may have spaces, a quotation mark before it and another behind it, or backslashes in it, as Tab
/// writes them and much as a shell reads them.
pub(super) fn send(text: &str) -> Result<Parsed, Mistake> {
    let (to, path) = match head(text) {
        (to, path) if to.starts_with('@') => (Some(name(to)?), path),
        _ => (None, text),
    };
    // Tab leaves it open.
    let unquoted = |mark| {
        let inner: &str = path.strip_prefix(mark)?;
        Some(inner.strip_suffix(mark).unwrap_or(inner))
    };
    let path = match unquoted('\'') {
        Some(path) => path.into(),
        None => unescape(unquoted('"').unwrap_or(path), Some('\\')),
    };
    match &*path {
        "" => Err(Mistake::Count),
        path => Ok(Parsed::Send {
            to,
            path: path.into(),
        }),
    }
}

/// `set GROUP NAME, NAME…`, `send [GROUP] TEXT`, `leave GROUP`, `delete GROUP`
pub(super) fn group(text: &str) -> Result<Parsed, Mistake> {
    let (verb, rest) = head(text);
    match verb.to_ascii_lowercase().as_str() {
        "set" => {
            let (group, members) = head(rest);
            let members = members.split(|c: char| c == ',' || c.is_whitespace());
            let members = members.filter(|member| !member.is_empty()).map(name);
            let members: Vec<UserName> = members.collect::<Result<_, _>>()?;
            match members.is_empty() {
                true => Err(Mistake::Count),
                false => Ok(Parsed::GroupSet {
                    group: argument(group)?,
                    members,
                }),
            }
        }
        "send" => Ok(Parsed::GroupSend(Arguments::new(rest).rest()?)),
        "leave" => Ok(Parsed::GroupLeave(Arguments::new(rest).one()?)),
        "delete" => Ok(Parsed::GroupDelete(Arguments::new(rest).one()?)),
        _ => Err(Mistake::Count),
    }
}

/// The number of a transfer.
pub(super) fn transfer(given: &Arguments<'_>) -> Result<u32, Mistake> {
    match given.words() {
        [number] => number.parse().map_err(|_| {
            let text = "which one? Write its number: `transfers` lists them";
            Mistake::Argument(text.to_owned())
        }),
        _ => Err(Mistake::Count),
    }
}

pub(super) fn history(given: &Arguments<'_>) -> Result<Parsed, Mistake> {
    match given.words() {
        [] => Ok(Parsed::History(None)),
        [number] => match number.parse() {
            Ok(number) if number > 0 => Ok(Parsed::History(Some(number))),
            _ => {
                let text = "how many? Write a number, such as `/history 200`";
                Err(Mistake::Argument(text.to_owned()))
            }
        },
        _ => Err(Mistake::Count),
    }
}

pub(super) fn topic(given: &Arguments<'_>) -> Result<Parsed, Mistake> {
    match given.text() {
        "" => Ok(Parsed::ShowTopic),
        "-" => Ok(Parsed::SetTopic(None)),
        topic => Ok(Parsed::SetTopic(Some(argument(topic)?))),
    }
}

/// Any word: a program that speaks plain may have a name that no person here may have.
pub(super) fn ignore(given: &Arguments<'_>) -> Result<Parsed, Mistake> {
    match given.words() {
        [] => Ok(Parsed::Ignore(None)),
        [word] => Ok(Parsed::Ignore(Some((*word).to_owned()))),
        _ => Err(Mistake::Count),
    }
}

//! What a person may follow: somebody's lines, or lines with a word in them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::UserName;

/// What is followed, in any room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Followed {
    /// The lines of the person of this name.
    User(UserName),
    /// The lines in which this word stands.
    Word(TopicWord),
}

/// A word of 2 to 32 letters and digits, as it is compared: without case, in Unicode NFC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicWord(String);

/// What was given cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write @NAME to follow a person, or a word of 2 to 32 letters and digits")]
pub struct FollowedError;

impl TopicWord {
    /// A single letter stands in nearly every line.
    pub const LETTERS_MIN: usize = 2;

    /// As long as a user name may be.
    pub const LETTERS_MAX: usize = 32;

    /// The word, without case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The words of a text that somebody could follow.
    pub fn all_of(text: &str) -> BTreeSet<Self> {
        let words = text.split(|c: char| !is_part_of_word(c));
        words.filter_map(|word| word.parse().ok()).collect()
    }
}

fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

impl FromStr for TopicWord {
    type Err = FollowedError;

    fn from_str(given: &str) -> Result<Self, FollowedError> {
        // Of a longer text no more than this is needed to see that it is too long.
        let letters = given.chars().take(4 * Self::LETTERS_MAX);
        let lower: String = letters.flat_map(char::to_lowercase).nfc().collect();
        let count = lower.chars().count();
        match (Self::LETTERS_MIN..=Self::LETTERS_MAX).contains(&count)
            && lower.chars().all(is_part_of_word)
        {
            true => Ok(Self(lower)),
            false => Err(FollowedError),
        }
    }
}

impl FromStr for Followed {
    type Err = FollowedError;

    fn from_str(given: &str) -> Result<Self, FollowedError> {
        match given.strip_prefix('@') {
            Some(name) => name.parse().map(Self::User).map_err(|_| FollowedError),
            None => given.parse().map(Self::Word),
        }
    }
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "@{name}"),
            Self::Word(word) => f.write_str(&word.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_and_words_can_be_followed() {
        let parse = |text: &str| text.parse::<Followed>();
        assert_eq!(parse("@Ann").unwrap().to_string(), "@Ann");
        assert_eq!(parse("Cake").unwrap(), parse("cAKE").unwrap());
        for bad in ["", "a", "two words", "@", "@a:b", "#tea", &"x".repeat(33)] {
            assert_eq!(parse(bad), Err(FollowedError), "{bad}");
        }
    }

    #[test]
    fn words_are_found_whole_and_without_case() {
        let words = TopicWord::all_of("Cakes? E\u{301}clair, a CAKE-shop!");
        let words: Vec<_> = words.iter().map(TopicWord::as_str).collect();
        assert_eq!(words, ["cake", "cakes", "shop", "éclair"]);
    }

    proptest! {
        #[test]
        fn what_parses_is_written_so_that_it_parses_again(text in "@?\\PC{0,40}") {
            if let Ok(followed) = text.parse::<Followed>() {
                prop_assert_eq!(followed.to_string().parse::<Followed>(), Ok(followed));
            }
        }

        #[test]
        fn a_followed_word_is_found_in_a_line_that_has_it(word in "[\\p{L}]{2,10}") {
            if let Ok(parsed) = word.parse::<TopicWord>() {
                let line = format!("so: {word}!");
                prop_assert!(TopicWord::all_of(&line).contains(&parsed));
            }
        }
    }
}

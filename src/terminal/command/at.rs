//! Lines that begin with `@`: a word to one person, or one of a few commands.

use super::arguments::{Arguments, group, head, whisper};
use super::{Mistake, Parsed};

/// What such a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::terminal) enum AtLine {
    /// To be said as it is here, with one `@` before it.
    Say(String),
    Do(Parsed),
}

/// Reads a line that begins with `@`: `@NAME TEXT`, `@names`, `@quit`, `@group …`, or `@@TEXT`, which says
/// `@TEXT`. None of them is ever said to the room by mistake.
///
/// # Errors
/// A text for the person: how it is written.
pub(in crate::terminal) fn parse_at(line: &str) -> Result<AtLine, String> {
    let rest = line.strip_prefix('@').unwrap_or(line);
    if rest.starts_with('@') {
        return Ok(AtLine::Say(rest.to_owned()));
    }
    let (word, text) = head(rest);
    let (usage, parsed) = match word.to_ascii_lowercase().as_str() {
        "names" => ("@names", Arguments::new(text).none(Parsed::Names)),
        "quit" => ("@quit", Arguments::new(text).none(Parsed::Disconnect)),
        "group" => (
            "@group set GROUP NAME, NAME…`, `@group send [GROUP] TEXT`, `@group leave GROUP` or `@group delete GROUP",
            group(text),
        ),
        _ => ("@NAME TEXT", whisper(rest)),
    };
    parsed.map(AtLine::Do).map_err(|mistake| match mistake {
        Mistake::Count => format!("write it as `{usage}`; `@@…` says a line that begins with @"),
        Mistake::Argument(reason) => format!("{reason}; `@@…` says a line that begins with @"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn done(line: &str) -> Parsed {
        match parse_at(line) {
            Ok(AtLine::Do(parsed)) => parsed,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_word_to_one_person() {
        let whisper = |to: &str, text: &str| Parsed::Whisper {
            to: to.parse().unwrap(),
            text: text.parse().unwrap(),
        };
        assert_eq!(
            done("@John Are you  free?"),
            whisper("John", "Are you  free?")
        );
        assert_eq!(done("@John: yes"), whisper("John", "yes"));
        assert_eq!(done("@Zoë, yes"), whisper("Zoë", "yes"));
        assert!(parse_at("@John").unwrap_err().contains("@NAME TEXT"));
        assert!(parse_at("@").unwrap_err().contains("@NAME TEXT"));
        assert!(parse_at("@ John hi").unwrap_err().contains("1 to 32"));
        assert!(parse_at("@a/b hi").unwrap_err().contains("@@"));
    }

    #[test]
    fn commands() {
        assert_eq!(done("@names"), Parsed::Names);
        assert_eq!(done("@NAMES "), Parsed::Names);
        assert_eq!(done("@quit"), Parsed::Disconnect);
        assert!(parse_at("@names please").unwrap_err().contains("@names"));
        let dinner = || "dinner".parse().unwrap();
        let members = ["John", "Stella"].map(|name| name.parse().unwrap());
        let set = Parsed::GroupSet {
            group: dinner(),
            members: members.to_vec(),
        };
        for line in [
            "@group set dinner John, Stella",
            "@group set dinner John,Stella",
            "@Group  SET dinner @John Stella",
        ] {
            assert_eq!(done(line), set, "{line}");
        }
        assert_eq!(
            done("@group send dinner at  eight"),
            Parsed::GroupSend("dinner at  eight".parse().unwrap())
        );
        assert_eq!(done("@group leave dinner"), Parsed::GroupLeave(dinner()));
        assert_eq!(done("@group delete dinner"), Parsed::GroupDelete(dinner()));
        for wrong in [
            "@group",
            "@group set",
            "@group set dinner",
            "@group send",
            "@group leave a b",
            "@group dance",
        ] {
            assert!(
                parse_at(wrong).unwrap_err().contains("@group set"),
                "{wrong}"
            );
        }
        assert!(parse_at("@group set a_b John").is_err());
        assert!(
            parse_at("@group set dinner J:n")
                .unwrap_err()
                .contains("1 to 32")
        );
    }

    #[test]
    fn two_say_one() {
        assert_eq!(parse_at("@@home"), Ok(AtLine::Say("@home".to_owned())));
        assert_eq!(parse_at("@@@"), Ok(AtLine::Say("@@".to_owned())));
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(rest in any::<String>()) {
            if let Err(error) = parse_at(&format!("@{rest}")) {
                prop_assert!(!error.contains(char::is_control));
            }
        }
    }
}

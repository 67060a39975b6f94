//! Text from the network, made safe to show.

use std::borrow::Cow;

/// `text` with everything replaced that could move a cursor, colour a screen, forge a line or turn
/// the reading direction: C0 controls become their pictures (U+2400 block), a tab becomes a space,
/// C1 controls, line separators and bidirectional embeddings, overrides and isolates become U+FFFD.
///
/// The result has no line break and costs nothing where the text is clean.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| replacement(c).is_none()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| replacement(c).unwrap_or(c))
            .collect::<String>(),
    )
}

/// The first characters of `text`, made [`printable`]: what an error repeats of what was given.
pub fn excerpt(text: &str, chars_max: usize) -> String {
    printable(text).chars().take(chars_max).collect()
}

/// Whether [`printable`] leaves this character as it is.
pub fn is_printable(c: char) -> bool {
    replacement(c).is_none()
}

fn replacement(c: char) -> Option<char> {
    match c {
        '\t' => Some(' '),
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32),
        '\x7f' => Some('\u{2421}'),
        '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            Some('\u{fffd}')
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clean_text_is_borrowed() {
        assert!(matches!(
            printable("Grüße, 你好 👋"),
            Cow::Borrowed("Grüße, 你好 👋")
        ));
    }

    #[test]
    fn escapes_line_breaks_and_overrides_are_shown_not_obeyed() {
        assert_eq!(printable("\x1b[2J\r\nBob: hi\t!"), "␛[2J␍␊Bob: hi !");
        assert_eq!(
            printable("a\u{202e}b\u{9b}c\u{2028}"),
            "a\u{fffd}b\u{fffd}c\u{fffd}"
        );
    }

    proptest! {
        #[test]
        fn nothing_dangerous_is_left(text in any::<String>()) {
            let shown = printable(&text);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(printable(&shown), shown.as_ref());
        }
    }
}

//! Which part of a file a browser asks for, such as the rest of a download that broke.

use axum::http::{HeaderMap, header};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    All,
    /// From the first byte to the one before the second.
    Part {
        from: u64,
        to: u64,
    },
    /// Nothing that the file has.
    None,
}

impl Range {
    /// What cannot be read, and several parts at once, stand for all.
    pub(super) fn wanted(headers: &HeaderMap, tag: &str, size_bytes: u64) -> Self {
        let of = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if of(header::IF_RANGE).is_some_and(|known| known != tag) {
            return Self::All;
        }
        let wanted = of(header::RANGE).and_then(|range| range.strip_prefix("bytes="));
        let Some((from, to)) = wanted.and_then(|range| range.trim().split_once('-')) else {
            return Self::All;
        };
        let is_to_end = to.is_empty();
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from > to => Self::All,
            (Some(from), to) if to.is_some() || is_to_end => match from < size_bytes {
                true => Self::Part {
                    from,
                    to: to.map_or(size_bytes, |to| size_bytes.min(to.saturating_add(1))),
                },
                false => Self::None,
            },
            (None, Some(last)) if from.is_empty() => match last.min(size_bytes) {
                0 => Self::None,
                last => Self::Part {
                    from: size_bytes - last,
                    to: size_bytes,
                },
            },
            _ => Self::All,
        }
    }
}

/// Digits only, as RFC 9110 has it; more than fits is as much as fits.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_given_and_all_else_is_all() {
        let wanted = |range: &str, size_bytes| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            Range::wanted(&headers, "\"x\"", size_bytes)
        };
        let part = |from, to| Range::Part { from, to };
        assert_eq!(wanted("bytes=0-0", 10), part(0, 1));
        assert_eq!(wanted("bytes=2-4", 10), part(2, 5));
        assert_eq!(wanted("bytes=2-400", 10), part(2, 10));
        assert_eq!(wanted("bytes=9-", 10), part(9, 10));
        assert_eq!(wanted("bytes=-3", 10), part(7, 10));
        assert_eq!(wanted("bytes=-30", 10), part(0, 10));
        assert_eq!(wanted(&format!("bytes=1-{}", u64::MAX), 10), part(1, 10));
        let beyond = "bytes=1-99999999999999999999999";
        assert_eq!(wanted(beyond, 10), part(1, 10));
        for none in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            assert_eq!(wanted(none, 10), Range::None, "{none}");
        }
        assert_eq!(wanted("bytes=0-", 0), Range::None);
        for all in [
            "bytes=4-2",
            "bytes=0-1,4-5",
            "lines=1-2",
            "bytes=-",
            "bytes=x-2",
            "bytes=10-+20",
            "bytes=+1-2",
            "bytes=--2",
        ] {
            assert_eq!(wanted(all, 10), Range::All, "{all}");
        }
    }

    #[test]
    fn a_part_of_another_file_is_not_given() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=1-2".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"x\"".parse().unwrap());
        let part = Range::Part { from: 1, to: 3 };
        assert_eq!(Range::wanted(&headers, "\"x\"", 10), part);
        assert_eq!(Range::wanted(&headers, "\"y\"", 10), Range::All);
    }
}

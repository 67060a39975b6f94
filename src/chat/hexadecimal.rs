//! Numbers as their digits.

/// The number that these 16 hexadecimal digits are, of either case; none of anything else.
pub(super) fn sixteen_digits(given: &str) -> Option<u64> {
    let are_digits = given.len() == 16 && given.bytes().all(|b| b.is_ascii_hexdigit());
    are_digits.then(|| u64::from_str_radix(given, 16).ok())?
}

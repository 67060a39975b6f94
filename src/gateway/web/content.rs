//! What a file is, told from what it holds: never from its name, which is whatever its sender wanted.

/// How much of a file is looked at, in bytes.
pub(super) const LOOKED_AT_BYTES: usize = 4 * 1024;

/// What a browser may do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Png,
    Jpeg,
    Gif,
    Webp,
    /// To be saved, as text.
    Text,
    /// To be saved.
    Other,
}

impl Content {
    /// By the first bytes of a file; `is_all` if it has no more.
    pub(super) fn of(bytes: &[u8], is_all: bool) -> Self {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Self::Png
        } else if bytes.starts_with(b"\xff\xd8\xff") {
            Self::Jpeg
        } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
            Self::Gif
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Self::Webp
        } else if is_text(bytes, is_all) {
            Self::Text
        } else {
            Self::Other
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Text => "text/plain; charset=utf-8",
            Self::Other => "application/octet-stream",
        }
    }

    /// Whether a browser may show it in place. What could run something there is none of these.
    pub(super) fn is_picture(self) -> bool {
        !matches!(self, Self::Text | Self::Other)
    }
}

fn is_text(bytes: &[u8], is_all: bool) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The end may cut a character.
        Err(error) if error.error_len().is_none() && !is_all => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_binary = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c' | '\x1b');
    !text.is_empty() && !text.contains(is_binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_shows_in_its_first_bytes() {
        let of = |bytes: &[u8]| Content::of(bytes, true);
        assert_eq!(of(b"\x89PNG\r\n\x1a\n..."), Content::Png);
        assert_eq!(of(b"\xff\xd8\xff\xe0"), Content::Jpeg);
        assert_eq!(of(b"GIF89a"), Content::Gif);
        assert_eq!(of(b"RIFF\0\0\0\0WEBPVP8 "), Content::Webp);
        assert_eq!(of(b"RIFF\0\0\0\0WAVE"), Content::Other);
        let page = "<svg xmlns='http://www.w3.org/2000/svg'><script>";
        assert_eq!(of(page.as_bytes()), Content::Text);
        assert!(!of(page.as_bytes()).is_picture());
        for other in [
            "".as_bytes(),
            b"a\0b",
            b"\xff\xfe",
            "ä".as_bytes().split_at(1).0,
        ] {
            assert_eq!(of(other), Content::Other);
        }
        assert_eq!(
            Content::of("aä".as_bytes().split_at(2).0, false),
            Content::Text
        );
    }
}

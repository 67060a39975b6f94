//! What the page is made of, inside the program. A file more is a line more in the table.

use std::io::Write;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::files::is_known;
use super::refusal::not_found;

/// Its name, and what is in it.
type Asset = (&'static str, &'static [u8]);

macro_rules! assets {
    ($($name:literal,)*) => {
        &[$(($name, include_bytes!(concat!("assets/", $name))),)*]
    };
}

/// All files of `assets/`.
const ASSETS: &[Asset] = assets! {
    "avatar.js",
    "banner.js",
    "base.css",
    "completion.js",
    "composer.js",
    "conversation.js",
    "dialogs.js",
    "dom.js",
    "drafts.js",
    "events.js",
    "files.js",
    "frame.css",
    "frame.js",
    "head.js",
    "icon.svg",
    "index.html",
    "layer.js",
    "link.js",
    "main.js",
    "manifest.webmanifest",
    "memory.js",
    "message.js",
    "notify.js",
    "outbox.js",
    "people.js",
    "picture.js",
    "rooms.js",
    "route.js",
    "search.js",
    "session.js",
    "state.js",
    "tabs.js",
    "talk.css",
    "talk.js",
    "text.js",
    "time.js",
    "upload.js",
    "viewer.js",
    "welcome.js",
};

/// `GET /`
pub(super) async fn index(headers: HeaderMap) -> Response {
    give("index.html", &headers)
}

/// `GET /assets/NAME`
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    give(&name, &headers)
}

/// A browser asks each time whether there is a newer one: so a new server has no old page.
fn give(name: &str, headers: &HeaderMap) -> Response {
    let Some((name, bytes)) = ASSETS.iter().find(|(asset, _)| *asset == name) else {
        return not_found();
    };
    let tag = format!("\"{}\"", &blake3::hash(bytes).to_hex()[..16]);
    let has_it = is_known(headers, &tag);
    let kept = [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, tag)];
    let described = [(CONTENT_TYPE, type_of(name))];
    if has_it {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    if !takes_gzip(headers) {
        return (kept, described, *bytes).into_response();
    }
    let bytes = PACKED.iter().find(|(asset, _)| asset == name);
    let bytes = bytes.map_or(&[][..], |(_, packed)| packed);
    let packed = [(CONTENT_ENCODING, "gzip"), (VARY, "accept-encoding")];
    (kept, described, packed, bytes).into_response()
}

/// The same, compressed when the first browser asks: a third of what goes over a phone's radio.
static PACKED: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Memory takes what it is given.
        let _ = encoder.write_all(bytes);
        encoder.finish().unwrap_or_default()
    };
    ASSETS
        .iter()
        .map(|(name, bytes)| (*name, packed(bytes)))
        .collect()
});

fn takes_gzip(headers: &HeaderMap) -> bool {
    let all = headers.get_all(ACCEPT_ENCODING).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim() == "gzip")
}

fn type_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_the_table_and_has_a_type() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/gateway/web/assets");
        let mut there: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        let mut listed: Vec<_> = ASSETS.iter().map(|(name, _)| *name).collect();
        listed.sort_unstable();
        assert_eq!(there, listed);
        for name in listed {
            assert_ne!(type_of(name), "application/octet-stream", "{name}");
        }
    }
}

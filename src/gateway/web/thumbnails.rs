//! `GET /thumbnails/HASH`: a picture of a room as small as the page shows it.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Web;
use super::content::{Content, LOOKED_AT_BYTES};
use super::files::{KEPT, is_known, open};
use super::pictures::{Picture, SOURCE_BYTES_MAX, Shape};
use super::refusal::Refused;
use crate::chat::FileHash;

/// The longest side, in pixels.
const SIDE: u32 = 640;

/// What is kept of those that were made, in bytes; the one longest not used makes room.
const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Those that were made last. Locked only to look into it.
#[derive(Debug, Default)]
pub(super) struct Thumbnails(Mutex<Made>);

#[derive(Debug, Default)]
struct Made {
    by_hash: BTreeMap<FileHash, (Picture, u64)>,
    bytes: usize,
    last_used: u64,
}

/// `GET /thumbnails/HASH`
pub(super) async fn give(
    State(web): State<Web>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    // Also of one that was made: it goes when its file goes.
    let (file, offer) = open(&web.entrance, &hash).await?;
    let hash = offer.hash;
    let tag = format!("\"{hash}-{SIDE}\"");
    let kept = [KEPT, (header::ETAG, tag.as_str())];
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let picture = match web.thumbnails.get(hash) {
        Some(made) => made,
        None => {
            let mut first = [0; LOOKED_AT_BYTES];
            let looked_at = file.read_at(&mut first, 0)?;
            let content = Content::of(&first[..looked_at], false);
            if !content.is_picture() || offer.size_bytes > SOURCE_BYTES_MAX {
                let text = "there is no small picture of this file";
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return Err(Refused::new(status, "no-picture", text));
            }
            let made = || web.thumbnails.get(hash);
            let source = BufReader::new(file);
            let picture = web
                .pictures
                .make(source, content, Shape::Within(SIDE), made);
            let picture = picture.await?;
            web.thumbnails.keep(hash, picture.clone());
            picture
        }
    };
    let described = [(header::CONTENT_TYPE, picture.content.media_type())];
    Ok((kept, described, picture.bytes).into_response())
}

impl Thumbnails {
    fn get(&self, hash: FileHash) -> Option<Picture> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.last_used += 1;
        let now = made.last_used;
        let (picture, used) = made.by_hash.get_mut(&hash)?;
        *used = now;
        Some(picture.clone())
    }

    fn keep(&self, hash: FileHash, picture: Picture) {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.last_used += 1;
        let now = made.last_used;
        made.bytes += picture.bytes.len();
        if let Some((before, _)) = made.by_hash.insert(hash, (picture, now)) {
            made.bytes -= before.bytes.len();
        }
        while made.bytes > KEPT_BYTES_MAX {
            let oldest = made.by_hash.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(hash, _)| *hash) else {
                return;
            };
            if let Some((gone, _)) = made.by_hash.remove(&oldest) {
                made.bytes -= gone.bytes.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_what_is_used_stays() {
        let thumbnails = Thumbnails::default();
        let picture = |bytes| Picture {
            content: Content::Jpeg,
            bytes: vec![0; bytes].into(),
        };
        let third = KEPT_BYTES_MAX / 3;
        for number in 1..=3 {
            thumbnails.keep(FileHash([number; 32]), picture(third));
        }
        assert!(thumbnails.get(FileHash([1; 32])).is_some());
        thumbnails.keep(FileHash([4; 32]), picture(third));
        let is_there = |number| thumbnails.get(FileHash([number; 32])).is_some();
        assert_eq!([1, 2, 3, 4].map(is_there), [true, false, true, true]);
        // The same once more takes no more.
        thumbnails.keep(FileHash([4; 32]), picture(third));
        assert_eq!([1, 3, 4].map(is_there), [true; 3]);
    }
}

//! `PUT` and `GET /files/…`: files go to the server and come from it as a browser does such things.

mod range;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::content::{Content, LOOKED_AT_BYTES};
use super::origin;
use super::refusal::{self, Refused};
use crate::chat::{FileHash, FileName, FileOffer};
use crate::control::Token;
use crate::server::Entrance;
use range::Range;

/// How long the next piece of a file may take to come.
const PIECE_WAIT: Duration = Duration::from_secs(30);

/// What is read of a file at once, in bytes.
const READ_BYTES: usize = 256 * 1024;

/// How much is still taken of what is refused, and for how long: a browser reads why only when it has sent all.
const REFUSED_BYTES_MAX: usize = 64 * 1024 * 1024;
const REFUSED_WAIT: Duration = Duration::from_secs(5);

/// What a hash stands for does not change. The page alone may keep it.
pub(super) const KEPT: (HeaderName, &str) = (
    header::CACHE_CONTROL,
    "private, max-age=31536000, immutable",
);

#[derive(Serialize)]
struct WireOffer<'a> {
    name: &'a str,
    size: u64,
    hash: String,
}

#[derive(Deserialize)]
pub(super) struct Named {
    name: Option<String>,
}

/// `PUT /files/NAME`
pub(super) async fn take(
    State(entrance): State<Entrance>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut pieces = body.into_data_stream();
    match receive(&entrance, &name, &headers, &mut pieces).await {
        Ok(offer) => {
            let offer = WireOffer {
                name: offer.name.as_str(),
                size: offer.size_bytes,
                hash: offer.hash.to_string(),
            };
            refusal::json(StatusCode::OK, &offer)
        }
        Err(refused) => {
            drain(pieces).await;
            refused.into_response()
        }
    }
}

async fn receive(
    entrance: &Entrance,
    name: &str,
    headers: &HeaderMap,
    pieces: &mut BodyDataStream,
) -> Result<FileOffer, Refused> {
    origin::check(headers)?;
    let by = entrance.online(token(headers)?).await?;
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let mut upload = entrance.begin_upload(length).await?;
    while let Some(piece) = next_piece(pieces).await? {
        upload.write(piece).await?;
    }
    let offer = upload.finish(FileName::of(name)).await?;
    let (name, bytes) = (&offer.name, offer.size_bytes);
    tracing::info!("{by} brought {name} ({bytes} bytes)");
    Ok(offer)
}

/// The token by which somebody online is known.
pub(super) fn token(headers: &HeaderMap) -> Result<Token, Refused> {
    let given = headers.get(header::AUTHORIZATION);
    let given = given.and_then(|given| given.to_str().ok()?.strip_prefix("Bearer "));
    let token = given.and_then(|token| token.parse().ok());
    token.ok_or_else(|| {
        let text = "only who is online may do this: take a name on the page first";
        Refused::new(StatusCode::UNAUTHORIZED, "name-first", text)
    })
}

/// The next piece of what is sent; none at its end.
pub(super) async fn next_piece(pieces: &mut BodyDataStream) -> Result<Option<Bytes>, Refused> {
    match timeout(PIECE_WAIT, pieces.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(Some(Err(_))) => Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "not all of it came: send it again",
        )),
        Err(_) => Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            "nothing more came for too long: send it again",
        )),
    }
}

/// Takes what is still coming, within limits, and throws it away.
pub(super) async fn drain(mut pieces: BodyDataStream) {
    let rest = async {
        let mut bytes = 0;
        while let Some(Ok(piece)) = pieces.next().await {
            bytes += piece.len();
            if bytes > REFUSED_BYTES_MAX {
                return;
            }
        }
    };
    let _ = timeout(REFUSED_WAIT, rest).await;
}

/// `GET /files/HASH`
pub(super) async fn give(
    State(entrance): State<Entrance>,
    Path(hash): Path<String>,
    Query(named): Query<Named>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let (file, offer) = open(&entrance, &hash).await?;
    let tag = format!("\"{}\"", offer.hash);
    let kept = [KEPT, (header::ETAG, tag.as_str())];
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let size_bytes = offer.size_bytes;
    let file = Arc::new(file);
    let first = read(&file, 0, size_bytes.min(LOOKED_AT_BYTES as u64)).await?;
    let content = Content::of(&first, first.len() as u64 == size_bytes);
    let name = named.name.map_or(offer.name, |name| FileName::of(&name));
    let described = [
        (header::CONTENT_TYPE, content.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, disposition(content, &name)),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    let (status, from, to) = match Range::wanted(&headers, &tag, size_bytes) {
        Range::All => (StatusCode::OK, 0, size_bytes),
        Range::Part { from, to } => (StatusCode::PARTIAL_CONTENT, from, to),
        Range::None => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{size_bytes}"))];
            let text = "the file is shorter than that";
            let refused = Refused::new(StatusCode::RANGE_NOT_SATISFIABLE, "wrong-range", text);
            return Ok((range, refused).into_response());
        }
    };
    let body = Body::from_stream(stream::try_unfold(
        (file, from),
        move |(file, at)| async move {
            let bytes = read(&file, at, (to - at).min(READ_BYTES as u64)).await?;
            let next = at + bytes.len() as u64;
            Ok::<_, io::Error>((!bytes.is_empty()).then_some((bytes, (file, next))))
        },
    ));
    let length = [(header::CONTENT_LENGTH, (to - from).to_string())];
    let mut response = (status, kept, described, length, body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{size_bytes}", to - 1);
        if let Ok(range) = range.parse() {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(response)
}

/// A file that the server keeps.
pub(super) async fn open(entrance: &Entrance, hash: &str) -> Result<(File, FileOffer), Refused> {
    let Ok(hash) = hash.parse::<FileHash>() else {
        let text = "there is no such file";
        return Err(Refused::new(StatusCode::NOT_FOUND, "no-such-file", text));
    };
    Ok(entrance.kept_file(hash).await?)
}

/// Whether the browser has what this tag stands for.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter();
    tags.filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag)
}

async fn read(file: &Arc<File>, at: u64, bytes: u64) -> io::Result<Bytes> {
    if bytes == 0 {
        return Ok(Bytes::new());
    }
    let file = Arc::clone(file);
    let reading = spawn_blocking(move || {
        let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(READ_BYTES)];
        file.read_exact_at(&mut buffer, at)?;
        Ok(Bytes::from(buffer))
    });
    reading.await.map_err(io::Error::other)?
}

/// Only a picture is shown in place; all else is to be saved, under its name.
fn disposition(content: Content, name: &FileName) -> String {
    let way = match content.is_picture() {
        true => "inline",
        false => "attachment",
    };
    let mut encoded = String::new();
    for byte in name.as_str().bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    format!("{way}; filename*=UTF-8''{encoded}")
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        tracing::warn!("A kept file could not be read: {error}");
        let text = "the server could not read it: its log tells why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "not-read", text)
    }
}

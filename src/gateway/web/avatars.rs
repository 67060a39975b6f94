//! `PUT /avatar` and `GET /avatars/ID`: the picture of a person, made anew from what they send.

use std::io::Cursor;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use super::content::Content;
use super::files::{KEPT, drain, next_piece, token};
use super::pictures::Shape;
use super::refusal::{self, Refused};
use super::{Web, origin};
use crate::chat::AvatarId;
use crate::server::Entrance;

/// What is taken, in bytes.
const SOURCE_BYTES_MAX: usize = 256 * 1024;

/// The sides of what is made of it, in pixels.
const SIDE: u32 = 128;

#[derive(Serialize)]
struct WireAvatar {
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
}

/// `PUT /avatar`
pub(super) async fn take(State(web): State<Web>, headers: HeaderMap, body: Body) -> Response {
    let mut pieces = body.into_data_stream();
    match set(&web, &headers, &mut pieces).await {
        Ok(id) => {
            let avatar = id.map(|id| id.to_string());
            refusal::json(StatusCode::OK, &WireAvatar { avatar })
        }
        Err(refused) => {
            drain(pieces).await;
            refused.into_response()
        }
    }
}

async fn set(
    web: &Web,
    headers: &HeaderMap,
    pieces: &mut BodyDataStream,
) -> Result<Option<AvatarId>, Refused> {
    origin::check(headers)?;
    let token = token(headers)?;
    web.entrance.online(token).await?;
    let mut source = Vec::new();
    while let Some(piece) = next_piece(pieces).await? {
        if source.len() + piece.len() > SOURCE_BYTES_MAX {
            let text = format!("the picture is too large: at most {SOURCE_BYTES_MAX} bytes");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Refused::new(status, "file-too-large", text));
        }
        source.extend_from_slice(&piece);
    }
    let picture = match source.is_empty() {
        true => None,
        false => Some(made(web, source).await?),
    };
    let id = picture.as_deref().map(AvatarId::of);
    web.entrance.set_avatar(token, picture).await?;
    Ok(id)
}

async fn made(web: &Web, source: Vec<u8>) -> Result<Bytes, Refused> {
    let content = Content::of(&source, true);
    let source = Cursor::new(source);
    let picture = web
        .pictures
        .make(source, content, Shape::Square(SIDE), || None);
    Ok(picture.await?.bytes)
}

/// `GET /avatars/ID`
pub(super) async fn give(
    State(entrance): State<Entrance>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let picture = match id.parse() {
        Ok(id) => entrance.avatar(id).await?,
        Err(_) => None,
    };
    let Some(picture) = picture else {
        return Ok(refusal::not_found());
    };
    let content = Content::of(&picture, true);
    let described = [KEPT, (header::CONTENT_TYPE, content.media_type())];
    Ok((described, picture).into_response())
}

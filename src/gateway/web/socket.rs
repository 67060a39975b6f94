//! `/ws`: the control protocol over a WebSocket. A line is a text message, without its end; the raw bytes that follow a
//! line are a binary message. Behind it is a connection like any other.

use std::io;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::refusal::Refused;
use super::{Web, origin};
use crate::control::{BULK_BYTES_MAX, LineBuffer};
use crate::server::{Ends, Link};

/// How long a page may take for each message that it is sent; then it is dropped. A piece of a file, and what was gathered
/// before it, take 12 s at 64 kbit/s. What waits meanwhile is bounded by the connection's outbox.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// How long it may take to hear of the end.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// What the server says in one line at most: a directory may be long.
const TOLD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What each WebSocket holds to read into, and what it gathers before it writes, in bytes.
const READ_BYTES: usize = 4 * 1024;
const WRITE_BYTES: usize = 32 * 1024;

/// `GET /ws`
pub(super) async fn upgrade(
    State(web): State<Web>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    origin::check(&headers)?;
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Ok(rejection.into_response()),
    };
    let message_bytes_max = web.entrance.limits()?.line_bytes_max.max(BULK_BYTES_MAX);
    let link = web.entrance.connect(ends)?;
    let task = web.tasks.token();
    let upgrade = upgrade
        .max_message_size(message_bytes_max)
        .max_frame_size(message_bytes_max)
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES);
    Ok(upgrade.on_upgrade(|socket| async {
        carry(socket, link).await;
        drop(task);
    }))
}

/// Carries both ways until one of the two ends.
async fn carry(socket: WebSocket, link: Link) {
    let (mut told, said) = socket.split();
    tokio::select! {
        () = listen(said, link.to_server) => {}
        _ = tell(&mut told, link.from_server) => {}
    }
    // A page that does not read any more does not hear the end either.
    let _ = timeout(CLOSE_WAIT, told.close()).await;
}

async fn listen(mut said: SplitStream<WebSocket>, to_server: mpsc::Sender<Bytes>) {
    while let Some(Ok(message)) = said.next().await {
        let bytes = match message {
            Message::Text(line) => {
                let mut bytes = Vec::with_capacity(line.len() + 1);
                bytes.extend_from_slice(line.as_bytes());
                bytes.push(b'\n');
                bytes.into()
            }
            Message::Binary(bytes) => bytes,
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return,
        };
        if to_server.send(bytes).await.is_err() {
            return;
        }
    }
}

/// All that has come together goes out together.
async fn tell(
    told: &mut SplitSink<WebSocket, Message>,
    mut from_server: mpsc::Receiver<Vec<Bytes>>,
) -> io::Result<()> {
    let mut lines = LineBuffer::new(TOLD_BYTES_MAX);
    while let Some(chunks) = from_server.recv().await {
        for chunk in chunks {
            lines.space().extend_from_slice(&chunk);
            while let Some(framed) = lines.next_framed() {
                let framed = framed.map_err(io::Error::other)?;
                in_time(told.feed(Message::Text(framed.line.into()))).await?;
                if let Some(bulk) = framed.bulk {
                    in_time(told.feed(Message::Binary(bulk))).await?;
                }
            }
        }
        lines.release();
        in_time(told.flush()).await?;
    }
    Ok(())
}

async fn in_time(written: impl Future<Output = Result<(), axum::Error>>) -> io::Result<()> {
    timeout(WRITE_WAIT, written)
        .await?
        .map_err(io::Error::other)
}

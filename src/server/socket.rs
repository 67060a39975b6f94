//! A client's socket at the beginning and at the end of its connection.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection that we close may take to read the rest.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// When the system looks after a client of which nothing was heard, how often it looks again, and after how many
/// looks it gives the client up: together 13 s, as after 15 s nobody should seem to be there who is not.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(4);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_PROBES: u32 = 3;

/// How long the system waits until what was sent is acknowledged. On Linux it bounds the looks above too, which do not end
/// before it: so less than those take.
#[cfg(target_os = "linux")]
const ACKNOWLEDGEMENT_WAIT: Duration = Duration::from_secs(12);

/// Small answers go out at once, and a client that has vanished is found. Where the system has not all
/// of these options, the heartbeat alone finds it.
pub fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(ACKNOWLEDGEMENT_WAIT));
}

/// Ends a connection so that the client can read the last words: closing while it still sends would
/// make the system throw them away.
pub(super) async fn close_gently(mut stream: TcpStream) {
    let rest = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // Whoever goes on sending is cut off.
    let _ = timeout(CLOSE_WAIT, rest).await;
}

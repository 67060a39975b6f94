//! A client's socket at the beginning and at the end of its connection.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;
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
pub(super) async fn close_gently(stream: &TcpStream) {
    let rest = async {
        SockRef::from(stream).shutdown(Shutdown::Write)?;
        let mut read = [0; 1024];
        loop {
            // Else the clock is not looked at while there is something to read.
            consume_budget().await;
            stream.readable().await?;
            match stream.try_read(&mut read) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    };
    // Whoever goes on sending is cut off.
    let _ = timeout(CLOSE_WAIT, rest).await;
}

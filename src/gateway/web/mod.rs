//! The page: the same rooms in any browser. What it is made of is in the program; what it says goes over a WebSocket to
//! a connection like any other, so all limits of the server bind it too.

mod assets;
mod avatars;
mod content;
mod files;
mod origin;
mod pictures;
mod refusal;
mod socket;
mod thumbnails;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, put};
use axum::{Router, middleware};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use self::pictures::Pictures;
use self::thumbnails::Thumbnails;
use crate::chat::{DEFAULT_WEB_PORT, WebAddress};
use crate::server::{self, Ends, Entrance, REQUESTS_AT_ONCE_MAX, Shutdown};

/// Ports that are tried one after the other where the default one is taken; then any free one is.
const PORTS_TRIED: u16 = 16;

/// How long a browser may take to ask, and keep a connection without asking.
const ASK_WAIT: Duration = Duration::from_secs(10);

/// What a request's head may take, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long requests and WebSockets get to end by themselves when the server stops.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// How long to wait after the system refused a connection for want of something, most likely of files.
const ACCEPT_RETRY_WAIT: Duration = Duration::from_millis(100);

/// On every answer: nothing from elsewhere, nothing inside another page, nothing taken for what it does not say it is.
const ON_EVERY_ANSWER: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
             connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Why there is no page. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve the page at {address}: {source} (choose another place with --web ADDRESS:PORT, or --no-web)"
)]
pub struct WebError {
    address: SocketAddr,
    source: io::Error,
}

/// What all requests share.
#[derive(Clone, Debug)]
struct Web {
    entrance: Entrance,
    pictures: Arc<Pictures>,
    thumbnails: Arc<Thumbnails>,
    /// What is to end before the program does: requests, and WebSockets with their last words.
    tasks: TaskTracker,
}

impl FromRef<Web> for Entrance {
    fn from_ref(web: &Web) -> Self {
        web.entrance.clone()
    }
}

/// A page that is ready to be served; [`Page::run`] serves.
#[derive(Debug)]
pub struct Page {
    listener: TcpListener,
    address: SocketAddr,
    entrance: Entrance,
    shutdown: Shutdown,
}

impl Page {
    /// Takes the page's port. Must be called on a tokio runtime. `shutdown` is the server's.
    ///
    /// # Errors
    /// The port that was asked for cannot be had.
    pub fn bind(
        wanted: WebAddress,
        entrance: Entrance,
        shutdown: Shutdown,
    ) -> Result<Self, WebError> {
        let bound = match wanted.port {
            Some(port) => server::listen(wanted.address, port),
            None => listen_somewhere(wanted.address),
        };
        let refused = |(address, source)| WebError { address, source };
        let listener = bound.map_err(refused)?;
        let address = listener.local_addr();
        let address = address.map_err(|source| {
            let port = wanted.port.unwrap_or_default();
            let ip = wanted.address.unwrap_or(IpAddr::from([0, 0, 0, 0]));
            refused((SocketAddr::new(ip, port), source))
        })?;
        Ok(Self {
            listener,
            address,
            entrance,
            shutdown,
        })
    }

    /// Serves the page until the shutdown is requested. Tells first where it is; `here` is what this machine is
    /// called on its network, if the page is on all of its addresses.
    pub async fn run(self, here: Option<IpAddr>) {
        let mut shown = self.address;
        if let (true, Some(here)) = (shown.ip().is_unspecified(), here) {
            shown.set_ip(here);
        }
        tracing::info!("The page: http://{shown}/");
        let tasks = TaskTracker::new();
        let routes = TowerToHyperService::new(routes(Web {
            entrance: self.entrance,
            pictures: Arc::default(),
            thumbnails: Arc::default(),
            tasks: tasks.clone(),
        }));
        // A WebSocket counts as a connection of the server instead.
        let places = Arc::new(Semaphore::new(REQUESTS_AT_ONCE_MAX));
        loop {
            // Who comes when all places are taken waits for one.
            let accept = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                accepted = accept => accepted,
                () = self.shutdown.requested() => break,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(ACCEPT_RETRY_WAIT).await;
                continue;
            };
            let (routes, shutdown) = (routes.clone(), self.shutdown.clone());
            tasks.spawn(async move {
                serve(stream, peer, routes, shutdown).await;
                drop(place);
            });
        }
        tasks.close();
        let _ = timeout(STOP_WAIT, tasks.wait()).await;
    }
}

/// The default port, or, where another program has it, one near it, or any.
fn listen_somewhere(address: Option<IpAddr>) -> Result<TcpListener, (SocketAddr, io::Error)> {
    for port in (DEFAULT_WEB_PORT..).take(PORTS_TRIED.into()) {
        match server::listen(address, port) {
            Err((_, error)) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    server::listen(address, 0)
}

fn routes(web: Web) -> Router {
    Router::new()
        .route("/", get(assets::index))
        .route("/assets/{name}", get(assets::asset))
        .route("/ws", get(socket::upgrade))
        .route("/files/{file}", get(files::give).put(files::take))
        .route("/thumbnails/{hash}", get(thumbnails::give))
        .route("/avatar", put(avatars::take))
        .route("/avatars/{id}", get(avatars::give))
        .fallback(refusal::nothing_here)
        .method_not_allowed_fallback(refusal::wrong_method)
        .layer(middleware::map_response(secured))
        .with_state(web)
}

async fn secured(mut response: Response) -> Response {
    response.headers_mut().extend(ON_EVERY_ANSWER);
    response
}

/// Answers what is asked over one connection.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    routes: TowerToHyperService<Router>,
    shutdown: Shutdown,
) {
    server::prepare(&stream);
    let local = stream.local_addr().unwrap_or(peer);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(Ends { peer, local });
        let answered = routes.call(request);
        async { Ok::<_, Infallible>(answered.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASK_WAIT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // A browser that has gone needs no answer.
    let _ = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

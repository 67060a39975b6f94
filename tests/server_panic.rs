//! A panic anywhere in the server's process ends the server in order. In a file of its own, as the
//! panic hook is the whole process's.
#![allow(clippy::disallowed_methods)]

#[path = "common/client.rs"]
mod client;
#[path = "common/patience.rs"]
mod patience;

use std::net::Ipv4Addr;
use std::thread;

use client::Client;
use crds::chat::HistoryLimit;
use crds::server::{Config, Limits, ServeError, Server, Shutdown};
use patience::PATIENCE;
use tokio::runtime::Runtime;
use tokio::time::timeout;

#[test]
fn a_panic_is_told_to_the_clients_and_ends_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        listen: Some(Ipv4Addr::LOCALHOST.into()),
        port: 0,
        data: folder.path().to_owned(),
        interface: None,
        history: HistoryLimit::DEFAULT,
        limits: Limits::default(),
    };
    let shutdown = Shutdown::default();
    shutdown.fail_on_panic();
    let runtime = Runtime::new().unwrap();
    let server = {
        let _on_runtime = runtime.enter();
        Server::bind(config, shutdown).unwrap()
    };
    let port = server.port();
    let serving = runtime.spawn(server.run());

    let mut json = Client::connect(port);
    json.ask(r#"{"id":1,"request":"hello","version":1}"#);
    let mut plain = Client::connect(port);
    assert_eq!(plain.ask("getdir"), "OKDIR []");

    thread::spawn(|| panic!("out of cheese"))
        .join()
        .unwrap_err();

    assert_eq!(json.line(), r#"{"event":"server-stopping"}"#);
    assert_eq!(json.rest(), "");
    assert_eq!(plain.line(), "ERR the server is shutting down");
    assert_eq!(plain.rest(), "");
    let ended = runtime.block_on(async { timeout(PATIENCE, serving).await });
    match ended.unwrap().unwrap().unwrap_err() {
        ServeError::Failed(reason) => assert!(reason.contains("out of cheese"), "{reason}"),
        other => panic!("{other}"),
    }
}

//! The page's server, over real HTTP and WebSockets.

#[path = "common/http.rs"]
mod http;
#[path = "common/server.rs"]
mod server;

use std::time::Duration;

use http::{Browser, Page, WEB_PROTECTION};
use serde_json::{Value, json};
use server::TestServer;
use tempfile::TempDir;

fn page(flags: &[&str]) -> (TempDir, TestServer, Page) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = server::serve_with_page(folder.path());
    let server = TestServer::start(command.args(["--web", "0"]).args(flags));
    let told = server.wait_for(|line| line.starts_with("The page: "));
    let page = Page::told(&told);
    (folder, server, page)
}

#[test]
fn the_page_is_there_and_nothing_else_is() {
    let (_folder, _server, page) = page(&[]);
    let index = page.get("/");
    assert_eq!(index.status, 200);
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(index.header("cache-control"), "no-cache");
    let tag = index.header("etag").to_owned();
    let again = page.ask("GET", "/", &[("If-None-Match", &tag)], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let same = page.get("/assets/index.html");
    assert_eq!(same.body, index.body);
    let head = page.ask("HEAD", "/", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));

    let refused = [
        ("GET", "/nothing", 404),
        ("GET", "/assets/", 404),
        ("GET", "/assets/nothing.js", 404),
        ("GET", "/assets/..%2fmod.rs", 404),
        ("POST", "/", 405),
        ("DELETE", "/ws", 405),
        ("GET", "/ws", 403),
    ];
    for (method, path, status) in refused {
        let answer = page.ask(method, path, &[], b"");
        assert_eq!(answer.status, status, "{method} {path}");
        let refusal: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(refusal["error"].is_string() && refusal["text"].is_string());
        answer.is_protected();
    }
    for answer in [&index, &again, &head] {
        answer.is_protected();
    }
    assert!(WEB_PROTECTION.iter().any(|(_, value)| value == &"nosniff"));
}

#[test]
fn only_the_page_itself_gets_a_web_socket() {
    let (_folder, _server, page) = page(&[]);
    for origin in ["http://example.org", "null", "http://127.0.0.1:1"] {
        assert_eq!(page.socket_refused(origin), 403, "{origin}");
    }
    let mut browser = page.open();
    browser.hello();
}

#[test]
fn two_pages_talk_and_raw_bytes_pass_both_ways() {
    let (_folder, server, page) = page(&[]);
    let mut ana = page.online("Ana");
    let mut ben = page.online("Ben");
    for browser in [&mut ana, &mut ben] {
        let entered = browser.ask(json!({"request":"enter","room":"lobby","via":"relay"}));
        assert_eq!(entered["reply"], "entered");
    }
    ana.ask(json!({"request":"say","room":"lobby","text":"hi there"}));
    let heard = ben.event("line");
    assert_eq!(
        (&heard["from"], &heard["text"]),
        (&json!("Ana"), &json!("hi there"))
    );

    // More than a line takes as text.
    let long = "long".repeat(5000);
    ana.say_raw(
        json!({"request":"say","room":"lobby","bytes":long.len()}),
        long.as_bytes(),
    );
    let heard = ben.event("line");
    assert_eq!(heard["bytes"], long.len());
    assert_eq!(ben.raw(), long.as_bytes());

    // One that leaves without a word is missed like any other.
    drop(ana);
    let left = ben.event("exited");
    assert_eq!(left["name"], "Ana");
    drop(server);
}

#[test]
fn the_limits_of_a_connection_bind_a_page_too() {
    let (_folder, server, page) = page(&["--max-connections", "2", "--max-line-bytes", "1000"]);
    let mut ana = page.open();
    ana.hello();
    let _ben = page.open();
    assert_eq!(page.socket_refused(&page.origin()), 503);
    server.wait_for(|line| line.contains("turned away: the server is full"));
    // Longer than any line.
    ana.send_text(&"x".repeat(100_000));
    assert!(ana.is_closed());
    // Its place is free again.
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while page.socket_refused(&page.origin()) == 503 {
        assert!(std::time::Instant::now() < end);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_servers_end_is_told_to_the_page() {
    let (_folder, mut server, page) = page(&[]);
    let mut ana = page.online("Ana");
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    ana.event("server-stopping");
    assert!(ana.is_closed());
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn there_is_no_page_where_none_is_wanted_and_another_port_where_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&mut server::serve(folder.path()));
    server.wait_for(|line| line.contains("listening"));
    // Whatever has the default port, each of two gets one of its own.
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let told = folders.each_ref().map(|folder| {
        let mut command = server::serve_with_page(folder.path());
        let server = TestServer::start(command.args(["--web", "127.0.0.1"]));
        let told = server.wait_for(|line| line.starts_with("The page: "));
        assert_eq!(Page::told(&told).get("/").status, 200);
        (server, told)
    });
    assert_ne!(told[0].1, told[1].1);
    // One that was asked for is not exchanged.
    let taken = told[0]
        .1
        .trim_start_matches("The page: http://")
        .trim_end_matches('/');
    let refused = server::serve_with_page(folder.path().join("other").as_path())
        .args(["--web", taken])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && text.contains("--no-web"),
        "{text}"
    );
}

impl Page {
    /// Somebody online in a browser.
    fn online(&self, name: &str) -> Browser {
        let mut browser = self.open();
        browser.hello();
        let named = browser.ask(json!({"request":"name","name":name}));
        assert_eq!(named["reply"], "done", "{named}");
        browser
    }
}

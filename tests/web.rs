//! The page's server, over real HTTP and WebSockets.

#![allow(clippy::disallowed_methods)]

#[path = "common/http.rs"]
mod http;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/server.rs"]
#[expect(dead_code, reason = "servers here have a page")]
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

impl Page {
    /// Brings a file, as this browser.
    fn bring(&self, by: &Browser, name: &str, content: &[u8]) -> http::HttpAnswer {
        let token = format!("Bearer {}", by.token);
        let headers = [("Origin", &*self.origin()), ("Authorization", &*token)];
        self.ask("PUT", &format!("/files/{name}"), &headers, content)
    }
}

#[test]
fn a_file_is_brought_offered_and_fetched() {
    let (folder, server, page) = page(&[]);
    let (mut ana, mut ben) = (page.online("Ana"), page.online("Ben"));
    for browser in [&mut ana, &mut ben] {
        browser.ask(json!({"request":"enter","room":"lobby","via":"relay"}));
    }
    // More than is gathered before it is written.
    let content: Vec<u8> = (0..1_500_000_u32).map(|at| (at % 251) as u8).collect();
    let brought = page.bring(&ana, "..%2Fa%20b%C3%A4.bin", &content);
    assert_eq!(brought.status, 200);
    brought.is_protected();
    let offer = brought.json();
    let hash = blake3::hash(&content).to_string();
    assert_eq!(
        offer,
        json!({"name":"a bä.bin","size":content.len(),"hash":hash})
    );
    server.wait_for(|line| line == "Ana brought a bä.bin (1500000 bytes)");

    let mut request = offer.clone();
    request["request"] = "offer-file".into();
    request["room"] = "lobby".into();
    assert_eq!(ana.ask(request)["reply"], "done");
    assert_eq!(ben.event("file")["hash"], hash.as_str());

    let path = format!("/files/{hash}");
    let fetched = page.get(&path);
    assert_eq!((fetched.status, &fetched.body), (200, &content));
    fetched.is_protected();
    assert_eq!(fetched.header("content-type"), "application/octet-stream");
    let disposition = fetched.header("content-disposition");
    assert_eq!(disposition, "attachment; filename*=UTF-8''a%20b%C3%A4.bin");
    let named = page.get(&format!("{path}?name=x%22y%0D%0A.txt"));
    let disposition = named.header("content-disposition");
    assert_eq!(disposition, "attachment; filename*=UTF-8''x_y__.txt");

    // The rest of a download that broke, and what the browser has.
    let rest = page.ask("GET", &path, &[("Range", "bytes=1499998-")], b"");
    assert_eq!((rest.status, &rest.body[..]), (206, &content[1_499_998..]));
    assert_eq!(
        rest.header("content-range"),
        "bytes 1499998-1499999/1500000"
    );
    let past = page.ask("GET", &path, &[("Range", "bytes=1500000-")], b"");
    assert_eq!(
        (past.status, past.header("content-range")),
        (416, "bytes */1500000")
    );
    let known = page.ask(
        "GET",
        &path,
        &[("If-None-Match", fetched.header("etag"))],
        b"",
    );
    assert_eq!((known.status, known.body.len()), (304, 0));
    let head = page.ask("HEAD", &path, &[], b"");
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, "1500000")
    );

    // The same once more is not kept twice, and an empty one is a file too.
    assert_eq!(
        page.bring(&ben, "copy.bin", &content).json()["hash"],
        hash.as_str()
    );
    let empty = page.bring(&ben, "empty", b"").json();
    let path = format!("/files/{}", empty["hash"].as_str().unwrap());
    assert_eq!(page.get(&path).header("content-length"), "0");
    let mut kept: Vec<_> = std::fs::read_dir(folder.path().join("downloads"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["a bä.bin", "empty"]);
}

#[test]
fn what_a_browser_shows_is_told_by_what_it_holds() {
    let (_folder, _server, page) = page(&[]);
    let ana = page.online("Ana");
    let svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let gif = b"GIF89a\x01\0\x01\0\0\0\0;";
    for (name, content, media_type, way) in [
        (
            "a.svg",
            svg.as_bytes(),
            "text/plain; charset=utf-8",
            "attachment",
        ),
        (
            "a.png",
            b"<html><script>",
            "text/plain; charset=utf-8",
            "attachment",
        ),
        ("a.html", gif, "image/gif", "inline"),
        (
            "a.pdf",
            b"%PDF-1.7\0",
            "application/octet-stream",
            "attachment",
        ),
    ] {
        let brought = page.bring(&ana, name, content).json();
        let path = format!("/files/{}?name={name}", brought["hash"].as_str().unwrap());
        let fetched = page.get(&path);
        fetched.is_protected();
        assert_eq!(fetched.header("content-type"), media_type, "{name}");
        let disposition = fetched.header("content-disposition");
        assert!(disposition.starts_with(way), "{name}: {disposition}");
    }
}

#[test]
fn what_may_not_be_brought_leaves_nothing() {
    let (folder, _server, page) = page(&["--keep-file-max", "100kB"]);
    let ana = page.online("Ana");
    let mut nobody = page.open();
    nobody.hello();
    let refused = |answer: http::HttpAnswer, status, error: &str| {
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (status, Some(error))
        );
        answer.is_protected();
    };
    refused(page.bring(&nobody, "a", b"x"), 401, "name-first");
    let token = format!("Bearer {}", ana.token);
    let origin = page.origin();
    let put = |headers: &[(&str, &str)], body| page.ask("PUT", "/files/a", headers, body);
    refused(put(&[("Origin", &origin)], b"x"), 401, "name-first");
    refused(put(&[("Authorization", &token)], b"x"), 403, "wrong-origin");
    let elsewhere = [("Authorization", &*token), ("Origin", "http://evil")];
    refused(put(&elsewhere, b"x"), 403, "wrong-origin");
    // By what is told of its length, and by what comes.
    let large = vec![0; 100_001];
    refused(page.bring(&ana, "a", &large), 413, "file-too-large");
    let chunked = [
        ("Origin", &*origin),
        ("Authorization", &*token),
        ("Content-Length", ""),
        ("Transfer-Encoding", "chunked"),
    ];
    let mut body = format!("{:x}\r\n", large.len()).into_bytes();
    body.extend_from_slice(&large);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    refused(put(&chunked, &body), 413, "file-too-large");
    let left = std::fs::read_dir(folder.path().join("downloads")).unwrap();
    assert_eq!(left.count(), 0);

    for path in ["/files/x", &format!("/files/{}", "0".repeat(64))] {
        refused(page.get(path), 404, "no-such-file");
    }
}

#[test]
fn a_file_on_its_way_is_told_apart_from_none() {
    let (_folder, _server, page) = page(&[]);
    let mut ana = page.online("Ana");
    let content = vec![7; 100_000];
    let hash = blake3::hash(&content).to_string();
    let piece = &content[..65_536];
    let request = json!({
        "request":"put-file","name":"a.bin","size":100_000,"hash":hash,"offset":0,"bytes":65_536
    });
    assert_eq!(ana.say_raw(request, piece)["have"], 65_536);
    let answer = page.get(&format!("/files/{hash}"));
    assert_eq!(
        (answer.status, answer.json()["error"].as_str()),
        (409, Some("file-not-whole"))
    );
    // It comes whole by the other way.
    assert_eq!(page.bring(&ana, "b.bin", &content).status, 200);
    assert_eq!(page.get(&format!("/files/{hash}")).body, content);
}

/// A picture with a colour for each place, written as this.
fn picture(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let pixel = |x: u32, y: u32| image::Rgb([x as u8, y as u8, 90]);
    let picture = image::RgbImage::from_fn(width, height, pixel);
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn a_picture_has_a_small_one() {
    let (_folder, _server, page) = page(&[]);
    let ana = page.online("Ana");
    let large = picture(1000, 500, image::ImageFormat::Png);
    let brought = page.bring(&ana, "a.png", &large).json();
    let path = format!("/thumbnails/{}", brought["hash"].as_str().unwrap());
    for _ in 0..2 {
        let small = page.get(&path);
        assert_eq!(
            (small.status, small.header("content-type")),
            (200, "image/jpeg")
        );
        small.is_protected();
        let read = image::load_from_memory(&small.body).unwrap();
        assert_eq!((read.width(), read.height()), (640, 320));
        let tag = [("If-None-Match", small.header("etag"))];
        assert_eq!(page.ask("GET", &path, &tag, b"").status, 304);
    }
    for (content, status) in [(&b"no picture"[..], 415), (b"\x89PNG\r\n\x1a\nbroken", 415)] {
        let brought = page.bring(&ana, "a.png", content).json();
        let answer = page.get(&format!(
            "/thumbnails/{}",
            brought["hash"].as_str().unwrap()
        ));
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (status, Some("no-picture"))
        );
    }
    assert_eq!(
        page.get(&format!("/thumbnails/{}", "0".repeat(64))).status,
        404
    );
}

impl Page {
    fn avatar(&self, by: &Browser, picture: &[u8]) -> http::HttpAnswer {
        let token = format!("Bearer {}", by.token);
        let headers = [("Origin", &*self.origin()), ("Authorization", &*token)];
        self.ask("PUT", "/avatar", &headers, picture)
    }
}

#[test]
fn an_avatar_is_made_anew_told_and_kept() {
    let (folder, server, page) = page(&[]);
    let (mut ana, mut ben) = (page.online("Ana"), page.online("Ben"));
    let set = page.avatar(&ana, &picture(300, 200, image::ImageFormat::Png));
    assert_eq!(set.status, 200);
    set.is_protected();
    let id = set.json()["avatar"].as_str().unwrap().to_owned();
    for browser in [&mut ana, &mut ben] {
        let told = browser.event("avatar");
        assert_eq!(told, json!({"event":"avatar","name":"Ana","avatar":id}));
    }
    let names = ben.ask(json!({"request":"names"}));
    assert_eq!(names["avatars"], json!({"Ana":id}));
    let report = ben.ask(json!({"request":"report"}));
    assert_eq!(report["online"][0]["avatar"], id.as_str());
    let path = format!("/avatars/{id}");
    let seen = page.get(&path);
    assert_eq!(
        (seen.status, seen.header("content-type")),
        (200, "image/jpeg")
    );
    seen.is_protected();
    assert!(seen.header("cache-control").contains("immutable"));
    let read = image::load_from_memory(&seen.body).unwrap();
    assert_eq!((read.width(), read.height()), (128, 128));

    let refused = |answer: http::HttpAnswer, status, error: &str| {
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (status, Some(error))
        );
    };
    refused(page.avatar(&ana, b"<svg/>"), 415, "no-picture");
    refused(
        page.avatar(&ana, &vec![0; 256 * 1024 + 1]),
        413,
        "file-too-large",
    );
    let mut nobody = page.open();
    nobody.hello();
    refused(page.avatar(&nobody, b""), 401, "name-first");
    refused(
        page.ask("PUT", "/avatar", &[("Origin", &page.origin())], b""),
        401,
        "name-first",
    );
    refused(page.get("/avatars/0000000000000000"), 404, "not-found");
    refused(page.get("/avatars/x"), 404, "not-found");

    // It is there again with the server, for whoever comes under this name.
    drop(server);
    let mut command = server::serve_with_page(folder.path());
    let server = TestServer::start(command.args(["--web", "0"]));
    let page = Page::told(&server.wait_for(|line| line.starts_with("The page: ")));
    let mut ana = page.online("ANA");
    assert_eq!(ana.event("avatar")["avatar"], id.as_str());
    assert_eq!(page.get(&path).body, seen.body);
    assert_eq!(page.avatar(&ana, b"").json(), json!({}));
    assert_eq!(ana.event("avatar"), json!({"event":"avatar","name":"ANA"}));
    assert_eq!(page.get(&path).status, 404);
}

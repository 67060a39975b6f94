//! Servers that have their seats in rooms on loopback.

use std::path::Path;

use tempfile::TempDir;

use crate::server::{TestServer, serve};

pub fn start(folder: &Path, flags: &[&str]) -> TestServer {
    let mut command = serve(folder);
    command.args(flags).env("CRDS_INTERFACE", "lo");
    TestServer::start(&mut command)
}

/// A server in a folder of its own, with these flags besides.
pub fn running(flags: &[&str]) -> (TempDir, TestServer) {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), flags);
    (folder, server)
}

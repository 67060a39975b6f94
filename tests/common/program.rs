//! The real program, with nothing of this machine's settings.

use std::path::Path;
use std::process::Command;

/// `crds`, which keeps what it keeps in `home`.
pub fn crds(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crds"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CRDS_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .env("HOME", home)
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_DATA_HOME", home.join("data"))
        .env("TERM", "xterm-256color")
        .env("TZ", "UTC")
        .env_remove("NO_COLOR");
    command
}

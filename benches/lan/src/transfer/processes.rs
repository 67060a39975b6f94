//! The processes of a transfer, one a host: started, looked at, ended.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::{fs, io};

use crate::lan::Lan;

/// Killed when dropped.
pub struct Processes<'a> {
    lan: &'a Lan,
    /// Where their output goes.
    folder: &'a Path,
    /// With the hosts that they are on.
    children: Vec<(usize, Child)>,
}

impl<'a> Processes<'a> {
    /// None yet. What they say goes to files in the folder.
    pub fn new(lan: &'a Lan, folder: &'a Path) -> Self {
        Self {
            lan,
            folder,
            children: Vec::new(),
        }
    }

    /// Starts a program on a host.
    pub fn start(&mut self, host: usize, words: &[OsString]) -> Result<(), Box<dyn Error>> {
        let output = File::create(self.output(host))?;
        // No process outlives this program, even if it is killed.
        let mut command = self.lan.command(host, "setpriv");
        command.args(["--pdeathsig", "KILL"]).args(words);
        // What it keeps for its user is its own: all hosts have one file system.
        let home = self.folder.join(format!("home{host}"));
        fs::create_dir(&home)?;
        command.env("HOME", &home).current_dir(home);
        for variable in ["CONFIG", "DATA", "STATE", "CACHE"] {
            command.env_remove(format!("XDG_{variable}_HOME"));
        }
        command.env_remove("XDG_RUNTIME_DIR");
        command.stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output);
        self.children.push((host, command.spawn()?));
        Ok(())
    }

    /// Whether the process on a host has ended. Where it failed, that is told, once.
    pub fn has_ended(&mut self, host: usize) -> io::Result<bool> {
        let output = self.output(host);
        let Some((_, child)) = self.children.iter_mut().find(|(at, _)| *at == host) else {
            return Ok(true);
        };
        let Some(status) = child.try_wait()? else {
            return Ok(false);
        };
        self.children.retain(|(at, _)| *at != host);
        if !status.success() {
            eprintln!(
                "bench-lan: on host {host}: {status}: {}",
                last_line(&output)
            );
        }
        Ok(true)
    }

    fn output(&self, host: usize) -> PathBuf {
        self.folder.join(format!("output{host}"))
    }
}

/// Of what a program said; it is no loss where that cannot be had.
fn last_line(output: &Path) -> String {
    let said = fs::read(output).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    said.trim().lines().last().unwrap_or_default().to_owned()
}

impl Drop for Processes<'_> {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            // One that ended already is only waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

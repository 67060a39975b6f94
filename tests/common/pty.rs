//! A program in a real pseudo-terminal, and what a person would see of it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{self, Pty};

use crate::patience::PATIENCE;

/// Rows that scrolled off the top and are kept.
const SCROLLBACK_ROWS: usize = 5000;

pub const ENTER: &str = "\r";
/// Ctrl-]
pub const LEAVE: &str = "\x1d";

/// Ends its program when dropped.
pub struct Terminal {
    pub child: Child,
    pub keyboard: Arc<Pty>,
    view: Arc<View>,
    /// How often the terminal rang.
    #[allow(dead_code, reason = "not every test listens")]
    pub bells: Arc<AtomicUsize>,
}

struct View {
    parser: Mutex<vt100::Parser<Bells>>,
    changed: Condvar,
}

struct Bells(Arc<AtomicUsize>);

impl vt100::Callbacks for Bells {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Terminal {
    pub fn start(command: Command, rows: u16, columns: u16) -> Self {
        let (pty, pts) = blocking::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let child = blocking::Command::from(command).spawn(pts).unwrap();
        let [rows, columns] = [rows, columns].map(|n| NonZeroU16::new(n).unwrap());
        let bells = Arc::default();
        let counted = Bells(Arc::clone(&bells));
        let parser = vt100::Parser::new_with_callbacks(rows, columns, SCROLLBACK_ROWS, counted);
        let view = Arc::new(View {
            parser: Mutex::new(parser),
            changed: Condvar::new(),
        });
        let keyboard = Arc::new(pty);
        let (output, viewer) = (Arc::clone(&keyboard), Arc::clone(&view));
        // Ends with the program: its end of the terminal is then closed.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = (&*output).read(&mut bytes) {
                viewer.parser.lock().unwrap().process(&bytes[..length]);
                viewer.changed.notify_all();
            }
        });
        Self {
            child,
            keyboard,
            view,
            bells,
        }
    }

    /// Types, key by key or all at once as the terminal takes it.
    pub fn type_text(&self, text: &str) {
        (&*self.keyboard).write_all(text.as_bytes()).unwrap();
    }

    /// Waits for `prompt`, types a line behind it and ends it; returns once that is taken.
    pub fn answer(&self, prompt: &str, line: &str) {
        self.wait_for_prompt(prompt);
        self.type_text(line);
        let typed = format!("{prompt}{line}");
        self.wait_for_prompt(&typed);
        self.type_text(ENTER);
        self.wait_for("end of the line", |screen| cursor_line(screen) != typed);
    }

    /// Waits until the screen is so.
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut parser = self.view.parser.lock().unwrap();
        while !is_so(parser.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (row, column) = parser.screen().cursor_position();
                let screen = parser.screen().contents();
                drop(parser);
                panic!("no {what}; cursor in row {row}, column {column} of:\n{screen}");
            }
            parser = self.view.changed.wait_timeout(parser, left).unwrap().0;
        }
    }

    /// Waits until this stands on the screen.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(text, |screen| screen.contents().contains(text));
    }

    /// Waits until the cursor stands behind `prompt` and what is typed there, and nothing else.
    pub fn wait_for_prompt(&self, prompt: &str) {
        self.wait_for(prompt, |screen| cursor_line(screen) == prompt);
    }

    /// Waits until a line is there, be it that it has scrolled off the top since.
    pub fn wait_for_line(&self, line: &str) {
        self.wait_for(line, |screen| lines(screen).iter().any(|l| l == line));
    }

    /// Waits until the program has ended, and tells how.
    #[allow(dead_code, reason = "most programs are ended by their test")]
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the program goes on:\n{}", self.lines().join("\n"));
    }

    /// Every line so far, also those that have scrolled off the top; a line that wraps is one.
    pub fn lines(&self) -> Vec<String> {
        lines(self.view.parser.lock().unwrap().screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The row of the cursor, up to the cursor or as far as there is text.
pub fn cursor_line(screen: &vt100::Screen) -> String {
    let (number, column) = screen.cursor_position();
    let (text, _) = row(screen, number);
    let before = screen.rows(0, column).nth(number.into()).unwrap();
    if text.trim_end() == before.trim_end() {
        before
    } else {
        text
    }
}

/// Every line so far of this screen.
pub fn lines(screen: &vt100::Screen) -> Vec<String> {
    let mut screen = screen.clone();
    let mut rows = Vec::new();
    for offset in (1..=screen.scrollback_len()).rev() {
        screen.set_scrollback(offset);
        rows.push(row(&screen, 0));
    }
    screen.set_scrollback(0);
    rows.extend((0..screen.size().0.get()).map(|number| row(&screen, number)));
    let mut lines = Vec::new();
    let mut line = String::new();
    for (text, wraps) in rows {
        line.push_str(&text);
        if !wraps {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
    }
    lines
}

/// A row, and whether it goes on in the next.
fn row(screen: &vt100::Screen, number: u16) -> (String, bool) {
    let (_, columns) = screen.size();
    let text = screen.rows(0, columns.get()).nth(number.into()).unwrap();
    (text, screen.row_wrapped(number))
}

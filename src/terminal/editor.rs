//! The line editor on a terminal: a thread that reads keys, and a screen shared with what arrives.
//!
//! A line that arrives is printed by the editor above what is being typed. From the key that ends an
//! input until that input is dealt with, arriving lines wait: so a line said can take the place of the
//! line typed, and nothing that arrives in between is erased with it.
//!
//! Status lines, which tell how far something is, stand right above what is being typed and are drawn anew in their place; an
//! input that ends leaves them behind, unless its line is replaced.
//!
//! Printing has a thread of its own, because the editor takes one line at a time and none between two
//! inputs: whoever asks for the next input must never wait for that.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Event, EventContext, EventHandler,
    ExternalPrinter, KeyCode, KeyEvent, Modifiers, Prompt, RepeatCount,
};
use tokio::sync::mpsc;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::complete::{Vocabulary, Words};
use super::console::{Input, as_input};

/// Lines kept from earlier runs.
const HISTORY_LINES_MAX: usize = 1000;

/// A terminal's width where it does not say, in columns.
const COLUMNS_DEFAULT: usize = 80;

/// Lines that wait for a screen that takes none, because it was stopped or a flood came; what passes
/// it is counted and told.
const LINES_WAITING_MAX: usize = 4096;

/// How long the key that ends an input waits for a line that is just being printed: far longer than
/// that takes, and not felt.
const PRINTING_WAIT: Duration = Duration::from_millis(50);

/// Ends that what is pasted is marked, and the line.
const PASTE_AS_TYPED: &str = "\x1b[?2004l\r\n";

/// Shows nothing: the editor begins a row after what it is given.
const NOTHING: &str = "\x1b[A\n";

/// What the editor is asked to read.
struct Question {
    prompt: String,
    /// The answer goes into the history.
    is_kept: bool,
}

/// The asking side of the editor.
pub(super) struct Editor {
    prompts: Sender<Question>,
    lines: SyncSender<Shown>,
    screen: Arc<SharedScreen>,
    /// How the terminal was found.
    modes: Option<Termios>,
}

/// What is shown while somebody types.
enum Shown {
    Line(String),
    /// In place of the status lines before; none ends them.
    Status(Vec<String>),
}

/// Who may write on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nobody types: whoever asks writes straight to the screen.
    #[default]
    Idle,
    /// An input was asked for and the editor does not show its prompt yet: lines wait.
    Asked,
    /// Somebody types: the editor writes.
    Editing,
    /// The input has ended with this key and is on its way: lines wait.
    Ended(EndKey),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndKey {
    Leave,
    Other,
}

#[derive(Default)]
struct SharedScreen {
    state: Mutex<ScreenState>,
    changed: Condvar,
    /// Lines that passed the limit and were not told yet.
    dropped: AtomicUsize,
}

#[derive(Default)]
struct ScreenState {
    stage: Stage,
    /// What the editor is being given.
    coming: Option<Coming>,
    /// How many rows right above what is being typed, or the input that has ended, are status lines.
    status_rows: usize,
}

/// What the editor shows above what is being typed. It takes keys first: where the one that ends an input is among them, it
/// shows this with the next input.
#[derive(Clone, Copy)]
struct Coming {
    /// So many rows above what is being typed it takes away.
    takes_rows: usize,
    /// So many status lines it leaves there.
    status_rows: usize,
}

impl SharedScreen {
    fn lock(&self) -> MutexGuard<'_, ScreenState> {
        // Plain values: they are whole whatever happened to their last user.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, stage: Stage) -> Stage {
        let was = std::mem::replace(&mut self.lock().stage, stage);
        self.changed.notify_all();
        was
    }

    /// Called by the editor before it gives the screen back. A line that is just being given must find
    /// the editor still there, or it would be written below the input; one that waits because the
    /// editor has its hands full may go on waiting.
    fn end_editing(&self, key: EndKey) {
        let mut state = self.lock();
        state.stage = Stage::Ended(key);
        let deadline = Instant::now() + PRINTING_WAIT;
        while state.coming.is_some() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(state, left);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next input is asked for. Gives what is to stand above its prompt: rows for what comes still and will take them
    /// away, as the status lines that it would have taken are not there any more.
    fn ask(&self) -> String {
        let mut state = self.lock();
        state.stage = Stage::Asked;
        state.status_rows = state.coming.map_or(0, |coming| coming.takes_rows);
        self.changed.notify_all();
        "\n".repeat(state.status_rows)
    }

    /// Takes away the input that has ended, and the status lines above it.
    fn take_input(&self, rows: usize) -> String {
        let rows = rows + std::mem::take(&mut self.lock().status_rows);
        // Up to the row where the prompt began, and clear from there to the end of the screen.
        format!("\x1b[{rows}A\r\x1b[J")
    }

    fn begin_editing(&self) {
        let mut state = self.lock();
        if state.stage == Stage::Asked {
            state.stage = Stage::Editing;
            self.changed.notify_all();
        }
    }
}

type LineEditor = rustyline::Editor<Words, FileHistory>;

impl Editor {
    /// Starts the threads; inputs come out of the channel, one for each [`Editor::ask`].
    pub(super) fn start(
        vocabulary: Arc<Mutex<Vocabulary>>,
        history: Option<PathBuf>,
    ) -> io::Result<(Self, mpsc::Receiver<Input>)> {
        let modes = tcgetattr(io::stdin()).ok();
        let screen = Arc::new(SharedScreen::default());
        let mut editor = line_editor(vocabulary, &screen).map_err(io::Error::other)?;
        if let Some(file) = &history {
            // No history yet, or none that can be read: begin a new one.
            let _ = editor.load_history(file);
        }
        let printer = editor.create_external_printer().map_err(io::Error::other)?;
        let (lines, lines_out) = sync_channel(LINES_WAITING_MAX);
        let (prompts, prompts_out) = channel();
        let (inputs, inputs_out) = mpsc::channel(1);
        let (reads_on, prints_on) = (Arc::clone(&screen), Arc::clone(&screen));
        thread::spawn(move || print_lines(printer, &lines_out, &prints_on));
        thread::spawn(move || {
            for question in prompts_out {
                let input = read_line(&mut editor, &question, &reads_on, history.as_ref());
                if inputs.blocking_send(input).is_err() {
                    return;
                }
            }
        });
        let editor = Self {
            prompts,
            lines,
            screen,
            modes,
        };
        Ok((editor, inputs_out))
    }

    /// Shows the prompt and begins to read.
    pub(super) fn ask(&self, prompt: &str, is_kept: bool) {
        // A screen that is gone is noticed by who prints a line.
        let _ = write_screen(&self.screen.ask());
        // Without the thread no input comes, which ends the program.
        let prompt = prompt.to_owned();
        let _ = self.prompts.send(Question { prompt, is_kept });
    }

    /// The input has come; what is printed now follows it on the screen.
    pub(super) fn answered(&self) {
        self.screen.enter(Stage::Idle);
    }

    /// Shows these in place of the status lines before, when somebody types; not where too much waits for the screen.
    pub(super) fn show_status(&self, lines: Vec<String>) {
        let _ = self.lines.try_send(Shown::Status(lines));
    }

    pub(super) fn print(&self, line: &str) -> io::Result<()> {
        let stage = self.screen.lock().stage;
        match stage {
            Stage::Asked | Stage::Editing | Stage::Ended(_) => {
                self.queue(line);
                Ok(())
            }
            Stage::Idle => write_screen(&format!("{line}\n")),
        }
    }

    fn queue(&self, line: &str) {
        let line = Shown::Line(format!("{line}\n"));
        if self.lines.try_send(line).is_err() {
            self.screen.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Only between an answer and the next question.
    pub(super) fn replace_input(&self, rows: usize, line: &str) -> io::Result<()> {
        write_screen(&format!("{}{line}\n", self.screen.take_input(rows)))
    }

    /// Only between an answer and the next question.
    pub(super) fn clear(&self) -> io::Result<()> {
        write_screen("\x1b[H\x1b[2J")
    }
}

impl Drop for Editor {
    /// Whoever ends while somebody types leaves the terminal as it was found: the thread that reads cannot any more.
    fn drop(&mut self) {
        if self.screen.lock().stage == Stage::Idle || !is_in_foreground() {
            return;
        }
        if let Some(modes) = &self.modes {
            // There may be none any more.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
            let _ = write_screen(PASTE_AS_TYPED);
        }
    }
}

/// Whether the terminal is ours: a shell that has suspended us has it for itself.
fn is_in_foreground() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// What waits next; when nothing does, how many lines had to be dropped.
fn next_shown(lines: &Receiver<Shown>, screen: &SharedScreen) -> Option<Shown> {
    match lines.try_recv() {
        Ok(shown) => Some(shown),
        Err(_) => match screen.dropped.swap(0, Ordering::Relaxed) {
            0 => lines.recv().ok(),
            dropped => {
                let told = format!("[{dropped} lines came too fast and are not shown]\n");
                Some(Shown::Line(told))
            }
        },
    }
}

/// Gives lines to the editor while somebody types.
fn print_lines(mut printer: impl ExternalPrinter, lines: &Receiver<Shown>, screen: &SharedScreen) {
    let mut status = Vec::new();
    while let Some(shown) = next_shown(lines, screen) {
        let mut state = screen.lock();
        while state.stage != Stage::Editing {
            let woken = screen.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let line = match shown {
            Shown::Line(line) => line,
            Shown::Status(lines) => {
                status = lines;
                String::new()
            }
        };
        let below = as_rows(&status);
        let coming = Coming {
            takes_rows: state.status_rows,
            status_rows: below.len(),
        };
        let text = match (above(coming.takes_rows), line + &below.concat()) {
            (above, text) if above.is_empty() && text.is_empty() => continue,
            (above, text) if text.is_empty() => above + NOTHING,
            (above, text) => above + &text,
        };
        state.coming = Some(coming);
        drop(state);
        // The lock is not held: the editor may need it before it takes the line.
        if give(&mut printer, text, coming).is_err() {
            return;
        }
        let mut state = screen.lock();
        state.coming = None;
        state.status_rows = coming.status_rows;
        screen.changed.notify_all();
    }
}

/// Where rows are counted, this ends when the editor has shown it: it takes what follows only then.
fn give(
    printer: &mut impl ExternalPrinter,
    text: String,
    coming: Coming,
) -> Result<(), ReadlineError> {
    printer.print(text)?;
    match (coming.takes_rows, coming.status_rows) {
        (0, 0) => Ok(()),
        _ => printer.print(NOTHING.to_owned()),
    }
}

/// Takes away so many rows above the cursor.
fn above(rows: usize) -> String {
    match rows {
        0 => String::new(),
        rows => format!("\x1b[{rows}A\r\x1b[J"),
    }
}

/// Status lines as they are printed: each on one row, and no more than leave place for the talk.
fn as_rows(status: &[String]) -> Vec<String> {
    let size = tcgetwinsize(io::stdout());
    let (columns, rows_max) = size.map_or((COLUMNS_DEFAULT, 1), |size| {
        (usize::from(size.ws_col), usize::from(size.ws_row) / 4)
    });
    let lines = status.iter().take(rows_max);
    lines.map(|line| clipped(line, columns) + "\n").collect()
}

/// As much of a line as leaves the last column free: a row that is full may count as two.
fn clipped(line: &str, columns: usize) -> String {
    let mut left = columns.saturating_sub(1);
    let fits = |cluster: &&str| {
        let width = cluster.width();
        let does_fit = width <= left;
        left = left.saturating_sub(width);
        does_fit
    };
    line.graphemes(true).take_while(fits).collect()
}

fn write_screen(text: &str) -> io::Result<()> {
    let mut screen = io::stdout().lock();
    screen.write_all(text.as_bytes())?;
    screen.flush()
}

fn line_editor(
    vocabulary: Arc<Mutex<Vocabulary>>,
    screen: &Arc<SharedScreen>,
) -> Result<LineEditor, ReadlineError> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(HISTORY_LINES_MAX)?
        .history_ignore_dups(true)?
        .build();
    let mut editor = LineEditor::with_config(config)?;
    editor.set_helper(Some(Words::new(vocabulary)));
    let keys = [
        (KeyEvent(KeyCode::Enter, Modifiers::NONE), Key::Enter),
        (KeyEvent::ctrl('J'), Key::Enter),
        (KeyEvent::ctrl('C'), Key::Interrupt),
        (KeyEvent::ctrl('D'), Key::End),
        (KeyEvent::ctrl(']'), Key::Leave),
    ];
    for (event, key) in keys {
        let handler = KeyHandler {
            key,
            screen: Arc::clone(screen),
        };
        editor.bind_sequence(event, EventHandler::Conditional(Box::new(handler)));
    }
    Ok(editor)
}

fn read_line(
    editor: &mut LineEditor,
    question: &Question,
    screen: &SharedScreen,
    history: Option<&PathBuf>,
) -> Input {
    let result = editor.readline(&ShownPrompt {
        text: &question.prompt,
        screen,
    });
    let was = screen.enter(Stage::Ended(EndKey::Other));
    match result {
        Ok(text) => {
            let columns = editor
                .dimensions()
                .map_or(COLUMNS_DEFAULT, |(columns, _)| columns.into());
            let rows = rows(&format!("{}{text}", question.prompt), columns);
            if question.is_kept {
                remember(editor, &text, history);
            }
            as_input(text, rows)
        }
        Err(ReadlineError::Interrupted) if was == Stage::Ended(EndKey::Leave) => Input::Leave,
        Err(ReadlineError::Interrupted) => Input::Interrupt,
        Err(_) => Input::End,
    }
}

/// A prompt that marks when the editor has the screen: it asks for the text only then. Lines given to
/// it before would come out of order with those it still holds.
struct ShownPrompt<'a> {
    text: &'a str,
    screen: &'a SharedScreen,
}

impl Prompt for ShownPrompt<'_> {
    fn raw(&self) -> &str {
        self.screen.begin_editing();
        self.text
    }
}

/// A history that cannot be written is no reason to stop talking.
fn remember(editor: &mut LineEditor, text: &str, history: Option<&PathBuf>) {
    if text.trim().is_empty() {
        return;
    }
    let _ = editor.add_history_entry(text);
    if let Some(file) = history {
        let _ = editor.append_history(file);
    }
}

/// How many rows of the screen the editor used for this text, as it wraps lines.
fn rows(text: &str, columns: usize) -> usize {
    let (mut row, mut column) = (0, 0);
    for cluster in text.graphemes(true) {
        if cluster == "\n" {
            row += 1;
            column = 0;
            continue;
        }
        let width = cluster.width();
        column += width;
        if column > columns {
            row += 1;
            column = width;
        }
    }
    // A row that is exactly full has the cursor on the next one.
    row + usize::from(column == columns) + 1
}

#[derive(Clone, Copy)]
enum Key {
    Enter,
    Interrupt,
    End,
    Leave,
}

/// Marks the moment at which an input ends, before the editor gives the screen back.
struct KeyHandler {
    key: Key,
    screen: Arc<SharedScreen>,
}

impl ConditionalEventHandler for KeyHandler {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let (end, command) = match self.key {
            Key::Enter => (EndKey::Other, None),
            Key::Interrupt => (EndKey::Other, Some(Cmd::Interrupt)),
            Key::Leave => (EndKey::Leave, Some(Cmd::Interrupt)),
            // In a line the key deletes a character, as everywhere.
            Key::End if !context.line().is_empty() => return None,
            Key::End => (EndKey::Other, Some(Cmd::EndOfFile)),
        };
        self.screen.end_editing(end);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the editor's own it holds one text, until the editor takes it.
    struct Printer(SyncSender<String>);

    impl ExternalPrinter for Printer {
        fn print(&mut self, text: String) -> rustyline::Result<()> {
            let given = self.0.send(text);
            given.map_err(|_| ReadlineError::Eof)
        }
    }

    #[test]
    fn what_the_editor_has_not_shown_when_an_input_ends_takes_no_line_away() {
        let screen = Arc::new(SharedScreen::default());
        let (lines, lines_out) = sync_channel(8);
        let (texts, texts_out) = sync_channel(1);
        let prints_on = Arc::clone(&screen);
        let printing = thread::spawn(move || print_lines(Printer(texts), &lines_out, &prints_on));
        let wait_until = |is_coming: bool| {
            while screen.lock().coming.is_some() != is_coming {
                thread::yield_now();
            }
        };
        let shown = || {
            let text = texts_out.recv().unwrap();
            assert_eq!(texts_out.recv().unwrap(), NOTHING);
            wait_until(false);
            text
        };
        let ask = || {
            let above = screen.ask();
            screen.begin_editing();
            above
        };
        let status = || Shown::Status(vec!["40 %".to_owned()]);
        let line_for_input = "\x1b[1A\r\x1b[J";
        let with_status_line = "\x1b[2A\r\x1b[J";
        assert_eq!(ask(), "");
        lines.send(status()).unwrap();
        wait_until(true);
        screen.end_editing(EndKey::Other);
        assert_eq!(screen.take_input(1), line_for_input);
        // It is above the next input that it stands.
        assert_eq!(ask(), "");
        assert_eq!(shown(), "40 %\n");
        lines.send(Shown::Line("hi\n".to_owned())).unwrap();
        wait_until(true);
        screen.end_editing(EndKey::Other);
        assert_eq!(screen.take_input(1), with_status_line);
        // This will take a row away: it gets one.
        assert_eq!(ask(), "\n");
        screen.end_editing(EndKey::Other);
        assert_eq!(screen.take_input(1), with_status_line);
        assert_eq!(ask(), "\n");
        assert_eq!(shown(), "\x1b[1A\r\x1b[Jhi\n40 %\n");
        screen.end_editing(EndKey::Other);
        assert_eq!(screen.take_input(1), with_status_line);
        drop((lines, ask()));
        drop(texts_out);
        printing.join().unwrap();
    }

    #[test]
    fn rows_are_counted_as_the_editor_wraps() {
        assert_eq!(rows("> hi", 10), 1);
        assert_eq!(rows("> 12345678", 10), 2);
        assert_eq!(rows("> 123456789", 10), 2);
        assert_eq!(rows("> a\nb", 10), 2);
        // Ten columns are full before a wide character: it goes to the next row.
        assert_eq!(rows("> 1234567你", 10), 2);
    }

    #[test]
    fn a_status_line_takes_one_row() {
        assert_eq!(clipped("123456789", 10), "123456789");
        assert_eq!(clipped("1234567890", 10), "123456789");
        assert_eq!(clipped("12345678你", 10), "12345678");
        assert_eq!(clipped("1", 0), "");
    }
}

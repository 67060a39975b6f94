//! Where lines come from and go to: a terminal with its editor, or a pipe.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::mpsc;

use super::complete::Vocabulary;
use super::editor::Editor;
use super::lines::{Patient, read_line};
use super::signals::EndingFlag;

/// What a person, or a script, gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A line; on a terminal it stands on the last `rows` rows of the screen, its prompt included.
    Line { text: String, rows: usize },
    /// Ctrl-]
    Leave,
    /// Ctrl-C
    Interrupt,
    /// Ctrl-D, or no more will come.
    End,
}

/// A line that holds only this leaves a room, as the key does: Ctrl-].
const LEAVE_CHARACTER: &str = "\x1d";

/// Makes a terminal ring.
const BELL: char = '\x07';

/// A terminal or a pipe.
pub struct Console {
    inputs: mpsc::Receiver<Input>,
    /// An input was asked for and has not come.
    asked: bool,
    vocabulary: Arc<Mutex<Vocabulary>>,
    screen: Screen,
    /// Status lines are shown.
    has_status: bool,
}

enum Screen {
    Terminal(Editor),
    Pipe {
        output: Box<dyn Write + Send>,
        errors: Box<dyn Write + Send>,
    },
}

impl Console {
    /// The terminal that this process runs in. Lines typed are kept in `history`.
    ///
    /// # Errors
    /// The terminal cannot be used.
    pub fn terminal(history: Option<PathBuf>) -> io::Result<Self> {
        let vocabulary = Arc::new(Mutex::new(Vocabulary::default()));
        let (editor, inputs) = Editor::start(Arc::clone(&vocabulary), history)?;
        Ok(Self {
            inputs,
            asked: false,
            vocabulary,
            screen: Screen::Terminal(editor),
            has_status: false,
        })
    }

    /// The standard streams of this process, where they are no terminal. Who does not read them keeps no signal from ending it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn standard_streams() -> io::Result<Self> {
        let has_ended = EndingFlag::of_command()?;
        let output = Patient::lines(io::stdout(), has_ended.clone());
        let errors = Patient::lines(io::stderr(), has_ended);
        Ok(Self::pipe(BufReader::new(io::stdin()), output, errors))
    }

    /// Lines from `input`; what is shown goes to `output`, what went wrong to `errors`.
    pub fn pipe(
        input: impl BufRead + Send + 'static,
        output: impl Write + Send + 'static,
        errors: impl Write + Send + 'static,
    ) -> Self {
        let (lines, inputs) = mpsc::channel(1);
        // Reading blocks, and cannot be ended from outside: the thread ends with the input or the process.
        thread::spawn(move || read_lines(input, &lines));
        Self {
            inputs,
            asked: false,
            vocabulary: Arc::default(),
            screen: Screen::Pipe {
                output: Box::new(output),
                errors: Box::new(errors),
            },
            has_status: false,
        }
    }

    /// Whether somebody types here who can be asked.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self.screen, Screen::Terminal(_))
    }

    /// Shows the prompt and begins to read. A prompt that stands there already stays. What is typed
    /// can be had again with the arrow keys if it `is_kept`.
    pub(super) fn ask(&mut self, prompt: &str, is_kept: bool) {
        if let Screen::Terminal(editor) = &mut self.screen
            && !self.asked
        {
            editor.ask(prompt, is_kept);
        }
        self.asked = true;
    }

    /// The input that was asked for. May be dropped and called again without losing any.
    pub(super) async fn answer(&mut self) -> Input {
        let input = self.inputs.recv().await.unwrap_or(Input::End);
        self.asked = false;
        if let Screen::Terminal(editor) = &mut self.screen {
            editor.answered();
        }
        input
    }

    /// Shows a line: above the prompt and what is being typed, if that stands there.
    ///
    /// # Errors
    /// Nobody reads the output any more.
    pub(super) fn print(&mut self, line: &str) -> io::Result<()> {
        match &mut self.screen {
            Screen::Terminal(editor) => editor.print(line),
            Screen::Pipe { output, .. } => {
                writeln!(output, "{line}")?;
                output.flush()
            }
        }
    }

    /// Shows these on a terminal right above what is being typed, in place of those before; a pipe has no such place.
    pub(super) fn show_status(&mut self, lines: Vec<String>) {
        let had_status = std::mem::replace(&mut self.has_status, !lines.is_empty());
        if let Screen::Terminal(editor) = &self.screen
            && (had_status || self.has_status)
        {
            editor.show_status(lines);
        }
    }

    /// As [`Console::print`]; a terminal also rings, if it `rings`.
    ///
    /// # Errors
    /// As [`Console::print`].
    pub(super) fn print_ringing(&mut self, line: &str, rings: bool) -> io::Result<()> {
        match rings && self.is_terminal() {
            true => self.print(&format!("{line}{BELL}")),
            false => self.print(line),
        }
    }

    /// Clears a terminal; only between an answer and the next question.
    ///
    /// # Errors
    /// As [`Console::print`].
    pub(super) fn clear(&mut self) -> io::Result<()> {
        match &mut self.screen {
            Screen::Terminal(editor) => editor.clear(),
            Screen::Pipe { .. } => Ok(()),
        }
    }

    /// Shows `line` in place of the input that was read last, which took `rows` rows of a terminal.
    ///
    /// # Errors
    /// As [`Console::print`].
    pub(super) fn replace_input(&mut self, rows: usize, line: &str) -> io::Result<()> {
        match &mut self.screen {
            Screen::Terminal(editor) => editor.replace_input(rows, line),
            Screen::Pipe { .. } => self.print(line),
        }
    }

    /// Shows what went wrong: as `line` on a terminal, as `plain` on standard error.
    ///
    /// # Errors
    /// As [`Console::print`].
    pub(super) fn print_error(&mut self, line: &str, plain: &str) -> io::Result<()> {
        match &mut self.screen {
            Screen::Terminal(editor) => editor.print(line),
            Screen::Pipe { errors, .. } => {
                // Where nobody reads errors, the rest is done all the same.
                let _ = writeln!(errors, "crds: {plain}");
                Ok(())
            }
        }
    }

    /// Changes what Tab offers, or looks at it.
    pub(super) fn teach<T>(&self, change: impl FnOnce(&mut Vocabulary) -> T) -> T {
        // The words stay usable whatever happened to their last user.
        let vocabulary = self.vocabulary.lock();
        change(&mut vocabulary.unwrap_or_else(PoisonError::into_inner))
    }
}

fn read_lines(mut input: impl BufRead, lines: &mpsc::Sender<Input>) {
    // A read that fails ends the input.
    while let Ok(Some(line)) = read_line(&mut input) {
        if lines.blocking_send(as_input(line, 0)).is_err() {
            return;
        }
    }
}

/// The input that a whole line is.
pub(super) fn as_input(text: String, rows: usize) -> Input {
    match text.as_str() {
        LEAVE_CHARACTER => Input::Leave,
        _ => Input::Line { text, rows },
    }
}

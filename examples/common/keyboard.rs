//! What the chats of the lab briefs share: lines as they are typed, and the end of a program that reads them.

use std::error::Error;
use std::fmt::Display;
use std::io::{Write, stdout};

use tokio::io::{AsyncBufReadExt, BufReader, Stdin, stdin};

/// Whatever goes wrong, to be shown.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// Lines as they are typed.
pub struct Keyboard {
    input: BufReader<Stdin>,
    /// As much of the next line as has been read.
    line: Vec<u8>,
}

impl Keyboard {
    pub fn new() -> Self {
        Self {
            input: BufReader::new(stdin()),
            line: Vec::new(),
        }
    }

    /// The next line; none at the end of the input. May be dropped without losing any.
    pub async fn line(&mut self) -> Option<String> {
        // What cannot be read is the end.
        let _ = self.input.read_until(b'\n', &mut self.line).await;
        let line = std::mem::take(&mut self.line);
        let line = (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned())?;
        Some(line.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The answer to a question; none at the end of the input.
    #[allow(dead_code, reason = "not every chat asks")]
    pub async fn ask(&mut self, question: &str) -> Option<String> {
        print!("{question}");
        // A screen that is gone is noticed with the next line.
        let _ = stdout().flush();
        self.line().await
    }
}

/// Ends the program. Its runtime would wait for a thread that waits for the keyboard.
pub fn end(result: Result<(), impl Display>) -> ! {
    let code = match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    };
    std::process::exit(code)
}

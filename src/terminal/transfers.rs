//! Files that are offered to this person, on their way, or done: each with the number by which it is asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::chat::{ByteSize, FileName, FileOffer, MessageText, RoomName, UserName};
use crate::client::{FileFor, Files, Transfer};
use crate::files::SourceFile;

/// Transfers that are remembered; of more, those that ended first are forgotten.
const ROWS_MAX: usize = 200;

/// A text file of at most this length is shown as what its sender says, in bytes.
const SHOWN_BYTES_MAX: u64 = MessageText::BYTES_MAX as u64;

/// All transfers of this client.
#[derive(Debug)]
pub(super) struct Transfers {
    folder: PathBuf,
    auto_accept: ByteSize,
    last_id: u32,
    rows: BTreeMap<u32, Row>,
    ended: mpsc::UnboundedSender<Ended>,
    ended_out: mpsc::UnboundedReceiver<Ended>,
}

#[derive(Debug)]
struct Row {
    what: What,
    state: State,
}

/// A file, and between whom it goes.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// It is ours.
    Sending { to: FileFor, name: FileName },
    /// It is somebody's, for all in a room or for us alone.
    Receiving {
        room: Option<RoomName>,
        from: UserName,
        offer: FileOffer,
    },
}

#[derive(Debug)]
enum State {
    Offered,
    Running {
        transfer: Transfer,
        size: Option<u64>,
    },
    Ended(&'static str),
}

/// A transfer has ended.
#[derive(Debug)]
pub(super) struct Ended {
    id: u32,
    result: Result<Done, String>,
}

/// How it ended well.
#[derive(Debug)]
enum Done {
    Sent(ByteSize),
    Saved { path: PathBuf, text: Option<String> },
}

/// What a person is told of a transfer.
pub(super) enum Told {
    /// In square brackets.
    Notice(String),
    /// What went wrong.
    Failure(String),
    /// A text file as its sender's message, marked if it is for us alone; then that it is saved.
    Text {
        is_private: bool,
        from: UserName,
        text: String,
        saved: String,
    },
}

impl Transfers {
    /// What is received goes into `folder`; up to `auto_accept` without being asked for.
    pub(super) fn new(folder: PathBuf, auto_accept: ByteSize) -> Self {
        let (ended, ended_out) = mpsc::unbounded_channel();
        Self {
            folder,
            auto_accept,
            last_id: 0,
            rows: BTreeMap::new(),
            ended,
            ended_out,
        }
    }

    /// A file of ours is to be sent. Hashing it, bringing it to the server and telling of it is a task of its own.
    pub(super) fn send(&mut self, files: Files, path: &Path, to: FileFor) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let what = What::Sending {
            name: FileName::of(&name),
            to: to.clone(),
        };
        let transfer = Transfer::default();
        let state = State::Running {
            transfer: transfer.clone(),
            size: None,
        };
        let id = self.add(what, state);
        let (ended, path) = (self.ended.clone(), path.to_owned());
        tokio::spawn(async move {
            let result = send(&files, path, to, &transfer).await;
            // Who has gone needs not to be told; so below.
            let _ = ended.send(Ended { id, result });
        });
    }

    /// A file is offered to us. It is fetched at once if it is small.
    pub(super) fn offered(
        &mut self,
        files: Option<Files>,
        room: Option<RoomName>,
        from: UserName,
        offer: FileOffer,
    ) -> String {
        let size = ByteSize(offer.size_bytes);
        let sends = match room {
            Some(_) => "offers",
            None => "sends you",
        };
        let told = format!("{from} {sends} {} ({size})", offer.name);
        let id = self.add(What::Receiving { room, from, offer }, State::Offered);
        match files.filter(|_| size <= self.auto_accept && size > ByteSize(0)) {
            Some(files) => {
                // It was just added.
                let _ = self.receive(id, files);
                told
            }
            None => format!("{told}: /receive {id}"),
        }
    }

    /// Fetches what was offered, also once more.
    pub(super) fn receive(&mut self, id: u32, files: Files) -> Result<(), String> {
        let row = self.rows.get_mut(&id).ok_or_else(|| no_such(id))?;
        let What::Receiving { offer, .. } = &row.what else {
            return Err(format!("{id} is a file of yours: `transfers` lists all"));
        };
        if let State::Running { .. } = row.state {
            return Err(format!("{} is on its way already", offer.name));
        }
        let transfer = Transfer::default();
        let (offer, folder, ended) = (offer.clone(), self.folder.clone(), self.ended.clone());
        row.state = State::Running {
            transfer: transfer.clone(),
            size: Some(offer.size_bytes),
        };
        tokio::spawn(async move {
            let result = receive(&files, &offer, &folder, &transfer).await;
            let _ = ended.send(Ended { id, result });
        });
        Ok(())
    }

    /// Ends a transfer; what was received so far is removed.
    pub(super) fn cancel(&mut self, id: u32) -> Result<(), String> {
        let row = self.rows.get_mut(&id).ok_or_else(|| no_such(id))?;
        match &row.state {
            State::Running { transfer, .. } => transfer.cancel.cancel(),
            State::Offered => row.state = State::Ended("declined"),
            State::Ended(how) => return Err(format!("{id} has ended already: {how}")),
        }
        Ok(())
    }

    /// A line for each.
    pub(super) fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|(id, row)| row.line(*id)).collect()
    }

    /// Whether any is on its way.
    pub(super) fn is_running(&self) -> bool {
        let mut rows = self.rows.values();
        rows.any(|row| matches!(row.state, State::Running { .. }))
    }

    /// The next that ends. May be dropped without losing any.
    pub(super) async fn next(&mut self) -> Ended {
        match self.ended_out.recv().await {
            Some(ended) => ended,
            // The other end is ours.
            None => std::future::pending().await,
        }
    }

    /// Notes the end of a transfer.
    pub(super) fn end(&mut self, ended: Ended) -> Option<Told> {
        let row = self.rows.get_mut(&ended.id)?;
        let is_cancelled = match &row.state {
            State::Running { transfer, .. } => transfer.cancel.is_cancelled(),
            _ => false,
        };
        let name = row.what.name().clone();
        let (state, told) = match (ended.result, &row.what) {
            (Ok(Done::Sent(size)), What::Sending { to, .. }) => {
                let told = format!("sent {name} ({size}) to {}", whom(to));
                ("sent", Told::Notice(told))
            }
            (Ok(Done::Saved { path, text }), What::Receiving { room, from, offer }) => {
                let size = ByteSize(offer.size_bytes);
                let saved = format!("saved {} ({size}) from {from}", path.display());
                let told = match text {
                    Some(text) => Told::Text {
                        is_private: room.is_none(),
                        from: from.clone(),
                        text,
                        saved,
                    },
                    None => Told::Notice(saved),
                };
                ("saved", told)
            }
            (Err(_), _) if is_cancelled => {
                ("cancelled", Told::Notice(format!("{name}: cancelled")))
            }
            (Err(error), _) => ("failed", Told::Failure(format!("{name}: {error}"))),
            (Ok(_), _) => return None,
        };
        row.state = State::Ended(state);
        Some(told)
    }

    fn add(&mut self, what: What, state: State) -> u32 {
        if self.rows.len() >= ROWS_MAX {
            let ended = |row: &Row| !matches!(row.state, State::Running { .. });
            let first = self.rows.iter().find(|(_, row)| ended(row));
            if let Some(id) = first.map(|(id, _)| *id) {
                self.rows.remove(&id);
            }
        }
        self.last_id += 1;
        self.rows.insert(self.last_id, Row { what, state });
        self.last_id
    }
}

impl What {
    fn name(&self) -> &FileName {
        match self {
            Self::Sending { name, .. } => name,
            Self::Receiving { offer, .. } => &offer.name,
        }
    }
}

impl Row {
    fn line(&self, id: u32) -> String {
        let what = match &self.what {
            What::Sending { to, name } => format!("{name} to {}", whom(to)),
            What::Receiving { from, offer, .. } => {
                let size = ByteSize(offer.size_bytes);
                format!("{} ({size}) from {from}", offer.name)
            }
        };
        let state = match &self.state {
            State::Offered => format!("offered: /receive {id}"),
            State::Running { transfer, size } => {
                let done = *transfer.progress.borrow();
                match size {
                    Some(size) if *size > 0 => {
                        format!("{} %", u128::from(done) * 100 / u128::from(*size))
                    }
                    _ => format!("{} done", ByteSize(done)),
                }
            }
            State::Ended(how) => (*how).to_owned(),
        };
        format!("{id}  {what}  {state}")
    }
}

fn whom(to: &FileFor) -> String {
    match to {
        FileFor::Room(room) => format!("the {room}"),
        FileFor::Person(name) => name.to_string(),
    }
}

fn no_such(id: u32) -> String {
    format!("no transfer has the number {id}: `transfers` lists them")
}

async fn send(
    files: &Files,
    path: PathBuf,
    to: FileFor,
    transfer: &Transfer,
) -> Result<Done, String> {
    let opened = spawn_blocking(move || SourceFile::open(&path)).await;
    let source = opened.map_err(|error| error.to_string())?;
    let source = Arc::new(source.map_err(|error| error.to_string())?);
    let uploaded = files.upload(Arc::clone(&source), transfer).await;
    uploaded.map_err(|error| error.to_string())?;
    let offered = files.offer(to, source.offer().clone()).await;
    offered.map_err(|error| error.to_string())?;
    Ok(Done::Sent(ByteSize(source.offer().size_bytes)))
}

async fn receive(
    files: &Files,
    offer: &FileOffer,
    folder: &Path,
    transfer: &Transfer,
) -> Result<Done, String> {
    let saved = files.download(offer, folder, transfer).await;
    let path = saved.map_err(|error| error.to_string())?;
    let text = match offer.size_bytes <= SHOWN_BYTES_MAX {
        true => {
            let path = path.clone();
            let read = spawn_blocking(move || std::fs::read(path)).await;
            read.ok().and_then(Result::ok).and_then(text_of)
        }
        false => None,
    };
    Ok(Done::Saved { path, text })
}

/// What a file says, if it is a text: no other control characters than those that make lines.
fn text_of(content: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(content).ok()?;
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    (text.chars().all(is_text) && !text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FileHash;

    fn transfers() -> Transfers {
        Transfers::new(PathBuf::from("downloads"), ByteSize(1000))
    }

    fn offered(transfers: &mut Transfers, size_bytes: u64) -> String {
        let offer = FileOffer {
            name: FileName::of("notes.txt"),
            size_bytes,
            hash: FileHash([1; 32]),
        };
        transfers.offered(None, None, "Ana".parse().unwrap(), offer)
    }

    #[test]
    fn what_is_offered_has_a_number_and_can_be_declined() {
        let mut transfers = transfers();
        let told = offered(&mut transfers, 12_000);
        assert_eq!(told, "Ana sends you notes.txt (12 kB): /receive 1");
        assert_eq!(
            transfers.lines(),
            ["1  notes.txt (12 kB) from Ana  offered: /receive 1"]
        );
        transfers.cancel(1).unwrap();
        assert_eq!(
            transfers.lines(),
            ["1  notes.txt (12 kB) from Ana  declined"]
        );
        assert!(transfers.cancel(1).unwrap_err().contains("declined"));
        assert!(transfers.cancel(2).unwrap_err().contains("transfers"));
        assert!(!transfers.is_running());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut transfers = transfers();
        for _ in 0..ROWS_MAX + 5 {
            offered(&mut transfers, 5000);
        }
        assert_eq!(transfers.lines().len(), ROWS_MAX);
        assert!(transfers.lines()[0].starts_with("6 "));
    }

    #[test]
    fn only_texts_are_shown_as_texts() {
        assert_eq!(text_of(b"a\tb\r\nc\n".to_vec()), Some("a\tb\r\nc\n".into()));
        for content in [&b"\xff"[..], b"a\0b", b"\x1b[2J", b" \n", b""] {
            assert_eq!(text_of(content.to_vec()), None);
        }
    }
}

//! Files that are offered to this person, on their way, or done: each with the number by which it is asked for.

mod auto_accept;
mod row;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};

use super::offerers::Offerers;
use super::progress::{Meter, described, stuck};
use crate::chat::{ByteSize, FileName, FileOffer, RoomName};
use crate::client::{FileFor, FileSource, Files, Offer, RoomEvent, RoomFiles, Transfer};
use auto_accept::{AutoAccept, Verdict};
use row::{Row, Running, State, Way, What};
pub(super) use work::News;
use work::{Happened, Teller, receive, send, share};

/// Transfers that are remembered; of more, those that ended first are forgotten.
const ROWS_MAX: usize = 200;

/// So many are received at a time; others wait.
const RECEIVED_AT_ONCE_MAX: usize = 16;

/// While so many are on their way or wait, nothing more comes by itself.
const RUNNING_MAX: usize = ROWS_MAX / 2;

/// All transfers of this client.
#[derive(Debug)]
pub(super) struct Transfers {
    folder: PathBuf,
    auto_accept: AutoAccept,
    last_id: u32,
    rows: BTreeMap<u32, Row>,
    places: Arc<Semaphore>,
    news: mpsc::UnboundedSender<News>,
    news_out: mpsc::UnboundedReceiver<News>,
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
        from: String,
        text: String,
        saved: String,
    },
}

impl Transfers {
    /// What is received goes into `folder`; up to `auto_accept` without being asked for.
    pub(super) fn new(folder: PathBuf, auto_accept: ByteSize) -> Self {
        let (news, news_out) = mpsc::unbounded_channel();
        Self {
            folder,
            auto_accept: AutoAccept::new(auto_accept),
            last_id: 0,
            rows: BTreeMap::new(),
            places: Arc::new(Semaphore::new(RECEIVED_AT_ONCE_MAX)),
            news,
            news_out,
        }
    }

    /// A file of ours is offered to a room until it is cancelled or the room is left.
    pub(super) fn share(&mut self, files: RoomFiles, path: &Path, room: RoomName) {
        let (id, transfer) = self.add_sending(path, FileFor::Room(room));
        let (news, path) = (self.teller(id), path.to_owned());
        tokio::spawn(async move {
            let shared = share(&files, path, &transfer, &news).await;
            news.tell(Happened::Ended(shared));
        });
    }

    /// A room is left: what we offered there is no longer to be had. What is on its way from there goes on as long as it
    /// comes; what was offered can be had from the server alone.
    pub(super) fn leave(&mut self, room: &RoomName) {
        for row in self.rows.values_mut() {
            if matches!(row.way, Way::Room(..)) {
                row.way = Way::Server;
                row.offered_by.clear();
                row.is_interrupted = row.is_running();
            }
            let is_there = match &row.what {
                What::Sending {
                    to: FileFor::Room(to),
                    ..
                } => to == room && !room.is_lobby(),
                _ => false,
            };
            if let State::Running(Running { transfer, .. }) | State::Shared(transfer, _) =
                &row.state
                && is_there
            {
                transfer.cancel.cancel();
            }
        }
    }

    /// A file of ours is to be sent. Hashing it, bringing it to the server and telling of it is a task of its own.
    pub(super) fn send(&mut self, files: Files, path: &Path, to: FileFor) {
        let (id, transfer) = self.add_sending(path, to.clone());
        let (news, path) = (self.teller(id), path.to_owned());
        tokio::spawn(async move {
            let sent = send(&files, path, to, &transfer, &news).await;
            news.tell(Happened::Ended(sent));
        });
    }

    fn add_sending(&mut self, path: &Path, to: FileFor) -> (u32, Transfer) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let what = What::Sending {
            name: FileName::of(&name),
            to,
        };
        let transfer = Transfer::default();
        let running = Running {
            transfer: transfer.clone(),
            meter: None,
            who: String::new(),
        };
        let id = self.add(what, State::Running(running), Way::Server);
        (id, transfer)
    }

    fn teller(&self, id: u32) -> Teller {
        Teller {
            id,
            news: self.news.clone(),
        }
    }

    /// A file is offered in the room that we are in, `is_shown` if that was told before, by the history too. What a person is
    /// told, and whether it comes by itself, which need not be told twice.
    pub(super) fn offered_in_room(
        &mut self,
        files: RoomFiles,
        room: RoomName,
        from: String,
        offer: Offer,
        is_shown: bool,
    ) -> (String, bool) {
        let file = offer.file.clone();
        let known = self.id_of(&file);
        let told = format!("{from} offers {}", described(&file));
        let what = What::Receiving {
            room: Some(room),
            from: from.clone(),
            offer: file,
        };
        let way = Way::Room(files, offer);
        match known.and_then(|id| Some((id, self.rows.get_mut(&id)?))) {
            // It comes from both.
            Some((_, row)) if row.is_running() => {
                row.offered_by.add(from);
                if row.is_interrupted {
                    row.way = way;
                }
                (format!("{told}, which is on its way already"), true)
            }
            Some((id, row)) if row.is_interrupted => {
                row.way = way;
                row.offered_by.add(from);
                match self.receive(id, None) {
                    // That it did not go on was told.
                    Ok(()) => (format!("{told} again: going on with it"), false),
                    Err(error) => (error, false),
                }
            }
            // As in the history it goes by the same number; it may be here already.
            Some((id, row)) if is_shown => {
                row.way = way;
                row.offered_by.add(from);
                // The server did not have it.
                if matches!(row.state, State::Ended(row::FAILED)) {
                    row.state = State::Offered;
                }
                let is_wanted = matches!(row.state, State::Offered);
                let told = self.accept(id, None);
                match is_wanted {
                    true => told,
                    false => (String::new(), true),
                }
            }
            _ => self.offered_by(what, way, None),
        }
    }

    /// A file that the history has, and whether it has shown what a text says; the number by which it is asked for.
    pub(super) fn offered_before(
        &mut self,
        room: Option<RoomName>,
        from: String,
        offer: FileOffer,
        is_text_shown: bool,
    ) -> u32 {
        let id = self.id_of(&offer).unwrap_or_else(|| {
            let what = What::Receiving { room, from, offer };
            self.add(what, State::Offered, Way::Server)
        });
        if let Some(row) = self.rows.get_mut(&id) {
            row.is_text_shown |= is_text_shown;
        }
        id
    }

    /// The last time that this file was offered to us. Whoever offers another length of this hash means another.
    fn id_of(&self, file: &FileOffer) -> Option<u32> {
        let whose = |file: &FileOffer| (file.hash, file.size_bytes);
        let mut rows = self.rows.iter().rev();
        let found = rows.find(|(_, row)| match &row.what {
            What::Receiving { offer, .. } => whose(offer) == whose(file),
            What::Sending { .. } => false,
        });
        found.map(|(id, _)| *id)
    }

    /// Something happens in the room that we are in: it may be that nobody offers a file any more.
    pub(super) fn note_room(&mut self, event: &RoomEvent) {
        for row in self.rows.values_mut() {
            let What::Receiving { offer, .. } = &row.what else {
                continue;
            };
            let is_left = matches!(event, RoomEvent::Left(name) if row.offered_by.leave(name));
            if !is_left && !row.offered_by.note(event, offer.hash) {
                continue;
            }
            match &row.state {
                // The server may have it.
                State::Offered if is_left => {}
                State::Offered => row.state = State::Ended("withdrawn"),
                State::Running(running) => {
                    running.transfer.withdrawn.cancel();
                    row.is_interrupted = true;
                }
                State::Shared(..) | State::Ended(_) => {}
            }
        }
    }

    /// A file is offered to us. It is fetched at once if it is small.
    pub(super) fn offered(
        &mut self,
        files: Option<Files>,
        room: Option<RoomName>,
        from: String,
        offer: FileOffer,
    ) -> String {
        let known = self.id_of(&offer).and_then(|id| self.rows.get(&id));
        if known.is_some_and(Row::is_running) {
            let told = offering(room.as_ref(), &from, &offer);
            return format!("{told}, which is on its way already");
        }
        let what = What::Receiving { room, from, offer };
        self.offered_by(what, Way::Server, files).0
    }

    fn offered_by(&mut self, what: What, way: Way, files: Option<Files>) -> (String, bool) {
        let id = self.add(what, State::Offered, way);
        self.accept(id, files)
    }

    /// What a person is told of an offer, and whether it comes by itself.
    fn accept(&mut self, id: u32, files: Option<Files>) -> (String, bool) {
        let running = self.rows.values().filter(|row| row.is_running()).count();
        let Some(Row {
            what: What::Receiving { room, from, offer },
            state: State::Offered,
            ..
        }) = self.rows.get(&id)
        else {
            return (String::new(), false);
        };
        let told = offering(room.as_ref(), from, offer);
        let ask = format!("{told}: /receive {id}");
        if running >= RUNNING_MAX {
            return (ask, false);
        }
        match self.auto_accept.decide(offer.size_bytes, Instant::now()) {
            Verdict::Comes if self.receive(id, files).is_ok() => (told, true),
            Verdict::Comes | Verdict::TooLarge => (ask, false),
            Verdict::TooMuch(bytes) => {
                let why = format!("{bytes} came without being asked for within an hour");
                (format!("{ask} ({why})"), false)
            }
        }
    }

    /// Fetches what was offered, also once more. `files` is the way through the server, if there is one.
    pub(super) fn receive(&mut self, id: u32, files: Option<Files>) -> Result<(), String> {
        let row = self.rows.get_mut(&id).ok_or_else(|| no_such(id))?;
        let What::Receiving { offer, .. } = &row.what else {
            return Err(format!("{id} is a file of yours: `transfers` lists all"));
        };
        if let State::Running(_) = row.state {
            return Err(format!("{} is on its way already", offer.name));
        }
        let source = match (&row.way, files) {
            (Way::Room(files, offer), _) => FileSource::Room(files.clone(), offer.clone()),
            (Way::Server, Some(files)) => FileSource::Server(files, offer.clone()),
            (Way::Server, None) => return Err("not connected: `connect` first".to_owned()),
        };
        row.is_interrupted = false;
        let transfer = Transfer::default();
        if matches!(row.way, Way::Room(..)) && row.offered_by.is_empty() {
            // So the server is asked first.
            transfer.withdrawn.cancel();
        }
        row.state = State::Running(Running {
            transfer: transfer.clone(),
            meter: None,
            who: String::new(),
        });
        let (folder, news) = (self.folder.clone(), self.teller(id));
        let places = Arc::clone(&self.places);
        tokio::spawn(async move {
            receive(source, &folder, &transfer, &places, &news).await;
        });
        Ok(())
    }

    /// Ends a transfer; what was received so far is removed. What a person is told, unless that comes when it has ended.
    pub(super) fn cancel(&mut self, id: u32) -> Result<Option<String>, String> {
        let row = self.rows.get_mut(&id).ok_or_else(|| no_such(id))?;
        row.is_interrupted = false;
        match &row.state {
            State::Running(Running { transfer, .. }) | State::Shared(transfer, _) => {
                transfer.cancel.cancel();
                Ok(None)
            }
            State::Offered => {
                row.state = State::Ended("declined");
                Ok(Some(format!("{}: declined", row.what.name())))
            }
            State::Ended(how) => Err(format!("{id} has ended already: {how}")),
        }
    }

    /// A line for each.
    pub(super) fn lines(&mut self) -> Vec<String> {
        let rows = self.rows.iter_mut();
        rows.map(|(id, row)| row.line(*id)).collect()
    }

    /// Whether any of ours is on its way.
    pub(super) fn is_sending(&self) -> bool {
        let mut rows = self.rows.values();
        rows.any(|row| row.is_running() && matches!(row.what, What::Sending { .. }))
    }

    /// Whether any is on its way.
    pub(super) fn is_running(&self) -> bool {
        self.rows.values().any(Row::is_running)
    }

    /// How far those are that have been on their way for so long, a line for each: with a bar, or without and only if it moves.
    pub(super) fn progress(&mut self, time: Duration, has_bar: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for row in self.rows.values_mut() {
            let verb = match row.what {
                What::Sending { .. } => "sending",
                What::Receiving { .. } => "receiving",
            };
            let name = row.what.name().clone();
            if let State::Running(running) = &mut row.state
                && let Some(far) = running.far(time)
                && (has_bar || running.moves())
            {
                let bar = running.bar().filter(|_| has_bar);
                let bar = bar.map_or_else(|| ":".to_owned(), |bar| format!(" {bar}"));
                lines.push(format!("{verb} {name}{bar} {far}"));
            }
        }
        lines
    }

    /// What a person is told of those of which nothing has come for long, once.
    pub(super) fn stuck(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for (id, row) in &mut self.rows {
            if let (What::Receiving { offer, .. }, State::Running(running)) =
                (&row.what, &mut row.state)
                && running.is_stuck()
            {
                let stuck = stuck(offer, matches!(row.way, Way::Server));
                told.push(format!("{stuck}; /cancel {id} ends that"));
            }
        }
        told
    }

    /// The next thing that happens. May be dropped without losing any.
    pub(super) async fn next(&mut self) -> News {
        match self.news_out.recv().await {
            Some(news) => news,
            // The other end is ours.
            None => std::future::pending().await,
        }
    }

    /// Notes what happened to a transfer; what a person is told of it, if anything.
    pub(super) fn note(&mut self, news: News) -> Option<Told> {
        let row = self.rows.get_mut(&news.id)?;
        // It was offered again before the waiting for it had ended.
        if let Happened::Ended(Err(_)) = news.what
            && row.is_interrupted
            && !row.offered_by.is_empty()
        {
            row.state = State::Offered;
            let error = self.receive(news.id, None).err()?;
            return Some(Told::Failure(error));
        }
        match (news.what, &mut row.state) {
            (Happened::Begun(size_bytes), State::Running(running)) => {
                running.meter = Some(Meter::new(size_bytes));
                None
            }
            (Happened::Who(who), State::Running(running)) => {
                running.who = who;
                None
            }
            (Happened::Reached { by, of }, State::Running(Running { transfer, .. }))
            | (Happened::Reached { by, of }, State::Shared(transfer, _)) => {
                let who = match of {
                    0 => String::new(),
                    _ => format!(" ({by} of {of} have it)"),
                };
                row.state = State::Shared(transfer.clone(), who);
                let name = row.what.name();
                Some(Told::Notice(match of {
                    0 => format!("{name} is offered; nobody has taken it yet"),
                    _ => format!("{by} of {of} have {name}"),
                }))
            }
            (Happened::Ended(result), _) => row.end(result),
            _ => None,
        }
    }

    fn add(&mut self, what: What, state: State, way: Way) -> u32 {
        if self.rows.len() >= ROWS_MAX {
            let ended = |row: &Row| !matches!(row.state, State::Running(_) | State::Shared(..));
            let first = self.rows.iter().find(|(_, row)| ended(row));
            if let Some(id) = first.map(|(id, _)| *id) {
                self.rows.remove(&id);
            }
        }
        self.last_id += 1;
        let mut offered_by = Offerers::default();
        if let (What::Receiving { from, .. }, Way::Room(..)) = (&what, &way) {
            offered_by.add(from.clone());
        }
        let row = Row {
            what,
            state,
            way,
            is_text_shown: false,
            offered_by,
            is_interrupted: false,
        };
        self.rows.insert(self.last_id, row);
        self.last_id
    }
}

/// Who offers what.
fn offering(room: Option<&RoomName>, from: &str, offer: &FileOffer) -> String {
    let offers = match room {
        Some(_) => "offers",
        None => "sends you",
    };
    format!("{from} {offers} {}", described(offer))
}

fn no_such(id: u32) -> String {
    format!("no transfer has the number {id}: `transfers` lists them")
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
        transfers.offered(None, None, "Ana".to_owned(), offer)
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
        let told = transfers.cancel(1).unwrap();
        assert_eq!(told.as_deref(), Some("notes.txt: declined"));
        assert_eq!(
            transfers.lines(),
            ["1  notes.txt (12 kB) from Ana  declined"]
        );
        assert!(transfers.cancel(1).unwrap_err().contains("declined"));
        assert!(transfers.cancel(2).unwrap_err().contains("transfers"));
        assert!(!transfers.is_running());
    }

    #[test]
    fn what_is_on_its_way_is_not_fetched_twice() {
        let mut transfers = transfers();
        offered(&mut transfers, 12_000);
        let running = Running {
            transfer: Transfer::default(),
            meter: None,
            who: String::new(),
        };
        transfers.rows.get_mut(&1).unwrap().state = State::Running(running);
        let told = offered(&mut transfers, 12_000);
        assert_eq!(
            told,
            "Ana sends you notes.txt (12 kB), which is on its way already"
        );
        assert_eq!(transfers.lines().len(), 1);
        // Another file.
        offered(&mut transfers, 13_000);
        assert_eq!(transfers.lines().len(), 2);
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
}

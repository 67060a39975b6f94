//! What was said before: shown on entering a room, and when asked for.

use std::io;
use std::time::Duration;

use tokio::time::timeout;

use super::{Failure, Repl, Seat};
use crate::chat::{
    Found, Happening, HistoryPage, HistoryQuery, RecordRange, RoomName, SearchWords, SessionId,
};
use crate::client::{Connection, RefusalCode, RequestError};

/// How much is shown on entering a room.
const SHOWN_ON_ENTERING: u32 = 100;

/// How much `/history` shows unless told otherwise.
const SHOWN_WHEN_ASKED: usize = 500;

/// How much `search` shows: more is nothing to read.
const FOUND_MAX: u32 = 50;

/// Of so many files that are texts their content is shown; each is one request to the server.
const TEXTS_SHOWN_MAX: usize = 20;

/// How long a history may wait for what its files say.
const TEXTS_WAIT: Duration = Duration::from_secs(2);

/// What counts the lobby's lines.
const LOBBY_ORIGIN: SessionId = SessionId(0);

/// The end of a room's history; none where none is kept, or there is no server to ask.
///
/// # Errors
/// What to say of why it could not be had.
pub(super) async fn latest(
    connection: Option<&Connection>,
    room: &RoomName,
) -> Result<Option<HistoryPage>, String> {
    let Some(connection) = connection else {
        return Ok(None);
    };
    let query = HistoryQuery {
        limit: Some(SHOWN_ON_ENTERING),
        ..HistoryQuery::default()
    };
    match connection.history(room.clone(), query).await {
        Ok(page) => Ok(Some(page)),
        Err(error) if is_not_kept(&error) => Ok(None),
        Err(error) => Err(format!("what was said before could not be had: {error}")),
    }
}

fn is_not_kept(error: &RequestError) -> bool {
    matches!(error, RequestError::Refusal(refusal) if refusal.code == RefusalCode::NoHistory)
}

/// Has files that are texts read as what their sender says.
async fn show_texts(connection: Option<&Connection>, page: &mut HistoryPage) {
    let Some(connection) = connection else {
        return;
    };
    let files = connection.files();
    let texts = files.show_texts(&mut page.entries, TEXTS_SHOWN_MAX);
    // Those that do not come in time stay files.
    let _ = timeout(TEXTS_WAIT, texts).await;
}

impl Repl {
    /// A page as lines, and before them what it is, if it is not all. Files that are texts are read as what their sender
    /// says, others can be fetched by their numbers.
    pub(super) async fn past_lines(
        &mut self,
        room: &RoomName,
        page: &mut HistoryPage,
    ) -> Vec<String> {
        let offers = page.entries.iter().map(|entry| match &entry.what {
            Happening::File(offer) => Some(offer.clone()),
            _ => None,
        });
        let offers: Vec<_> = offers.collect();
        show_texts(self.connection.as_ref(), page).await;
        let style = self.settings.style;
        let (shown, kept) = (page.entries.len(), page.kept);
        let heading = page.before.map(|_| {
            style.notice(&format!(
                "history: {shown} of {kept} lines; /history shows more"
            ))
        });
        let mut lines: Vec<String> = heading.into_iter().collect();
        for (entry, offer) in page.entries.iter().zip(offers) {
            if self.is_ignored(&entry.from) {
                continue;
            }
            let line = style.past(entry, None);
            let Some(offer) = offer else {
                lines.push(line);
                continue;
            };
            let is_text_shown = !matches!(entry.what, Happening::File(_));
            let (room, from) = (Some(room.clone()), entry.from.to_string());
            let transfers = &mut self.transfers;
            let id = transfers.offered_before(room, from, offer, is_text_shown);
            lines.push(match is_text_shown {
                true => line,
                false => format!("{line} {}", style.notice(&format!("/receive {id}"))),
            });
        }
        lines
    }

    async fn show_past(&mut self, room: &RoomName, page: &mut HistoryPage) -> io::Result<()> {
        let lines = self.past_lines(room, page).await;
        lines.iter().try_for_each(|line| self.console.print(line))
    }

    /// The lobby's history; what comes after it is told apart by its number.
    pub(super) async fn lobby_past(&mut self) -> Vec<String> {
        self.lobby_next = 0;
        let mut page = match latest(self.connection.as_ref(), &RoomName::lobby()).await {
            Ok(Some(page)) => page,
            Ok(None) => return Vec::new(),
            Err(told) => return vec![self.settings.style.notice(&told)],
        };
        self.note_lobby_position(&page);
        // That we came just now is no news to us.
        let me = self.name.as_ref().map_or("", |name| name.as_str());
        page.entries
            .pop_if(|last| last.what == Happening::Joined && last.from == me);
        self.past_lines(&RoomName::lobby(), &mut page).await
    }

    fn note_lobby_position(&mut self, page: &HistoryPage) {
        let mut positions = page.positions.iter();
        if let Some(position) = positions.find(|position| position.origin == LOBBY_ORIGIN) {
            self.lobby_next = self.lobby_next.max(position.next);
        }
    }

    /// Whether this was shown as history already, or was heard before.
    pub(super) fn is_past_in_lobby(&mut self, number: u64) -> bool {
        let is_past = number < self.lobby_next;
        self.lobby_next = self.lobby_next.max(number.saturating_add(1));
        is_past
    }

    /// The connection was lost for a while: what was said in the lobby meanwhile.
    pub(super) async fn catch_up_in_lobby(&mut self) -> io::Result<()> {
        let (Some(Seat::Lobby), Some(connection)) = (&self.seat, &self.connection) else {
            return Ok(());
        };
        if self.lobby_next == 0 || !self.is_online {
            return Ok(());
        }
        let query = HistoryQuery {
            of: Some(RecordRange {
                origin: LOBBY_ORIGIN,
                first: self.lobby_next,
                end: u64::MAX,
            }),
            ..HistoryQuery::default()
        };
        let page = connection
            .whole_history(RoomName::lobby(), query, None)
            .await;
        let mut page = match page {
            Ok(page) => page,
            Err(error) if is_not_kept(&error) => return Ok(()),
            Err(error) => {
                return self.notice(&format!("what was said meanwhile cannot be shown: {error}"));
            }
        };
        self.note_lobby_position(&page);
        let me = self.name.as_ref().map_or("", |name| name.as_str());
        page.entries.retain(|entry| entry.from != me);
        self.show_past(&RoomName::lobby(), &mut page).await
    }

    /// Records of the room we are in that no member has any more: the server may have kept what they were.
    pub(super) async fn fill_gap(&mut self, told: &str, range: RecordRange) -> io::Result<()> {
        let room = self.seat.as_ref().map(Seat::name);
        let kept = match (room, &self.connection) {
            (Some(room), Some(connection)) if !self.is_lost => {
                let query = HistoryQuery {
                    of: Some(range),
                    ..HistoryQuery::default()
                };
                let page = connection.whole_history(room.clone(), query, None).await;
                page.ok().map(|page| (room, page))
            }
            _ => None,
        };
        let Some((room, mut page)) = kept.filter(|(_, page)| !page.entries.is_empty()) else {
            return self.notice(told);
        };
        self.notice(&format!("{told}; of these the server has:"))?;
        self.show_past(&room, &mut page).await
    }

    pub(super) async fn show_history(
        &mut self,
        entries: Option<usize>,
    ) -> Result<Vec<String>, Failure> {
        let room = self.seat.as_ref().map(Seat::name).ok_or("not in a room")?;
        let wanted = Some(entries.unwrap_or(SHOWN_WHEN_ASKED));
        let connection = self.connected()?;
        let mut page = connection
            .whole_history(room.clone(), HistoryQuery::default(), wanted)
            .await?;
        let style = self.settings.style;
        if page.entries.is_empty() {
            return Ok(vec![style.notice("nothing was said here so far")]);
        }
        let mut lines = self.past_lines(&room, &mut page).await;
        if let (Some(_), Some(heading)) = (page.before, lines.first_mut()) {
            *heading = style.notice(&format!(
                "history: {} of {} lines; `/history N` shows as many as you like",
                page.entries.len(),
                page.kept
            ));
        }
        lines.push(style.notice("that was the history"));
        Ok(lines)
    }

    /// In the room we are in, else in all.
    pub(super) async fn search(&mut self, words: SearchWords) -> Result<Vec<String>, Failure> {
        let room = self.seat.as_ref().map(Seat::name);
        let connection = self.connected()?;
        let (found, more) = connection
            .search(room.clone(), words.clone(), None, Some(FOUND_MAX))
            .await?;
        let style = self.settings.style;
        let slash = if room.is_some() { "/" } else { "" };
        let mut lines = Vec::new();
        for Found { room: place, entry } in &found {
            if self.is_ignored(&entry.from) {
                continue;
            }
            let elsewhere = room.is_none().then_some(place);
            let mut line = style.past(entry, elsewhere);
            if let Happening::File(offer) = &entry.what {
                let (place, from) = (Some(place.clone()), entry.from.clone());
                let transfers = &mut self.transfers;
                let id = transfers.offered_before(place, from, offer.clone(), false);
                let fetch = style.notice(&format!("{slash}receive {id}"));
                line = format!("{line} {fetch}");
            }
            lines.push(line);
        }
        lines.push(style.notice(&match (lines.len(), more) {
            (0, _) => format!("nothing found for: {words}"),
            (found, None) => format!("{found} found for: {words}"),
            (found, Some(_)) => {
                format!("the last {found} found for: {words}; more words find less")
            }
        }));
        Ok(lines)
    }
}

//! What was said before: kept in the history, and given out to who asks. The owner of the hub has no part in it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use super::answer::stopping;
use super::bridge::Bridge;
use super::files::Files;
use crate::chat::{
    Happening, HistoryEntry, HistoryPage, HistoryQuery, Position, RecordId, RoomId, RoomName,
    SessionId, to_the_millisecond,
};
use crate::control::{Event, Refusal, RefusalCode, Reply, Request};
use crate::directory::NoSuchRoom;
use crate::hub::ClientId;
use crate::store::{Change, History, KeptRoom, LOBBY, NewEntry, ReadError};

/// Whom the server's seat has forgotten may have been heard within this: its last words may still be on their way to
/// who comes now.
const POSITIONS_AGE_MAX: SignedDuration = SignedDuration::from_secs(120);

/// What the server heard since the positions were asked for, and so long before, may be of somebody who came only then.
const ASKED_MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// Numbers of the lobby that are left out when a server starts: one that was killed may have given out so many that
/// its history does not have.
const LOBBY_NUMBERS_LEFT_OUT: u64 = 65_536;

/// What counts the lobby's lines, among the sessions that count their own.
const LOBBY_ORIGIN: SessionId = SessionId(0);

/// The number of the next thing that happens in the lobby: above those of earlier servers, also where nothing tells what these
/// gave out, because no history was kept or its file is gone. Clients take what has a lower number for something they know.
pub(super) fn lobby_next(history: Option<&History>, now: Timestamp) -> u64 {
    let positions = history.map(|history| history.positions(LOBBY, None));
    let counted = positions.unwrap_or_default().into_iter();
    let next = counted.filter(|p| p.origin == LOBBY_ORIGIN).map(|p| p.next);
    let next = next.max().map_or(1, |next| next + LOBBY_NUMBERS_LEFT_OUT);
    next.max(u64::try_from(now.as_millisecond()).unwrap_or(1))
}

/// What the history has to know of the rooms.
pub(super) fn note_room(history: &History, change: &Change) {
    match change {
        Change::Made(id, room) => history.add_room(KeptRoom {
            id: *id,
            name: room.name.clone(),
            limit: room.history,
        }),
        Change::Deleted(id) => history.drop_room(*id),
        Change::Topic(..) | Change::Group(..) | Change::Avatar(..) => {}
    }
}

/// Keeps what happens in the lobby.
pub(super) fn keep_lobby(history: &History, event: &Event) {
    let (heard_at, said_at, number) = match *event {
        Event::Line {
            at,
            said_at,
            number,
            ..
        }
        | Event::File {
            at,
            said_at,
            number: Some(number),
            ..
        } => (at, said_at, number),
        Event::Entered { at, number, .. } | Event::Left { at, number, .. } => (at, at, number),
        _ => return,
    };
    let (from, what) = match event {
        Event::Line { from, text, .. } => (from.clone(), Happening::Text(text.clone())),
        Event::File { from, offer, .. } => (from.to_string(), Happening::File(offer.clone())),
        Event::Entered { name, .. } => (name.to_string(), Happening::Joined),
        Event::Left { name, .. } => (name.to_string(), Happening::Left),
        _ => return,
    };
    history.keep(
        LOBBY,
        NewEntry {
            said_at,
            heard_at,
            from,
            what,
            record: Some(RecordId {
                origin: LOBBY_ORIGIN,
                sequence: number,
            }),
        },
    );
}

/// The history searches one after the other: who waits for that keeps no thread from whom else waits for the disk.
static SEARCHES: Semaphore = Semaphore::const_new(1);

/// Who asks for history: it is for whoever is online, as following is, and for who is in the room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) client: ClientId,
    pub(super) is_online: bool,
}

/// Answers a request for what was said before.
pub(super) async fn answer(
    history: Option<History>,
    bridge: &Bridge,
    files: &Files,
    asker: Asker,
    request: Request,
) -> Result<Reply, Refusal> {
    let history = history.ok_or_else(|| refusal("this server keeps no history"))?;
    match request {
        Request::History { room, query } => page(history, bridge, asker, room, query).await,
        Request::Search {
            room,
            words,
            before,
            limit,
        } => {
            if !asker.is_online {
                return Err(name_first());
            }
            let room = room.map(|room| find(&history, &room)).transpose()?;
            let files = files.clone();
            let search = move || {
                let read = |hash| files.text_and_wait(hash);
                history.search(room, &words, before, limit, Timestamp::now(), read)
            };
            // It is not closed.
            let _turn = SEARCHES.acquire().await;
            let (found, before) = blocking(search).await?;
            Ok(Reply::Found { found, before })
        }
        _ => Ok(Reply::Done),
    }
}

async fn page(
    history: History,
    bridge: &Bridge,
    asker: Asker,
    room: RoomName,
    query: HistoryQuery,
) -> Result<Reply, Refusal> {
    let id = find(&history, &room)?;
    let asked = Timestamp::now().checked_sub(ASKED_MARGIN);
    let asked = asked.unwrap_or(Timestamp::MIN);
    // First how far our seat has heard the others: all of that is kept when the page is read after it.
    let heard = match id {
        LOBBY => None,
        id => bridge.positions(asker.client, id).await,
    };
    let is_guest = heard.as_ref().is_some_and(|heard| heard.is_guest);
    if !asker.is_online && !is_guest {
        return Err(name_first());
    }
    let mut positions = heard.map_or_else(Vec::new, |heard| heard.positions);
    let now = Timestamp::now();
    let recently = now.checked_sub(POSITIONS_AGE_MAX).ok();
    // The lobby's count is as old as its last line.
    let since = recently.filter(|_| id != LOBBY);
    positions.extend(history.positions(id, since));
    let page = blocking(move || history.read(id, &query, now)).await?;
    Ok(Reply::History(HistoryPage {
        positions: highest(positions, &page.entries, asked),
        entries: page.entries,
        before: page.before,
        kept: page.kept,
        now: to_the_millisecond(now),
    }))
}

fn after(record: RecordId) -> Position {
    Position {
        origin: record.origin,
        next: record.sequence.saturating_add(1),
    }
}

/// One position for each origin, and none before what the page has of it. `asked` is when the positions were asked for.
fn highest(positions: Vec<Position>, entries: &[HistoryEntry], asked: Timestamp) -> Vec<Position> {
    let mut highest = BTreeMap::new();
    for Position { origin, next } in positions {
        let known: &mut u64 = highest.entry(origin).or_insert(next);
        *known = next.max(*known);
    }
    for entry in entries {
        let Some(record) = entry.record else {
            continue;
        };
        let Position { origin, next } = after(record);
        // Of who is not known and was not heard just now nobody has anything any more.
        if entry.heard_at >= asked || highest.contains_key(&origin) {
            let known = highest.entry(origin).or_insert(next);
            *known = next.max(*known);
        }
    }
    let positions = highest.into_iter();
    positions
        .map(|(origin, next)| Position { origin, next })
        .collect()
}

fn find(history: &History, room: &RoomName) -> Result<RoomId, Refusal> {
    match history.find(room) {
        Some(id) => Ok(id),
        None if history.is_known(room) => Err(refusal("no history is kept of this room")),
        None => Err(NoSuchRoom(room.clone()).into()),
    }
}

fn refusal(text: &str) -> Refusal {
    Refusal::new(RefusalCode::NoHistory, text)
}

fn name_first() -> Refusal {
    Refusal::new(
        RefusalCode::NameFirst,
        "take a name, or enter the room first: only then can its history be read",
    )
}

/// Reads on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => {
            tracing::warn!("{error}");
            Err(refusal(&error.to_string()))
        }
        Err(_) => Err(stopping()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(origin: u64, sequence: u64, heard_at: Timestamp) -> HistoryEntry {
        HistoryEntry {
            number: sequence,
            said_at: heard_at,
            heard_at,
            from: "Ana".to_owned(),
            what: Happening::Joined,
            record: Some(RecordId {
                origin: SessionId(origin),
                sequence,
            }),
        }
    }

    fn position(origin: u64, next: u64) -> Position {
        Position {
            origin: SessionId(origin),
            next,
        }
    }

    #[test]
    fn whoever_a_page_has_heard_goes_on_after_it() {
        let asked: Timestamp = "2026-11-26T10:00:00Z".parse().unwrap();
        let before = asked - SignedDuration::from_secs(600);
        let entries = [
            entry(1, 8, before),
            entry(2, 3, before),
            // Who came and spoke after the positions were taken.
            entry(3, 1, asked),
            entry(3, 2, asked),
        ];
        let positions = vec![position(1, 5), position(1, 4), position(4, 7)];
        let found = highest(positions, &entries, asked);
        assert_eq!(found, [position(1, 9), position(3, 3), position(4, 7)]);
    }
}

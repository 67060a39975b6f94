//! The directory and the groups in one SQLite file. A change is on disk when [`Store::save`] returns.

use std::path::Path;

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row, params};

use super::file::{Kind, OpenError};
use crate::chat::{
    Avatar, AvatarId, GroupName, HistoryLimit, MemberLimit, OneLine, Origin, Room, RoomAddress,
    RoomId, UserName,
};

const DIRECTORY: Kind = Kind {
    name: "crds.sqlite",
    what: "directory",
    // `crds` in ASCII.
    application_id: 0x6372_6473,
    versions: &[SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5, SCHEMA_6],
    is_exclusive: true,
    // A sync at each commit: one for all changes that share it.
    synchronous: "FULL",
};

/// What a new file gets first; then it is brought up to date like an old one.
const SCHEMA_1: &str = "
    CREATE TABLE room (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL COLLATE NOCASE UNIQUE,
        address TEXT NOT NULL UNIQUE,
        dialect TEXT NOT NULL,
        made_by TEXT,
        made_from TEXT NOT NULL,
        made_at TEXT NOT NULL
    ) STRICT;";

/// From version 1 to 2: topics, limits and groups. SQLite compares only ASCII without case, so a
/// group's key is the form in which names are compared.
const SCHEMA_2: &str = "
    ALTER TABLE room ADD COLUMN topic TEXT;
    ALTER TABLE room ADD COLUMN member_limit INTEGER;
    CREATE TABLE member_group (
        key TEXT PRIMARY KEY,
        name TEXT NOT NULL
    ) STRICT;
    CREATE TABLE group_member (
        group_key TEXT NOT NULL,
        place INTEGER NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (group_key, place)
    ) STRICT;";

/// From version 2 to 3: how much of a room's talk is kept.
const SCHEMA_3: &str = "ALTER TABLE room ADD COLUMN history TEXT;";

/// From version 3 to 4: pictures of people. A key is the form in which names are compared.
const SCHEMA_4: &str = "
    CREATE TABLE avatar (
        key TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        picture BLOB NOT NULL
    ) STRICT;";

/// From version 4 to 5: the last id that a room was given, also where that room is gone. What is kept elsewhere under an
/// id must never become another room's.
const SCHEMA_5: &str = "
    CREATE TABLE last_room (id INTEGER NOT NULL) STRICT;
    INSERT INTO last_room SELECT ifnull(max(id), 0) FROM room;
    CREATE TRIGGER room_made AFTER INSERT ON room BEGIN
        UPDATE last_room SET id = max(id, new.id);
    END;";

/// From version 5 to 6: by which it is told from another directory, whose rooms have the same ids.
const SCHEMA_6: &str = "
    CREATE TABLE directory (id BLOB NOT NULL) STRICT;
    INSERT INTO directory VALUES (randomblob(16));";

/// The open file. One process at a time has it.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

/// One change of what is kept.
#[derive(Clone, Debug)]
pub enum Change {
    /// A room was made.
    Made(RoomId, Room),
    /// A room was deleted.
    Deleted(RoomId),
    /// A room has another topic, or none.
    Topic(RoomId, Option<OneLine>),
    /// Who was in a group, nobody if it was not there, and who is now; nobody if it is no more.
    Group(GroupName, Vec<UserName>, Vec<UserName>),
    /// Which picture belongs to a name, told by the form in which it is compared; or none any more.
    Avatar(String, Option<Avatar>),
}

/// Which directory it is, among all that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryId(pub(in crate::store) Vec<u8>);

/// What a store has kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Which directory it is. A copy is the same.
    pub id: DirectoryId,
    /// The rooms in the order of making.
    pub rooms: Vec<(RoomId, Room)>,
    /// The last id that a room was given, if any was.
    pub last_room: Option<RoomId>,
    /// The groups with their members.
    pub groups: Vec<(GroupName, Vec<UserName>)>,
    /// Pictures, by the form in which names are compared.
    pub avatars: Vec<(String, Avatar)>,
}

/// Changes that could not be written. None of them was.
#[derive(Debug, thiserror::Error)]
#[error("could not be saved on the server's disk ({0}): free some space there, then try again")]
pub struct SaveError(#[from] rusqlite::Error);

impl Store {
    /// Opens the store in `folder`, which is made if need be, and reads what it has kept. A file of an
    /// earlier version is brought up to date.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(folder: &Path) -> Result<(Self, Kept), OpenError> {
        let connection = DIRECTORY.open(folder)?;
        let refused = |source| DIRECTORY.refused(folder, &source);
        let kept = Kept {
            id: read_id(&connection).map_err(refused)?,
            rooms: read_rooms(&connection).map_err(refused)?,
            last_room: read_last_room(&connection).map_err(refused)?,
            groups: read_groups(&connection).map_err(refused)?,
            avatars: read_avatars(&connection).map_err(refused)?,
        };
        Ok((Self { connection }, kept))
    }

    /// Writes all changes, or none, and waits until they are on disk.
    ///
    /// # Errors
    /// The disk is full or read-only, or failed. Nothing has changed then.
    pub fn save(&mut self, changes: &[Change]) -> Result<(), SaveError> {
        let transaction = self.connection.transaction()?;
        for change in changes {
            match change {
                Change::Made(id, room) => insert(&transaction, *id, room)?,
                Change::Deleted(id) => {
                    transaction
                        .prepare_cached("DELETE FROM room WHERE id = ?1")?
                        .execute([id.0])?;
                }
                Change::Topic(id, topic) => {
                    transaction
                        .prepare_cached("UPDATE room SET topic = ?2 WHERE id = ?1")?
                        .execute(params![id.0, topic.as_ref().map(OneLine::as_str)])?;
                }
                Change::Group(name, before, after) => {
                    put_group(&transaction, name, before, after)?;
                }
                Change::Avatar(key, avatar) => put_avatar(&transaction, key, avatar.as_ref())?,
            }
        }
        Ok(transaction.commit()?)
    }
}

fn insert(connection: &Connection, id: RoomId, room: &Room) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(
            "INSERT INTO room (id, name, address, dialect, made_by, made_from, made_at, topic, member_limit, history)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            id.0,
            room.name.as_str(),
            room.address.to_string(),
            room.dialect.as_str(),
            room.made_by.name.as_ref().map(|name| name.as_str()),
            room.made_by.address.to_string(),
            room.made_at.to_string(),
            room.topic.as_ref().map(OneLine::as_str),
            room.limit.map(MemberLimit::get),
            room.history.map(|history| history.to_string()),
        ])?;
    Ok(())
}

/// Writes what is other than before: of a large group in which one has another name, that is one row.
fn put_group(
    connection: &Connection,
    name: &GroupName,
    before: &[UserName],
    after: &[UserName],
) -> Result<(), rusqlite::Error> {
    let key = name.key();
    connection
        .prepare_cached("DELETE FROM group_member WHERE group_key = ?1 AND place >= ?2")?
        .execute(params![key, after.len() as i64])?;
    if after.is_empty() {
        connection
            .prepare_cached("DELETE FROM member_group WHERE key = ?1")?
            .execute([&key])?;
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO member_group (key, name) VALUES (?1, ?2)")?
        .execute([&key, name.as_str()])?;
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO group_member (group_key, place, name) VALUES (?1, ?2, ?3)",
    )?;
    for (place, member) in after.iter().enumerate() {
        if before.get(place).map(UserName::as_str) != Some(member.as_str()) {
            put.execute(params![key, place as i64, member.as_str()])?;
        }
    }
    Ok(())
}

fn put_avatar(
    connection: &Connection,
    key: &str,
    avatar: Option<&Avatar>,
) -> Result<(), rusqlite::Error> {
    match avatar {
        None => connection
            .prepare_cached("DELETE FROM avatar WHERE key = ?1")?
            .execute([key])?,
        Some(avatar) => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO avatar (key, number, picture) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![
                key,
                avatar.number.cast_signed(),
                &avatar.picture[..]
            ])?,
    };
    Ok(())
}

fn read_avatars(connection: &Connection) -> Result<Vec<(String, Avatar)>, rusqlite::Error> {
    connection
        .prepare("SELECT key, number, picture FROM avatar")?
        .query_map([], |row| {
            let picture = row.get::<_, Vec<u8>>(2)?;
            let avatar = Avatar {
                id: AvatarId::of(&picture),
                picture: picture.into(),
                number: row.get::<_, i64>(1)?.cast_unsigned(),
            };
            Ok((row.get(0)?, avatar))
        })?
        .collect()
}

fn read_groups(
    connection: &Connection,
) -> Result<Vec<(GroupName, Vec<UserName>)>, rusqlite::Error> {
    let mut groups: Vec<(GroupName, Vec<UserName>)> = Vec::new();
    let mut members = connection.prepare(
        "SELECT member_group.name, group_member.name FROM member_group
         JOIN group_member ON group_key = key ORDER BY key, place",
    )?;
    let members = members.query_map([], |row| Ok((column(row, 0)?, column(row, 1)?)))?;
    for row in members {
        let (group, member) = row?;
        match groups.last_mut() {
            Some((last, members)) if *last == group => members.push(member),
            _ => groups.push((group, vec![member])),
        }
    }
    Ok(groups)
}

fn read_rooms(connection: &Connection) -> Result<Vec<(RoomId, Room)>, rusqlite::Error> {
    connection
        .prepare(
            "SELECT id, name, address, dialect, made_by, made_from, made_at, topic, member_limit, history
             FROM room ORDER BY id",
        )?
        .query_map([], |row| {
            let room = Room {
                name: column(row, 1)?,
                address: column::<RoomAddress>(row, 2)?,
                dialect: column(row, 3)?,
                limit: limit(row, 8)?,
                topic: column_if_there(row, 7)?,
                history: column_if_there::<HistoryLimit>(row, 9)?,
                made_by: Origin {
                    name: column_if_there(row, 4)?,
                    address: column(row, 5)?,
                },
                made_at: column(row, 6)?,
            };
            Ok((RoomId(row.get(0)?), room))
        })?
        .collect()
}

fn read_id(connection: &Connection) -> Result<DirectoryId, rusqlite::Error> {
    connection.query_row("SELECT id FROM directory", [], |row| {
        row.get(0).map(DirectoryId)
    })
}

fn read_last_room(connection: &Connection) -> Result<Option<RoomId>, rusqlite::Error> {
    let last: i64 = connection.query_row("SELECT id FROM last_room", [], |row| row.get(0))?;
    Ok(Some(RoomId(last)).filter(|last| last.0 > 0))
}

/// A text column, parsed as strictly as what comes from the network.
pub(super) fn column<T>(row: &Row<'_>, index: usize) -> Result<T, rusqlite::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(index)?
        .parse()
        .map_err(|error: T::Err| {
            rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
        })
}

/// As [`column`], for one that may be empty.
pub(super) fn column_if_there<T>(row: &Row<'_>, index: usize) -> Result<Option<T>, rusqlite::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match row.get_ref(index)? {
        ValueRef::Null => Ok(None),
        _ => column(row, index).map(Some),
    }
}

fn limit(row: &Row<'_>, index: usize) -> Result<Option<MemberLimit>, rusqlite::Error> {
    let limit = row.get::<_, Option<i64>>(index)?.map(MemberLimit::new);
    limit.transpose().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Integer, Box::new(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Dialect;

    fn room(name: &str, made_by: Option<&str>) -> Room {
        Room {
            name: name.parse().unwrap(),
            address: format!("239.1.1.{}:6000", name.len()).parse().unwrap(),
            dialect: Dialect::Plain,
            limit: made_by.map(|_| MemberLimit::new(30).unwrap()),
            topic: made_by.map(|_| "tea".parse().unwrap()),
            history: made_by.map(|_| "1000,7d".parse().unwrap()),
            made_by: Origin {
                name: made_by.map(|name| name.parse().unwrap()),
                address: "[fe80::1]:5".parse().unwrap(),
            },
            made_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        }
    }

    #[test]
    fn what_was_saved_is_there_again_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let kept = [
            (RoomId(3), room("ccc", Some("Émile"))),
            (RoomId(7), room("a", None)),
        ];
        {
            let (mut store, empty) = Store::open(folder.path()).unwrap();
            let id = empty.id.clone();
            assert_eq!(
                empty,
                Kept {
                    id,
                    ..Kept::default()
                }
            );
            let made = |(id, room): &(RoomId, Room)| Change::Made(*id, room.clone());
            store
                .save(&kept.iter().map(made).collect::<Vec<_>>())
                .unwrap();
            store
                .save(&[
                    Change::Made(RoomId(9), room("xx", None)),
                    Change::Deleted(RoomId(9)),
                ])
                .unwrap();
        }
        let (_store, there) = Store::open(folder.path()).unwrap();
        assert_eq!(there.rooms, kept);
        // Of the room that is gone the id is remembered.
        assert_eq!(there.last_room, Some(RoomId(9)));
    }

    fn people(names: &[&str]) -> Vec<UserName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn groups_and_topics_are_kept_as_they_were_last() {
        let folder = tempfile::tempdir().unwrap();
        let group = |name: &str, before: &[&str], after: &[&str]| {
            Change::Group(name.parse().unwrap(), people(before), people(after))
        };
        let (mut store, _) = Store::open(folder.path()).unwrap();
        store
            .save(&[
                Change::Made(RoomId(1), room("a", None)),
                group("dinner", &[], &["Zoe", "Emil", "Ann", "Bob"]),
                group("TEA", &[], &["Ann"]),
                group("gone", &[], &["Ann"]),
            ])
            .unwrap();
        store
            .save(&[
                Change::Topic(RoomId(1), Some("cake".parse().unwrap())),
                group("Tea", &["Ann"], &["Ann", "Bob"]),
                group("gone", &["Ann"], &[]),
                group(
                    "dinner",
                    &["Zoe", "Emil", "Ann", "Bob"],
                    &["Zoe", "Émile", "Ann"],
                ),
            ])
            .unwrap();
        drop(store);
        let (mut store, kept) = Store::open(folder.path()).unwrap();
        assert_eq!(kept.rooms[0].1.topic, Some("cake".parse().unwrap()));
        assert_eq!(kept.avatars, []);
        let dinner = ("dinner".parse().unwrap(), people(&["Zoe", "Émile", "Ann"]));
        let tea = ("tea".parse().unwrap(), people(&["Ann", "Bob"]));
        assert_eq!(kept.groups, [dinner, tea]);
        store.save(&[Change::Topic(RoomId(1), None)]).unwrap();
        drop(store);
        let (_store, kept) = Store::open(folder.path()).unwrap();
        assert_eq!(kept.rooms[0].1.topic, None);
    }

    #[test]
    fn pictures_are_kept_as_they_were_last() {
        let folder = tempfile::tempdir().unwrap();
        let avatar = |number: u64| Avatar {
            id: AvatarId::of(&[number as u8]),
            picture: vec![number as u8].into(),
            number,
        };
        let set = |key: &str, avatar: Option<Avatar>| Change::Avatar(key.to_owned(), avatar);
        let (mut store, _) = Store::open(folder.path()).unwrap();
        let first = [set("ana", Some(avatar(1))), set("ben", Some(avatar(2)))];
        store.save(&first).unwrap();
        let then = [set("ana", Some(avatar(3))), set("ben", None)];
        store.save(&then).unwrap();
        drop(store);
        let (_store, kept) = Store::open(folder.path()).unwrap();
        assert_eq!(kept.avatars, [("ana".to_owned(), avatar(3))]);
    }

    #[test]
    fn a_file_of_version_1_is_brought_up_to_date_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let old = Connection::open(folder.path().join("crds.sqlite")).unwrap();
        // As version 1 wrote it.
        old.execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE room (
                 id INTEGER PRIMARY KEY,
                 name TEXT NOT NULL COLLATE NOCASE UNIQUE,
                 address TEXT NOT NULL UNIQUE,
                 dialect TEXT NOT NULL,
                 made_by TEXT,
                 made_from TEXT NOT NULL,
                 made_at TEXT NOT NULL
             ) STRICT;
             INSERT INTO room VALUES
                 (3, 'a', '239.1.1.1:6000', 'plain', NULL, '[fe80::1]:5', '2026-01-02T03:04:05.678Z');
             PRAGMA application_id = 0x63726473;
             PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        let kept = vec![(RoomId(3), room("a", None))];
        {
            let (mut store, there) = Store::open(folder.path()).unwrap();
            assert_eq!(there.rooms, kept);
            assert_eq!(there.last_room, Some(RoomId(3)));
            assert_eq!(there.groups, []);
            let tea = Change::Group("tea".parse().unwrap(), vec![], people(&["Ann"]));
            store.save(&[tea]).unwrap();
        }
        let (_store, there) = Store::open(folder.path()).unwrap();
        assert_eq!((there.rooms, there.groups.len()), (kept, 1));
    }

    #[test]
    fn a_file_of_a_later_version_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let file = Connection::open(folder.path().join("crds.sqlite")).unwrap();
        let later = DIRECTORY.versions.len() as i64 + 1;
        file.pragma_update(None, "user_version", later).unwrap();
        drop(file);
        let error = Store::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("another version"), "{error}");
    }

    #[test]
    fn changes_are_saved_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(folder.path()).unwrap();
        store
            .save(&[Change::Made(RoomId(1), room("a", None))])
            .unwrap();
        let twice = [
            Change::Made(RoomId(2), room("bb", None)),
            Change::Made(RoomId(1), room("again", None)),
        ];
        store.save(&twice).unwrap_err();
        drop(store);
        let (_, kept) = Store::open(folder.path()).unwrap();
        assert_eq!(kept.rooms.len(), 1);
    }

    #[test]
    fn a_second_server_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Store::open(folder.path()).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    }

    #[test]
    fn a_foreign_or_damaged_file_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crds.sqlite");
        let refused = |folder: &Path| {
            let error = Store::open(folder).unwrap_err();
            assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        };
        std::fs::write(
            &file,
            "no database at all, but longer than a header would be".repeat(9),
        )
        .unwrap();
        let before = std::fs::read(&file).unwrap();
        refused(folder.path());
        assert_eq!(std::fs::read(&file).unwrap(), before);

        std::fs::remove_file(&file).unwrap();
        let other = Connection::open(&file).unwrap();
        other
            .execute_batch("CREATE TABLE cake (flavour TEXT)")
            .unwrap();
        drop(other);
        let before = std::fs::read(&file).unwrap();
        refused(folder.path());
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}

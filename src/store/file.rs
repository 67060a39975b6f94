//! An SQLite file of ours: opened, brought up to date, or refused and left as it is.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use crate::files::FileError;

/// What kind of file it is.
pub(super) struct Kind {
    /// In the data folder.
    pub(super) name: &'static str,
    /// What it is to a person.
    pub(super) what: &'static str,
    /// Marks it as ours (SQLite's `application_id`).
    pub(super) application_id: i32,
    /// What makes its tables, each step from the version before; the version is SQLite's `user_version`.
    pub(super) versions: &'static [&'static str],
    /// Only one connection may have it.
    pub(super) is_exclusive: bool,
    /// SQLite's `synchronous`.
    pub(super) synchronous: &'static str,
}

/// Why a file could not be opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder could not be made.
    #[error("cannot make the data folder {folder}: {source} (choose another with --data DIR)")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error(
        "{file} is in use by another server: stop that one, or choose another folder with --data DIR"
    )]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// Some other program's file, or damaged. It is left as it is.
    #[error(
        "{file} is no {what} of crds ({reason}): it was left as it is; move it away, or choose another folder with --data DIR"
    )]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A history that is not of the rooms of the directory beside it.
    #[error(
        "{file} has the talk of rooms of another crds.sqlite than the one beside it: nothing was deleted; put that crds.sqlite back, \
         or move history.sqlite away as well and begin anew"
    )]
    OthersHistory {
        /// The history.
        file: PathBuf,
    },
    /// The folder of the files that people send.
    #[error("{0} (or keep no files, with --keep-files off)")]
    Files(#[from] FileError),
    /// Anything else: not readable, not writable, the disk full.
    #[error("cannot use {file}: {reason} (choose another folder with --data DIR)")]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What the system or SQLite said.
        reason: String,
    },
}

impl Kind {
    /// Opens the file in `folder`, which is made if need be. One of an earlier version is brought up to date.
    pub(super) fn open(&self, folder: &Path) -> Result<Connection, OpenError> {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder {
            folder: folder.to_owned(),
            source,
        })?;
        let file = self.path(folder);
        // Asked first, as SQLite does not tell why it cannot open a file.
        let writable = OpenOptions::new().create(true).append(true).open(&file);
        writable.map_err(|error| OpenError::Unusable {
            file: file.clone(),
            reason: error.to_string(),
        })?;
        let opened = Connection::open(&file).map_err(PrepareError::Sqlite);
        let prepared = opened.and_then(|mut connection| {
            self.prepare(&mut connection)?;
            Ok(connection)
        });
        prepared.map_err(|error| match error {
            PrepareError::Sqlite(source) => self.refused(folder, &source),
            PrepareError::Foreign(reason) => OpenError::Foreign {
                file,
                what: self.what,
                reason,
            },
        })
    }

    /// Where it is.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.name)
    }

    /// Takes the file for this process, makes the tables in a new one, refuses one that is not ours.
    fn prepare(&self, connection: &mut Connection) -> Result<(), PrepareError> {
        // What turns out to be no file of ours is not even tidied up.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Whoever has the file has it for long: waiting would only delay the answer.
        connection.busy_timeout(Duration::ZERO)?;
        if self.is_exclusive {
            // The lock is held from the first write until the process ends, however it ends.
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        }
        let number =
            |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (application, version) = (number("application_id")?, number("user_version")?);
        let is_new = application == 0
            && version == 0
            && connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
                row.get::<_, i64>(0)
            })? == 0;
        if !is_new && application != self.application_id {
            return Err(PrepareError::Foreign("another program's file".to_owned()));
        }
        let latest = self.versions.len() as i32;
        if !is_new && !(1..=latest).contains(&version) {
            return Err(PrepareError::Foreign(format!(
                "made by another version: its tables are number {version}, not 1 to {latest}"
            )));
        }
        let sound: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        if sound != "ok" {
            return Err(PrepareError::Foreign(format!("damaged: {sound}")));
        }
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", self.synchronous)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in self.versions.iter().skip(version as usize) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        // Written each time: so a folder that cannot be written to is found now, not when something is kept.
        transaction.pragma_update(None, "user_version", latest)?;
        Ok(transaction.commit()?)
    }

    /// What SQLite says of the file, as a person is told.
    pub(super) fn refused(&self, folder: &Path, source: &rusqlite::Error) -> OpenError {
        let file = self.path(folder);
        let reason = source.to_string();
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                OpenError::InUse { file }
            }
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                OpenError::Foreign {
                    file,
                    what: self.what,
                    reason,
                }
            }
            Some(_) => OpenError::Unusable { file, reason },
            // Read without complaint by SQLite, but not what we wrote.
            None => OpenError::Foreign {
                file,
                what: self.what,
                reason,
            },
        }
    }
}

enum PrepareError {
    Sqlite(rusqlite::Error),
    Foreign(String),
}

impl From<rusqlite::Error> for PrepareError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

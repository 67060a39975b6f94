//! The one owner of the directory and of its store. Requests that wait together share one commit.

use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::Shutdown;
use crate::chat::{NewRoom, Origin, Room, RoomId, RoomName};
use crate::control::{Event, Refusal, RefusalCode, Reply, directory_array, plain_words};
use crate::directory::{Directory, MakeRoomError, NoSuchRoom};
use crate::store::{Change, Store};

/// Requests that may wait; who comes after them waits to ask.
const JOBS_WAITING_MAX: usize = 1024;

/// Requests that share a commit at most: it bounds how long the first of them waits.
const COMMIT_JOBS_MAX: usize = 1024;

/// Events that a connection may be behind before it is dropped.
const EVENTS_WAITING_MAX: usize = 1024;

/// Which of the directory's forms.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// `OKDIR [...]`
    Line,
    /// `{"r1":{...}}`
    Object,
    /// The array inside a JSON answer.
    Array,
}

/// A request to the owner.
#[derive(Debug)]
pub(super) enum Job {
    Make {
        new: NewRoom,
        by: Origin,
        answer: Answer,
    },
    Delete {
        name: RoomName,
        by: Origin,
        answer: Answer,
    },
    Show {
        form: Form,
        answer: oneshot::Sender<Arc<str>>,
    },
}

type Answer = oneshot::Sender<Result<Reply, Refusal>>;

/// How connections reach the owner, and hear from it.
#[derive(Clone, Debug)]
pub(super) struct DirectoryHandle {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) events: broadcast::Sender<Event>,
}

/// Starts the owner on a thread of its own, as its commits block. It ends when no handle is left.
pub(super) fn spawn(
    directory: Directory,
    store: Store,
    shutdown: Shutdown,
) -> (DirectoryHandle, thread::JoinHandle<()>) {
    let (jobs, jobs_in) = mpsc::channel(JOBS_WAITING_MAX);
    let (events, _) = broadcast::channel(EVENTS_WAITING_MAX);
    let handle = DirectoryHandle {
        jobs,
        events: events.clone(),
    };
    let task = DirectoryTask {
        directory,
        store,
        events,
        rendered: Rendered::default(),
    };
    let thread = thread::Builder::new().name("directory".to_owned());
    let thread = thread.spawn(move || task.run(jobs_in));
    let thread = thread.unwrap_or_else(|error| {
        shutdown.fail(format!("cannot start the directory's thread: {error}"));
        thread::spawn(|| {})
    });
    (handle, thread)
}

struct DirectoryTask {
    directory: Directory,
    store: Store,
    events: broadcast::Sender<Event>,
    rendered: Rendered,
}

/// The directory's forms, each made when it is first asked for and kept until the next change.
#[derive(Default)]
struct Rendered([Option<Arc<str>>; 3]);

/// A change that is made but not yet on disk.
struct Pending {
    change: Done,
    by: Origin,
    answer: Answer,
}

enum Done {
    Made(RoomId, Room),
    Deleted(RoomId, Room),
}

impl DirectoryTask {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while let Some(first) = jobs.blocking_recv() {
            batch.push(first);
            while batch.len() < COMMIT_JOBS_MAX
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            self.carry_out(batch.drain(..));
        }
    }

    /// Carries out a batch in its order, saves its changes together, then answers. What is shown is
    /// saved: if it could not be, the directory is shown without it.
    fn carry_out(&mut self, batch: impl Iterator<Item = Job>) {
        let mut pending = Vec::new();
        let mut shows = Vec::new();
        for job in batch {
            match job {
                Job::Show { form, answer } => {
                    let text = self.rendered.get(form, &self.directory);
                    shows.push((form, text, answer));
                }
                Job::Make { .. } | Job::Delete { .. } => pending.extend(self.change(job)),
            }
        }
        let saved = pending.is_empty() || self.save(pending);
        for (form, text, answer) in shows {
            let text = match saved {
                true => text,
                false => self.rendered.get(form, &self.directory),
            };
            // A client that has gone in the meantime needs no answer; so below.
            let _ = answer.send(text);
        }
    }

    /// Carries out one change in memory; a refusal is answered at once.
    fn change(&mut self, job: Job) -> Option<Pending> {
        let (done, by, answer) = match job {
            Job::Make { new, by, answer } => {
                let made_at = Timestamp::now();
                let made = self
                    .directory
                    .make(new, by.clone(), made_at)
                    .map(|id| Done::Made(id, self.directory.get(id).expect("just made").clone()))
                    .map_err(Refusal::from);
                (made, by, answer)
            }
            Job::Delete { name, by, answer } => {
                let deleted = self.directory.delete(&name);
                let deleted = deleted.map(|(id, room)| Done::Deleted(id, room));
                (deleted.map_err(Refusal::from), by, answer)
            }
            Job::Show { .. } => return None,
        };
        match done {
            Ok(change) => {
                self.rendered = Rendered::default();
                Some(Pending { change, by, answer })
            }
            Err(refusal) => {
                let _ = answer.send(Err(refusal));
                None
            }
        }
    }

    /// Puts the changes on disk and answers; if that fails they are undone.
    fn save(&mut self, pending: Vec<Pending>) -> bool {
        let changes: Vec<Change> = pending.iter().map(|p| p.change.for_store()).collect();
        match self.store.save(&changes) {
            Ok(()) => {
                pending.into_iter().for_each(|p| self.report(p));
                true
            }
            Err(error) => {
                tracing::warn!("{} changes {error}", changes.len());
                self.rendered = Rendered::default();
                let refusal = Refusal::new(RefusalCode::NotSaved, error.to_string());
                // Last made first undone: a name may have been deleted and made again.
                for p in pending.into_iter().rev() {
                    self.undo(p.change);
                    let _ = p.answer.send(Err(refusal.clone()));
                }
                false
            }
        }
    }

    fn report(&self, pending: Pending) {
        let by = pending.by;
        let reply = match pending.change {
            Done::Made(_, room) => {
                tracing::info!("Room {} ({}) made by {by}", room.name, room.address);
                Reply::RoomMade(room)
            }
            Done::Deleted(_, room) => {
                tracing::info!("Room {} ({}) deleted by {by}", room.name, room.address);
                let (name, by) = (room.name.clone(), by.to_string());
                // No one may be listening.
                let _ = self.events.send(Event::RoomDeleted { name, by });
                Reply::RoomDeleted(room)
            }
        };
        let _ = pending.answer.send(Ok(reply));
    }

    fn undo(&mut self, change: Done) {
        match change {
            Done::Made(_, room) => {
                let gone = self.directory.delete(&room.name);
                debug_assert!(gone.is_ok());
            }
            Done::Deleted(id, room) => self.directory.restore(id, room),
        }
    }
}

impl Done {
    fn for_store(&self) -> Change {
        match self {
            Self::Made(id, room) => Change::Made(*id, room.clone()),
            Self::Deleted(id, _) => Change::Deleted(*id),
        }
    }
}

impl Rendered {
    fn get(&mut self, form: Form, directory: &Directory) -> Arc<str> {
        let kept = &mut self.0[form as usize];
        let text = kept.get_or_insert_with(|| {
            let rooms = directory.rooms();
            Arc::from(match form {
                Form::Line => plain_words::directory_line(rooms),
                Form::Object => plain_words::directory_object(rooms),
                Form::Array => directory_array(rooms),
            })
        });
        Arc::clone(text)
    }
}

impl From<MakeRoomError> for Refusal {
    fn from(error: MakeRoomError) -> Self {
        let code = match error {
            MakeRoomError::Lobby(_) | MakeRoomError::NameTaken(_) => RefusalCode::NameTaken,
            MakeRoomError::AddressTaken { .. } => RefusalCode::AddressTaken,
            MakeRoomError::NoFreeAddress => RefusalCode::NoFreeAddress,
            MakeRoomError::Full(_) => RefusalCode::DirectoryFull,
        };
        Self::new(code, error.to_string())
    }
}

impl From<NoSuchRoom> for Refusal {
    fn from(error: NoSuchRoom) -> Self {
        Self::new(RefusalCode::NoSuchRoom, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory;

    struct Running {
        handle: DirectoryHandle,
        _folder: tempfile::TempDir,
    }

    fn running() -> Running {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        let directory = Directory::new(directory::Config {
            rooms_max: 100,
            port_picked: 12000,
            seed: 1,
        });
        let (handle, _thread) = spawn(directory, store, Shutdown::default());
        Running {
            handle,
            _folder: folder,
        }
    }

    impl Running {
        async fn make(&self, name: &str) -> Result<Reply, Refusal> {
            let (answer, answered) = oneshot::channel();
            let job = Job::Make {
                new: NewRoom {
                    name: name.parse().unwrap(),
                    address: None,
                    dialect: crate::chat::Dialect::Plain,
                    limit: None,
                    topic: None,
                },
                by: Origin {
                    name: None,
                    address: "127.0.0.1:5".parse().unwrap(),
                },
                answer,
            };
            self.handle.jobs.send(job).await.unwrap();
            answered.await.unwrap()
        }

        async fn show(&self, form: Form) -> Arc<str> {
            let (answer, answered) = oneshot::channel();
            let job = Job::Show { form, answer };
            self.handle.jobs.send(job).await.unwrap();
            answered.await.unwrap()
        }
    }

    #[tokio::test]
    async fn the_directory_is_rendered_once_for_each_change() {
        let running = running();
        running.make("a").await.unwrap();
        for form in [Form::Line, Form::Object, Form::Array] {
            let first = running.show(form).await;
            assert!(Arc::ptr_eq(&first, &running.show(form).await));
            // A request that changes nothing does not cost a rendering.
            running.make("a").await.unwrap_err();
            assert!(Arc::ptr_eq(&first, &running.show(form).await));
        }
        let before = running.show(Form::Line).await;
        running.make("b").await.unwrap();
        assert!(!Arc::ptr_eq(&before, &running.show(Form::Line).await));
    }
}

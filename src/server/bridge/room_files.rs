//! What the server's seat does with the files of its room: it keeps those that are offered by multicast, and sends
//! those that its relayed guests have brought to the members whom multicast reaches. It decides; tasks do it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::keep_file::{KeepTask, NotKept};
use super::send_kept::SendTask;
use super::talk_log::FileLog;
use crate::chat::{ByteSize, FileHash, Room, RoomAddress, printable};
use crate::multicast::content::Offer;
use crate::net::transfer::{ReceivingOptions, SendingOptions};
use crate::net::{GroupSockets, Interface};
use crate::server::files::Files;

/// Files that the seat in one room receives at a time: one member with many does not take all places.
const KEPT_AT_ONCE_MAX_ROOM: usize = 4;

/// The same of all seats. Each takes a thread, and at worst, if somebody sends some of each block on purpose, 23 MB.
const KEPT_AT_ONCE_MAX: usize = 8;

/// Files that are here, of which all seats go on telling at a time who asks. Each takes a thread.
const LINGERING_MAX: usize = 24;

/// Files that the seat in one room sends at a time, and all seats. Each takes a thread and 12 MB.
const SENT_AT_ONCE_MAX_ROOM: usize = 4;
const SENT_AT_ONCE_MAX: usize = 16;

/// Offers of one room that wait for a place, and those of one member among them. Who has more announces them again.
const WAITING_MAX: usize = 32;
const WAITING_MAX_MEMBER: usize = 8;

/// Files of which is remembered why they are not tried again, in one room.
const REMEMBERED_MAX: usize = 1024;

/// A file that did not come, or found no space, is tried again when it is announced again after this; at once when it is
/// offered anew.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The same for a file that a relayed guest has announced and that cannot be sent: it may be on its way here.
const SENT_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The same for a file that cannot be kept unless the server is told otherwise.
const REFUSED_FOR: Duration = Duration::from_secs(3600);

/// What one transfer has open: three sockets, two ends of a pipe, and the file.
const TRANSFER_FILES: usize = 6;

/// What all have open.
pub(in crate::server) const TRANSFER_FILES_MAX: usize =
    (KEPT_AT_ONCE_MAX + LINGERING_MAX + SENT_AT_ONCE_MAX) * TRANSFER_FILES;

/// How many files may travel at a time, in all rooms together.
#[derive(Clone, Debug)]
pub(super) struct Places {
    keeping: Arc<Semaphore>,
    lingering: Arc<Semaphore>,
    sending: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            keeping: Arc::new(Semaphore::new(KEPT_AT_ONCE_MAX)),
            lingering: Arc::new(Semaphore::new(LINGERING_MAX)),
            sending: Arc::new(Semaphore::new(SENT_AT_ONCE_MAX)),
        }
    }
}

/// A file that somebody has for the room.
#[derive(Clone, Debug)]
pub(super) struct HeardOffer {
    /// Who, and what they are called.
    pub(super) origin: u64,
    pub(super) from: String,
    pub(super) said_at: Timestamp,
    pub(super) offer: Offer,
}

impl HeardOffer {
    pub(super) fn hash(&self) -> FileHash {
        self.offer.file.hash
    }

    /// For the log: `notes.txt (12 kB)`.
    pub(super) fn described(&self) -> String {
        let file = &self.offer.file;
        format!("{} ({})", file.name, ByteSize(file.size_bytes))
    }

    /// For the log.
    pub(super) fn from(&self) -> String {
        printable(&self.from).into_owned()
    }
}

/// A task is done with a file.
#[derive(Debug)]
pub(super) enum Ended {
    Keeping(Box<HeardOffer>, Result<(), NotKept>),
    Sending(Box<HeardOffer>, Result<(), String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Keep,
    Send,
}

pub(super) struct RoomFiles {
    log: FileLog,
    address: RoomAddress,
    /// Which member our seat is.
    member: u64,
    files: Files,
    places: Places,
    waiting: VecDeque<(Wanted, HeardOffer)>,
    keeping: BTreeMap<FileHash, Keeping>,
    sending: BTreeSet<FileHash>,
    remembered: BTreeMap<(Wanted, FileHash), Remembered>,
    /// It was told that no files are kept here.
    told_off: bool,
    /// Where tasks tell that they are done.
    ends: mpsc::Sender<Ended>,
    ended: mpsc::Receiver<Ended>,
    /// Cancelled when the seat is left.
    left: CancellationToken,
}

/// A file that is received.
struct Keeping {
    origin: u64,
    withdrawn: CancellationToken,
}

/// A file that was kept, or was not, or was not sent.
struct Remembered {
    again_at: Instant,
    whose: Whose,
    /// The log says why.
    is_told: bool,
}

/// Whose offers of a file are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    All,
    /// Who was told that it is here; anybody else who offers it is to be told too.
    Member(u64),
    /// This offer, by whom and when it was made: it may be over, or be about to be.
    Offer(u64, Timestamp),
}

impl Whose {
    fn offer(heard: &HeardOffer) -> Self {
        Self::Offer(heard.origin, heard.said_at)
    }

    fn is(self, heard: &HeardOffer) -> bool {
        match self {
            Self::All => true,
            Self::Member(origin) => origin == heard.origin,
            Self::Offer(..) => self == Self::offer(heard),
        }
    }
}

impl RoomFiles {
    pub(super) fn new(room: &Room, member: u64, files: Files, places: Places) -> Self {
        let (ends, ended) = mpsc::channel(KEPT_AT_ONCE_MAX_ROOM + SENT_AT_ONCE_MAX_ROOM);
        Self {
            log: FileLog::new(room),
            address: room.address,
            member,
            files,
            places,
            waiting: VecDeque::new(),
            keeping: BTreeMap::new(),
            sending: BTreeSet::new(),
            remembered: BTreeMap::new(),
            told_off: false,
            ends,
            ended,
            left: CancellationToken::new(),
        }
    }

    /// Somebody offers a file, or announces it again. That of a relayed guest is sent in its place.
    pub(super) fn hear(&mut self, heard: HeardOffer, is_relayed: bool) {
        if !self.files.are_kept() {
            if !std::mem::replace(&mut self.told_off, true) {
                self.log
                    .say(format_args!("files are not kept on this server"));
            }
            return;
        }
        let (hash, now) = (heard.hash(), Instant::now());
        let wanted = match is_relayed {
            true => Wanted::Send,
            false => Wanted::Keep,
        };
        let is_under_way = match wanted {
            Wanted::Send => self.sending.contains(&hash),
            Wanted::Keep => self.keeping.contains_key(&hash),
        };
        let remembered = self.remembered.get(&(wanted, hash));
        let is_too_early = remembered.is_some_and(|of| of.whose.is(&heard) && now < of.again_at);
        let of_member = |(_, other): &&(Wanted, HeardOffer)| other.origin == heard.origin;
        let of_member = self.waiting.iter().filter(of_member).count();
        let is_full = self.waiting.len() >= WAITING_MAX || of_member >= WAITING_MAX_MEMBER;
        let mut waiting = self.waiting.iter();
        let is_waiting = waiting.any(|(what, other)| *what == wanted && other.hash() == hash);
        if is_under_way || is_too_early || is_waiting || is_full {
            return;
        }
        self.waiting.push_back((wanted, heard));
    }

    /// Who has offered a file does not have it any more.
    pub(super) fn withdrawn(&mut self, origin: u64, hash: FileHash) {
        let is_it = |heard: &HeardOffer| heard.origin == origin && heard.hash() == hash;
        self.waiting
            .retain(|(wanted, heard)| *wanted == Wanted::Send || !is_it(heard));
        if let Some(keeping) = self.keeping.get(&hash).filter(|k| k.origin == origin) {
            keeping.withdrawn.cancel();
        }
        // Who offers it anew asks anew.
        let key = (Wanted::Keep, hash);
        let remembered = self.remembered.get(&key);
        if remembered.is_some_and(|of| of.whose == Whose::Member(origin)) {
            self.remembered.remove(&key);
        }
    }

    /// Starts what waits and finds a place.
    pub(super) fn start(&mut self, interface: &Interface, members: impl Fn() -> usize) {
        for (wanted, heard) in std::mem::take(&mut self.waiting) {
            match self.place(wanted) {
                Some(place) if wanted == Wanted::Keep => self.keep(heard, interface, place),
                Some(place) => self.send(heard, interface, members(), place),
                None => self.waiting.push_back((wanted, heard)),
            }
        }
    }

    fn place(&self, wanted: Wanted) -> Option<OwnedSemaphorePermit> {
        let (places, is_free) = match wanted {
            Wanted::Keep => (
                &self.places.keeping,
                self.keeping.len() < KEPT_AT_ONCE_MAX_ROOM,
            ),
            Wanted::Send => (
                &self.places.sending,
                self.sending.len() < SENT_AT_ONCE_MAX_ROOM,
            ),
        };
        let place = is_free.then(|| Arc::clone(places).try_acquire_owned());
        place.and_then(Result::ok)
    }

    fn keep(&mut self, heard: HeardOffer, interface: &Interface, place: OwnedSemaphorePermit) {
        let withdrawn = self.left.child_token();
        let keeping = Keeping {
            origin: heard.origin,
            withdrawn: withdrawn.clone(),
        };
        self.keeping.insert(heard.hash(), keeping);
        let task = KeepTask {
            log: self.log.clone(),
            files: self.files.clone(),
            options: ReceivingOptions {
                member: self.member,
                is_observer: true,
                room: self.address,
                interface: interface.clone(),
                ttl: GroupSockets::TTL,
            },
            heard,
            withdrawn,
        };
        let ends = self.ends.clone();
        let places = Arc::clone(&self.places.lingering);
        // It is never aborted: it brings back the part that it was given.
        tokio::spawn(async move {
            let (kept, lingering) = match task.run().await {
                Ok(lingering) => (Ok(()), Some(lingering)),
                Err(error) => (Err(error), None),
            };
            drop(place);
            let heard = Box::new(task.heard.clone());
            // Who has left does not want to know.
            let _ = ends.send(Ended::Keeping(heard, kept)).await;
            // Without a place it is told when it has come, and when this ends.
            if let (Some(incoming), Ok(_place)) = (lingering, places.try_acquire_owned()) {
                task.linger(incoming).await;
            }
        });
    }

    fn send(
        &mut self,
        heard: HeardOffer,
        interface: &Interface,
        members: usize,
        place: OwnedSemaphorePermit,
    ) {
        let hash = heard.hash();
        self.sending.insert(hash);
        let task = SendTask {
            log: self.log.clone(),
            files: self.files.clone(),
            options: SendingOptions {
                member: self.member,
                is_observer: true,
                room: self.address,
                interface: interface.clone(),
                ttl: GroupSockets::TTL,
                rate_max: None,
                expected: members,
                said_at: heard.said_at,
            },
            heard,
            left: self.left.clone(),
        };
        let ends = self.ends.clone();
        tokio::spawn(async move {
            let sent = task.run().await;
            drop(place);
            let _ = ends.send(Ended::Sending(Box::new(task.heard), sent)).await;
        });
    }

    /// A task is done.
    pub(super) fn end(&mut self, ended: Ended) {
        match ended {
            Ended::Keeping(heard, kept) => {
                self.keeping.remove(&heard.hash());
                let (wait, why, whose) = match kept {
                    Ok(()) => (AGAIN_AFTER, None, Whose::Member(heard.origin)),
                    Err(NotKept::Gone) => (AGAIN_AFTER, None, Whose::offer(&heard)),
                    Err(NotKept::Later(why)) => (AGAIN_AFTER, Some(why), Whose::offer(&heard)),
                    Err(NotKept::Refused(why)) => (REFUSED_FOR, Some(why), Whose::All),
                };
                self.remember(Wanted::Keep, &heard, wait, why, whose);
            }
            Ended::Sending(heard, sent) => {
                self.sending.remove(&heard.hash());
                if let Err(why) = sent {
                    let whose = Whose::offer(&heard);
                    self.remember(Wanted::Send, &heard, SENT_AGAIN_AFTER, Some(why), whose);
                }
            }
        }
    }

    /// For so long the file is left alone. Why is told once.
    fn remember(
        &mut self,
        wanted: Wanted,
        heard: &HeardOffer,
        wait: Duration,
        why: Option<String>,
        whose: Whose,
    ) {
        let key = (wanted, heard.hash());
        let mut is_told = self.remembered.get(&key).is_some_and(|of| of.is_told);
        if let Some(why) = why
            && !std::mem::replace(&mut is_told, true)
        {
            let (file, from) = (heard.described(), heard.from());
            match wanted {
                Wanted::Keep => {
                    self.log
                        .say(format_args!("does not keep {file} of {from}: {why}"));
                }
                Wanted::Send => {
                    self.log
                        .say(format_args!("does not send {file} for {from}: {why}"));
                }
            }
        }
        let again_at = Instant::now() + wait;
        let remembered = Remembered {
            again_at,
            whose,
            is_told,
        };
        self.remembered.insert(key, remembered);
        if self.remembered.len() > REMEMBERED_MAX {
            let soonest = self.remembered.iter().min_by_key(|(_, of)| of.again_at);
            let soonest = soonest.map(|(key, _)| *key);
            soonest.and_then(|key| self.remembered.remove(&key));
        }
    }
}

impl Drop for RoomFiles {
    fn drop(&mut self) {
        self.left.cancel();
    }
}

/// The next file that a task is done with; never without files.
pub(super) async fn next_end(files: &mut Option<RoomFiles>) -> Ended {
    let ended = match files {
        Some(files) => files.ended.recv().await,
        None => None,
    };
    match ended {
        Some(ended) => ended,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::chat::{Dialect, FileName, FileOffer, Origin};
    use crate::files::SourceFile;
    use crate::net::transfer;
    use crate::server::Shutdown;
    use crate::store::{FileStore, KeepLimits};

    /// Far longer than anything takes here.
    const PATIENCE: Duration = Duration::from_secs(30);

    const LIMITS: KeepLimits = KeepLimits {
        total_bytes: 1_000_000,
        files_max: 100,
        file_bytes_max: 500_000,
    };

    const OURS: u64 = 77;
    const ANA: u64 = 5;

    fn lo() -> Interface {
        Interface::named("127.0.0.1").unwrap()
    }

    /// In a group of its own for each test.
    fn room_files(data: &Path, group: &str) -> (RoomFiles, Files) {
        let room = Room {
            name: "lab1".parse().unwrap(),
            address: group.parse().unwrap(),
            dialect: Dialect::Reliable,
            made_by: Origin {
                name: None,
                address: "127.0.0.1:5".parse().unwrap(),
            },
            made_at: Timestamp::UNIX_EPOCH,
            limit: None,
            topic: None,
            history: None,
        };
        let store = FileStore::open(data, LIMITS, 65_536).unwrap();
        let files = Files::spawn(Some(store), &Shutdown::default());
        let room = RoomFiles::new(&room, OURS, files.clone(), Places::default());
        (room, files)
    }

    fn heard(name: &str, size_bytes: u64, hash: u8) -> HeardOffer {
        HeardOffer {
            origin: ANA,
            from: "Ana".to_owned(),
            said_at: Timestamp::UNIX_EPOCH,
            offer: Offer {
                file: FileOffer {
                    name: FileName::of(name),
                    size_bytes,
                    hash: FileHash([hash; 32]),
                },
                symbol_bytes: 1024,
            },
        }
    }

    async fn end_of_one(room: &mut RoomFiles) {
        let ended = tokio::time::timeout(PATIENCE, room.ended.recv()).await;
        room.end(ended.expect("no task ends").unwrap());
    }

    /// Files of the folder, hidden ones too.
    fn names(data: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(data.join("downloads")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    fn source(folder: &Path, bytes: usize) -> SourceFile {
        let path = folder.join("notes.txt");
        let content: Vec<u8> = (0..bytes).map(|at| (at / 7) as u8).collect();
        std::fs::write(&path, content).unwrap();
        SourceFile::open(&path).unwrap()
    }

    fn offer_of(source: &SourceFile) -> HeardOffer {
        let mut heard = heard("", 0, 0);
        heard.offer.file = source.offer().clone();
        heard
    }

    async fn is_kept(files: &Files, hash: FileHash) -> bool {
        let found = files.ask(move |store| store.find(hash)).await.unwrap();
        found.await.unwrap().is_some()
    }

    #[tokio::test]
    async fn a_file_that_is_offered_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let (mut room, files) = room_files(data.path(), "239.77.9.1:7901");
        let source = source(data.path(), 400_000);
        let offered = offer_of(&source);
        let hash = offered.hash();
        let options = SendingOptions {
            member: ANA,
            is_observer: false,
            room: room.address,
            interface: lo(),
            ttl: 1,
            rate_max: None,
            expected: 0,
            said_at: offered.said_at,
        };
        let outgoing = transfer::send(&options, &offered.offer, source).unwrap();
        room.hear(offered.clone(), false);
        room.start(&lo(), || 0);
        let mut sent = outgoing.state();
        let told = tokio::time::timeout(PATIENCE, sent.wait_for(|sent| sent.is_kept));
        told.await.expect("it is not kept").unwrap();
        assert!(is_kept(&files, hash).await);
        assert!(names(data.path()).contains(&"notes.txt".to_owned()));
        // Announced again it is left alone, until it is withdrawn; another who offers it is told.
        end_of_one(&mut room).await;
        room.hear(offered.clone(), false);
        assert!(room.waiting.is_empty());
        let mut others = offered.clone();
        others.origin += 1;
        room.hear(others, false);
        assert_eq!(room.waiting.len(), 1);
        room.waiting.clear();
        room.withdrawn(offered.origin, hash);
        room.hear(offered, false);
        assert_eq!(room.waiting.len(), 1);
    }

    #[tokio::test]
    async fn what_a_relayed_guest_has_brought_is_sent_in_its_place() {
        let data = tempfile::tempdir().unwrap();
        let (mut room, files) = room_files(data.path(), "239.77.9.2:7902");
        let source = source(data.path(), 200_000);
        let offered = offer_of(&source);
        let hash = offered.hash();
        let content = std::fs::read(data.path().join("notes.txt")).unwrap();
        // It is not here yet.
        room.hear(offered.clone(), true);
        room.start(&lo(), || 1);
        end_of_one(&mut room).await;
        assert!(room.sending.is_empty());
        // Announced again it is left alone for some time, and nobody is told why a second time.
        room.hear(offered.clone(), true);
        assert!(room.waiting.is_empty());
        let remembered = room.remembered.get_mut(&(Wanted::Send, hash)).unwrap();
        assert!(remembered.is_told);
        remembered.again_at = Instant::now();
        for (piece, bytes) in content.chunks(65_536).enumerate() {
            let (file, bytes) = (offered.offer.file.clone(), bytes.to_vec());
            let written = files.write(file, piece as u64 * 65_536, bytes.into());
            written.await.unwrap().await.unwrap().unwrap();
        }
        room.hear(offered.clone(), true);
        room.start(&lo(), || 1);
        let folder = data.path().join("mel");
        let block_bytes = crate::multicast::file::Layout::of(&offered.offer).block_bytes();
        let part = crate::files::PartFile::open(&folder, source.offer(), block_bytes as u32);
        let options = ReceivingOptions {
            member: 6,
            is_observer: false,
            room: room.address,
            interface: lo(),
            ttl: 1,
        };
        let publish = Box::new(transfer::Publish);
        let incoming = transfer::receive(&options, &offered.offer, part.unwrap(), publish).unwrap();
        let mut state = incoming.state();
        let is_whole =
            |received: &transfer::Received| matches!(received, transfer::Received::Whole(_));
        let whole = tokio::time::timeout(PATIENCE, state.wait_for(is_whole));
        whole.await.expect("it does not come").unwrap();
        assert_eq!(std::fs::read(folder.join("notes.txt")).unwrap(), content);
        // It may be asked for again, until the seat is left.
        assert!(room.sending.contains(&hash));
        room.left.cancel();
        end_of_one(&mut room).await;
        assert!(room.sending.is_empty());
    }

    #[tokio::test]
    async fn many_offers_wait_within_limits_and_leave_nothing() {
        let data = tempfile::tempdir().unwrap();
        let (mut room, files) = room_files(data.path(), "239.77.9.3:7903");
        for hash in 0..=255 {
            let mut offer = heard("x", 100_000, hash);
            offer.origin = u64::from(hash % 16);
            room.hear(offer, false);
            room.start(&lo(), || 0);
            assert!(room.waiting.len() <= WAITING_MAX);
            assert!(room.keeping.len() <= KEPT_AT_ONCE_MAX_ROOM);
        }
        let of_one = |origin| {
            let waiting = room
                .waiting
                .iter()
                .filter(|(_, heard)| heard.origin == origin);
            waiting.count()
        };
        assert!((0..16).all(|origin| of_one(origin) <= WAITING_MAX_MEMBER));
        room.waiting.clear();
        room.left.cancel();
        while !room.keeping.is_empty() {
            end_of_one(&mut room).await;
        }
        // The thread of the files has taken all of them back.
        files.ask(|_| ()).await.unwrap().await.unwrap();
        assert_eq!(names(data.path()), [""; 0]);
    }

    #[tokio::test]
    async fn absurd_sizes_and_names_are_refused_once_and_cost_nothing() {
        let data = tempfile::tempdir().unwrap();
        let (mut room, files) = room_files(data.path(), "239.77.9.4:7904");
        let kept = source(data.path(), 65_536);
        let content = std::fs::read(data.path().join("notes.txt")).unwrap();
        let written = files.write(kept.offer().clone(), 0, content.into());
        written.await.unwrap().await.unwrap().unwrap();
        for (hash, size_bytes) in (1..).zip([u64::MAX, 1 << 40, 500_001]) {
            let name = "../../../etc/\x1b[31mpasswd";
            let offer = heard(name, size_bytes, hash);
            room.hear(offer.clone(), false);
            room.start(&lo(), || 0);
            end_of_one(&mut room).await;
            let remembered = &room.remembered[&(Wanted::Keep, offer.hash())];
            assert!(remembered.is_told);
            assert!(remembered.again_at > Instant::now() + AGAIN_AFTER);
            room.hear(offer, false);
            assert!(room.waiting.is_empty());
        }
        assert!(is_kept(&files, kept.offer().hash).await);
        assert_eq!(names(data.path()), ["notes.txt"]);
    }

    #[tokio::test]
    async fn who_withdraws_a_file_ends_it_and_nobody_else_does() {
        let data = tempfile::tempdir().unwrap();
        let (mut room, _files) = room_files(data.path(), "239.77.9.5:7905");
        let offer = heard("x", 100_000, 1);
        room.hear(offer.clone(), false);
        room.start(&lo(), || 0);
        room.withdrawn(ANA + 1, offer.hash());
        assert!(!room.keeping[&offer.hash()].withdrawn.is_cancelled());
        room.withdrawn(ANA, offer.hash());
        end_of_one(&mut room).await;
        assert!(room.keeping.is_empty());
        // What is still heard of it does not begin it again; offering it anew does.
        room.hear(offer.clone(), false);
        assert!(room.waiting.is_empty());
        let anew = HeardOffer {
            said_at: Timestamp::from_millisecond(1).unwrap(),
            ..offer
        };
        room.hear(anew, false);
        assert_eq!(room.waiting.len(), 1);
    }
}

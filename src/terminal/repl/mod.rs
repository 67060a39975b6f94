//! The interactive client: reads an input, does it, and shows what happens meanwhile.

mod failure;
mod files;
mod in_room;
mod online;
mod past;
mod server;
mod talk;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::pin::pin;

use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::command::{self, AtLine, Parsed};
use super::console::{Console, Input};
use super::downloads::tidy;
use super::mode::Mode;
use super::progress;
use super::render::Style;
use super::signals::Ending;
use super::transfers::{News, Transfers};
use failure::Failure;
use in_room::{PATIENCE, Seat, next_in_room};
use server::next_from_server;

use crate::chat::{
    BitRate, ByteSize, GroupName, Room as DirectoryRoom, ServerAddress, TransportChoice, UserName,
};
use crate::cli::Bell;
use crate::client::{Connection, ConnectionEvent, RoomEvent};

/// What the client is told when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server that `connect` alone means.
    pub server: ServerAddress,
    /// The name to speak under, if one is set already.
    pub name: Option<UserName>,
    /// The interface for rooms, by name or address; none for the one towards the server.
    pub interface: Option<String>,
    /// How many hops datagrams may go.
    pub ttl: u8,
    /// What may be sent in a reliable room at most; none for as much as its members take.
    pub rate_max: Option<BitRate>,
    /// By which way to take part in rooms.
    pub transport: TransportChoice,
    /// The folder for what a program that was killed leaves for the next; none to leave nothing.
    pub state: Option<PathBuf>,
    /// Where files that others send are saved.
    pub downloads: PathBuf,
    /// Files up to this size are fetched without being asked for.
    pub auto_accept: ByteSize,
    /// How to show.
    pub style: Style,
    /// When to ring.
    pub bell: Bell,
}

/// Reads and does until the end of the input or `quit`. True if every command was carried out.
///
/// # Errors
/// Nobody reads the output any more.
pub async fn run(console: Console, settings: Settings) -> io::Result<bool> {
    tidy(&settings.downloads);
    let progress_due = progress_due(console.is_terminal());
    let mut repl = Repl {
        console,
        name: settings.name.clone(),
        server: settings.server.clone(),
        transfers: Transfers::new(settings.downloads.clone(), settings.auto_accept),
        progress_due,
        settings,
        connection: None,
        is_lost: false,
        is_stopping: false,
        is_claim_owed: false,
        is_online: false,
        local: None,
        directory: None,
        seat: None,
        leaving: Vec::new(),
        typed_rows: None,
        lobby_next: 0,
        groups: Vec::new(),
        ignored: BTreeMap::new(),
        whispered_by: None,
        failed: false,
    };
    let mut ending = match repl.console.is_terminal() {
        true => Ending::of_terminal()?,
        false => Ending::of_command()?,
    };
    if repl.console.is_terminal() {
        repl.print(concat!(
            "crds ",
            env!("CARGO_PKG_VERSION"),
            ": `connect` to a server, `help` for the commands"
        ))?;
    }
    let result = tokio::select! {
        result = repl.steps() => result,
        () = ending.come() => {
            repl.failed = true;
            Ok(())
        }
    };
    ending.unless_again(repl.end()).await;
    result.map(|()| !repl.failed)
}

struct Repl {
    console: Console,
    settings: Settings,
    name: Option<UserName>,
    /// The server that was connected to last, or would be first.
    server: ServerAddress,
    connection: Option<Connection>,
    /// It is lost, and tries to come back.
    is_lost: bool,
    /// The server has said that it stops.
    is_stopping: bool,
    /// The name was changed while it was lost.
    is_claim_owed: bool,
    /// The server knows our name.
    is_online: bool,
    /// Our own address towards that server.
    local: Option<IpAddr>,
    /// What the directory last said.
    directory: Option<Vec<DirectoryRoom>>,
    seat: Option<Seat>,
    /// Rooms that were left and whose others are still being told.
    leaving: Vec<JoinHandle<()>>,
    /// Rows of the screen that the line which is being said takes.
    typed_rows: Option<usize>,
    /// The number of what happens next in the lobby, as far as it was shown; 0 if that is not known.
    lobby_next: u64,
    /// As far as heard of: the groups that we are in.
    groups: Vec<GroupName>,
    /// Names as they were given, by the form in which they are compared.
    ignored: BTreeMap<String, String>,
    /// Who last spoke to us alone.
    whispered_by: Option<UserName>,
    /// Files, offered, on their way or done.
    transfers: Transfers,
    /// When it is told next how far they are.
    progress_due: Interval,
    /// A command was not carried out.
    failed: bool,
}

/// What happens by itself.
enum Happening {
    /// In the room; none when it is over.
    Room(Option<RoomEvent>),
    Transfer(News),
    ProgressDue,
    Server(ConnectionEvent),
}

/// May be dropped and called again without losing any.
async fn next_happening(
    seat: &mut Option<Seat>,
    transfers: &mut Transfers,
    progress_due: &mut Interval,
    connection: &mut Option<Connection>,
) -> Happening {
    let is_running = transfers.is_running();
    tokio::select! {
        event = next_in_room(seat) => Happening::Room(event),
        news = transfers.next() => Happening::Transfer(news),
        _ = progress_due.tick(), if is_running => Happening::ProgressDue,
        event = next_from_server(connection) => Happening::Server(event),
    }
}

/// The first is due when a transfer has taken that long.
fn progress_due(is_terminal: bool) -> Interval {
    let mut due = interval(match is_terminal {
        true => progress::DRAW,
        false => progress::TELL,
    });
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    due
}

impl Repl {
    fn mode(&self) -> Mode {
        match (&self.seat, &self.name, &self.connection) {
            (Some(seat), Some(name), _) => Mode::Chat(seat.name(), name.clone()),
            (_, _, Some(connection)) if !self.is_lost => {
                Mode::Connected(connection.server().clone())
            }
            _ => Mode::Main,
        }
    }

    /// All that is read; of a script also its files to their end.
    async fn steps(&mut self) -> io::Result<()> {
        loop {
            match self.step().await {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                // Nobody reads any more: not a failure of what was asked.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) => return Err(error),
            }
        }
        match self.console.is_terminal() {
            true => Ok(()),
            false => self.finish_transfers(Transfers::is_running).await,
        }
    }

    /// Leaves the room and the server.
    async fn end(&mut self) {
        let seat = self.seat.take();
        self.leaving.extend(seat.and_then(Seat::leave));
        for room in self.leaving.drain(..) {
            // What was said last may still be on its way, perhaps over the connection.
            let _ = room.await;
        }
        if let Some(connection) = self.connection.take() {
            let mut bye = pin!(connection.bye());
            if timeout(PATIENCE, &mut bye).await.is_err() {
                if self.console.is_terminal() {
                    // Who reads no more need not know.
                    let _ = self.notice("the server does not answer: Ctrl-C ends this at once");
                }
                bye.await;
            }
        }
    }

    async fn step(&mut self) -> io::Result<ControlFlow<()>> {
        // Before anything that arrives is shown: a line goes the editor's way or none may be waiting there.
        self.console.ask(&self.mode().prompt(), true);
        tokio::select! {
            input = self.console.answer() => return self.handle(input).await,
            happened = next_happening(
                &mut self.seat,
                &mut self.transfers,
                &mut self.progress_due,
                &mut self.connection,
            ) => self.show_happening(happened).await?,
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn show_happening(&mut self, happened: Happening) -> io::Result<()> {
        match happened {
            Happening::Room(event) => self.show_room_event(event).await,
            Happening::Transfer(news) => {
                let told = self.transfers.note(news);
                // Of what has ended there is none any more.
                self.draw_progress();
                self.show_transfer(told)
            }
            Happening::ProgressDue => self.tell_progress(),
            Happening::Server(event) => self.show_connection_event(event).await,
        }
    }

    async fn handle(&mut self, input: Input) -> io::Result<ControlFlow<()>> {
        let in_room = self.mode().is_chat();
        match input {
            Input::Line { text, rows } if in_room => return self.handle_in_room(&text, rows).await,
            Input::Line { text, .. } if text.trim().is_empty() => {}
            Input::Line { text, .. } if text.trim_start().starts_with('@') => {
                return self.obey_at(text.trim_start()).await;
            }
            Input::Line { text, .. } => return self.obey(&text).await,
            Input::Leave if in_room => self.leave().await?,
            Input::End if in_room => {
                if !self.console.is_terminal() {
                    // What it offers ends with its being there.
                    self.finish_transfers(Transfers::is_sending).await?;
                }
                self.leave().await?;
            }
            Input::End => return Ok(ControlFlow::Break(())),
            Input::Leave => {}
            Input::Interrupt if in_room => self.notice("Ctrl-] or /leave leaves the room")?,
            Input::Interrupt => self.notice("`quit` or Ctrl-D ends the program")?,
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn obey(&mut self, line: &str) -> io::Result<ControlFlow<()>> {
        match command::parse(line, self.mode().is_chat()) {
            Ok(parsed) => self.carry_out(parsed).await,
            Err(failure) => self.fail(&failure).map(ControlFlow::Continue),
        }
    }

    /// A line that begins with `@`, in a room or not.
    async fn obey_at(&mut self, line: &str) -> io::Result<ControlFlow<()>> {
        match command::parse_at(line) {
            Ok(AtLine::Do(parsed)) => self.carry_out(parsed).await,
            Ok(AtLine::Say(text)) if self.seat.is_some() => {
                self.say(&text).await.map(ControlFlow::Continue)
            }
            Ok(AtLine::Say(_)) => {
                let text = "`@@…` says a line in a room: `chat ROOM` first";
                self.fail(text).map(ControlFlow::Continue)
            }
            Err(failure) => self.fail(&failure).map(ControlFlow::Continue),
        }
    }

    async fn carry_out(&mut self, parsed: Parsed) -> io::Result<ControlFlow<()>> {
        let done = match parsed {
            Parsed::Quit => return Ok(ControlFlow::Break(())),
            Parsed::Help(about) => Ok(command::help(about, self.mode().is_chat())),
            Parsed::Clear => self
                .console
                .clear()
                .map(|()| Vec::new())
                .map_err(Failure::Output),
            Parsed::Leave => self
                .leave()
                .await
                .map(|()| Vec::new())
                .map_err(Failure::Output),
            Parsed::Connect(server) => self.connect(server).await,
            Parsed::Bye => self.bye().await,
            Parsed::Disconnect => self.disconnect().await,
            Parsed::GetDir => self.get_directory().await,
            Parsed::MakeRoom(room) => self.make_room(room).await,
            Parsed::DeleteRoom(name) => self.delete_room(name).await,
            Parsed::Name(name) => self.set_name(name).await,
            Parsed::Chat(room) => self.chat(room).await,
            Parsed::Who => self.who().await,
            Parsed::Stats => self.stats().await,
            Parsed::Me(text) => self.say_action(&text).await,
            Parsed::ShowTopic => self.show_topic().await,
            Parsed::SetTopic(topic) => self.set_topic(topic).await,
            Parsed::History(entries) => self.show_history(entries).await,
            Parsed::Search(words) => self.search(words).await,
            Parsed::Ignore(name) => Ok(self.ignore(name)),
            Parsed::Unignore(name) => self.unignore(&name),
            Parsed::Send { to, path } => self.send_file(to, path),
            Parsed::Receive(id) => self.receive_file(id),
            Parsed::Transfers => Ok(self.show_transfers()),
            Parsed::Cancel(id) => match self.transfers.cancel(id) {
                Ok(told) => Ok(told
                    .map(|told| self.settings.style.notice(&told))
                    .into_iter()
                    .collect()),
                Err(text) => Err(Failure::Text(text)),
            },
            online => self.carry_out_online(online).await,
        };
        match done {
            Ok(lines) => lines.iter().try_for_each(|line| self.console.print(line))?,
            Err(Failure::Output(error)) => return Err(error),
            Err(Failure::NameTaken(text)) => return self.ask_for_another_name(&text).await,
            Err(Failure::Text(text)) => self.fail(&text)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    /// A name that is taken: at a terminal another is asked for, but not in a room, where the next line may be said to the others. A
    /// script has no other to give, and ends.
    async fn ask_for_another_name(&mut self, text: &str) -> io::Result<ControlFlow<()>> {
        if !self.console.is_terminal() {
            self.fail(text)?;
            return Ok(ControlFlow::Break(()));
        }
        self.notice(text)?;
        if let (Some(_), Some(name)) = (&self.seat, &self.name) {
            let stays = format!("your name stays {name}");
            self.notice(&stays)?;
            return Ok(ControlFlow::Continue(()));
        }
        match self.ask_for_name().await {
            Ok(_) => {}
            Err(Failure::Output(error)) => return Err(error),
            Err(Failure::Text(text) | Failure::NameTaken(text)) => self.fail(&text)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn ask_for_name(&mut self) -> Result<UserName, Failure> {
        let given_up = match &self.name {
            Some(name) => format!("your name stays {name}"),
            None => "no name yet: set one with `name NAME`".to_owned(),
        };
        if !self.console.is_terminal() {
            return Err(Failure::Text(given_up));
        }
        loop {
            self.console.ask("Your name: ", false);
            let text = match self.console.answer().await {
                Input::Line { text, .. } if !text.trim().is_empty() => text,
                _ => return Err(Failure::Text(given_up)),
            };
            let name = match text.trim().parse::<UserName>() {
                Ok(name) => name,
                Err(error) => {
                    self.fail(&error.to_string())?;
                    continue;
                }
            };
            match self.claim(name.clone()).await {
                Ok(is_new) => {
                    if is_new {
                        self.come_online().await?;
                    }
                    return Ok(name);
                }
                Err(Failure::NameTaken(text)) => self.notice(&text)?,
                Err(Failure::Text(text)) if name.is_reserved() => self.fail(&text)?,
                // Another name would be refused too: the server is full, or gone.
                Err(failure) => return Err(failure),
            }
        }
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        self.console.print(line)
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        self.console.print(&self.settings.style.notice(text))
    }

    fn fail(&mut self, text: &str) -> io::Result<()> {
        self.failed = true;
        let line = self.settings.style.error(text);
        self.console.print_error(&line, text)
    }
}

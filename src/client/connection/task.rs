//! The owner of the TCP connection: carries requests and events, and comes back when it is lost.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::wait_before;
use super::link::{Asked, By, Greeting, Incoming, Link};
use super::route::{Route, Wanted, next_wanted};
use super::standing::Standing;
use super::{ConnectionEvent, RequestError, Server};
use crate::chat::{RoomName, ServerAddress, SessionId};
use crate::control::{Event, Refusal, RefusalCode, Reply, Request, Token};
use crate::net::FromRelay;

/// Places among the events that wait which only what concerns the connection itself may take.
const EVENTS_RESERVED: usize = 16;

/// How long to wait when the server is too busy to let us into a room again.
const ENTER_AGAIN_WAIT: Duration = Duration::from_secs(1);

/// What the handle asks of the task.
pub(super) struct Command {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Result<Reply, RequestError>>,
    /// The room that is entered with it, whose datagrams may go over the connection.
    pub(super) route: Option<Route>,
}

/// How a link ended.
enum End {
    /// The handle is gone, or has said goodbye.
    Closed,
    /// It broke, for this reason.
    Lost(String),
}

pub(super) struct Task {
    address: ServerAddress,
    commands: mpsc::Receiver<Command>,
    events: Events,
    server: watch::Sender<Server>,
    standing: Standing,
    route: Option<Route>,
    /// When to ask once more to be let into its room.
    enter_at: Option<Instant>,
    token: Token,
    /// How many requests for what was had before wait for their answers.
    regaining: usize,
    /// It was told that the connection is there again.
    is_back: bool,
    /// The handle has said goodbye: the end of the link is no loss.
    is_leaving: bool,
}

impl Task {
    pub(super) fn new(
        address: ServerAddress,
        token: Token,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<ConnectionEvent>,
        server: watch::Sender<Server>,
    ) -> Self {
        Self {
            address,
            commands,
            events: Events { events, missed: 0 },
            server,
            standing: Standing::default(),
            route: None,
            enter_at: None,
            token,
            regaining: 0,
            is_back: true,
            is_leaving: false,
        }
    }

    /// Until the handle is dropped.
    pub(super) async fn run(mut self, mut link: Link) {
        while let End::Lost(reason) = self.serve(&mut link).await {
            link.end(&reason);
            if self.is_leaving {
                return;
            }
            self.route.iter_mut().for_each(Route::lose);
            self.events.tell(ConnectionEvent::Lost(reason.clone()));
            let Some((again, greeting)) = self.come_back(&reason).await else {
                return;
            };
            link = again;
            self.regain(&mut link, greeting);
        }
    }

    async fn serve(&mut self, link: &mut Link) -> End {
        loop {
            // First, so that no flood of events holds it up.
            if link.has_room()
                && let Ok(command) = self.commands.try_recv()
            {
                self.ask(link, command);
            }
            if link.has_room() {
                self.carry_one(link);
            }
            tokio::select! {
                biased;
                incoming = link.next() => match incoming {
                    Ok(Incoming::Event(Event::Reach { room, heard })) => {
                        self.tell_room(&room, FromRelay::Heard(heard));
                    }
                    Ok(Incoming::Event(event)) => self.events.tell(ConnectionEvent::Server(event)),
                    Ok(Incoming::Answer(asked, result)) => self.answer(link, *asked, result),
                    Ok(Incoming::Datagrams(room, piece)) => {
                        self.tell_room(&room, FromRelay::Datagrams(piece));
                    }
                    Err(reason) => return End::Lost(reason),
                },
                command = self.commands.recv(), if link.has_room() => match command {
                    Some(command) => self.ask(link, command),
                    None => return End::Closed,
                },
                wanted = next_wanted(&mut self.route), if link.has_room() => self.serve_room(link, wanted),
                () = at(self.enter_at) => {
                    self.enter_at = None;
                    self.serve_room(link, Wanted::Enter);
                }
            }
        }
    }

    fn serve_room(&mut self, link: &mut Link, wanted: Wanted) {
        match (wanted, &self.route) {
            (Wanted::Carry(piece), Some(route)) => link.carry(route.room(), &piece),
            (Wanted::Enter, Some(route)) => {
                let enter = route.enter();
                self.ask_again(link, vec![enter]);
            }
            (Wanted::Left, _) | (_, None) => self.leave_room(link),
        }
    }

    /// The room was left, and has said all.
    fn leave_room(&mut self, link: &mut Link) {
        if let Some(route) = self.route.take() {
            let leave = Request::Leave(route.room().clone());
            self.standing.note(&leave);
            link.ask(leave, By::Link);
        }
    }

    /// What a room said last goes out before we do.
    fn carry_rest(&mut self, link: &mut Link) {
        while self.carry_one(link) {}
    }

    /// Whether there was a piece to carry.
    fn carry_one(&mut self, link: &mut Link) -> bool {
        let Some(route) = &mut self.route else {
            return false;
        };
        let piece = route.waiting();
        if let Some(piece) = &piece {
            link.carry(route.room(), piece);
        }
        piece.is_some()
    }

    fn tell_room(&self, room: &RoomName, told: FromRelay) {
        if let Some(route) = self.route.as_ref().filter(|route| route.room() == room) {
            route.tell(told);
        }
    }

    fn ask(&mut self, link: &mut Link, command: Command) {
        if command.request == Request::Bye {
            self.is_leaving = true;
            self.carry_rest(link);
        }
        if command.route.is_some() {
            self.route = command.route;
        }
        if let (Request::Leave(room), Some(route)) = (&command.request, &self.route)
            && room == route.room()
        {
            if route.is_wanted() {
                // What the room says last goes over the connection; it is left after that.
                let _ = command.answer.send(Ok(Reply::Done));
                return;
            }
            self.route = None;
        }
        link.ask(command.request, By::Caller(command.answer));
    }

    fn answer(&mut self, link: &mut Link, asked: Asked, result: Result<Reply, Refusal>) {
        match asked.by {
            By::Link => {}
            By::Caller(answer) => {
                if result.is_ok() {
                    let mut next = self.standing.note(&asked.request);
                    if let (Request::Name(_), Some(route)) = (&asked.request, &self.route) {
                        // In a plain room the server relays for whom it knows by name.
                        next.push(route.enter());
                    }
                    self.ask_again(link, next);
                } else if let (Request::Enter { room, .. }, Some(route)) =
                    (&asked.request, &self.route)
                    && room == route.room()
                {
                    // Who was not let in has nothing to leave.
                    self.route = None;
                }
                // Who does not wait any more need not know.
                let _ = answer.send(result.map_err(RequestError::from));
            }
            By::Standing => {
                self.regaining -= 1;
                match result {
                    Ok(Reply::Entered { bridge, .. }) => self.entered(&asked.request, bridge),
                    Ok(_) => {}
                    Err(refusal) => self.tell_refusal(asked.request, refusal),
                }
                self.tell_when_back();
            }
        }
    }

    /// The server has let us in again, or knows by which way we take part now.
    fn entered(&mut self, request: &Request, bridge: Option<SessionId>) {
        self.standing.note(request);
        if let (Request::Enter { room, via, .. }, Some(route)) = (request, &mut self.route)
            && room == route.room()
        {
            route.entered(bridge.map(|id| id.0), *via);
        }
    }

    fn tell_refusal(&mut self, request: Request, why: Refusal) {
        let is_for_now = matches!(why.code, RefusalCode::NoRelay | RefusalCode::TooFast);
        if let (Request::Enter { .. }, true) = (&request, is_for_now) {
            self.enter_at = Some(Instant::now() + ENTER_AGAIN_WAIT);
            return;
        }
        self.standing.lose(&request);
        let event = match request {
            Request::Name(name) => ConnectionEvent::NameLost { name, why },
            // One word on the name is enough for all that waits for it.
            _ if self.standing.is_owed() => return,
            Request::Enter { room, .. } => ConnectionEvent::RoomLost { room, why },
            _ => return,
        };
        self.events.tell(event);
    }

    fn ask_again(&mut self, link: &mut Link, requests: Vec<Request>) {
        self.regaining += requests.len();
        for request in requests {
            link.ask(request, By::Standing);
        }
    }

    fn regain(&mut self, link: &mut Link, greeting: Greeting) {
        self.token = greeting.token;
        // It fails only when nobody looks any more.
        let _ = self.server.send(Server {
            program: greeting.program,
            local: greeting.local,
        });
        self.regaining = 0;
        self.is_back = false;
        let mut requests = self.standing.regain(greeting.resumed.as_ref());
        if let (Some(route), Some(_)) = (&self.route, &greeting.resumed) {
            // It has kept all but the way to this room.
            requests.push(route.enter());
        }
        self.ask_again(link, requests);
        self.tell_when_back();
    }

    fn tell_when_back(&mut self) {
        if self.regaining == 0 && !std::mem::replace(&mut self.is_back, true) {
            self.events.tell(ConnectionEvent::Back);
        }
    }

    /// Tries until the server is there again, or until the handle is gone. Meanwhile requests fail.
    async fn come_back(&mut self, reason: &str) -> Option<(Link, Greeting)> {
        for attempt in 0.. {
            let address = self.address.clone();
            let token = self.token;
            let trying = async move {
                sleep(wait_before(attempt, chance())).await;
                Link::open(&address, Some(token)).await
            };
            tokio::pin!(trying);
            let tried = loop {
                tokio::select! {
                    tried = &mut trying => break tried,
                    command = self.commands.recv() => {
                        let command = command?;
                        let answer = match self.standing.withdraw(&command.request) {
                            true => Ok(Reply::Done),
                            false => Err(RequestError::Lost(reason.to_owned())),
                        };
                        // Who does not wait any more need not know.
                        let _ = command.answer.send(answer);
                    }
                }
            };
            if let Ok(back) = tried {
                return Some(back);
            }
        }
        None
    }
}

/// The way to whoever reads events.
struct Events {
    events: mpsc::Sender<ConnectionEvent>,
    /// Events for which there was no room.
    missed: u64,
}

impl Events {
    /// Answers to requests come behind events, so an event that nobody fetches must not hold them up: it is
    /// left out and counted.
    fn tell(&mut self, event: ConnectionEvent) {
        let reserved = match event {
            ConnectionEvent::Server(_) => EVENTS_RESERVED,
            _ => 0,
        };
        // One more for the word of those left out.
        let needed = reserved + 1 + usize::from(self.missed > 0);
        if self.events.capacity() < needed {
            self.missed += 1;
            return;
        }
        if self.missed > 0 {
            let missed = std::mem::take(&mut self.missed);
            // As there is room, it fails only when nobody reads any more; so below.
            let _ = self.events.try_send(ConnectionEvent::Missed(missed));
        }
        let _ = self.events.try_send(event);
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Evenly from 0 to 1.
fn chance() -> f64 {
    // Where the system has no random numbers all wait equally long.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(random) / f64::from(u32::MAX)
}

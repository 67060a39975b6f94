//! Plays the demonstration of the lab on this machine, eight steps, and prints who types and sees what.
//!
//! ```text
//! cargo run --example demo
//! ```
//!
//! A server and two clients run in this process, on loopback. Each step waits for the lines that it
//! must show, and the program fails if another line comes, or none.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crds::chat::{ByteSize, HistoryLimit, ServerAddress, TransportChoice};
use crds::cli::Bell;
use crds::server::{Config, Limits, ServeError, Server, Shutdown};
use crds::terminal::{Console, Settings, Style, run};
use tokio::task::JoinHandle;

type AnyError = Box<dyn Error + Send + Sync>;

/// What must be seen is seen within milliseconds. This bounds a failure.
const LINE_WAIT: Duration = Duration::from_secs(20);

/// What a terminal shows where there is neither connection nor room.
const MAIN_PROMPT: &str = "crds> ";

/// Ctrl-], which leaves a room.
const LEAVE: &str = "\x1d";

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let (screen, lines) = Screen::new("server");
    tracing_subscriber::fmt()
        .with_level(false)
        .with_target(false)
        .without_time()
        .with_ansi(false)
        .with_writer(move || lines.clone())
        .init();
    let folder = Folder::new();
    let mut stage = Stage::open(&folder, screen)?;
    stage.directory()?;
    stage.talk()?;
    stage.deletion()?;
    stage.all_at_once()?;
    stage.close().await
}

/// Everything that takes part.
struct Stage {
    server: Screen,
    ana: Person,
    mel: Person,
    address: ServerAddress,
    shutdown: Shutdown,
    serving: JoinHandle<Result<(), ServeError>>,
}

/// The eight steps, in their order.
impl Stage {
    fn open(folder: &Folder, mut screen: Screen) -> Result<Self, AnyError> {
        step("1. The server starts, and says on which port it listens.");
        let config = Config {
            listen: Some(Ipv4Addr::LOCALHOST.into()),
            port: 0,
            data: folder.0.clone(),
            interface: None,
            history: HistoryLimit::DEFAULT,
            limits: Limits::default(),
        };
        let shutdown = Shutdown::default();
        let server = Server::bind(config, shutdown.clone())?;
        let port = server.port();
        let serving = tokio::spawn(server.run());
        screen.shows(&format!(
            "Chat Room Directory Server listening on port {port}..."
        ))?;
        let address: ServerAddress = format!("127.0.0.1:{port}").parse()?;
        Ok(Self {
            server: screen,
            ana: Person::start("Ana", &address),
            mel: Person::start("Mel", &address),
            address,
            shutdown,
            serving,
        })
    }

    fn directory(&mut self) -> Result<(), AnyError> {
        step("2. A client connects, and the server tells.");
        self.ana.connects(&mut self.server, &self.address)?;

        step("3. The client makes a room, and finds it in the directory.");
        self.ana.types("makeroom lab 239.1.1.1 6000");
        self.server
            .shows("Room lab (239.1.1.1:6000) made by 127.0.0.1:")?;
        self.ana.screen.shows("Room lab made at 239.1.1.1:6000.")?;
        self.ana.types("getdir");
        self.ana.screen.shows("ROOM  ADDRESS")?;
        self.ana.screen.shows("lab   239.1.1.1")?;

        step("4. The client says bye, and the server tells that the connection is closed.");
        self.ana.types("bye");
        self.ana.prompt = MAIN_PROMPT.to_owned();
        self.ana.screen.shows(" closed.")?;
        self.server.shows("Connection from 127.0.0.1:")
    }

    fn talk(&mut self) -> Result<(), AnyError> {
        let (ana, mel, server) = (&mut self.ana, &mut self.mel, &mut self.server);
        step("5. Two clients set their names.");
        for person in [&mut *ana, &mut *mel] {
            let name = person.screen.who;
            person.is_named = true;
            person.types(&format!("name {name}"));
            person.screen.shows(&format!("Your name is {name}."))?;
        }

        step("6. Both enter the room and talk. Who knows its address does not ask the server.");
        ana.types("chat lab");
        ana.screen.shows("[in room lab (239.1.1.1:6000) on ")?;
        mel.types("chat lab");
        mel.screen.shows("[asking 127.0.0.1:")?;
        server.shows("Client connected from 127.0.0.1:")?;
        server.shows("Connection from 127.0.0.1:")?;
        mel.screen.shows("[in room lab (239.1.1.1:6000) on ")?;
        ana.screen.shows("[Mel joined]")?;
        mel.screen.shows("[here: Ana]|[Ana joined]")?;
        for person in [&mut *ana, &mut *mel] {
            person.prompt = format!("[lab] {}> ", person.screen.who);
        }
        ana.says("Good morning!", mel)?;
        mel.says("Good morning, Ana. I read you.", ana)?;
        ana.says("Grüße an alle!", mel)?;
        ana.types(LEAVE);
        ana.screen.shows("[left room lab]")?;
        mel.screen.shows("[Ana left]")?;
        mel.types(LEAVE);
        mel.screen.shows("[left room lab]")?;
        for person in [ana, mel] {
            person.prompt = MAIN_PROMPT.to_owned();
        }
        Ok(())
    }

    fn deletion(&mut self) -> Result<(), AnyError> {
        step("7. A client deletes the room, and the directory no longer has it.");
        self.ana.connects(&mut self.server, &self.address)?;
        self.ana.types("deleteroom lab");
        self.server
            .shows("Room lab (239.1.1.1:6000) deleted by Ana (127.0.0.1:")?;
        self.ana.screen.shows("Room lab deleted.")?;
        self.ana.types("getdir");
        self.ana.screen.shows("No rooms yet")
    }

    /// Three requests are under way before the first answer is looked at, so their order is open.
    fn all_at_once(&mut self) -> Result<(), AnyError> {
        step("8. The server serves several at once: Ana, Mel, and a program of plain words.");
        self.mel.connects(&mut self.server, &self.address)?;
        self.ana.screen.shows("[Mel joined]")?;
        let host = (self.address.host.as_str(), self.address.port);
        let mut program = BufReader::new(TcpStream::connect(host)?);
        self.server.shows("Client connected from 127.0.0.1:")?;
        self.ana.types("makeroom tea");
        self.mel.types("makeroom coffee");
        print("program", "makeroom water 239.1.1.3 6000");
        writeln!(program.get_mut(), "makeroom water 239.1.1.3 6000")?;
        for _ in 0..3 {
            self.server.shows(" made by ")?;
        }
        self.ana.screen.shows("Room tea made at 239.255.")?;
        self.mel.screen.shows("Room coffee made at 239.255.")?;
        let mut answer = String::new();
        program.read_line(&mut answer)?;
        must_hold(&answer, "OK room water made at 239.1.1.3:6000")?;
        print("program", answer.trim_end());
        self.mel.types("getdir");
        self.mel.screen.shows("ROOM    ADDRESS")?;
        for _ in 0..3 {
            self.mel.screen.shows("tea |coffee |water ")?;
        }
        drop(program);
        self.server.shows("Connection from 127.0.0.1:")
    }

    async fn close(mut self) -> Result<(), AnyError> {
        step("The end: both quit, and the server is told to stop.");
        self.ana.quits(&mut self.server)?;
        self.mel.screen.shows("[Ana exited]")?;
        self.ana.ends().await?;
        self.mel.quits(&mut self.server)?;
        self.mel.ends().await?;
        self.shutdown.request();
        self.serving.await??;
        self.server.shows_no_more()
    }
}

/// A client, and whoever sits at it.
struct Person {
    screen: Screen,
    keyboard: Sender<String>,
    /// What a terminal shows before what is typed.
    prompt: String,
    /// Whoever connects with a name is online.
    is_named: bool,
    running: JoinHandle<io::Result<bool>>,
}

impl Person {
    fn start(who: &'static str, server: &ServerAddress) -> Self {
        let (screen, lines) = Screen::new(who);
        let (keyboard, keys) = channel();
        let typed = BufReader::new(Typed { keys });
        let console = Console::pipe(typed, lines.clone(), lines);
        let settings = Settings {
            server: server.clone(),
            name: None,
            interface: Some("127.0.0.1".to_owned()),
            ttl: 1,
            rate_max: None,
            transport: TransportChoice::Auto,
            state: None,
            downloads: "downloads".into(),
            auto_accept: ByteSize(0),
            style: Style {
                color: false,
                timestamps: false,
            },
            bell: Bell::Off,
        };
        Self {
            screen,
            keyboard,
            prompt: MAIN_PROMPT.to_owned(),
            is_named: false,
            running: tokio::spawn(run(console, settings)),
        }
    }

    fn types(&self, line: &str) {
        let shown = line.replace(LEAVE, "^]");
        print(self.screen.who, &format!("{}{shown}", self.prompt));
        // If the client has ended, what it should show is missed next.
        let _ = self.keyboard.send(format!("{line}\n"));
    }

    fn connects(&mut self, server: &mut Screen, address: &ServerAddress) -> Result<(), AnyError> {
        self.types("connect");
        server.shows("Client connected from 127.0.0.1:")?;
        self.screen
            .shows(&format!("Connected to {address} (crds "))?;
        self.screen.shows("Rooms use interface ")?;
        if self.is_named {
            let who = self.screen.who;
            server.shows(&format!("{who} joined from 127.0.0.1:"))?;
            self.screen.shows(&format!("[Welcome {who}!]"))?;
        }
        self.prompt = format!("crds {address}> ");
        Ok(())
    }

    /// Says a line. On a terminal it then stands there as others see it, in place of what was typed.
    fn says(&mut self, text: &str, listener: &mut Person) -> Result<(), AnyError> {
        self.types(text);
        let line = format!("{}: {text}", self.screen.who);
        self.screen.shows(&line)?;
        listener.screen.shows(&line)
    }

    fn quits(&self, server: &mut Screen) -> Result<(), AnyError> {
        self.types("quit");
        // The person leaves and the connection ends: two tasks tell it.
        let told = format!("{} exited|Connection from 127.0.0.1:", self.screen.who);
        server.shows(&told)?;
        server.shows(&told)
    }

    async fn ends(self) -> Result<(), AnyError> {
        let who = self.screen.who;
        match self.running.await {
            Ok(Ok(true)) => self.screen.shows_no_more(),
            _ => Err(format!("a command of {who} failed").into()),
        }
    }
}

/// The lines that somebody sees.
struct Screen {
    who: &'static str,
    lines: Receiver<String>,
}

impl Screen {
    fn new(who: &'static str) -> (Self, Shown) {
        let (out, lines) = channel();
        let shown = Shown {
            out,
            line: Vec::new(),
        };
        (Self { who, lines }, shown)
    }

    /// Waits for the next line, which must hold `part`, or one of several divided by `|`.
    fn shows(&mut self, part: &str) -> Result<(), AnyError> {
        let line = self.lines.recv_timeout(LINE_WAIT);
        let line = line.map_err(|_| format!("{} does not show `{part}`", self.who))?;
        print(self.who, &line);
        must_hold(&line, part)
    }

    fn shows_no_more(self) -> Result<(), AnyError> {
        match self.lines.try_recv() {
            Ok(line) => Err(format!("{} also shows `{line}`", self.who).into()),
            Err(_) => Ok(()),
        }
    }
}

fn must_hold(line: &str, part: &str) -> Result<(), AnyError> {
    match part.split('|').any(|part| line.contains(part)) {
        true => Ok(()),
        false => Err(format!("`{part}` should be in `{}`", line.trim_end()).into()),
    }
}

fn step(heading: &str) {
    println!("\n{heading}");
}

fn print(who: &str, line: &str) {
    println!("  {who:<8}| {line}");
}

/// Takes what a program writes, and passes it on line by line.
#[derive(Clone)]
struct Shown {
    out: Sender<String>,
    line: Vec<u8>,
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                // When the demonstration is over nobody looks.
                let _ = self.out.send(line);
            } else {
                self.line.push(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives a program what is typed, a line at a time.
struct Typed {
    keys: Receiver<String>,
}

impl Read for Typed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Every line of the demonstration is shorter than the buffer around this.
        match self.keys.recv() {
            Ok(line) => line.as_bytes().read(buffer),
            Err(_) => Ok(0),
        }
    }
}

/// A folder for the server, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("crds-demo-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

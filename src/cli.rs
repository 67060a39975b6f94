//! The flags of every command.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, Resettable};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::chat::{
    BitRate, ByteSize, DEFAULT_PORT, Dialect, HistoryLimit, RoomAddress, RoomName, ServerAddress,
    Since, TransportChoice, UserName, WebAddress,
};

/// Chat rooms for the people on one local network: no internet, no accounts, nothing to set up.
///
/// Without a command: the interactive client. In a pipe it reads commands from standard input.
#[derive(Debug, Parser)]
#[command(name = "crds", version, max_term_width = 100)]
pub struct Cli {
    /// What every client command takes.
    #[command(flatten)]
    pub client: ClientArgs,
    /// What to do; none for the interactive client.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// What this program was started with. A variable of the environment that is empty counts as none. Ends the program
    /// where it is wrong, or asks for help.
    pub fn of_program() -> Self {
        let matches = without_empty_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| match arg.get_env().is_some_and(is_empty) {
            true => arg.env(Resettable::Reset),
            false => arg,
        })
        .mut_subcommands(without_empty_variables)
}

/// What every client command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Client options")]
pub struct ClientArgs {
    /// The directory server
    #[arg(
        long,
        global = true,
        env = "CRDS_SERVER",
        value_name = "HOST[:PORT]",
        default_value_t
    )]
    pub server: ServerAddress,
    /// The name to speak under
    #[arg(long, global = true, env = "CRDS_NAME", value_name = "NAME")]
    pub name: Option<UserName>,
    /// The network interface for rooms, by name or IPv4 address [default: the one towards the server]
    #[arg(
        long,
        global = true,
        env = "CRDS_INTERFACE",
        value_name = "NAME|ADDRESS"
    )]
    pub interface: Option<String>,
    /// How many hops datagrams may go; 1 is this network only
    #[arg(
        long,
        global = true,
        env = "CRDS_TTL",
        value_name = "HOPS",
        default_value_t = 1
    )]
    pub ttl: u8,
    /// How to take part in rooms: by multicast, through the server's relay, or by multicast as long as
    /// that works (auto)
    #[arg(
        long,
        global = true,
        env = "CRDS_TRANSPORT",
        value_name = "auto|multicast|relay",
        default_value = "auto"
    )]
    pub transport: TransportChoice,
    /// What may be sent in a reliable room at most, such as 200mbit, 2mbit or 500kbit [default: as much
    /// as its members take]
    #[arg(long, global = true, env = "CRDS_RATE_MAX", value_name = "RATE")]
    pub rate_max: Option<BitRate>,
    /// Where files that others send are saved
    #[arg(
        long,
        global = true,
        env = "CRDS_DOWNLOADS",
        value_name = "DIR",
        default_value = "downloads"
    )]
    pub downloads: PathBuf,
    /// Files up to this size come without being asked for, in an hour up to a hundred times as much; or off
    #[arg(
        long,
        global = true,
        env = "CRDS_AUTO_ACCEPT",
        value_name = "SIZE",
        default_value = "10MB"
    )]
    pub auto_accept: ByteSize,
    /// When to colour; NO_COLOR counts too
    #[arg(
        long,
        global = true,
        env = "CRDS_COLOR",
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: ColorChoice,
    /// When the terminal rings: for nothing, for words to you alone and followed lines, or for every line
    #[arg(
        long,
        global = true,
        env = "CRDS_BELL",
        value_name = "WHEN",
        default_value = "private"
    )]
    pub bell: Bell,
    /// Show messages without the time
    #[arg(
        long,
        global = true,
        env = "CRDS_NO_TIMESTAMPS",
        value_parser = FalseyValueParser::new()
    )]
    pub no_timestamps: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// When a terminal rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bell {
    /// Never.
    Off,
    /// For what is said to this person alone, and for lines that are followed.
    Private,
    /// For every line besides.
    All,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a directory server
    Serve(ServeArgs),
    /// Print the directory
    Rooms(RoomsArgs),
    /// Say TEXT, or each line of standard input, in a room
    Send(SendArgs),
    /// Print what is said in a room, a line a message
    Listen(ListenArgs),
}

/// `crds serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Listen on this address only [default: all interfaces, IPv4 and IPv6]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<IpAddr>,
    /// The TCP port, and the UDP port of rooms whose address is picked; 0 for a free one
    #[arg(long, env = "CRDS_PORT", value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Where the page for browsers is: an address, a port or both [default: where the server listens, at 12080, or
    /// another port if that is taken]
    #[arg(long, env = "CRDS_WEB", value_name = "ADDRESS:PORT")]
    pub web: Option<WebAddress>,
    /// Serve no page
    #[arg(long)]
    pub no_web: bool,
    /// The folder for what must survive a restart [default: crds in the XDG data folder]
    #[arg(long, env = "CRDS_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How much to keep of what is said in each room: off, or entries, an age, a size, or several; a room may have
    /// less. Without a size it is 64mib
    #[arg(long, env = "CRDS_HISTORY", value_name = "LIMIT", default_value_t = HistoryLimit::DEFAULT)]
    pub history: HistoryLimit,
    /// The log file [default: server.log in the data folder]
    #[arg(long, env = "CRDS_LOG", value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// What clients may use up.
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// The limits of `crds serve`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// People online at once: those who have taken a name [default: as many as there are connections]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub limit: Option<u32>,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = at_least_one())]
    pub max_connections: u32,
    /// Lines that one client may send in a second
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = at_least_one())]
    pub max_lines: u32,
    /// Bytes of a line
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(256..=1 << 20))]
    pub max_line_bytes: u32,
    /// Rooms in the directory
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_one())]
    pub max_rooms: u32,
    /// Files that are kept for those whom multicast does not reach and those who come later, all together;
    /// the one longest not used makes room; or off
    #[arg(long, value_name = "TOTAL", default_value = "10GiB")]
    pub keep_files: ByteSize,
    /// The largest file that is kept
    #[arg(long, value_name = "SIZE", default_value = "5GiB")]
    pub keep_file_max: ByteSize,
    /// Seconds that a connection may say nothing; our own client gives signs of life
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = at_least_one())]
    pub idle_timeout: u32,
    /// Seconds that somebody online may say nothing before a sign of life is asked for
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = at_least_one())]
    pub heartbeat: u32,
}

fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

/// `crds rooms`
#[derive(Debug, Args)]
pub struct RoomsArgs {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// A room, by name or by address.
#[derive(Debug, Args)]
pub struct GroupArgs {
    /// A group in place of a room of the directory; no server is needed then
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub group: Option<RoomAddress>,
    /// The group speaks the plain dialect
    #[arg(long, requires = "group")]
    pub plain: bool,
}

impl GroupArgs {
    /// How the group named by --group speaks.
    pub fn dialect(&self) -> Dialect {
        match self.plain {
            true => Dialect::Plain,
            false => Dialect::Reliable,
        }
    }
}

/// `crds send`
#[derive(Debug, Args)]
#[command(
    override_usage = "crds send ROOM [--file PATH] [TEXT]...\n       crds send --group ADDRESS:PORT [--file PATH] [TEXT]..."
)]
pub struct SendArgs {
    /// The room (unless --group is given), then what to say; without TEXT or --file each line of standard input
    #[arg(value_name = "ROOM|TEXT")]
    pub words: Vec<String>,
    /// A file to send to all who are there; they must be there before
    #[arg(long, value_name = "PATH")]
    pub file: Option<PathBuf>,
    /// Where to say it.
    #[command(flatten)]
    pub group: GroupArgs,
}

/// `crds listen`
#[derive(Debug, Args)]
pub struct ListenArgs {
    /// The room
    #[arg(
        value_name = "ROOM",
        required_unless_present = "group",
        conflicts_with = "group"
    )]
    pub room: Option<RoomName>,
    /// Where to listen.
    #[command(flatten)]
    pub group: GroupArgs,
    /// Save the files that are offered into this folder; with --since those of then too
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// One JSON object a line: event, room, at, and what belongs to the event
    #[arg(long)]
    pub json: bool,
    /// First print what was said since then, as far as the server keeps it: 10m, 2h, 7d, or a time such as
    /// 2026-11-26T10:00
    #[arg(long, value_name = "TIME", value_parser = since, conflicts_with = "group")]
    pub since: Option<Since>,
    /// End after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after this many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub seconds: Option<std::time::Duration>,
}

fn since(given: &str) -> Result<Since, String> {
    let units_at = given.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = given.split_at(units_at.unwrap_or(given.len()));
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    if let (Some(seconds), Ok(number)) = (seconds, number.parse::<u64>()) {
        return Ok(Since::Ago(number.saturating_mul(seconds * 1000)));
    }
    if let Ok(moment) = given.parse() {
        return Ok(Since::At(moment));
    }
    // Without a zone it is this machine's time.
    let local = given.parse::<jiff::civil::DateTime>();
    let local = local.and_then(|time| time.to_zoned(jiff::tz::TimeZone::system()));
    let local = local.map(|time| Since::At(time.timestamp()));
    local.map_err(|_| {
        "write an age such as 10m, 2h or 7d, or a time such as 2026-11-26T10:00".to_owned()
    })
}

fn seconds(given: &str) -> Result<std::time::Duration, String> {
    given
        .parse()
        .ok()
        .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds, such as 5 or 0.5".to_owned())
}

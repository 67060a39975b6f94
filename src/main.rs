//! `crds`: parses the arguments, runs one command, returns its exit code.
#![allow(clippy::disallowed_methods)]

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crds::chat::WebAddress;
use crds::cli::{Cli, ClientArgs, ColorChoice, Command, ServeArgs};
use crds::gateway::web::Page;
use crds::net::{Interface, Towards};
use crds::server::{Config, Limits, Server, Shutdown, log};
use crds::terminal::oneshot::{self, OneshotError};
use crds::terminal::{Console, Settings, Style, run};
use etcetera::{AppStrategy, AppStrategyArgs, app_strategy::Xdg};

/// Done.
const DONE: u8 = 0;
/// Not carried out.
const FAILED: u8 = 1;
/// Wrong words on the command line.
const USAGE: u8 = 2;

type AnyError = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = Cli::of_program();
    // A client has little to do at once, and a line goes through it faster without a change of threads.
    let mut builder = match cli.command {
        Some(Command::Serve(_)) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    match builder.enable_all().build() {
        Ok(runtime) => runtime.block_on(run_command(cli)),
        Err(error) => tell(&error).into(),
    }
}

async fn run_command(cli: Cli) -> ExitCode {
    let settings = settings(&cli.client);
    let result = match cli.command {
        Some(Command::Serve(args)) => serve(args, cli.client.interface).await,
        Some(Command::Rooms(args)) => oneshot::rooms(args, settings).await.map_err(AnyError::from),
        Some(Command::Send(args)) => oneshot::send(args, settings).await.map_err(AnyError::from),
        Some(Command::Listen(args)) => oneshot::listen(args, settings)
            .await
            .map_err(AnyError::from),
        None => interactive(settings).await,
    };
    let code = match result {
        Ok(()) => DONE,
        Err(error) => tell(error.as_ref()),
    };
    // A thread may still wait for standard input; nothing is left to be done for it.
    std::process::exit(code.into())
}

/// Says what went wrong, unless nobody reads or it was said already.
fn tell(error: &(dyn std::error::Error + 'static)) -> u8 {
    let cause = error.downcast_ref::<OneshotError>();
    let io = match cause {
        Some(OneshotError::Io(io)) => Some(io),
        _ => error.downcast_ref::<io::Error>(),
    };
    if io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe) {
        return DONE;
    }
    if !error.is::<ToldAlready>() {
        // Where nobody reads errors, the exit code still tells.
        let _ = writeln!(io::stderr(), "crds: {error}");
    }
    match cause {
        Some(OneshotError::Usage(_)) => USAGE,
        _ => FAILED,
    }
}

/// A command of a script failed, and was told when it did.
#[derive(Debug, thiserror::Error)]
#[error("a command failed")]
struct ToldAlready;

fn settings(args: &ClientArgs) -> Settings {
    let on_terminal = io::stdout().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style {
        color: match args.color {
            ColorChoice::Auto => on_terminal && !no_color,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        },
        timestamps: on_terminal && !args.no_timestamps,
    };
    Settings {
        server: args.server.clone(),
        name: args.name.clone(),
        interface: args.interface.clone(),
        ttl: args.ttl,
        rate_max: args.rate_max,
        transport: args.transport,
        state: state_folder(),
        downloads: args.downloads.clone(),
        auto_accept: args.auto_accept,
        style,
        bell: args.bell,
    }
}

fn folders() -> Option<Xdg> {
    let names = AppStrategyArgs {
        app_name: "crds".to_owned(),
        ..AppStrategyArgs::default()
    };
    Xdg::new(names).ok()
}

async fn interactive(settings: Settings) -> Result<(), AnyError> {
    let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let editor = on_terminal.then(|| Console::terminal(history_file()));
    let console = match editor {
        Some(Ok(console)) => console,
        // Not a terminal, or one too simple for an editor (TERM=dumb): lines as they come.
        Some(Err(_)) | None => Console::standard_streams()?,
    };
    match run(console, settings).await? {
        // At a terminal the person has seen what failed, and went on.
        false if !io::stdin().is_terminal() => Err(ToldAlready.into()),
        _ => Ok(()),
    }
}

/// What a client keeps between two runs; nowhere if there is no such place.
fn state_folder() -> Option<PathBuf> {
    folders()?.state_dir()
}

/// Where typed lines are kept.
fn history_file() -> Option<PathBuf> {
    let folder = state_folder()?;
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

async fn serve(args: ServeArgs, interface: Option<String>) -> Result<(), AnyError> {
    let data = match args.data {
        Some(folder) => folder,
        None => folders()
            .ok_or("no home folder: choose a folder with --data DIR")?
            .data_dir(),
    };
    let log_file = args.log.unwrap_or_else(|| data.join("server.log"));
    let limits = args.limits;
    let page = page_address(args.web, args.no_web, args.listen);
    let here = here(interface.as_deref());
    // It may come later, as that of a cable does.
    let missing = interface
        .as_deref()
        .and_then(|wanted| Interface::named(wanted).err());
    let config = Config {
        listen: args.listen,
        port: args.port,
        data,
        interface,
        history: args.history,
        limits: Limits {
            connections_max: limits.max_connections as usize,
            lines_per_second_max: limits.max_lines,
            line_bytes_max: limits.max_line_bytes as usize,
            rooms_max: limits.max_rooms as usize,
            keep_bytes_max: limits.keep_files.0,
            keep_file_bytes_max: limits.keep_file_max.0,
            people_max: limits.limit.map(|people| people as usize),
            idle_max: Duration::from_secs(limits.idle_timeout.into()),
            heartbeat: Duration::from_secs(limits.heartbeat.into()),
        },
    };
    let shutdown = Shutdown::default();
    // First the folder: who has that has the log.
    let server = Server::bind(config, shutdown.clone())?;
    let page = page
        .map(|address| Page::bind(address, server.entrance(), shutdown.clone()))
        .transpose()?;
    let _written_at_the_end = log::start(&log_file)?;
    shutdown.fail_on_panic();
    end_on_signals(shutdown)?;
    let page = async {
        if let Some(missing) = missing {
            tracing::warn!("{missing}; before it is there no room is heard");
        }
        if let Some(page) = page {
            page.run(here).await;
        }
    };
    let (served, ()) = tokio::join!(server.run(), page);
    Ok(served?)
}

/// Where the page is to be; none if there is to be none.
fn page_address(
    wanted: Option<WebAddress>,
    no_web: bool,
    listen: Option<IpAddr>,
) -> Option<WebAddress> {
    let wanted = wanted.unwrap_or_default();
    let address = WebAddress {
        address: wanted.address.or(listen),
        ..wanted
    };
    (!no_web).then_some(address)
}

/// This machine's address on its network: where a phone finds the page.
fn here(interface: Option<&str>) -> Option<IpAddr> {
    let towards = Towards::Server(Ipv4Addr::LOCALHOST.into());
    let found = Interface::choose(interface, towards).ok()?;
    Some(found.address.into())
}

/// Ctrl-C and SIGTERM end the server in order. SIGHUP is left as it was found: `nohup` has it ignored.
fn end_on_signals(shutdown: Shutdown) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("Shutting down");
        shutdown.request();
    });
    Ok(())
}

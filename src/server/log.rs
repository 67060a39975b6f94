//! What the server tells on its screen and keeps in its log.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// A log file is put aside when it has this many bytes.
const FILE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// How many log files put aside are kept.
const FILES_KEPT: usize = 5;

/// The log could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write the log {file}: {source} (choose another folder with --data DIR, or another file with --log FILE)"
)]
pub struct LogError {
    file: String,
    source: io::Error,
}

/// Starts logging: each line to standard output as it is, and to `file` with a time stamp. What is
/// written while the guard lives reaches the screen before it is gone.
///
/// # Errors
/// The file cannot be written.
pub fn start(file: &Path) -> Result<WorkerGuard, LogError> {
    let refused = |source| LogError {
        file: file.display().to_string(),
        source,
    };
    if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(refused)?;
    }
    let appended = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file);
    appended.map_err(refused)?;
    // Of a file name alone the rotation would not find the folder.
    let file = std::path::absolute(file).map_err(refused)?;
    let kept = FileRotate::new(
        file,
        AppendCount::new(FILES_KEPT),
        ContentLimit::BytesSurpassed(FILE_BYTES_MAX),
        Compression::None,
        None,
    );
    // A screen that is stopped, or a pipe that nobody reads, must not stop the server.
    let (screen, guard) = NonBlocking::new(io::stdout());
    tracing_subscriber::registry()
        .with(
            layer()
                .event_format(MessageOnly)
                .with_ansi(false)
                .with_writer(screen)
                // What ends the program is told on standard error.
                .with_filter(filter_fn(|told| *told.level() != Level::ERROR)),
        )
        .with(
            layer()
                .with_ansi(false)
                .with_target(false)
                .with_timer(Rfc3339)
                .with_writer(Mutex::new(kept)),
        )
        .init();
    Ok(guard)
}

/// Time stamps of the local time zone, to the millisecond.
struct Rfc3339;

impl FormatTime for Rfc3339 {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = jiff::Zoned::now();
        write!(writer, "{}", now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"))
    }
}

struct MessageOnly;

impl<S, N> FormatEvent<S, N> for MessageOnly
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

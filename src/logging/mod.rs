//! Log lines: to standard error, for people or as JSON.

mod queue;

use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use self::queue::Queue;
use crate::config::LogFormat;

/// How long what is left to say may take when the process ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The queue of the process's logger, of which there is one for all threads.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Reads the `log.level` setting: a level, or `target=level` pairs with commas.
pub fn parse_level(text: &str) -> Result<EnvFilter, String> {
    if text.trim().is_empty() {
        return Err("the level is empty".to_owned());
    }
    // EnvFilter takes any word for the name of a target; a lone word here is meant as a level.
    for part in text.split(',') {
        let level = part.rsplit('=').next().unwrap_or(part).trim();
        let known = ["off", "error", "warn", "info", "debug", "trace"];
        if !known.iter().any(|word| word.eq_ignore_ascii_case(level)) {
            return Err(format!("{level:?} is not a level"));
        }
    }
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| format!("{text:?}: {error}"))
}

/// How to set up logging.
#[derive(Clone, Debug)]
pub struct Options {
    /// The filter, as in the configuration.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// `RUST_LOG`, which wins over the level when it is there.
    pub rust_log: Option<String>,
    /// Whether lines carry a time: the journal has its own.
    pub time: bool,
}

impl Options {
    /// The configured level and format, with what the environment of this process says.
    pub fn of_process(level: &str, format: LogFormat) -> Self {
        let rust_log = std::env::var("RUST_LOG")
            .ok()
            .filter(|text| !text.is_empty());
        let journal = std::env::var("JOURNAL_STREAM").ok();
        let journal = journal.is_some_and(|stream| is_stderr(&stream));
        Self {
            level: level.to_owned(),
            format,
            rust_log,
            time: !journal,
        }
    }
}

/// systemd names the journal's stream by device and inode, because the variable is inherited by
/// children whose standard error is something else (systemd.exec(5)).
fn is_stderr(stream: &str) -> bool {
    let Ok(metadata) = std::fs::metadata("/proc/self/fd/2") else {
        return false;
    };
    stream == format!("{}:{}", metadata.dev(), metadata.ino())
}

/// Installs the logger of the process; a second call changes nothing and says so.
pub fn init(options: &Options) -> Result<(), String> {
    let filter = match &options.rust_log {
        Some(text) => EnvFilter::builder()
            .parse(text)
            .map_err(|e| format!("RUST_LOG: {e}"))?,
        None => parse_level(&options.level)?,
    };
    let queue = match QUEUE.get() {
        Some(queue) => queue.clone(),
        None => {
            let queue = Queue::start(std::io::stderr())
                .map_err(|error| format!("no thread for the log: {error}"))?;
            QUEUE.get_or_init(|| queue).clone()
        }
    };
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(queue)
        .with_span_events(FmtSpan::NONE);
    let installed = match (options.format, options.time) {
        (LogFormat::Json, true) => base.json().flatten_event(true).try_init(),
        (LogFormat::Json, false) => base.json().flatten_event(true).without_time().try_init(),
        (LogFormat::Text, true) => base.with_ansi(stderr_is_terminal()).try_init(),
        (LogFormat::Text, false) => base.with_ansi(false).without_time().try_init(),
    };
    installed.map_err(|error| error.to_string())
}

/// How many log lines were lost, because standard error did not take them.
pub fn lost() -> u64 {
    QUEUE.get().map_or(0, Queue::lost)
}

/// Waits until what was logged is written; not for long, should nobody read it. To be called before
/// the process ends.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(LAST_WORDS);
    }
}

/// Writes a line to standard error behind everything that was logged, past the logger. Waits
/// for nobody but a moment, and takes no lock.
pub fn last_words(line: &str) {
    flush();
    let line = format!("{line}\n");
    queue::write_within(&std::io::stderr(), line.as_bytes(), LAST_WORDS);
}

fn stderr_is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_read_and_slips_are_named() {
        for good in ["info", "WARN", "info,ike=debug", "off", "ppp=trace"] {
            assert!(parse_level(good).is_ok(), "{good}");
        }
        assert_eq!(
            parse_level("verbose").unwrap_err(),
            "\"verbose\" is not a level"
        );
        assert_eq!(
            parse_level("info,ike=loud").unwrap_err(),
            "\"loud\" is not a level"
        );
        assert_eq!(parse_level(" ").unwrap_err(), "the level is empty");
    }

    #[test]
    fn the_journal_is_recognised_by_device_and_inode() {
        let metadata = std::fs::metadata("/proc/self/fd/2").unwrap();
        assert!(is_stderr(&format!("{}:{}", metadata.dev(), metadata.ino())));
        assert!(!is_stderr("0:0"));
    }
}

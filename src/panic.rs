//! What becomes of a panic: a mistake of ours, after which nothing in this process can be relied on.

use std::panic::{PanicHookInfo, set_hook};

use crate::logging;

/// From now on a panic of any thread ends the process at once, after a line on standard error that
/// says what to do with it. The status is that of SIGABRT, on which a service manager starts the
/// program again.
pub fn end_the_process() {
    set_hook(Box::new(|panic| {
        // Not through the logger, which may be what has panicked.
        logging::last_words(&report(panic));
        std::process::abort();
    }));
}

fn report(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let place = panic
        .location()
        .map_or_else(|| "somewhere".to_owned(), ToString::to_string);
    let what = panic.payload_as_str().unwrap_or("it does not say what");
    format!(
        "adit {} has a mistake, and ends: {place}, thread {thread}: {what}. This is not the fault \
         of the configuration: please report this line, and what the log says before it",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    /// What the test below runs in a process of its own.
    #[test]
    #[ignore = "ends its process"]
    fn a_thread_panics() {
        end_the_process();
        let thread = std::thread::Builder::new().name("adit-worker-7".to_owned());
        let thread = thread.spawn(|| panic!("a slot is gone")).unwrap();
        let _ = thread.join();
        println!("it goes on");
    }

    #[test]
    fn a_panic_of_any_thread_ends_the_process_and_says_what_and_where() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "panic::tests::a_thread_panics", "--ignored"])
            .arg("--nocapture")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let told = String::from_utf8_lossy(&output.stdout);
        let sigabrt = 6;
        assert_eq!(output.status.signal(), Some(sigabrt), "{said}{told}");
        assert!(!told.contains("it goes on"));
        for words in [
            "src/panic.rs:",
            "thread adit-worker-7",
            "a slot is gone",
            "please report",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}

//! One run of a script: a process group of its own, with nothing of ours but its arguments, its
//! environment and `/dev/null`.
//!
//! Descriptors of this program are close-on-exec, and the standard library gives a child an empty
//! signal mask. A script may leave processes running (a dynamic DNS client, say): they are let alone
//! if it ends in time, and end with it if it does not.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

/// Between asking a script to end and insisting.
const GRACE: Duration = Duration::from_millis(500);

/// Between two looks at a script for which there is no descriptor.
const LOOK: Duration = Duration::from_millis(20);

/// What became of a script.
#[derive(Debug)]
pub enum Outcome {
    /// It has ended by itself.
    Ended(ExitStatus),
    /// Its time was up.
    Killed,
    /// The kernel would not.
    NotStarted(io::Error),
}

/// Runs `program` and waits for its end, or ends it and all that is in its process group when it
/// has taken longer than `limit`.
pub fn run(
    program: &Path,
    arguments: &[OsString],
    variables: &[(OsString, OsString)],
    limit: Duration,
) -> Outcome {
    let started = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return Outcome::NotStarted(error),
    };
    let leader = Pid::from_child(&child);
    // Without a descriptor for it, it is looked at now and then.
    let process = pidfd_open(leader, PidfdFlags::empty()).ok();
    let in_time = ends_within(leader, process.as_ref(), limit);
    if !in_time {
        let _ = kill_process_group(leader, Signal::TERM);
        let _ = ends_within(leader, process.as_ref(), GRACE);
        // The leader has not been waited for, so that its number is still that of its group.
        let _ = kill_process_group(leader, Signal::KILL);
    }
    match child.wait() {
        Ok(status) if in_time => Outcome::Ended(status),
        Ok(_) => Outcome::Killed,
        Err(error) => Outcome::NotStarted(error),
    }
}

/// Waits for the end of a child. It stays a zombie.
fn ends_within(child: Pid, descriptor: Option<&OwnedFd>, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let ended = match descriptor {
            Some(descriptor) => is_readable(descriptor, left),
            None => {
                std::thread::sleep(LOOK.min(left));
                has_ended(child)
            }
        };
        if ended || left.is_zero() {
            return ended;
        }
    }
}

fn is_readable(descriptor: &OwnedFd, limit: Duration) -> bool {
    let timeout = Timespec {
        tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    let mut fds = [PollFd::new(descriptor, PollFlags::IN)];
    poll(&mut fds, Some(&timeout)).is_ok_and(|ready| ready > 0)
}

fn has_ended(child: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(child), options), Ok(None))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(folder: &Path, text: &str) -> std::path::PathBuf {
        let path = folder.join("script");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    fn run_in(folder: &Path, text: &str, limit: Duration) -> Outcome {
        let program = script(folder, text);
        let here: OsString = folder.into();
        run(
            &program,
            &["one".into(), "".into(), "3 $x".into()],
            &[("HERE".into(), here)],
            limit,
        )
    }

    /// Signals of `status`, as a set of bits. The C library ignores two that are its own, 32 and 33.
    fn mask(status: &str, name: &str) -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let digits = line.and_then(|line| line.strip_prefix(":\t")).unwrap();
        u64::from_str_radix(digits, 16).unwrap() & 0x7fff_ffff
    }

    fn read(path: std::path::PathBuf) -> String {
        fs::read_to_string(path).unwrap()
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_script_has_what_it_is_given_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        // Something of ours that it must not have: the temporary folder is open here.
        let _open = fs::File::open(folder.path()).unwrap();
        let _socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let text = "printf '%s|' \"$#\" \"$@\" >$HERE/arguments
            tr '\\0' '\\n' </proc/self/environ >$HERE/environment
            ls -l /proc/$$/fd >$HERE/descriptors
            # By the shell alone: it blocks signals while it starts another program.
            while read -r line; do
                case $line in SigBlk*|SigIgn*) echo \"$line\";; esac
            done </proc/$$/status >$HERE/signals
            cut -d' ' -f5 /proc/$$/stat >$HERE/group
            echo $$ >$HERE/process; pwd >$HERE/folder; umask >$HERE/umask";
        let outcome = run_in(folder.path(), text, LONG);
        assert!(
            matches!(outcome, Outcome::Ended(status) if status.success()),
            "{outcome:?}"
        );
        let file = |name: &str| read(folder.path().join(name));
        assert_eq!(file("arguments"), "3|one||3 $x|");
        let mut variables: Vec<String> = file("environment").lines().map(str::to_owned).collect();
        // The shell's own.
        variables.retain(|line| !line.starts_with("PWD=") && !line.starts_with("_="));
        assert_eq!(variables, [format!("HERE={}", folder.path().display())]);
        let descriptors = file("descriptors");
        // The shell holds some of them twice for its redirections.
        assert!(
            descriptors.matches("/dev/null").count() >= 3,
            "{descriptors}"
        );
        // What was open here and was not to be inherited; what the test itself has inherited from
        // whoever started it may be there.
        let ours = |line: &&str| line.ends_with(&*folder.path().to_string_lossy());
        assert_eq!(descriptors.lines().find(ours), None);
        assert!(!descriptors.contains("socket:"), "{descriptors}");
        let signals = file("signals");
        assert_eq!(mask(&signals, "SigBlk"), 0);
        // Whoever starts the tests may ignore some, as nohup does. That we ignore SIGPIPE is the
        // standard library's doing, which takes it back for a child.
        let here = mask(&read("/proc/self/status".into()), "SigIgn");
        let sigpipe = 1 << (Signal::PIPE.as_raw() - 1);
        assert_eq!(mask(&signals, "SigIgn"), here & !sigpipe);
        assert_eq!(file("group"), file("process"), "a process group of its own");
        assert_eq!(file("folder"), "/\n");
    }

    /// As where there is no descriptor left to wait with.
    #[test]
    fn the_end_of_a_script_is_seen_without_a_descriptor_too() {
        let wait = |text: &str, limit| {
            let mut child = Command::new("sh").args(["-c", text]).spawn().unwrap();
            let ended = ends_within(Pid::from_child(&child), None, limit);
            let _ = child.kill();
            (ended, child.wait().unwrap().success())
        };
        assert_eq!(wait("sleep 0.1", LONG), (true, true));
        assert_eq!(
            wait("exec sleep 100", Duration::from_millis(100)),
            (false, false)
        );
    }

    #[test]
    fn a_failure_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let outcome = run_in(folder.path(), "exit 3", LONG);
        assert!(
            matches!(outcome, Outcome::Ended(status) if status.code() == Some(3)),
            "{outcome:?}"
        );
        let outcome = run(Path::new("/nowhere"), &[], &[], LONG);
        assert!(matches!(outcome, Outcome::NotStarted(_)), "{outcome:?}");
    }

    fn is_running(process: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.trim()));
        // A zombie has ended; whoever inherits it collects it some time.
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn ends_soon(process: &str) -> bool {
        (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            !is_running(process)
        })
    }

    /// The script and its child take no notice of being asked to end.
    #[test]
    fn a_script_that_hangs_ends_with_all_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let text = "trap '' TERM
            (trap '' TERM; sleep 300 & echo $! >$HERE/grandchild; wait; sleep 300) &
            while ! [ -s $HERE/grandchild ]; do sleep 0.02; done
            echo $$ >$HERE/process
            sleep 300; sleep 300";
        let began = Instant::now();
        let outcome = run_in(folder.path(), text, Duration::from_secs(1));
        assert!(matches!(outcome, Outcome::Killed), "{outcome:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
        for name in ["process", "grandchild"] {
            let process = read(folder.path().join(name));
            assert!(ends_soon(&process), "{name} {process} is still there");
        }
    }

    #[test]
    fn what_a_script_leaves_behind_in_time_is_let_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = "sleep 30 & echo $! >$HERE/daemon";
        let outcome = run_in(folder.path(), text, LONG);
        assert!(matches!(outcome, Outcome::Ended(_)), "{outcome:?}");
        let daemon = read(folder.path().join("daemon"));
        assert!(is_running(&daemon));
        let daemon = Pid::from_raw(daemon.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(daemon, Signal::KILL).unwrap();
    }
}

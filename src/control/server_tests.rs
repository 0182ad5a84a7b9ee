use std::io::{BufRead, Read, Write};

use super::*;
use crate::control::client::{AskError, ask};
use crate::control::protocol::StatusReport;

const SECOND: Duration = Duration::from_secs(1);

/// A server that answers every request with its own words, for as long as `f` runs.
fn with_server<R: Send + 'static>(
    patience: Patience,
    f: impl FnOnce(PathBuf) -> R + Send + 'static,
) -> R {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let socket = ControlSocket::bind(&path, "", SocketMode(0o600)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let result = runtime.block_on(async move {
        let (calls, mut inbox) = mpsc::channel::<Call>(4);
        let server = tokio::spawn(socket.serve_with(calls, patience));
        let client = tokio::task::spawn_blocking(move || f(path));
        let answers = async {
            while let Some(call) = inbox.recv().await {
                let response = match call.request {
                    Request::Reload => continue,
                    Request::Status => Response::Status(Box::new(StatusReport {
                        version: "1".repeat(1 << 19),
                        ..StatusReport::default()
                    })),
                    request => Response::Done {
                        message: format!("{request:?}"),
                    },
                };
                let _ = call.reply.send(response);
            }
        };
        let result = tokio::select! {
            result = client => result.unwrap(),
            () = answers => unreachable!("the server holds the sender"),
        };
        drop(inbox);
        server.await.unwrap().unwrap();
        result
    });
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "the socket's file is removed"
    );
    result
}

#[test]
fn requests_are_answered_one_after_the_other() {
    with_server(PATIENCE, |path| {
        let close = Request::SessionClose { session: 7 };
        let expected = Response::Done {
            message: "SessionClose { session: 7 }".to_owned(),
        };
        assert_eq!(ask(&path, &close, SECOND * 5).unwrap(), expected);

        let mut stream = StdStream::connect(&path).unwrap();
        stream
            .write_all(b"{\"verb\":\"session list\"}\nnonsense\n{\"verb\":\"fly\"}\n")
            .unwrap();
        let mut lines = io::BufReader::new(stream).lines();
        let mut next = || lines.next().unwrap().unwrap();
        assert_eq!(next(), r#"{"answer":"done","message":"SessionList"}"#);
        assert!(next().starts_with(r#"{"answer":"error","message":"not a request: "#));
        assert!(next().contains("unknown variant"));
    });
}

#[test]
fn a_request_without_an_answer_says_so() {
    with_server(PATIENCE, |path| {
        let response = ask(&path, &Request::Reload, SECOND * 5).unwrap();
        assert_eq!(response, error("the server is shutting down".to_owned()));
    });
}

#[test]
fn endless_lines_are_cut() {
    with_server(PATIENCE, |path| {
        let mut stream = StdStream::connect(&path).unwrap();
        stream.write_all(&[b' '; 4096]).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(
            text,
            "{\"answer\":\"error\",\"message\":\"a request has at most 4096 bytes\"}\n"
        );
    });
}

/// Clients that say nothing, say half a line, or never read do not keep their places for ever:
/// with all places taken by one kind of them, another one is served in the end.
#[test]
fn slow_clients_lose_their_place() {
    let short = Duration::from_millis(100);
    let patience = Patience {
        read: short,
        answer: SECOND * 60,
        write: short,
        others: SECOND * 60,
    };
    for words in ["", "{\"verb\":", "{\"verb\":\"status\"}\n"] {
        let response = with_server(patience, move |path| {
            let mut slow = Vec::new();
            for _ in 0..CONNECTIONS {
                let mut stream = StdStream::connect(&path).unwrap();
                stream.write_all(words.as_bytes()).unwrap();
                slow.push(stream);
            }
            ask(&path, &Request::SessionList, SECOND * 20)
        });
        let expected = Response::Done {
            message: "SessionList".to_owned(),
        };
        assert_eq!(response.unwrap(), expected, "{words:?}");
    }
}

/// However long each of them may take: nobody waits for their ends, and those that have asked for
/// something are not among those who go.
#[test]
fn who_does_nothing_gives_way_to_others() {
    let patience = Patience {
        read: SECOND * 60,
        answer: SECOND * 60,
        write: SECOND * 60,
        others: Duration::from_millis(100),
    };
    for words in ["", "{\"verb\":", "{\"verb\":\"status\"}\n"] {
        let (response, ended) = with_server(patience, move |path| {
            let slow: Vec<StdStream> = (0..CONNECTIONS + 8)
                .map(|_| {
                    let mut stream = StdStream::connect(&path).unwrap();
                    stream.write_all(words.as_bytes()).unwrap();
                    stream
                })
                .collect();
            let response = ask(&path, &Request::SessionList, SECOND * 20);
            let ended = slow.iter().filter(|stream| {
                stream.set_nonblocking(true).unwrap();
                let mut rest = Vec::new();
                // What was answered before is still to be read.
                !matches!((&mut &**stream).read_to_end(&mut rest), Err(error)
                    if error.kind() == ErrorKind::WouldBlock)
            });
            (response, ended.count())
        });
        let expected = Response::Done {
            message: "SessionList".to_owned(),
        };
        assert_eq!(response.unwrap(), expected, "{words:?}");
        // Those too many, and one for the place of who was served.
        assert_eq!(ended, 9, "{words:?}");
    }
}

#[test]
fn stale_files_are_replaced_and_living_servers_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/control.sock");
    let first = ControlSocket::bind(&path, "", SocketMode(0o660)).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    let second = ControlSocket::bind(&path, "", SocketMode(0o600));
    assert!(matches!(second, Err(BindError::Running(_))), "{second:?}");

    // What a crash leaves behind: the file, and nobody listening.
    let ControlSocket { listener, file } = first;
    drop(listener);
    let third = ControlSocket::bind(&path, "", SocketMode(0o600)).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // The late end of the first does not take away the third's.
    drop(file);
    assert!(path.exists());
    drop(third);
    assert!(!path.exists());

    fs::write(&path, "precious").unwrap();
    let refused = ControlSocket::bind(&path, "", SocketMode(0o600));
    assert!(
        matches!(refused, Err(BindError::NotASocket(_))),
        "{refused:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn groups_are_found_by_name_and_number() {
    assert_eq!(group_id("root"), Some(0));
    assert_eq!(group_id("4711"), Some(4711));
    assert_eq!(group_id("no-such-group"), None);
    let folder = tempfile::tempdir().unwrap();
    let bound = ControlSocket::bind(&folder.path().join("s"), "no-such-group", SocketMode(0o660));
    assert!(matches!(bound, Err(BindError::NoSuchGroup(_))));
}

#[test]
fn nobody_there_is_a_sentence() {
    let error = ask(Path::new("/nonexistent/s"), &Request::Status, SECOND).unwrap_err();
    assert!(matches!(error, AskError::NotRunning(_)));
    assert_eq!(
        error.to_string(),
        "no server answers at /nonexistent/s: is `adit serve` running?"
    );
}

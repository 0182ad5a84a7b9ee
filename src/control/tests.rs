use super::*;
use crate::diagnostic::Place;

#[derive(Default)]
struct Fake {
    broken: bool,
}

impl Operator for Fake {
    fn status(&mut self) -> StatusReport {
        StatusReport {
            schema: protocol::SCHEMA,
            sessions: self.sessions(),
            ..Default::default()
        }
    }

    fn totals(&mut self) -> StatusReport {
        StatusReport {
            schema: protocol::SCHEMA,
            held: Held {
                sessions: 1,
                ..Held::default()
            },
            ..Default::default()
        }
    }

    fn sessions(&mut self) -> Vec<SessionRow> {
        vec![SessionRow {
            session: 3,
            user: "bob".to_owned(),
            ..Default::default()
        }]
    }

    fn close_session(&mut self, session: u64) -> Result<String, String> {
        match session {
            3 => Ok("closing session 3 of bob".to_owned()),
            _ => Err(format!("there is no session {session}")),
        }
    }

    fn unlock(&mut self, whom: Whom<'_>) -> String {
        format!("unlocked {whom:?}")
    }

    fn reload(&mut self) -> Result<String, Vec<Diagnostic>> {
        match self.broken {
            false => Ok("2 keys, 5 users".to_owned()),
            true => Err(vec![Diagnostic::error(Place::variable("ADIT_X__Y"), "odd")]),
        }
    }
}

/// Each verb as it goes over the socket, and what comes back.
#[test]
fn every_verb_on_the_wire() {
    let cases = [
        (
            r#"{"verb":"session close","session":3}"#,
            false,
            r#"{"answer":"done","message":"closing session 3 of bob"}"#,
        ),
        (
            r#"{"verb":"session close","session":4}"#,
            false,
            r#"{"answer":"error","message":"there is no session 4"}"#,
        ),
        (
            r#"{"verb":"user unlock","user":"bob","source":"192.0.2.1"}"#,
            false,
            r#"{"answer":"done","message":"unlocked Both(\"bob\", 192.0.2.1)"}"#,
        ),
        (
            r#"{"verb":"user unlock","all":true}"#,
            false,
            r#"{"answer":"done","message":"unlocked Everybody"}"#,
        ),
        (
            r#"{"verb":"user unlock"}"#,
            false,
            r#"{"answer":"error","message":"a user, a source, or all must be named"}"#,
        ),
        (
            r#"{"verb":"user unlock","user":"bob","all":true}"#,
            false,
            r#"{"answer":"error","message":"either all, or a user or a source"}"#,
        ),
        (
            r#"{"verb":"reload"}"#,
            false,
            r#"{"answer":"done","message":"2 keys, 5 users"}"#,
        ),
        (
            r#"{"verb":"reload"}"#,
            true,
            r#"{"answer":"refused","findings":[{"severity":"error","file":"environment variable ADIT_X__Y","message":"odd"}]}"#,
        ),
    ];
    for (question, broken, expected) in cases {
        let request: Request = serde_json::from_str(question).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), question);
        let response = answer(&mut Fake { broken }, &request);
        let text = serde_json::to_string(&response).unwrap();
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Response>(&text).unwrap(), response);
    }
    for question in [r#"{"verb":"status"}"#, r#"{"verb":"session list"}"#] {
        let request: Request = serde_json::from_str(question).unwrap();
        let response = answer(&mut Fake::default(), &request);
        let text = serde_json::to_string(&response).unwrap();
        assert!(text.contains(r#""user":"bob""#), "{text}");
        assert_eq!(serde_json::from_str::<Response>(&text).unwrap(), response);
    }
}

#[test]
fn totals_have_no_rows() {
    let request: Request = serde_json::from_str(r#"{"verb":"totals"}"#).unwrap();
    let Response::Status(report) = answer(&mut Fake::default(), &request) else {
        panic!("not a status");
    };
    assert_eq!((report.held.sessions, report.sessions.len()), (1, 0));
}

/// An older client reads a newer server's answer, and the other way round.
#[test]
fn unknown_and_missing_fields_are_no_error() {
    let text = r#"{"answer":"status","schema":1,"novelty":{"a":[1]},"counters":{"half_open":2}}"#;
    let Response::Status(report) = serde_json::from_str(text).unwrap() else {
        panic!("not a status");
    };
    assert_eq!((report.schema, report.counters.half_open), (1, 2));
}

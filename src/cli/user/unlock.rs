//! `adit user unlock`: the running server forgets failures, so that nobody has to wait for them.

use std::io::Write;
use std::net::IpAddr;

use clap::{ArgGroup, Args};

use crate::cli::Failure;
use crate::cli::asking::{Asking, unexpected};
use crate::config::Sources;
use crate::control::{Request, Response};

/// `adit user unlock`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").required(true).multiple(true).args(["name", "source", "all"])))]
pub struct Unlock {
    /// Name of the user, who may come from anywhere again
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Address that may come as any user, and with any key, again; of IPv6 its /64
    #[arg(long, value_name = "ADDRESS")]
    pub source: Option<IpAddr>,
    /// Everybody, from everywhere
    #[arg(long, conflicts_with_all = ["name", "source"])]
    pub all: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub asking: Asking,
}

impl Unlock {
    pub(super) fn run(
        &self,
        environment: Vec<(String, String)>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let sources = Sources {
            file: self.asking.config.file.clone(),
            environment,
        };
        match self.asking.ask(&sources, &self.request())? {
            Response::Done { message } => {
                let json = serde_json::json!({ "message": message });
                self.asking.show(out, &json, || format!("{message}\n"))
            }
            other => Err(unexpected(&other)),
        }
    }

    fn request(&self) -> Request {
        Request::UserUnlock {
            user: self.name.clone(),
            source: self.source,
            all: self.all,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::user::Verb;
    use crate::cli::{Cli, Command};

    fn request(words: &str) -> Result<Request, clap::Error> {
        let words = ["adit", "user", "unlock"]
            .into_iter()
            .chain(words.split_whitespace());
        match Cli::try_parse_from(words)?.command {
            Command::User(user) => match user.verb {
                Verb::Unlock(unlock) => Ok(unlock.request()),
                _ => panic!("another verb"),
            },
            _ => panic!("another command"),
        }
    }

    #[test]
    fn it_must_be_said_whom() {
        let json = |words| serde_json::to_string(&request(words).unwrap()).unwrap();
        assert_eq!(json("ann"), r#"{"verb":"user unlock","user":"ann"}"#);
        assert_eq!(
            json("--source 192.0.2.1"),
            r#"{"verb":"user unlock","source":"192.0.2.1"}"#
        );
        assert_eq!(json("--all"), r#"{"verb":"user unlock","all":true}"#);
        for wrong in ["", "--all ann", "--source home"] {
            assert!(request(wrong).is_err(), "{wrong}");
        }
    }
}

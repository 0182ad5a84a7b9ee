//! What the operator asks of a running server, through the control socket.

use std::sync::Arc;

use ppp::UserName;
use tracing::{info, warn};
use wire::Source;

use super::login::{self, Users};
use super::{Server, status};
use crate::config::Bundle;
use crate::control::{self, Operator, Whom};
use crate::diagnostic::{Diagnostic, any_error};
use crate::io::clock;
use crate::settings;

impl Operator for Server {
    fn status(&mut self) -> control::StatusReport {
        status::report(
            &self.shell,
            &self.desk.config,
            &self.desk.journal,
            &self.desk.meters,
            &self.desk.config.tun.pattern(),
            self.started,
        )
    }

    fn totals(&mut self) -> control::StatusReport {
        status::totals(
            &self.shell,
            &self.desk.config,
            &self.desk.journal,
            &self.desk.config.tun.pattern(),
            self.started,
        )
    }

    fn sessions(&mut self) -> Vec<control::SessionRow> {
        status::sessions(&self.shell, &self.desk.meters)
    }

    fn close_session(&mut self, session: u64) -> Result<String, String> {
        let id = dataplane::SessionId(session);
        if !self.shell.engine.sessions().any(|info| info.session == id) {
            return Err(format!("there is no session {session}"));
        }
        self.shell.engine.close_session(clock::now(), id);
        Ok(format!("session {session} is being closed"))
    }

    fn unlock(&mut self, whom: Whom<'_>) -> String {
        let engine = &mut self.shell.engine;
        let (of, forgotten) = match whom {
            Whom::Everybody => ("everybody".to_owned(), engine.forgive_all()),
            Whom::User(user) => {
                let user = UserName::from(user);
                (user.to_string(), engine.forgive_user(&user))
            }
            Whom::Source(source) => {
                let source = Source::of(source);
                (source.to_string(), engine.forgive_source(source))
            }
            Whom::Both(user, source) => {
                let (user, source) = (UserName::from(user), Source::of(source));
                let of_user = engine.forgive_user(&user);
                let of_source = engine.forgive_source(source);
                (format!("{user} and {source}"), of_user + of_source)
            }
        };
        match forgotten {
            0 => format!("nothing to forgive {of}: no failure is remembered"),
            _ => {
                info!(of, "failures forgiven");
                format!("the failures of {of} are forgotten")
            }
        }
    }

    /// Keys and users are replaced as a whole or not at all. Who is connected stays connected.
    fn reload(&mut self) -> Result<String, Vec<Diagnostic>> {
        let (bundle, findings) = Bundle::load(&self.sources);
        let Some(bundle) = bundle else {
            return Err(findings);
        };
        debug_assert!(!any_error(&findings));
        findings.iter().for_each(login::log);
        // The server has the name it was started with until it is started again.
        let name = self.desk.config.ppp.name.clone();
        let fixed = bundle.users.fixed_addresses(name.as_bytes());
        self.shell
            .engine
            .set_keys(Arc::new(settings::keyring(&bundle)));
        self.shell.engine.set_reserved(fixed.clone());
        self.desk.addresses.fix(fixed);
        self.desk.config.nat.clone_from(&bundle.config.nat);
        match self.follow() {
            Ok(()) => {
                let forwarding = bundle.config.nat.masquerade;
                self.desk.attendance.set_forwarding(forwarding);
            }
            Err(error) => warn!("{error}"),
        }
        let keys = bundle.keys.len() + bundle.named_keys.len();
        let users = bundle.users.records().count();
        // What is a matter of keys and users has taken effect.
        let settings = &mut self.desk.config;
        settings.psk.clone_from(&bundle.config.psk);
        settings.ipsec.own_key_only = bundle.config.ipsec.own_key_only;
        settings.ipsec.key_choice = bundle.config.ipsec.key_choice;
        settings.secrets.clone_from(&bundle.config.secrets);
        let restart = if bundle.config != self.desk.config {
            "; the other settings have changed too, and take effect at the next start"
        } else if bundle.tunnel_secret != self.tunnel_secret {
            "; the tunnel secret has changed too, and takes effect at the next start"
        } else {
            ""
        };
        self.desk.users = Users::new(bundle, &name);
        Ok(format!("reloaded {keys} keys and {users} users{restart}"))
    }
}

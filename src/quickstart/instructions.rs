//! What to type into each client.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use super::Prepared;
use crate::compat::chap_secrets::Name;
use crate::config::Config;
use crate::devices::{Account, add_vpn_connection, nmcli, powershell, shell};

impl Prepared {
    /// The text to print before serving. `server` is the name or address that clients use, as far
    /// as the caller can tell; `program` is how to call this program, "sudo" included where it is
    /// needed to read the secrets.
    pub fn instructions(&self, server: &str, program: &str) -> String {
        let config = &self.bundle.config;
        let key_file = config.ipsec.secrets.display();
        let user_file = config.ppp.secrets.display();
        let key = match &self.shown.key {
            Some(key) => key.to_string(),
            None => format!("(in {key_file})"),
        };
        let (user, password) = match &self.shown.user {
            Some((user, password)) => (user.clone(), password.to_string()),
            None => (format!("(in {user_file})"), format!("(in {user_file})")),
        };
        let mut text = String::new();
        // Writing into a string cannot fail.
        let mut line = |words: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{words}");
        };

        for path in &self.made {
            line(format_args!("made {}", path.display()));
        }
        line(format_args!("using {}\n", self.file.display()));
        line(format_args!("  Server           {server}"));
        line(format_args!("  Pre-shared key   {key}"));
        line(format_args!("  User name        {user}"));
        line(format_args!("  Password         {password}\n"));

        line(format_args!(
            "Windows: Settings, Network & internet, VPN, Add VPN. Provider Windows (built-in), type"
        ));
        line(format_args!(
            "  L2TP/IPsec with pre-shared key; or in PowerShell:"
        ));
        line(format_args!(
            "  {}\n",
            add_vpn_connection(
                &Account::of_anybody(config, server),
                &powershell(self.shown.key.as_ref().map_or("KEY", |key| key.as_str())),
            ),
        ));
        line(format_args!(
            "macOS: System Settings, VPN, Add VPN Configuration, L2TP over IPSec. Account name is the user"
        ));
        line(format_args!(
            "  name; user authentication Password; machine authentication Shared secret, which is the"
        ));
        line(format_args!(
            "  pre-shared key. Under Options: Send all traffic over VPN connection.\n"
        ));
        line(format_args!(
            "iOS: Settings, General, VPN & Device Management, VPN, Add VPN Configuration. Type L2TP; account"
        ));
        line(format_args!(
            "  is the user name, secret the pre-shared key; RSA SecurID off, Send All Traffic on.\n"
        ));
        line(format_args!(
            "Linux: package network-manager-l2tp (-gnome for the dialog). VPN, Layer 2 Tunneling Protocol;"
        ));
        line(format_args!(
            "  under IPsec Settings: Enable IPsec, and the pre-shared key."
        ));
        if let (Some(key), Some((user, password))) = (&self.shown.key, &self.shown.user) {
            let account = Account {
                user: user.clone(),
                key: Some(key.clone()),
                password: Some(password.clone()),
                ..Account::of_anybody(config, server)
            };
            line(format_args!(
                "  Or: {}",
                nmcli(&account).replace('\n', "\n  ")
            ));
        }
        line(format_args!(""));
        if config.ipsec.legacy.contains(&ike::LegacyOption::Android) {
            line(format_args!(
                "Android up to 11: Settings, Network, VPN, type L2TP/IPSec PSK. Later ones have no L2TP.\n"
            ));
        } else {
            line(format_args!(
                "Android up to 11 has L2TP/IPSec PSK, but with weak algorithms only: to let it in, put"
            ));
            line(format_args!(
                "  legacy = [\"legacy-android\"] into [ipsec] of {}. Later ones have no L2TP.\n",
                self.file.display()
            ));
        }

        line(format_args!(
            "From this very machine, as a user who may read the two files (no interface is made):"
        ));
        let user = self.user_of_example();
        line(format_args!(
            "  {} connect {} --psk-file {} --user {} --password-file {}{} --check\n",
            program,
            example_address(config),
            shell(&key_file.to_string()),
            user.as_deref().map_or_else(|| "USER".to_owned(), shell),
            shell(&user_file.to_string()),
            ports(config),
        ));

        line(format_args!(
            "The firewall must let UDP {} and {} and IP protocol 50 (ESP) in, and let forwarded packets",
            config.listen.ike_port, config.listen.natt_port
        ));
        line(format_args!(
            "  pass from and to {}; `adit doctor` tells what is in the way.",
            config.tun.pattern()
        ));
        if config.nat.masquerade {
            line(format_args!(
                "Clients reach what this host reaches, with its address (masquerade = true in [nat])."
            ));
        } else {
            line(format_args!(
                "Clients reach this host only. For them to reach what it reaches, with its address, put"
            ));
            line(format_args!(
                "  masquerade = true into [nat] of {} (a first run with --masquerade writes it).",
                self.file.display()
            ));
        }
        text
    }

    /// The first user by name that may log in here.
    fn user_of_example(&self) -> Option<String> {
        let server = self.bundle.config.ppp.name.as_bytes();
        self.bundle
            .users
            .chap
            .records()
            .iter()
            .find_map(|record| match &record.user {
                Name::Exact(name) => {
                    let chosen = self.bundle.users.chap.lookup(name, server)?;
                    (chosen.line == record.line).then(|| String::from_utf8(name.to_vec()).ok())?
                }
                Name::Any => None,
            })
    }
}

/// An address of this host on which it listens.
fn example_address(config: &Config) -> IpAddr {
    match config.listen.addresses.first() {
        Some(address) if !address.is_unspecified() => *address,
        _ => Ipv4Addr::LOCALHOST.into(),
    }
}

fn ports(config: &Config) -> String {
    match (config.listen.ike_port, config.listen.natt_port) {
        (500, 4500) => String::new(),
        (ike, natt) => format!(" --port {ike} --natt-port {natt}"),
    }
}

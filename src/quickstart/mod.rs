//! `adit quickstart`: a configuration that works, made where there is none, and the words to type
//! into each client.
//!
//! What exists is used as it is and never written to. What is made appears whole or not at all:
//! written beside its place, brought to the disk, and renamed to a name that must be free.

mod instructions;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::cli::Failure;
use crate::compat::chap_secrets::{Name, write};
use crate::compat::ipsec_secrets::{Selector, write_entry};
use crate::config::{Bundle, Sources, load};
use crate::diagnostic::{Diagnostic, any_error};
use crate::random::{PASSWORD_LENGTH, text as random_text};

/// 24 of them are 139 bits: a recorded handshake does not give the key away.
const KEY_LENGTH: usize = 24;
/// The user that is made.
const USER: &str = "vpnuser";
/// Inner networks to choose from: the first two numbers of each.
const NETWORKS: [[u8; 2]; 4] = [[10, 10], [172, 29], [192, 168], [10, 210]];
/// Name servers for clients of a host that has none which clients could reach.
const PUBLIC_DNS: [[u8; 4]; 2] = [[1, 1, 1, 1], [9, 9, 9, 9]];

/// What there is to know about this host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Addresses of its interfaces: the inner network must be another one.
    pub addresses: Vec<IpAddr>,
    /// Its name servers; those on the host itself are of no use to clients.
    pub dns: Vec<IpAddr>,
}

impl Host {
    /// This host, whose addresses the caller knows. With systemd-resolved the usual file names a
    /// stub on the loopback, and another one the real servers.
    pub fn of_this(addresses: Vec<IpAddr>) -> Self {
        let files = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
        let text = files.iter().find_map(|file| fs::read_to_string(file).ok());
        Self {
            addresses,
            dns: name_servers(&text.unwrap_or_default()),
        }
    }

    fn dns_for_clients(&self) -> Vec<IpAddr> {
        let reachable = |address: &&IpAddr| {
            address.is_ipv4() && !address.is_loopback() && !address.is_unspecified()
        };
        let own: Vec<IpAddr> = self.dns.iter().filter(reachable).take(2).copied().collect();
        if own.is_empty() {
            PUBLIC_DNS.map(IpAddr::from).to_vec()
        } else {
            own
        }
    }

    /// The first network that shares its first two numbers with no address of the host.
    fn inner_network(&self) -> [u8; 2] {
        let taken = |network: &[u8; 2]| {
            self.addresses
                .iter()
                .chain(&self.dns)
                .any(|address| match address {
                    IpAddr::V4(address) => address.octets().starts_with(network),
                    IpAddr::V6(_) => false,
                })
        };
        NETWORKS
            .into_iter()
            .find(|network| !taken(network))
            .unwrap_or([10, 10])
    }
}

/// The servers in the text of a resolv.conf.
fn name_servers(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .collect()
}

/// A configuration ready to be served.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration file.
    pub file: PathBuf,
    /// The files that were made, in their order.
    pub made: Vec<PathBuf>,
    /// What was read back from all of them.
    pub bundle: Bundle,
    /// Warnings.
    pub findings: Vec<Diagnostic>,
    shown: Shown,
}

/// What can be put before the eyes of whoever started it: only where there is no choice, so that
/// running it beside an existing users' file shows nobody's password.
#[derive(Default)]
struct Shown {
    key: Option<Zeroizing<String>>,
    user: Option<(String, Zeroizing<String>)>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown(..)")
    }
}

/// Makes what is missing in `dir`, and reads everything back as `serve` would. `environment` is
/// the layer above the files. With `masquerade` the configuration that is made says so; one that
/// exists must say so already.
pub fn prepare(
    dir: &Path,
    host: &Host,
    masquerade: bool,
    environment: Vec<(String, String)>,
    rng: &mut wire::Rng,
) -> Result<Prepared, Failure> {
    let dir = std::path::absolute(dir).map_err(|error| failed(dir, &error))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&dir)
        .map_err(|error| failed(&dir, &error))?;
    let file = dir.join("adit.toml");
    let sources = Sources {
        file: Some(file.clone()),
        environment,
    };
    let mut made = Vec::new();
    let mut make = |path: &Path, text: &str, mode: u32| -> Result<(), Failure> {
        create(path, text.as_bytes(), mode).map_err(|error| failed(path, &error))?;
        made.push(path.to_owned());
        Ok(())
    };

    let is_new = !exists(&file);
    let (keys, users, server) = if is_new {
        (
            dir.join("ipsec.secrets"),
            dir.join("chap-secrets"),
            "l2tpd".to_owned(),
        )
    } else {
        let loaded = load(&sources);
        match loaded.config {
            Some(config) if masquerade && !config.nat.masquerade => {
                return Err(Failure::Usage(format!(
                    "{} is there already and --masquerade does not change it: write masquerade = \
                     true below [nat] there",
                    file.display()
                )));
            }
            Some(config) => (config.ipsec.secrets, config.ppp.secrets, config.ppp.name),
            None => return Err(Failure::Configuration(loaded.findings)),
        }
    };
    if !exists(&keys) {
        let key = random_text(rng, KEY_LENGTH);
        make(&keys, &keys_text(&key), 0o600)?;
    }
    if !exists(&users) {
        let password = random_text(rng, PASSWORD_LENGTH);
        make(&users, &users_text(&server, &password), 0o600)?;
    }
    // Last, so that whoever finds it finds the files it names.
    if is_new {
        make(&file, &configuration_text(host, masquerade), 0o644)?;
    }

    let (bundle, findings) = Bundle::load(&sources);
    match bundle {
        Some(bundle) => Ok(Prepared {
            file,
            made,
            shown: shown(&bundle),
            bundle,
            findings,
        }),
        None => {
            debug_assert!(any_error(&findings));
            Err(Failure::Configuration(findings))
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let sentence = match error.kind() {
        ErrorKind::PermissionDenied => {
            format!(
                "{}: this user may not write here; run with sudo, or give --dir",
                path.display()
            )
        }
        ErrorKind::AlreadyExists => {
            format!(
                "{} has just been made by somebody else; run it again",
                path.display()
            )
        }
        _ => format!("{}: {error}", path.display()),
    };
    Failure::Failed(sentence)
}

/// Whether anything has this name, a dangling link included.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes `path` with these contents, whole or not at all; an existing one is an error.
fn create(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&draft)?;
        file.write_all(contents)?;
        file.sync_all()?;
        drop(file);
        match renameat_with(CWD, &draft, CWD, path, RenameFlags::NOREPLACE) {
            // A file system that cannot do it: a second name for the file, which fails likewise
            // when the name is taken, and the first one goes.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(&draft, path)?;
                fs::remove_file(&draft)?;
            }
            result => result?,
        }
        fs::File::open(folder)?.sync_all()
    };
    written().inspect_err(|_| {
        let _ = fs::remove_file(&draft);
    })
}

fn keys_text(key: &str) -> Zeroizing<String> {
    let entry = write_entry(&[Selector::Any, Selector::Any], key.as_bytes()).unwrap_or_default();
    Zeroizing::new(format!(
        "# Made by `adit quickstart`. Parties : PSK \"key\"; `adit check` tells what is wrong.\n{}",
        *entry
    ))
}

fn users_text(server: &str, password: &str) -> Zeroizing<String> {
    let server = write::name(server.as_bytes());
    let server = String::from_utf8_lossy(&server);
    Zeroizing::new(format!(
        "# Made by `adit quickstart`. User, server (ppp.name of adit.toml), password, and the\n\
         # address: * for one of the pool, or a fixed one.\n\
         {USER}\t{server}\t\"{password}\"\t*\n"
    ))
}

fn configuration_text(host: &Host, masquerade: bool) -> String {
    let dns: Vec<String> = host
        .dns_for_clients()
        .iter()
        .map(|address| format!("\"{address}\""))
        .collect();
    let [a, b] = host.inner_network();
    let inner = |d: u8| Ipv4Addr::new(a, b, 77, d);
    format!(
        "# Made by `adit quickstart`. What is not here has its default; `adit check` tells what is\n\
         # unknown or wrong.\n\
         \n\
         [ipsec]\n\
         secrets = \"ipsec.secrets\"\n\
         # For Android's built-in client: [\"legacy-android\"]\n\
         legacy = []\n\
         \n\
         [ppp]\n\
         secrets = \"chap-secrets\"\n\
         dns = [{}]\n\
         \n\
         [pool]\n\
         local = \"{}\"\n\
         ranges = [\"{}-{}\"]\n\
         \n\
         [nat]\n\
         # true: clients reach what this host reaches, with its address.\n\
         masquerade = {masquerade}\n",
        dns.join(", "),
        inner(1),
        inner(2),
        inner(254),
    )
}

/// A key or a user is shown if it is the only one.
fn shown(bundle: &Bundle) -> Shown {
    let printable = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).ok()?;
        (!text.chars().any(char::is_control)).then(|| Zeroizing::new(text))
    };
    let key = match &bundle.keys[..] {
        [entry] if entry.selectors.is_empty() || entry.selectors.contains(&Selector::Any) => {
            printable(entry.secret.expose())
        }
        _ => None,
    };
    let user = match bundle.users.chap.records() {
        [record] => match &record.user {
            Name::Exact(name) => printable(name)
                .zip(record.secret.password().and_then(|p| printable(p.expose())))
                .map(|(name, password)| (name.to_string(), password)),
            Name::Any => None,
        },
        _ => None,
    };
    Shown { key, user }
}

#[cfg(test)]
mod tests;

//! `adit connect`: the arguments. What they lead to is the client's business.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use engine::Profile;

use super::parse_duration;

/// `adit connect SERVER …`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The pre-shared key and the password come from files (\"-\" is standard input) or from the
environment variables ADIT_PSK and ADIT_PASSWORD, never from arguments, which every user of
this host could read. The files hold one line with the secret, or are an ipsec.secrets and a
chap-secrets.")]
pub struct Connect {
    /// Name or address of the server
    #[arg(value_name = "SERVER")]
    pub server: String,
    /// File with the pre-shared key, or an ipsec.secrets; "-" is standard input
    #[arg(long, value_name = "FILE")]
    pub psk_file: Option<PathBuf>,
    /// User to log in as
    #[arg(long, value_name = "USER")]
    pub user: String,
    /// File with the password, or a chap-secrets; "-" is standard input
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Do on the wire as this client does, to see how a server takes it
    #[arg(
        long,
        value_name = "CLIENT",
        default_value_t = Profile::default(),
        value_parser = PossibleValuesParser::new(Profile::ALL.map(Profile::name)).try_map(|name| name.parse::<Profile>())
    )]
    pub profile: Profile,
    /// Name of the TUN interface
    #[arg(long, value_name = "NAME", default_value = "adit-client", value_parser = interface)]
    pub tun: String,
    /// What to send through the tunnel: "default", "none", "pushed" (what the server names), or
    /// networks a.b.c.d/n; commas between
    #[arg(
        long,
        value_name = "ROUTES",
        value_delimiter = ',',
        default_value = "none"
    )]
    pub route: Vec<Route>,
    /// Only connect, ping the server through the tunnel, print a JSON report and exit; needs
    /// neither a TUN interface nor root
    #[arg(long, conflicts_with = "route")]
    pub check: bool,
    /// Print failures as JSON as well
    #[arg(long, requires = "check")]
    pub json: bool,
    /// Pings of --check
    #[arg(long, value_name = "N", default_value_t = 3, requires = "check")]
    pub count: u16,
    /// Give up connecting after this time
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// UDP port of the server for IKE, for servers in tests
    #[arg(long, value_name = "PORT", default_value_t = 500, value_parser = port())]
    pub port: u16,
    /// UDP port of the server for IKE and ESP behind NAT, for servers in tests
    #[arg(long, value_name = "PORT", default_value_t = 4500, value_parser = port())]
    pub natt_port: u16,
}

/// Any but 0.
pub(super) fn port() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..)
}

/// Linux' IFNAMSIZ is 16, with the terminating NUL.
fn interface(name: &str) -> Result<String, String> {
    let odd = |c: char| c == '/' || c == ':' || c == '%' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > 15 || name == "." || name == ".." || name.contains(odd) {
        return Err("an interface has a name of at most 15 letters, digits, '-', '_', '.'".into());
    }
    Ok(name.to_owned())
}

/// What goes through the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Everything but the way to the server.
    Default,
    /// The server's inner address only.
    None,
    /// The networks that the server names.
    Pushed,
    /// A network: its address, with no bits beyond the prefix, and the prefix length.
    Network(IpAddr, u8),
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "default" => return Ok(Self::Default),
            "none" => return Ok(Self::None),
            "pushed" => return Ok(Self::Pushed),
            _ => {}
        }
        let wrong = || {
            format!("{text:?} is neither \"default\", \"none\", \"pushed\" nor a network a.b.c.d/n")
        };
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (bits, width) = match address {
            IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let prefix = prefix.unwrap_or(width);
        if prefix > width {
            return Err(wrong());
        }
        if bits.checked_shl(u32::from(prefix)).unwrap_or(0) != 0 {
            return Err(format!("{text:?} has bits set beyond its prefix"));
        }
        Ok(Self::Network(address, prefix))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::None => f.write_str("none"),
            Self::Pushed => f.write_str("pushed"),
            Self::Network(address, prefix) => write!(f, "{address}/{prefix}"),
        }
    }
}

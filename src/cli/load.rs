//! `adit load`: the arguments. What they lead to is [`crate::load`]'s business.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};
use engine::Profile;

use super::connect::port;
use super::parse_duration;
use crate::io::prefix::Prefix;

/// `adit load SERVER …`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A load generator is for servers of one's own: others than those on this host and in private
networks are loaded only with --my-server. Secrets are given as to `adit connect`. A chap-secrets
must have every user of the pattern; a bare password is that of all.

Clients need addresses of this host: `ip route add local 100.64.0.0/16 dev lo` makes all of a
network its own, --from 100.64.0.0/16 spreads clients over it, and the server needs a route back.
Exit codes: 0 all clients came up and stayed, 1 not, 2 wrong use.")]
pub struct Load {
    /// Name or address of the server
    #[arg(value_name = "SERVER")]
    pub server: String,
    /// How many clients
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clients: u32,
    /// Users to log in as: "{}" is the client's number, from 1; without it all are the same user
    #[arg(long, value_name = "PATTERN")]
    pub user: String,
    /// File with the pre-shared key, or an ipsec.secrets; "-" is standard input
    #[arg(long, value_name = "FILE")]
    pub psk_file: Option<PathBuf>,
    /// File with the password, or a chap-secrets; "-" is standard input
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Networks that the clients have their addresses from, commas between [default: the one
    /// address that this host has towards the server]
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    pub from: Vec<Prefix>,
    /// Clients per address, each with ports of its own [default: as many as it takes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub ports: Option<u32>,
    /// Do on the wire as this client does
    #[arg(
        long,
        value_name = "CLIENT",
        default_value_t = Profile::default(),
        value_parser = PossibleValuesParser::new(Profile::ALL.map(Profile::name)).try_map(|name| name.parse::<Profile>())
    )]
    pub profile: Profile,
    /// Diffie-Hellman group of phase 1, such as modp2048 or ecp256 [default: the profile's]
    #[arg(long, value_name = "GROUP")]
    pub dh: Option<String>,
    /// Diffie-Hellman group of phase 2 [default: the profile's, mostly none]
    #[arg(long, value_name = "GROUP")]
    pub pfs: Option<String>,
    /// ESP suite, such as aes128-sha1 or aes256gcm16 [default: the profile's]
    #[arg(long, value_name = "SUITE")]
    pub esp: Option<String>,
    /// Begin so many a second, whatever becomes of them
    #[arg(long, value_name = "PER-SECOND", value_parser = rate)]
    pub rate: Option<f64>,
    /// So many connect at a time [default: 64; with --rate any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub at_once: Option<u32>,
    /// A client that is not connected after this time has failed
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Stay so long, from when each client is connected or has failed
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    pub hold: Duration,
    /// So many clients leave each second of the hold, and new ones take their places
    #[arg(long, value_name = "PER-SECOND", value_parser = rate)]
    pub churn: Option<f64>,
    /// How clients leave
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Leave::Politely)]
    pub leave: Leave,
    /// A client that was disconnected, or has failed, dials again by itself
    #[arg(long)]
    pub redial: bool,
    /// Each client pings the server's inner address so often
    #[arg(long, value_name = "TIME", value_parser = period)]
    pub ping: Option<Duration>,
    /// Send pings of so many bytes, spread over all sessions
    #[arg(long, value_name = "BYTES", requires = "packets", value_parser = clap::value_parser!(u16).range(64..=1400))]
    pub send: Option<u16>,
    /// How many of these a second, of all clients together
    #[arg(long, value_name = "PER-SECOND", requires = "send", value_parser = rate)]
    pub packets: Option<f64>,
    /// Clients replace phase 1 after this time [default: the profile's]
    #[arg(long, value_name = "TIME", value_parser = period)]
    pub rekey_ike: Option<Duration>,
    /// Clients replace phase 2 after this time [default: the profile's]
    #[arg(long, value_name = "TIME", value_parser = period)]
    pub rekey_esp: Option<Duration>,
    /// NAT keep-alives of the clients; 0: none
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_duration)]
    pub keep_alive: Duration,
    /// Silence after which clients send an LCP echo; 0: none
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub echo: Duration,
    /// Silence after which clients send a HELLO of L2TP; 0: none
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub hello: Duration,
    /// What is told on standard error meanwhile
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// The server's address once more, which says that it is yours: for servers that are neither
    /// on this host nor in a private network
    #[arg(long, value_name = "ADDRESS")]
    pub my_server: Option<IpAddr>,
    /// UDP port of the server for IKE, for servers in tests
    #[arg(long, value_name = "PORT", default_value_t = 500, value_parser = port())]
    pub port: u16,
    /// UDP port of the server for IKE and ESP behind NAT, for servers in tests
    #[arg(long, value_name = "PORT", default_value_t = 4500, value_parser = port())]
    pub natt_port: u16,
}

/// How clients leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Leave {
    /// With all that is said at the end, in every layer
    Politely,
    /// Without a word, like a phone without battery
    Vanish,
    /// Every other one without a word
    Mixed,
}

/// What is told meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// A bar on a terminal, lines elsewhere
    Auto,
    /// A bar
    Bar,
    /// A line every ten seconds
    Lines,
    /// A JSON object every second
    Json,
    /// Nothing
    None,
}

/// More than a machine can do, and few enough to count with.
const MOST_A_SECOND: f64 = 1e6;

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text
        .parse()
        .map_err(|_| format!("{text:?} is not a number"))?;
    match rate > 0.0 && rate <= MOST_A_SECOND {
        true => Ok(rate),
        false => Err("a rate is above 0 and at most a million a second".to_owned()),
    }
}

fn period(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("this cannot be 0".to_owned()),
        period => Ok(period),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn load(options: &str) -> Result<Load, String> {
        let line = format!("adit load 192.0.2.1 --clients 10 --user u{{}} {options}");
        let parsed = Cli::try_parse_from(line.split_whitespace());
        match parsed.map_err(|error| error.to_string())?.command {
            Command::Load(load) => Ok(*load),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_can_be_asked_for() {
        let plain = load("").unwrap();
        assert_eq!(
            (plain.rate, plain.at_once, plain.hold),
            (None, None, Duration::ZERO)
        );
        assert_eq!(
            (plain.leave, plain.progress),
            (Leave::Politely, Progress::Auto)
        );
        let full = load(
            "--from 100.64.0.0/16,10.0.0.1 --rate 0.5 --at-once 7 --hold 1h30m --churn 10 \
             --leave vanish --send 1200 --packets 5000 --rekey-ike 20s --my-server 192.0.2.1",
        )
        .unwrap();
        let from: Vec<String> = full.from.iter().map(ToString::to_string).collect();
        assert_eq!(from, ["100.64.0.0/16", "10.0.0.1/32"]);
        assert_eq!((full.rate, full.at_once), (Some(0.5), Some(7)));
        assert_eq!(full.hold, Duration::from_secs(5_400));
        assert_eq!((full.send, full.packets), (Some(1_200), Some(5_000.0)));
        assert_eq!(full.leave, Leave::Vanish);
    }

    #[test]
    fn what_makes_no_sense() {
        for (options, word) in [
            ("--rate 0", "a rate is above 0"),
            ("--rate NaN", "a rate is above 0"),
            ("--rate -1", "unexpected argument"),
            ("--churn many", "not a number"),
            ("--send 100", "--packets"),
            ("--packets 100", "--send"),
            ("--send 20 --packets 1", "64..=1400"),
            ("--ping 0s", "cannot be 0"),
            ("--hold soon", "not a duration"),
            ("--from 10.0.0.0/40", "not an address block"),
            ("--leave loudly", "politely, vanish, mixed"),
            ("--ports 0", "1..=1000"),
            ("--at-once 0", "1.."),
        ] {
            let error = load(options).unwrap_err();
            assert!(error.contains(word), "{options}: {error}");
        }
        let none = Cli::try_parse_from("adit load 192.0.2.1 --user u --clients 0".split(' '));
        assert!(none.is_err());
    }
}

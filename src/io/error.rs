//! Why an edge to the operating system could not be opened: sentences for an administrator.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::holders::Process;

/// A socket, device or route that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Somebody else has the port.
    #[error(
        "UDP port {} on {} is in use by {}", .0.port(), .0.ip(), other(*.0, .1.as_ref())
    )]
    PortInUse(SocketAddr, Option<Process>),
    /// A port below 1024 without the right to it.
    #[error(
        "Binding UDP port {} on {} needs CAP_NET_BIND_SERVICE or root",
        .0.port(), .0.ip()
    )]
    PortNotAllowed(SocketAddr),
    /// The address to listen on is not one of this host's.
    #[error("The address {0} is not on any interface of this host (`ip address` lists them)")]
    NoSuchAddress(IpAddr),
    /// Another socket operation failed.
    #[error("Opening a UDP socket on {address} failed: {}", told(.source))]
    Udp {
        /// Where the socket should have been.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// Protocol 50 without the right to it.
    #[error(
        "Receiving raw ESP (IP protocol 50) on {0} needs CAP_NET_RAW or root; without it, set \
         encapsulation = \"always\" so that every client puts its ESP into UDP"
    )]
    RawNotAllowed(IpAddr),
    /// Another raw socket operation failed.
    #[error("Opening a socket for raw ESP (IP protocol 50) on {address} failed: {}", told(.source))]
    Raw {
        /// Where the socket should have been.
        address: IpAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// `/dev/net/tun` is not there.
    #[error(
        "There is no /dev/net/tun: load the kernel's module (`modprobe tun`), or give the \
         container the device (`--device /dev/net/tun`)"
    )]
    NoTunDriver,
    /// `/dev/net/tun` is there, but not for us.
    #[error("The TUN device {0} cannot be made: this needs CAP_NET_ADMIN or root")]
    TunNotAllowed(String),
    /// Another process holds the device.
    #[error(
        "The TUN device {0} is in use by another program (another adit?): stop that program, or \
         choose another name"
    )]
    TunInUse(String),
    /// An interface of that name is something else.
    #[error(
        "There is already an interface {0} that is not a TUN device of the wanted kind (with \
         several packet threads, one of several queues): choose another name, or remove it \
         (`ip link delete {0}`)"
    )]
    NotATun(String),
    /// Each device takes a descriptor, and there are no more.
    #[error(
        "No descriptor is left for another TUN device{}: allow the process more (`LimitNOFILE=` in \
         the systemd unit, `ulimit -n` in a shell), or set tun.mode = \"shared\"",
        .0.map(|most| format!(" ({most} are in use)")).unwrap_or_default()
    )]
    NoDescriptors(Option<usize>),
    /// A name the kernel does not take.
    #[error("\"{0}\" is no name for an interface: 1 to 15 bytes without spaces and slashes")]
    BadTunName(String),
    /// Another operation on the device failed.
    #[error("Setting up the TUN device {name} failed ({what}): {}", told(.source))]
    Tun {
        /// The name of the device.
        name: String,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A route could not be made.
    #[error("The route to {prefix} through {device} could not be made: {source}")]
    Route {
        /// Where to, as `address/length`.
        prefix: String,
        /// Through which interface.
        device: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The table that masquerades clients, without the right to make it.
    #[error(
        "The nftables table \"ip adit\" that masquerades clients cannot be made: this needs \
         CAP_NET_ADMIN or root, and no other adit may have it (`nft list table ip adit`)"
    )]
    NatNotAllowed,
    /// The same, for other reasons.
    #[error(
        "Masquerading clients failed ({0}): the kernel needs nftables with NAT (`modprobe -a \
         nft_chain_nat nft_masq`); else set nat.masquerade = false and let something else do it"
    )]
    Nat(io::Error),
    /// Forwarding is off and stays so.
    #[error(
        "IPv4 forwarding is off and cannot be turned on ({0}): run `sysctl -w \
         net.ipv4.ip_forward=1` as root (for a container: `--sysctl net.ipv4.ip_forward=1`)"
    )]
    Forwarding(io::Error),
    /// A thread or its means of waking could not be made.
    #[error("Starting a packet thread failed ({what}): {}", told(.source))]
    Thread {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What the kernel said, and what to do where that is the same whatever was tried: it has no
/// descriptor left.
pub fn told(error: &io::Error) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        write!(f, "{error}")?;
        match Errno::from_io_error(error) {
            Some(Errno::MFILE) => {
                let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
                write!(
                    f,
                    ": this process has all the {most} descriptors that it may have; allow it more \
                     (`LimitNOFILE=` in the systemd unit, `ulimit -n` in a shell)"
                )
            }
            Some(Errno::NFILE) => write!(
                f,
                ": this host has no descriptor left for anybody (`sysctl fs.file-max`)"
            ),
            _ => Ok(()),
        }
    })
}

/// Who has a port, and what to do.
fn other(local: SocketAddr, process: Option<&Process>) -> String {
    match process {
        Some(process) => format!("{process}: stop it first; `adit doctor` names its service"),
        None => format!(
            "another program (strongSwan, libreswan or another adit? `ss -lunp 'sport = :{}'` as \
             root names it)",
            local.port()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_descriptor_is_told_with_the_limit_and_its_setting() {
        let most = getrlimit(Resource::Nofile).current.unwrap();
        let text = told(&Errno::MFILE.into()).to_string();
        for words in [&most.to_string(), "LimitNOFILE=", "os error 24"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let other = io::Error::from(Errno::IO);
        assert_eq!(told(&other).to_string(), other.to_string());
        let setup = SetupError::Tun {
            name: "ppp7".to_owned(),
            what: "netlink",
            source: Errno::MFILE.into(),
        };
        assert!(setup.to_string().contains("LimitNOFILE="), "{setup}");
    }
}

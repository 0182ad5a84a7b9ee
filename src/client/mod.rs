//! `adit connect`: what a client does with the control loop.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use dataplane::DataPlane;
use engine::{Cause, Dial, Engine, Event, Login, Profile, Reason, SessionInfo, Stage, Verdict};
use l2tp::reliable::Backoff;
use tokio::sync::mpsc;
use tracing::{info, warn};
use wire::{Carrier, Instant, Path, PeerId};

use crate::cli::secrets::{self, Secrets, Surroundings};
use crate::cli::{Connect, Failure, Route};
use crate::io::ports;
use crate::io::udp::UdpSocket;
use crate::io::worker::{self, Inside, Lost};
use crate::io::{
    clock,
    prefix::Prefix,
    raw::{RawSocket, Share},
    tun::{Tun, TunQueues},
};
use crate::server::generator;
use crate::settings::plane_config;
use crate::shell::{Host, Shell, Wiring};

mod check;
mod report;
mod signals;

pub use report::Report;
pub(crate) use signals::Signals;

/// Packets from the tunnel that wait to be looked at, when there is no TUN device.
const INSIDE_QUEUE: usize = 64;
/// How long the goodbye may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// When control messages of L2TP are sent again.
///
/// QUIRK(strongSwan): it installs its SAs some milliseconds after message 3 of Quick Mode, so that
/// the first L2TP message, which follows at once, finds none and is lost. Waiting the usual second
/// (RFC 2661 §5.8) would be most of the time it takes to connect.
pub(crate) const RETRANSMIT: Backoff = Backoff {
    initial: Duration::from_millis(250),
    cap: Duration::from_secs(8),
    tries: 7,
};

/// Connects, and stays connected until told to end or until the server ends it; or only checks.
///
/// # Errors
/// Why there is no connection, as a sentence.
pub fn connect(arguments: &Connect) -> Result<(), Failure> {
    let begun = clock::now();
    let told = |failure| check::told(arguments, failure, &[], begun);
    let server = resolve(&arguments.server).map_err(told)?;
    let input = &mut std::io::stdin().lock();
    let variable = |name: &str| std::env::var_os(name);
    let surroundings = Surroundings {
        variable: &variable,
        input,
    };
    let secrets = secrets::read(arguments, Some(server), surroundings).map_err(told)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    runtime.block_on(async {
        if arguments.check {
            check::run(arguments, server, secrets).await
        } else {
            stay(arguments, server, secrets).await
        }
    })
}

/// The address of a server: the first one that a resolver names, IPv4 before IPv6.
pub(crate) fn resolve(server: &str) -> Result<IpAddr, Failure> {
    let found = (server, 0).to_socket_addrs();
    let mut addresses: Vec<IpAddr> = found
        .map_err(|error| Failure::Failed(format!("{server} cannot be found: {error}")))?
        .map(|address| address.ip())
        .collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    let first = addresses.first().copied();
    first.ok_or_else(|| Failure::Failed(format!("{server} has no address")))
}

/// A dial in progress or up.
struct Client {
    shell: Shell,
    desk: Desk,
    peer: PeerId,
}

/// What the engine tells a client.
#[derive(Default)]
struct Desk {
    /// When each stage was complete.
    stages: Vec<(Stage, Instant)>,
    up: Option<SessionInfo>,
    /// `up` says since a moment ago what the server wants sent into the tunnel.
    informed: bool,
    down: Option<Reason>,
    /// What the server said about a refusal.
    refusals: Vec<String>,
}

impl Host for Desk {
    fn login(&mut self, _: Login, _: &mut Engine) -> Verdict {
        Verdict::Reject {
            cause: Cause::Other,
            why: "a client lets nobody in".to_owned(),
        }
    }

    /// There is only one, and it is no use to go on without it.
    fn lost(&mut self, _: Instant, _: Lost, _: &mut Engine) {
        self.down = Some(Reason::InterfaceGone);
    }

    fn event(&mut self, event: Event, _: &DataPlane) {
        match event {
            Event::Progress { stage, .. } => {
                if !self.stages.iter().any(|(known, _)| *known == stage) {
                    self.stages.push((stage, clock::now()));
                }
            }
            Event::SessionUp(session) => self.up = Some(*session),
            Event::SessionInformed(session) => {
                self.up = Some(*session);
                self.informed = true;
            }
            Event::SessionDown(..) => self.up = None,
            Event::PeerDown { reason, .. } => self.down = Some(reason),
            Event::Refused(failure) => self.refusals.push(failure.what),
            // A client lets nobody in.
            Event::LoggedIn(_)
            | Event::LoggedOut(_)
            | Event::LoginFailed { .. }
            | Event::Slowed(_) => {}
        }
    }
}

/// Where packets of a client come from and go to, outside.
struct Outside {
    udp: Vec<UdpSocket>,
    raw: Vec<RawSocket>,
    ike: Path,
    natt: Path,
}

impl Outside {
    /// Ephemeral ports, so that neither rights nor a free port 500 are needed; with the right to
    /// open raw sockets, protocol 50 as well.
    fn open(arguments: &Connect, server: IpAddr, may_use_raw: bool) -> anyhow::Result<Self> {
        let local = ports::source_towards(server)
            .with_context(|| format!("there is no route to {server}"))?;
        let sockets = ports::ephemeral(local)?;
        let path = |socket: &UdpSocket, port, carrier| Path {
            local: socket.local(),
            remote: SocketAddr::new(server, port),
            carrier,
        };
        let [ike, natt] = &sockets;
        let ike = path(ike, arguments.port, Carrier::Ike);
        let natt = path(natt, arguments.natt_port, Carrier::NatT);
        let raw = match may_use_raw {
            true => RawSocket::bind(local, Share::ALL)
                .ok()
                .into_iter()
                .collect(),
            false => Vec::new(),
        };
        Ok(Self {
            udp: sockets.into(),
            raw,
            ike,
            natt,
        })
    }
}

impl Client {
    fn dial(
        arguments: &Connect,
        outside: Outside,
        secrets: Secrets,
        inside: Inside,
    ) -> anyhow::Result<Self> {
        let plane = DataPlane::new(plane_config(1));
        let config = engine::Config {
            ike: ike::Config {
                respond: false,
                ..ike::Config::default()
            },
            l2tp: l2tp::Config {
                timing: l2tp::Timing {
                    retransmit: RETRANSMIT,
                    ..l2tp::Timing::default()
                },
                ..l2tp::Config::default()
            },
            ..engine::Config::default()
        };
        let mut engine = Engine::new(config, plane.config().slots, generator()?);
        let mut link = ppp::Config::client(&arguments.user, secrets.password);
        if let ppp::Role::Client(client) = &mut link.role {
            client.methods = vec![ppp::Method::MsChapV2, ppp::Method::Chap];
        }
        let mut habits = arguments.profile.habits();
        if arguments.profile == Profile::default() {
            habits.dhcp = Some(engine::dhcp::habits::adit());
        }
        let peer = engine.dial(
            clock::now(),
            Dial {
                ike: outside.ike,
                natt: outside.natt,
                key: secrets.psk,
                force_udp: outside.raw.is_empty(),
                link,
                habits,
                routed: true,
            },
        );
        let wiring = Wiring {
            udp: outside.udp,
            raw: outside.raw,
            inside,
        };
        let shell = Shell::start(
            engine,
            plane,
            vec![wiring],
            worker::Cores::default(),
            worker::Limits::default(),
        )?;
        Ok(Self {
            shell,
            desk: Desk::default(),
            peer,
        })
    }

    /// Waits until traffic can flow.
    async fn up(&mut self, limit: Duration) -> Result<SessionInfo, Failure> {
        let connecting = async {
            self.shell.drain(&mut self.desk).await?;
            loop {
                if let Some(session) = &self.desk.up {
                    return Ok(Ok(session.clone()));
                }
                if let Some(reason) = self.desk.down.take() {
                    return Ok(Err(reason));
                }
                let input = self.shell.next().await?;
                self.shell.handle(input, &mut self.desk).await?;
            }
        };
        let result: Result<_, anyhow::Error> = match tokio::time::timeout(limit, connecting).await {
            Ok(result) => result,
            Err(_) => {
                let stage = self.desk.stages.last().map(|(stage, _)| *stage);
                return Err(Failure::Failed(too_late(limit, stage)));
            }
        };
        match result? {
            Ok(session) => Ok(session),
            Err(reason) => Err(self.explain(&reason)),
        }
    }

    /// Why there is no connection (any more).
    fn explain(&self, reason: &Reason) -> Failure {
        let mut sentence = reason.to_string();
        for refusal in &self.desk.refusals {
            sentence.push_str("; ");
            sentence.push_str(refusal);
        }
        Failure::Failed(sentence)
    }

    /// Says goodbye, and ends the threads.
    async fn leave(mut self) {
        let farewell = async {
            self.shell
                .engine
                .close_peer(clock::now(), self.peer, Reason::Done);
            self.shell.drain(&mut self.desk).await
        };
        // Nothing depends on it: the server finds out by itself if this fails.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        self.shell.finish();
    }
}

/// Connects with a TUN device, and stays until a signal comes or the server ends it.
async fn stay(arguments: &Connect, server: IpAddr, secrets: Secrets) -> Result<(), Failure> {
    let (tun, queues) =
        Tun::create(&arguments.tun, TunQueues::wanted(1), true).map_err(anyhow::Error::from)?;
    let queues = TunQueues::from(queues);
    queues.offload().tell_shortfall(tun.name(), true);
    let outside = Outside::open(arguments, server, true)?;
    let mut signals = Signals::new().map_err(anyhow::Error::from)?;
    let mut client = Client::dial(arguments, outside, secrets, Inside::Tun(queues))?;

    let connected = tokio::select! {
        connected = client.up(arguments.timeout) => connected,
        () = signals.next() => Err(Failure::Failed("interrupted".to_owned())),
    };
    let session = match connected {
        Ok(session) => session,
        Err(failure) => {
            client.leave().await;
            return Err(failure);
        }
    };
    let mut tun = tun;
    let result = async {
        configure(&mut tun, arguments, server, &session)?;
        info!(
            server = %session.path.remote,
            address = %session.local_address,
            peer = %session.remote_address,
            interface = tun.name(),
            phase1 = session.phase1,
            phase2 = session.phase2,
            mtu = session.mtu,
            setup_ms = session.setup.as_millis(),
            "connected"
        );
        loop {
            if let Some(reason) = client.desk.down.take() {
                return Err(client.explain(&reason));
            }
            if let Some(session) = client.desk.up.as_ref().filter(|_| client.desk.informed) {
                accept_pushed(&mut tun, arguments, session);
                client.desk.informed = false;
            }
            tokio::select! {
                () = signals.next() => return Ok(()),
                input = client.shell.next() => {
                    client.shell.handle(input?, &mut client.desk).await?;
                }
            }
        }
    }
    .await;
    client.leave().await;
    result
}

/// Gives the device its address and routes. The way to the server stays outside.
fn configure(
    tun: &mut Tun,
    arguments: &Connect,
    server: IpAddr,
    session: &SessionInfo,
) -> anyhow::Result<()> {
    tun.add_peer_address(session.local_address, session.remote_address)?;
    tun.lengthen_queues();
    tun.up(u32::from(session.mtu))?;
    tun.keep_outside(server)?;
    for route in &arguments.route {
        for prefix in prefixes(*route) {
            tun.add_route(prefix, Some(session.local_address))?;
        }
    }
    Ok(())
}

/// The routes that the server names, if they are wanted. One that cannot be made is no reason to
/// hang up.
fn accept_pushed(tun: &mut Tun, arguments: &Connect, session: &SessionInfo) {
    let pushed: Vec<String> = session.routes.iter().map(ToString::to_string).collect();
    let accepted = arguments.route.contains(&Route::Pushed);
    let domain = session.domain.as_deref().unwrap_or_default();
    info!(
        routes = pushed.join(","),
        domain, accepted, "told by the server"
    );
    if !accepted {
        return;
    }
    for route in &session.routes {
        for prefix in prefixes(Route::Network(route.destination.into(), route.width)) {
            if let Err(error) = tun.add_route(prefix, Some(session.local_address)) {
                warn!(%prefix, %error, "a route of the server's cannot be made");
            }
        }
    }
}

/// The default route as two halves, which win over the one that is there and leave it alone.
fn prefixes(route: Route) -> Vec<Prefix> {
    match route {
        Route::None | Route::Pushed => Vec::new(),
        // As a server may name it.
        Route::Default | Route::Network(IpAddr::V4(_), 0) => {
            let halves = [[0, 0, 0, 0], [128, 0, 0, 0]];
            halves
                .map(|half: [u8; 4]| Prefix::new(half.into(), 1))
                .to_vec()
        }
        Route::Network(address, length) => vec![Prefix::new(address, length)],
    }
}

/// What to say when time is up.
pub(crate) fn too_late(limit: Duration, complete: Option<Stage>) -> String {
    let limit = limit.as_secs();
    match complete {
        None => format!(
            "not connected within {limit} s: IKE phase 1 is not complete; nothing answers at the \
             server's IKE port, or the server has another pre-shared key"
        ),
        Some(stage) => format!(
            "not connected within {limit} s; the last stage that was complete is {}",
            stage.name()
        ),
    }
}

/// A queue that stands in for the TUN device.
fn queue() -> (Inside, mpsc::Receiver<Vec<u8>>) {
    let (sender, receiver) = mpsc::channel(INSIDE_QUEUE);
    (Inside::Queue(sender), receiver)
}

//! `adit serve`: what a server does with the control loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use dataplane::{DataPlane, SessionUsage};
use engine::{Engine, Event, Login, RequestId, SessionInfo, Verdict};
use rand_core::SeedableRng;
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};
use wire::{Instant, Secret};

use crate::cli::Failure;
use crate::config::{Bundle, Config, Encapsulation, Sources};
use crate::control::{self, Call, ControlSocket, Operator};
use crate::io::capability::Needs;
use crate::io::ports::{self, ListenPorts};
use crate::io::raw::{RawSocket, Share};
use crate::io::worker::Lost;
use crate::io::{SetupError, clock, confinement, memory};
use crate::nat::Masquerade;
use crate::settings;
use crate::shell::{Host, Shell, Wiring};

mod addresses;
mod attendance;
mod device;
mod ebb;
pub(crate) mod journal;
mod limits;
mod login;
mod meters;
mod operator;
mod signals;
mod status;

use addresses::Addresses;
use attendance::{Attendance, Plan};
use device::{Interfaces, Need, SharedDevice};
use ebb::Ebb;
use journal::Journal;
use login::Users;
use meters::Meters;
use signals::{Signal, Signals};

/// How long goodbyes may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// Deadlines are met at multiples of this.
const TICK: Duration = Duration::from_millis(20);

/// Runs a server until it is told to end.
///
/// # Errors
/// When it cannot start, as a sentence that says what to do.
pub fn serve(bundle: Bundle, sources: Sources) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    runtime.block_on(async {
        // Before there is anything to be put back in order: told to end while it starts, it does so
        // when it has started.
        let mut signals = Signals::new()?;
        let mut server = Server::start(bundle, sources)?;
        let result = server.run(&mut signals).await;
        server.shell.finish();
        result
    })?;
    Ok(())
}

/// A running server.
struct Server {
    shell: Shell,
    desk: Desk,
    sources: Sources,
    started: Instant,
    calls: mpsc::Receiver<Call>,
    /// The interface of all clients; `None` where each session has one.
    tun: Option<SharedDevice>,
    /// Removed likewise.
    nat: Masquerade,
    /// The one that is used until the next start, whatever its file says by now.
    tunnel_secret: Option<Secret>,
    _claims: ports::Claims,
}

/// What the engine asks and tells a server: users, and the log.
struct Desk {
    config: Config,
    users: Users,
    journal: Journal,
    meters: Meters,
    attendance: Attendance,
    addresses: Addresses,
    /// A packet thread has lost the interface of all clients.
    lost: bool,
}

impl Host for Desk {
    fn login(&mut self, login: Login, engine: &mut Engine) -> Verdict {
        if self.users.refresh() {
            let fixed = self.users.fixed_addresses();
            engine.set_reserved(fixed.clone());
            self.addresses.fix(fixed);
        }
        self.users.judge(&login)
    }

    fn prepare(&mut self, request: RequestId, info: &SessionInfo) -> Option<Result<(), String>> {
        self.attendance.prepare(request, info)
    }

    fn lost(&mut self, now: Instant, lost: Lost, engine: &mut Engine) {
        match lost {
            Lost::Tun => self.lost = true,
            Lost::Device(session) => engine.interface_gone(now, session),
        }
    }

    fn event(&mut self, event: Event, plane: &DataPlane) {
        let all = |session| plane.session_usage(session).unwrap_or_default();
        let usage = match &event {
            Event::SessionDown(info, _) => self.meters.down(info.session, all(info.session)),
            _ => SessionUsage::default(),
        };
        self.journal.event(&event, usage);
        match event {
            Event::LoggedIn(login) => self.attendance.logged_in(&login),
            Event::SessionUp(info) => {
                self.meters.up(info.session, all(info.session));
                self.addresses.up(info.session, info.remote_address);
                self.attendance.up(&info);
            }
            Event::SessionDown(info, reason) => {
                self.addresses.down(info.session);
                self.attendance.down(&info, usage, reason.to_string());
            }
            Event::LoggedOut(session) => self.attendance.logged_out(session),
            _ => {}
        }
    }
}

impl Server {
    fn start(bundle: Bundle, sources: Sources) -> anyhow::Result<Self> {
        let config = bundle.config.clone();
        let raw_esp = config.ipsec.encapsulation == Encapsulation::Auto;
        let needs = Needs::of_server(config.listen.ike_port, raw_esp);
        if let Some(complaint) = needs.complaint() {
            return Err(anyhow!(complaint));
        }
        let ports = ListenPorts {
            ike: config.listen.ike_port,
            natt: config.listen.natt_port,
        };
        let threads = config.packet_threads();
        let listeners = ports::listen(&config.listen.addresses, ports, threads)?;
        let calls = control_socket(&config)?;
        let fixed = bundle.users.fixed_addresses(config.ppp.name.as_bytes());
        let addresses = Addresses::new(config.pool.ranges.clone(), fixed);
        let hosts = addresses.hosts();
        let Interfaces {
            shared: tun,
            insides,
            devices,
        } = Interfaces::open(&config, &hosts, threads)?;
        let nat = Masquerade::start(&config, &hosts)?;

        let plane = DataPlane::new(dataplane::Config {
            isolate_clients: config.clients.isolation,
            threads,
            ..settings::plane_config(settings::PEERS)
        });
        let mut engine = Engine::new(
            settings::engine_config(&bundle),
            plane.config().slots,
            generator()?,
        );
        engine.set_keys(Arc::new(settings::keyring(&bundle)));
        let mut wirings = Vec::with_capacity(threads);
        for (thread, (udp, inside)) in listeners.workers.into_iter().zip(insides).enumerate() {
            let raw = match raw_esp {
                true => raw_sockets(&config, Share { thread, threads })?,
                false => Vec::new(),
            };
            wirings.push(Wiring { udp, raw, inside });
        }
        // The ports are bound: that right is of no more use.
        let needs = Needs {
            net_bind_service: false,
            ..needs
        };
        let scripts = config.scripts.paths().next().is_some();
        if let Err(error) = confinement::give_up_rights(needs, scripts) {
            warn!("{error}");
        }
        let mut shell = Shell::start(
            engine,
            plane,
            wirings,
            settings::cores(&config),
            settings::worker_limits(&config),
        )?;
        shell.gather_deadlines(TICK);
        let commands = shell.workers().first().cloned();
        let tunnel_secret = bundle.tunnel_secret.clone();
        let desk = Desk {
            journal: Journal::default(),
            meters: Meters::default(),
            attendance: Attendance::new(
                Plan {
                    scripts: settings::scripts(&bundle.config),
                    interface: bundle.config.tun.name.clone(),
                    devices,
                    proxy_arp: bundle.config.clients.proxy_arp,
                },
                shell.answers(),
                commands.ok_or_else(|| anyhow!("there is no packet thread"))?,
            ),
            users: Users::new(bundle, &config.ppp.name),
            config,
            addresses,
            lost: false,
        };
        // Only clients' addresses, and only what bears our mark.
        let is_client = |address| desk.addresses.contains(address);
        desk.attendance.proxies().sweep(is_client);
        let started = clock::now();
        Ok(Self {
            shell,
            desk,
            sources,
            started,
            calls,
            tun,
            nat,
            tunnel_secret,
            _claims: listeners.claims,
        })
    }

    /// Serves, and says goodbye however that ends.
    async fn run(&mut self, signals: &mut Signals) -> anyhow::Result<()> {
        let served = self.work(signals).await;
        let left = self.leave().await;
        served.and(left)
    }

    async fn work(&mut self, signals: &mut Signals) -> anyhow::Result<()> {
        let mut watchdog = watchdog();
        let mut look = tokio::time::interval(limits::PERIOD);
        let mut watch = limits::Watch::default();
        let mut ebbing = tokio::time::interval(ebb::PERIOD);
        let mut ebb = Ebb::default();
        notify(&[sd_notify::NotifyState::Ready]);
        let addresses: Vec<String> = self
            .desk
            .config
            .listen
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        info!(
            addresses = addresses.join(","),
            interface = %self.desk.config.tun.pattern(),
            "serving"
        );
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::End => return Ok(()),
                    Signal::Reload => self.on_hangup().await?,
                },
                _ = tick(&mut watchdog) => notify(&[sd_notify::NotifyState::Watchdog]),
                _ = look.tick() => {
                    for (limit, more) in watch.look(&status::drops(&self.shell)) {
                        let seconds = limits::PERIOD.as_secs();
                        warn!(limit, more, seconds, "limit reached");
                    }
                }
                _ = ebbing.tick() => {
                    if ebb.look(&self.shell.engine.occupancy()) {
                        let given_back = memory::give_back();
                        debug!(given_back, "much less is held than was: memory is given back");
                    }
                }
                Some(call) = self.calls.recv() => self.on_call(call).await?,
                () = self.nat.tend() => {}
                need = tend(&mut self.tun) => self.on_device(need).await?,
                input = self.shell.next() => {
                    let input = input?;
                    self.shell.handle(input, &mut self.desk).await?;
                    if std::mem::take(&mut self.desk.lost)
                        && let Some(tun) = &mut self.tun
                    {
                        tun.lost();
                    }
                }
            }
            self.route();
        }
    }

    /// Puts the interface of all clients in order.
    async fn on_device(&mut self, need: Need) -> anyhow::Result<()> {
        let Some(tun) = &mut self.tun else {
            return Ok(());
        };
        let hosts = self.desk.addresses.hosts();
        let config = &self.desk.config;
        match need {
            Need::Routes => {
                if let Err(error) = tun.route(config, &hosts) {
                    warn!("{error}");
                }
            }
            Need::Device => {
                let queues = tun.make_again(config, &hosts)?;
                self.shell.renew(queues).await?;
            }
        }
        Ok(())
    }

    /// Routes and masquerades the addresses of clients, if they have others by now.
    fn route(&mut self) {
        if self.desk.addresses.have_changed()
            && let Err(error) = self.follow()
        {
            warn!("{error}");
        }
    }

    /// Does with routes and masquerading what clients' addresses and the settings want by now.
    fn follow(&mut self) -> Result<(), SetupError> {
        let hosts = self.desk.addresses.take();
        if let Some(tun) = &mut self.tun {
            tun.follow(&hosts);
        }
        self.nat.follow(&self.desk.config, &hosts)
    }

    /// Says goodbye to everybody, and waits for no answer; for what is to be done after sessions
    /// it waits in what is left of the time.
    async fn leave(&mut self) -> anyhow::Result<()> {
        let end = clock::now() + FAREWELL;
        notify(&[sd_notify::NotifyState::Stopping]);
        info!("stopping: saying goodbye to all clients");
        let farewell = async {
            self.shell.engine.close_all(clock::now());
            self.shell.drain(&mut self.desk).await
        };
        let result = match tokio::time::timeout(FAREWELL, farewell).await {
            Ok(result) => result,
            Err(_) => {
                warn!("not everybody could be told in {FAREWELL:?}");
                Ok(())
            }
        };
        self.desk
            .attendance
            .finish(end.saturating_since(clock::now()));
        result
    }

    /// A unit of the type notify-reload waits from the first notification to the second, which
    /// cannot say that it failed: the status does.
    async fn on_hangup(&mut self) -> anyhow::Result<()> {
        if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
            notify(&[sd_notify::NotifyState::Reloading, now]);
        }
        let status = match self.reload() {
            Ok(message) => {
                info!("{message}");
                message
            }
            Err(findings) => {
                for finding in &findings {
                    error!("not reloaded: {finding}");
                }
                "not reloaded: there is something to mend, see the log".to_owned()
            }
        };
        notify(&[
            sd_notify::NotifyState::Ready,
            sd_notify::NotifyState::Status(&status),
        ]);
        self.shell.drain(&mut self.desk).await
    }

    async fn on_call(&mut self, call: Call) -> anyhow::Result<()> {
        let response = control::answer(self, &call.request);
        if call.reply.send(response).is_err() {
            debug!("whoever asked did not wait for the answer");
        }
        self.shell.drain(&mut self.desk).await
    }
}

/// The sockets for protocol 50 of one packet thread.
fn raw_sockets(config: &Config, share: Share) -> anyhow::Result<Vec<RawSocket>> {
    let addresses = config.listen.addresses.iter();
    let sockets = addresses.map(|address| RawSocket::bind(*address, share));
    Ok(sockets.collect::<Result<_, _>>()?)
}

/// Binds the control socket and serves it; without one there are never any calls.
fn control_socket(config: &Config) -> anyhow::Result<mpsc::Receiver<Call>> {
    let (sender, calls) = mpsc::channel(16);
    if let Some(path) = &config.control.socket {
        let socket = ControlSocket::bind(path, &config.control.group, config.control.mode)?;
        tokio::spawn(async move {
            if let Err(error) = socket.serve(sender).await {
                error!("the control socket has failed: {error}");
            }
        });
    } else {
        // A channel without senders would be ready all the time.
        std::mem::forget(sender);
    }
    Ok(calls)
}

/// A generator seeded by the operating system.
///
/// # Errors
/// When it gives no randomness.
pub fn generator() -> anyhow::Result<wire::Rng> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)
        .map_err(|error| anyhow!("the operating system gives no randomness: {error}"))?;
    Ok(wire::Rng::from_seed(*seed))
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    if let Err(error) = sd_notify::notify(states) {
        debug!("systemd was not told: {error}");
    }
}

/// Half of the time in which systemd wants to hear from us.
fn watchdog() -> Option<tokio::time::Interval> {
    let period = sd_notify::watchdog_enabled()?;
    Some(tokio::time::interval(period / 2))
}

async fn tend(tun: &mut Option<SharedDevice>) -> Need {
    match tun {
        Some(tun) => tun.tend().await,
        None => std::future::pending().await,
    }
}

async fn tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Seconds since 1970, for people: when something began that began at `moment`.
fn wall_clock(moment: Instant) -> u64 {
    let ago = clock::now() - moment;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    now.saturating_sub(ago).as_secs()
}

/// Counts by reason, for the status report.
type Tally = BTreeMap<String, u64>;

//! What others have recorded to break parsers with, thrown at the server: from outside, and under
//! the SA of somebody who knows the key and has logged in.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ppp::Method;
use wire::{Carrier, Ports};

use crate::captures::{datagrams, shared};
use crate::datagram;
use crate::link::Conditions;
use crate::net::{Datagram, Protocol, Realm};
use crate::party::{client_config, server_config};
use crate::world::{Index, World, ip};

const WAN: Conditions = Conditions::delayed(Duration::from_millis(5));

/// One input, and who sent it, if that is known.
struct Input {
    from: Option<SocketAddr>,
    bytes: Vec<u8>,
}

#[allow(clippy::disallowed_methods, reason = "reads the shared data")]
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the shared data");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

/// Every datagram of every capture there is, malformed or not.
fn captured() -> Option<Vec<Input>> {
    let captures = shared("captures")?;
    let mut inputs = Vec::new();
    for protocol in ["ike", "esp", "l2tp", "ppp", "radius"] {
        let is_capture = |path: &std::path::PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            matches!(ending, Some("pcap" | "pcapng" | "cap"))
        };
        for path in files(&captures.join(protocol))
            .into_iter()
            .filter(is_capture)
        {
            inputs.extend(datagrams(&path).into_iter().map(|datagram| Input {
                from: Some(datagram.source).filter(SocketAddr::is_ipv4),
                bytes: datagram.payload,
            }));
        }
    }
    Some(inputs)
}

/// Single inputs of one kind, collected for fuzzing: parts of captures, and malformed messages that
/// once broke others.
#[allow(clippy::disallowed_methods, reason = "reads the shared data")]
fn seeds(kind: &str) -> Option<Vec<Vec<u8>>> {
    let folder = shared(&format!("fuzz-seeds/{kind}"))?;
    let read = |path| std::fs::read(path).expect("a file of the shared data");
    Some(files(&folder).into_iter().map(read).collect())
}

/// A server with somebody connected to it who must notice nothing, and somebody with bad manners.
struct Scene {
    world: World,
    bystander: Index,
    mallory: Index,
    number: u32,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new(1, server_config(&[Method::MsChapV2]), WAN);
        let bystander = world.add(Realm::INTERNET, "203.0.113.5", client_config(), WAN);
        let mallory = world.add(Realm::INTERNET, "203.0.113.66", client_config(), WAN);
        let mut scene = Self {
            world,
            bystander,
            mallory,
            number: 0,
        };
        scene.connect(bystander);
        scene
    }

    fn connect(&mut self, client: Index) {
        let world = &mut self.world;
        world.dial(client, |_| {});
        let up = world.run_until(Duration::from_secs(20), |world| world.is_up(client));
        assert!(up, "not up\n{}", self.world.report());
        self.ping(client);
    }

    fn ping(&mut self, client: Index) {
        self.number += 1;
        let heard = self.world.ping(client, self.number);
        assert!(heard, "no reply\n{}", self.world.report());
    }

    /// The bystander has noticed nothing, a newcomer gets in, and when both have left there is
    /// nothing left of anybody.
    fn ends_well(mut self) {
        self.ping(self.bystander);
        let conditions = Conditions::IDEAL;
        let newcomer = self
            .world
            .add(Realm::INTERNET, "203.0.113.7", client_config(), conditions);
        self.connect(newcomer);
        for client in [self.bystander, newcomer, self.mallory] {
            let close = |engine: &mut engine::Engine, now| engine.close_all(now);
            self.world.with(client, close);
        }
        self.world.run_for(Duration::from_secs(400));
        self.world.assert_server_is_empty();
    }
}

/// From its own address and from that of a client that is connected, with what it says it is and
/// with what it does not.
#[test]
fn from_outside_it_does_nothing() {
    let Some(mut inputs) = captured() else { return };
    for kind in [
        "isakmp",
        "udp4500",
        "esp",
        "l2tp",
        "ppp",
        "strongswan-certs-crash",
    ] {
        let bytes = seeds(kind).unwrap_or_default();
        inputs.extend(bytes.into_iter().map(|bytes| Input { from: None, bytes }));
    }
    assert!(inputs.len() > 1000, "{} inputs", inputs.len());

    let mut scene = Scene::new();
    let server = ip("192.0.2.1");
    let before = scene.world.server().engine.ike_counters().received;
    let mut thrown = 0;
    for (number, Input { from, bytes }) in inputs.into_iter().enumerate() {
        let own = from.unwrap_or_else(|| SocketAddr::new(ip("203.0.113.66"), 500));
        for source in [own, SocketAddr::new(ip("203.0.113.5"), 500)] {
            let udp = |local: u16, carrier| {
                let port = if source == own { source.port() } else { local };
                let path = wire::Path {
                    local: SocketAddr::new(source.ip(), port),
                    remote: SocketAddr::new(server, local),
                    carrier,
                };
                datagram::isakmp(path, bytes.clone())
            };
            let esp = |protocol, port| Datagram {
                src: SocketAddr::new(source.ip(), port),
                dst: SocketAddr::new(server, port),
                protocol,
                bytes: bytes.clone(),
            };
            let datagrams = [
                udp(500, Carrier::Ike),
                udp(4500, Carrier::NatT),
                esp(Protocol::Udp, 4500),
                esp(Protocol::Esp, 0),
            ];
            for datagram in datagrams {
                scene.world.send_raw(scene.mallory, datagram);
            }
            thrown += 2;
        }
        scene.world.run_for(Duration::from_millis(20));
        if number % 100 == 99 {
            scene.ping(scene.bystander);
        }
    }
    // Nearly all of it must have got as far as IKE, or this proves nothing.
    let received = scene.world.server().engine.ike_counters().received - before;
    assert!(
        received > thrown / 10 * 9,
        "{received} of {thrown} received"
    );
    scene.ends_well();
}

/// What is thrown under an SA.
enum Inside {
    /// An L2TP message as it is.
    Message(Vec<u8>),
    /// AVPs, which get a header for the server's end of the tunnel.
    Avps(Vec<u8>),
    /// A PPP frame, in the session.
    Frame(Vec<u8>),
}

/// From somebody who is logged in: every message of L2TP and every frame of PPP, as they are and
/// made out to be for the tunnel that there is.
#[test]
fn from_inside_it_costs_the_sender_at_most_his_own_session() {
    let (Some(messages), Some(avps), Some(frames)) =
        (seeds("l2tp"), seeds("l2tp-avp"), seeds("ppp"))
    else {
        return;
    };
    let mut scene = Scene::new();
    let mallory = scene.mallory;
    let bodies = messages.iter().filter_map(|message| message.get(12..));
    let bodies: Vec<_> = bodies.map(<[u8]>::to_vec).collect();
    let inputs = (messages.into_iter().map(Inside::Message))
        .chain(bodies.into_iter().chain(avps).map(Inside::Avps))
        .chain(frames.into_iter().map(Inside::Frame));

    let mut reconnects = 0;
    for (number, input) in inputs.enumerate() {
        if !scene.world.is_up(mallory) {
            let close = |engine: &mut engine::Engine, now| engine.close_all(now);
            scene.world.with(mallory, close);
            scene.connect(mallory);
            reconnects += 1;
        }
        scene.throw(input);
        scene.world.run_for(Duration::from_millis(50));
        if number % 100 == 99 {
            scene.ping(scene.bystander);
        }
    }
    assert!(reconnects > 1, "something of this must end a session");
    scene.ends_well();
}

impl Scene {
    fn throw(&mut self, input: Inside) {
        let session = self.world.party(self.mallory).sessions().remove(0);
        let ports = Ports {
            local: 1701,
            remote: 1701,
        };
        let now = self.world.now;
        let (party, net) = self.world.party_and_net(self.mallory);
        match input {
            Inside::Frame(frame) => {
                party.send_ppp(now, net, session.session, &frame);
            }
            Inside::Message(message) => {
                party.send_control(now, net, session.peer, ports, &message);
            }
            Inside::Avps(avps) => {
                let length = u16::try_from(12 + avps.len()).expect("a short message");
                let [high, low] = session.tunnel_ids.1.to_be_bytes();
                let mut message = vec![0xc8, 2, 0, 0, high, low, 0, 0, 0, 0, 0, 0];
                message[2..4].copy_from_slice(&length.to_be_bytes());
                message.extend(avps);
                // Which number is the next is the engine's secret; all of them, then.
                for next in 0..16 {
                    message[9] = next;
                    party.send_control(now, net, session.peer, ports, &message);
                }
            }
        }
    }
}

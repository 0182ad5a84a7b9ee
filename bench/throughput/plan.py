"""What is measured, at whom, and in which order."""

import dataclasses
import typing

import iperf
import latency
import programs

# Keys of peers.
BARE, CBC, GCM, RAW = "bare", "cbc", "gcm", "raw"
GOTATUN, BORINGTUN, SOFTETHER = "gotatun", "boringtun", "softether"
FAIR = "fair"
CIPHERS_CBC, CIPHERS_GCM = "ciphers-cbc", "ciphers-gcm"
SUITES = {CIPHERS_CBC: "aes256-sha1", CIPHERS_GCM: "aes128gcm16"}

UP, DOWN = "client → server", "server → client"

# What a run takes beyond its seconds: starting, stopping, and iperf3's own.
OVERHEAD = 1.0


@dataclasses.dataclass
class Cell:
    """One line of the plan: the same thing measured at several peers, one after the other."""

    key: str
    title: str
    unit: str
    # The value that stands in the table; a measurement may have others.
    value: str
    peers: list
    # Takes a peer, gives its values by name.
    measure: typing.Callable
    # Seconds of one measurement.
    cost: float


@dataclasses.dataclass
class Group:
    """Cells that are measured together: round by round, so that what is compared is neighbours."""

    key: str
    title: str
    cells: list


def tcp_cells(options, peers, prefix="", suffix="", single_only=()):
    """`single_only`: peers that are left out with several streams."""
    cells = []
    for streams in (1, 4):
        for reverse in (False, True):
            way = DOWN if reverse else UP
            plural = "s" if streams > 1 else ""
            cells.append(Cell(
                f"{prefix}tcp{streams}-{'down' if reverse else 'up'}",
                f"TCP, {streams} stream{plural}, {way}{suffix}", "Gbit/s", "gbit",
                [peer for peer in peers if streams == 1 or peer not in single_only],
                lambda peer, streams=streams, reverse=reverse: iperf.tcp(
                    peer, options.seconds, streams, reverse, options.congestion),
                options.seconds + OVERHEAD))
    return cells


def udp_cells(options, peers, prefix="", suffix=""):
    return [
        Cell(f"{prefix}udp1400", f"UDP, packets of 1,400 bytes, what arrives{suffix}",
             "Gbit/s", "gbit", peers,
             lambda peer: iperf.udp(peer, options.seconds, 1400 - iperf.HEADERS),
             options.seconds + OVERHEAD),
        Cell(f"{prefix}udp64", f"UDP, 64 bytes of payload, what arrives of iperf3's{suffix}",
             "packets/s", "packets", peers,
             lambda peer: iperf.udp(peer, options.seconds, 64),
             options.seconds + OVERHEAD),
    ]


def everything(options, own):
    """All there is to measure; a full run takes some 20 minutes."""
    pings = options.pings * latency.INTERVAL
    # Prefix and suffix of what is measured once more.
    again = ("softether-", ", beside SoftEther")
    datagram_peers = [BARE, CBC, GOTATUN, BORINGTUN]
    return [
        Group("tcp", "throughput", [
            *tcp_cells(options, [BARE, CBC, GCM, RAW, GOTATUN, BORINGTUN], single_only=[RAW]),
            Cell("ciphers", "the ciphers alone, CPU seconds for each GiB", "s/GiB", "receiving",
                 [CIPHERS_CBC, CIPHERS_GCM],
                 lambda peer: programs.ciphers(own, SUITES[peer.key]), 1.0),
        ]),
        Group("udp", "datagrams", [
            *udp_cells(options, datagram_peers),
            Cell("small", "UDP, 64 bytes of payload, own sender", "packets/s", "packets",
                 datagram_peers,
                 lambda peer: programs.small_packets(peer, own, options.seconds),
                 options.seconds + OVERHEAD + 0.5),
            Cell("small-joined", "the same, to a receiver that takes them joined (UDP_GRO)",
                 "packets/s", "packets", datagram_peers,
                 lambda peer: programs.small_packets(peer, own, options.seconds, joined=True),
                 options.seconds + OVERHEAD + 0.5),
        ]),
        Group("latency", "round trips", [
            Cell("idle", "round trip, idle", "µs", "p50", [BARE, CBC, GOTATUN],
                 lambda peer: latency.idle(peer, options.pings), pings + OVERHEAD),
            Cell("loaded", "round trip beside a saturating TCP stream", "µs", "p50",
                 [BARE, CBC, GOTATUN],
                 lambda peer: latency.loaded(peer, options.pings), pings + 2 + OVERHEAD),
        ]),
        Group("fairness", "one bulk client, one interactive client", [
            Cell(f"fair-{'down' if reverse else 'up'}",
                 f"one client's p99 beside another's bulk, {DOWN if reverse else UP}, ÷ idle",
                 "times", "times", [FAIR],
                 lambda peer, reverse=reverse: latency.fairness(
                     peer, options.pings, options.seconds, reverse),
                 2 * pings + options.seconds + 2 + 3 * OVERHEAD)
            for reverse in (False, True)
        ]),
        # Last, and on its own: it is not quiet when it has nothing to do.
        Group("softether", "SoftEther as the server", [
            *tcp_cells(options, [BARE, CBC, SOFTETHER], *again, single_only=[CBC]),
            *udp_cells(options, [BARE, SOFTETHER], *again),
        ]),
    ]

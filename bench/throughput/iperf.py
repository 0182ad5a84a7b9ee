"""iperf3 between the ends of a peer, and what the server's processes need of the CPU meanwhile."""

import json

from lab import Missing, until
from processes import cpu_seconds

PORT = 5299
GIB = 2 ** 30
# Of IP and UDP, in front of what iperf3 calls the length.
HEADERS = 28
# A burst of whole super-packets fits into a socket's buffer, if the host lets it be so large.
BUFFER = 4 << 20


class Run:
    """One run of iperf3, in the background. `finish` gives its report."""

    def __init__(self, peer, client, seconds, *options):
        self.seconds = seconds
        server = ["iperf3", "--server", "--one-off", "--port", PORT]
        self.server = peer.server.start("iperf3", server)
        try:
            until(lambda: peer.server.listens("tcp", PORT), 5, "iperf3", self.server)
            self.output = peer.lab.folder / "iperf3.json"
            with open(self.output, "wb") as output:
                self.client = client.start(
                    "iperf3", ["iperf3", "--client", peer.target, "--port", PORT, "--time",
                               seconds, "--json", *options], stdout=output)
        except Missing:
            self.server.stop(1)
            raise
        self.lab = peer.lab

    def finish(self):
        try:
            self.client.wait(self.seconds + 15)
        finally:
            self.stop()
        try:
            report = json.loads(self.output.read_text())
        except ValueError:
            raise Missing(f"iperf3: {self.client.last_words()}") from None
        if "error" in report:
            raise Missing(f"iperf3: {report['error']}")
        return report["end"]

    def stop(self):
        for process in (self.client, self.server):
            # The server ends by itself when the client has.
            process.stop(2)
            self.lab.processes.remove(process)


def tcp(peer, seconds, streams, reverse, congestion=None):
    """Gbit/s that arrive; where the peer has a server, its CPU seconds for each GiB."""
    options = ["--parallel", streams]
    options += ["--reverse"] if reverse else []
    options += ["--congestion", congestion] if congestion else []
    pids = peer.server_pids()
    before = cpu_seconds(pids)
    end = Run(peer, peer.client, seconds, *options).finish()
    used = cpu_seconds(pids) - before
    received = end["sum_received"]
    if not received["bytes"]:
        raise Missing("no byte has arrived")
    values = {"gbit": received["bits_per_second"] / 1e9}
    values["retransmits"] = end["sum_sent"].get("retransmits", 0)
    if pids:
        values["cpu"] = used / (received["bytes"] / GIB)
    return values


def udp(peer, seconds, length):
    """As fast as iperf3 sends datagrams of this many bytes: what arrives of them."""
    with open("/proc/sys/net/core/rmem_max") as file:
        window = min(BUFFER, int(file.read()))
    end = Run(peer, peer.client, seconds, "--udp", "--bitrate", 0, "--length", length,
              "--window", window).finish()
    received = end["sum_received"]
    arrived = received["packets"] - received["lost_packets"]
    if arrived <= 0:
        raise Missing("no datagram has arrived")
    return {
        "gbit": received["bits_per_second"] / 1e9,
        "packets": arrived / received["seconds"],
        "lost": received["lost_percent"],
    }

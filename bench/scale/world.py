"""A server in a namespace of its own, and the way to it from another one, where its clients are."""

import json
import os
import time

from lab import Missing, until
from processes import cpu_seconds, memory

OUTER = "192.0.2.1"
# All local to the clients' host: an address for each client, those of an attacker who gets the
# server's answers, and those that an attacker only writes on packets.
CLIENTS = "198.18.0.0/16"
PROVEN = [f"198.19.0.{number}" for number in range(1, 9)]
FORGED = "100.64.0.0/10"
INNER = "10.64.0.1"
# Two networks of 65,536, less the server's own address.
POOL = "10.64.0.2-10.65.255.254"
PSK = "a key for tests only"
PASSWORD = "opens sesame"
USER = "user{}"
# A tunnel lingers for half a minute to acknowledge a repeated goodbye, and a handshake that is not
# finished is forgotten after as long.
LINGER = 120
# Where the server starts, and ends when it has clients to say goodbye to.
START, END = 20, 30


class World:
    """Two hosts, and what a server and its clients are told."""

    def __init__(self, lab, adit, pattern=USER):
        self.lab = lab
        self.adit = adit
        self.pattern = pattern
        self.server_host, self.client_host = lab.pair("scale")
        self.server_host.ip("route", "add", "default", "via", "192.0.2.2")
        for network in [CLIENTS, *(f"{address}/32" for address in PROVEN)]:
            self.client_host.ip("route", "add", "local", network, "dev", "lo")
        # An address that leads elsewhere would be dropped before the server sees it.
        for interface in ("all", "eth0"):
            self.server_host.run(
                ["sh", "-c", f"echo 0 >/proc/sys/net/ipv4/conf/{interface}/rp_filter"], 5)
        self.psk = lab.write("psk", PSK)
        self.password = lab.write("password", PASSWORD)
        keys = lab.write("ipsec.secrets", f'%any %any : PSK "{PSK}"\n')
        everybody = self.write_users(1)
        self.socket = lab.folder / "control.sock"
        # Keep-alives, LCP echo (30 s) and HELLO (60 s) are those that every server has.
        self.configuration = lab.write("adit.toml", f"""
[listen]
addresses = ["{OUTER}"]
[ipsec]
secrets = "{keys}"
[ppp]
secrets = "{everybody}"
name = "l2tpd"
[pool]
local = "{INNER}"
ranges = ["{POOL}"]
[tun]
mode = "shared"
[control]
socket = "{self.socket}"
""")

    def write_users(self, count):
        """Makes the file of users. Returns where it is."""
        names = (self.pattern.replace("{}", str(number)) for number in range(1, count + 1))
        return self.lab.write("chap-secrets", "".join(
            f'{name} l2tpd "{PASSWORD}" *\n' for name in names))

    def serve(self, users):
        """A server that knows so many users: what these take is in its memory with nobody there."""
        self.write_users(users)
        return Server(self)

    def load(self, clients, *options, name="load", network=CLIENTS):
        return Load(self, clients, options, name, network)


class Server:
    """`adit serve`."""

    def __init__(self, world):
        self.world = world
        self.process = None
        self.start()

    def start(self):
        host = self.world.server_host
        self.process = host.start(
            "serve", [self.world.adit, "serve", "--config", self.world.configuration])
        until(lambda: host.listens("udp", 4500), START, "adit serve", self.process)

    def kill(self):
        # Nothing where it has ended by itself: who stops measuring because of that says so.
        self.process.popen.kill()
        self.forget()

    def stop(self):
        """With goodbyes."""
        self.process.stop(END)
        self.forget()

    def forget(self):
        self.process.popen.wait()
        self.world.lab.processes.remove(self.process)

    def check(self):
        if not self.process.alive():
            raise Missing(f"adit serve has ended: {self.process.last_words()}")

    def cpu(self):
        self.check()
        return cpu_seconds([self.process.pid])

    def memory(self):
        self.check()
        return memory(self.process.pid)

    def totals(self):
        """What it says of itself."""
        text = self.world.server_host.run(
            [self.world.adit, "status", "--totals", "--json", "--socket", self.world.socket], 30)
        return json.loads(text)

    def wait_until_empty(self, seconds=LINGER):
        """Until nothing of anybody is left in its tables."""
        until(lambda: holds_nothing(self.totals()), seconds,
              "the end of all that the server holds", self.process)


def holds_nothing(totals):
    """Whether nothing of anybody is left, handshakes included that will never be finished."""
    return not any(totals["held"].values()) and not totals["counters"]["half_open"]


class Load:
    """`adit load`. Ends by itself, or when it is told to."""

    def __init__(self, world, clients, options, name, network):
        self.world = world
        self.clients = clients
        self.output = world.lab.folder / f"{name}.json"
        command = [world.adit, "load", OUTER, "--clients", clients, "--user", world.pattern,
                   "--from", network, "--psk-file", world.psk, "--password-file", world.password,
                   "--progress", "json", "--json", *options]
        with open(self.output, "wb") as output:
            self.process = world.client_host.start(name, command, stdout=output)
        # The log is one for all that this host has loaded.
        self.begin = self.process.log.stat().st_size

    def now(self):
        """The latest line of its progress; nothing before the first one."""
        with open(self.process.log, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(self.begin, log.tell() - 4096))
            lines = log.read().split(b"\n")
        for line in reversed(lines[:-1]):
            try:
                return json.loads(line)
            except ValueError:
                continue
        return {"phase": "ramp", "begun": 0, "up": 0, "failed": 0, "lost": 0, "seconds": 0}

    def lines(self):
        """All of its progress so far, a line a second."""
        with open(self.process.log, "rb") as log:
            log.seek(self.begin)
            for line in log.read().split(b"\n")[:-1]:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def until(self, true, seconds, what):
        """Waits for something in its progress; returns that line."""
        until(lambda: true(self.now()), seconds, what, self.process)
        return self.now()

    def held(self, seconds):
        """Waits until everybody has come, or has failed to."""
        line = self.until(lambda line: line["phase"] != "ramp", seconds, "the end of the ramp")
        if line["up"] < self.clients:
            raise Missing(f"{line['up']:,} of {self.clients:,} clients are up: "
                          f"{line['failed']:,} failed, {line['lost']:,} were lost")
        return line

    def leave(self, seconds=120):
        """Ends the hold. Returns the report."""
        if self.process.alive():
            self.process.popen.terminate()
        return self.finish(seconds)

    def finish(self, seconds):
        """Waits for its end. Returns the report."""
        try:
            self.process.wait(seconds)
        finally:
            self.process.stop(1)
            if self.process in self.world.lab.processes:
                self.world.lab.processes.remove(self.process)
        try:
            return json.loads(self.output.read_text())
        except ValueError:
            raise Missing(f"adit load: {self.process.last_words()}") from None

    def stop(self):
        """At once, and the report does not matter."""
        if self.process in self.world.lab.processes:
            self.process.stop(1)
            self.world.lab.processes.remove(self.process)


def watch(seconds, sample, interval=1.0):
    """Calls `sample` every now and then. Returns what it gave."""
    values = [sample()]
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(interval, left))
        values.append(sample())
    return values

"""What carries the traffic: a peer is a server and a client in two namespaces, and a way between."""

import re

from lab import Missing

# What the server of every pair has outside.
OUTER = "192.0.2.1"
# Inner packets are as long for everybody.
MTU = 1400


class Peer:
    """A peer is started when it is first needed, and again after it has failed."""

    # How often it may fail to start before it is given up.
    ATTEMPTS = 2

    def __init__(self, lab, key, title):
        self.lab = lab
        self.key = key
        self.title = title
        # The address of the server that traffic goes to, through whatever the peer is.
        self.target = OUTER
        self.server = None
        self.client = None
        self.processes = []
        self.running = False
        self.failures = []

    def ready(self):
        """Sees to it that the peer runs."""
        if self.running and all(process.alive() for process in self.processes):
            return
        if len(self.failures) >= self.ATTEMPTS:
            raise Missing(self.failures[-1])
        self.stop()
        try:
            self.server, self.client = self.lab.pair(self.key)
            self.start()
            self.check_mtu()
            self.client.run(["ping", "-n", "-q", "-c", "3", "-i", "0.2", "-W", "2", self.target], 20)
        except Missing as reason:
            self.failures.append(str(reason))
            self.stop()
            raise
        self.running = True

    def check_mtu(self):
        """Longer or shorter packets than the others' are told in the table."""
        found = re.search(r" dev (\S+)", self.client.ip("route", "get", self.target))
        link = self.client.ip("-o", "link", "show", "dev", found.group(1)) if found else ""
        found = re.search(r" mtu (\d+)", link)
        if found and int(found.group(1)) != MTU and "(MTU" not in self.title:
            self.title += f" (MTU {found.group(1)})"

    def stop(self):
        for process in reversed(self.processes):
            process.stop()
            self.lab.processes.remove(process)
        self.processes = []
        self.running = False
        for namespace in list(self.lab.namespaces):
            if namespace.startswith(f"{self.key}-"):
                self.lab.remove(namespace)

    def keep(self, process):
        self.processes.append(process)
        return process

    def start(self):
        """Starts the programs in `server` and `client`, and waits until a packet can pass."""

    def server_pids(self):
        """The processes whose CPU time is the server's."""
        return []


class Bare(Peer):
    """The link itself."""


class Nobody(Peer):
    """Stands for what has no link: ciphers alone."""

    def ready(self):
        pass

"""`adit serve` and `adit connect`."""

from lab import Missing, until
from peers import MTU, OUTER, Peer

INNER = "10.10.1.1"
# The second client of the server has a link of its own.
SECOND_OUTER = "198.51.100.1"
PSK = "a key for tests only"
PASSWORD = "opens sesame"
TUN = "adit-client"


def connect(lab, adit, namespace, server, user, routes="none", psk=PSK, password=PASSWORD):
    """Starts a client and waits until it has an address."""
    command = [adit, "connect", server, "--user", user, "--route", routes, "--tun", TUN,
               "--psk-file", lab.write(f"{namespace.name}.psk", psk),
               "--password-file", lab.write(f"{namespace.name}.password", password)]
    process = namespace.start("connect", command)
    until(lambda: namespace.has_address(TUN), 40, "the client's address", process)
    return process


class Adit(Peer):
    def __init__(self, lab, key, title, adit, esp, encapsulation, clients=1):
        super().__init__(lab, key, title)
        self.adit = adit
        self.esp = esp
        self.encapsulation = encapsulation
        self.clients = clients
        self.target = INNER
        self.second_client = None

    def start(self):
        addresses = [OUTER]
        if self.clients > 1:
            self.second_client = self.lab.namespace(f"{self.key}-second")
            self.lab.join(self.server, ("eth1", f"{SECOND_OUTER}/24"),
                          self.second_client, ("eth0", "198.51.100.2/24"))
            addresses.append(SECOND_OUTER)
        command = [self.adit, "serve", "--config", self.configuration(addresses)]
        serve = self.keep(self.server.start("serve", command))
        until(lambda: self.server.listens("udp", 4500), 10, "adit serve", serve)
        self.keep(connect(self.lab, self.adit, self.client, OUTER, "alice"))
        if self.second_client:
            self.keep(connect(self.lab, self.adit, self.second_client, SECOND_OUTER, "bob"))
        self.check_session(serve.log.read_text())

    def check_session(self, log):
        """That it is what the title says."""
        carrier = "udp" if self.encapsulation == "always" else "raw"
        for words in (f'phase2="{self.esp}"', f'esp="{carrier}"'):
            if words not in log:
                raise Missing(f"the server's log has a session without {words}")

    def configuration(self, addresses):
        keys = self.lab.write(f"{self.key}.ipsec.secrets", f'%any %any : PSK "{PSK}"\n')
        users = self.lab.write(f"{self.key}.chap-secrets", "".join(
            f'{user} l2tpd "{PASSWORD}" *\n' for user in ("alice", "bob")))
        quoted = ", ".join(f'"{address}"' for address in addresses)
        return self.lab.write(f"{self.key}.toml", f"""
[listen]
addresses = [{quoted}]
[ipsec]
secrets = "{keys}"
esp = ["{self.esp}"]
encapsulation = "{self.encapsulation}"
[ppp]
secrets = "{users}"
name = "l2tpd"
mru = {MTU}
[pool]
local = "{INNER}"
ranges = ["10.10.1.2-10.10.1.100"]
[tun]
mtu = {MTU}
[control]
socket = "{self.lab.folder}/{self.key}.sock"
""")

    def server_pids(self):
        return [self.processes[0].pid]

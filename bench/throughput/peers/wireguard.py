"""User-space WireGuard: gotatun and boringtun, both of which are set up with `wg`."""

import os
import subprocess

from lab import need, until
from peers import MTU, OUTER, Peer

PORT = 51820
INNER = "10.20.0.1"
INNER_CLIENT = "10.20.0.2"


class WireGuard(Peer):
    def __init__(self, lab, key, title, find):
        super().__init__(lab, key, title)
        # Gives the path of the program, or says why there is none.
        self.find = find
        self.target = INNER

    def start(self):
        need("wg", package="wireguard-tools")
        program = self.find()
        server_key, server_public = self.make_key("server")
        client_key, client_public = self.make_key("client")
        # Their sockets are in one folder, so that the interfaces must have different names.
        self.bring_up(self.server, program, f"{self.key[:8]}-s", INNER,
                      ["listen-port", PORT, "private-key", server_key, "peer", client_public,
                       "allowed-ips", f"{INNER_CLIENT}/32"])
        self.bring_up(self.client, program, f"{self.key[:8]}-c", INNER_CLIENT,
                      ["private-key", client_key, "peer", server_public, "allowed-ips",
                       f"{INNER}/32", "endpoint", f"{OUTER}:{PORT}"])

    def make_key(self, role):
        private = subprocess.run(["wg", "genkey"], check=True, capture_output=True, text=True)
        public = subprocess.run(["wg", "pubkey"], input=private.stdout, check=True,
                                capture_output=True, text=True)
        return self.lab.write(f"{self.key}-{role}.key", private.stdout), public.stdout.strip()

    def bring_up(self, namespace, program, interface, address, settings):
        command = [program, "--foreground", "--verbosity", "error",
                   "--disable-drop-privileges", interface]
        process = self.keep(namespace.start("wireguard", command))
        socket = f"/run/wireguard/{interface}.sock"
        until(lambda: os.path.exists(socket), 10, socket, process)
        namespace.run(["wg", "set", interface, *settings], 10)
        namespace.ip("address", "add", f"{address}/24", "dev", interface)
        namespace.ip("link", "set", interface, "mtu", MTU, "up")

    def stop(self):
        super().stop()
        for end in "sc":
            if os.path.exists(socket := f"/run/wireguard/{self.key[:8]}-{end}.sock"):
                os.unlink(socket)

    def server_pids(self):
        return [self.processes[0].pid]

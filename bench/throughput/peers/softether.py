"""SoftEther VPN as the server, `adit connect` as its client.

Behind the server is a TAP device of the kernel, so that traffic ends in a socket of the host as it
does with the others; the network that SoftEther can play itself would end it in SoftEther's own TCP.
"""

import os
import pathlib
import re
import shutil
import subprocess

from lab import Missing, need, until
from peers import MTU, OUTER, Peer
from peers.adit import TUN, connect

PACKAGES = "softether-vpnserver softether-vpncmd"
INNER = "10.30.0.1"
DHCP_SERVER = "10.30.0.2"
TAP = "bench"
# SoftEther is safe with keys of up to nine characters only.
PSK = "short-key"
PASSWORD = "opens sesame"
MANAGEMENT = 5555
# Its fixed folders. What is in /run is ours already.
STATE = pathlib.Path("/var/lib/softether")
LOGS = pathlib.Path("/var/log/softether")
RUNTIME = pathlib.Path("/run/softether")


class SoftEther(Peer):
    def __init__(self, lab, key, title, adit):
        super().__init__(lab, key, title)
        self.adit = adit
        self.target = INNER

    def start(self):
        need("vpnserver", "vpncmd", package=PACKAGES)
        self.hide_folders()
        self.launch()
        self.set_up()
        # QUIRK(SoftEther): it knows its own address only when it is told; otherwise it sees a NAT
        # before itself, and drops clients that announce none.
        self.halt()
        configuration = STATE / "vpn_server.config"
        text, found = re.subn(r"string ListenIP .*", f"string ListenIP {OUTER}",
                              configuration.read_text())
        if not found:
            raise Missing("SoftEther's configuration has no ListenIP")
        configuration.write_text(text)
        server = self.launch(OUTER)
        until(lambda: self.server.listens("udp", 4500), 30, "SoftEther's port 4500", server)
        until(lambda: self.server.has_link(f"tap_{TAP}"), 20, "SoftEther's TAP device", server)
        self.server.ip("address", "add", f"{INNER}/24", "dev", f"tap_{TAP}")
        self.server.ip("link", "set", f"tap_{TAP}", "up")
        self.keep(connect(self.lab, self.adit, self.client, OUTER, "user",
                          f"{INNER}/32", PSK, PASSWORD))
        # It would take somewhat longer packets than the others.
        self.client.ip("link", "set", TUN, "mtu", MTU)

    def hide_folders(self):
        """What an installed SoftEther has there is neither read nor changed."""
        for folder in (STATE, LOGS, RUNTIME):
            folder.mkdir(parents=True, exist_ok=True)
            if not os.path.ismount(folder):
                subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
        for old in STATE.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()

    def launch(self, address="localhost"):
        # The command in the path is a script that starts the real one.
        script = pathlib.Path(shutil.which("vpnserver"))
        found = re.search(r"^exec (\S+)", script.read_text(errors="replace"), re.MULTILINE)
        program = found.group(1) if found else script
        # It begets another process, which a process namespace does not let outlive it.
        command = ["unshare", "--pid", "--fork", "--kill-child", program, "execsvc"]
        process = self.keep(self.server.start("softether", command, cwd=RUNTIME))
        until(lambda: self.answers(address), 60, "SoftEther", process)
        return process

    def answers(self, address):
        try:
            return bool(self.administer(f"{address}:{MANAGEMENT}", "/SERVER", "/CMD", "About"))
        except Missing:
            return False

    def administer(self, *arguments):
        return self.server.run(["vpncmd", *arguments], 20)

    def set_up(self):
        """One hub with one user, DHCP, and the TAP device."""
        commands = [
            "HubDelete DEFAULT",
            "HubCreate VPN /PASSWORD:none",
            f"IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no /PSK:{PSK} /DEFAULTHUB:VPN",
            f"BridgeCreate VPN /DEVICE:{TAP} /TAP:yes",
            "KeepDisable",
            "Hub VPN",
            "UserCreate user /GROUP:none /REALNAME:none /NOTE:none",
            f'UserPasswordSet user "/PASSWORD:{PASSWORD}"',
            f"SecureNatHostSet /MAC:none /IP:{DHCP_SERVER} /MASK:255.255.255.0",
            "DhcpSet /START:10.30.0.10 /END:10.30.0.99 /MASK:255.255.255.0 /EXPIRE:7200 "
            f"/GW:{INNER} /DNS:{INNER} /DNS2:none /DOMAIN:none /LOG:no",
            "SecureNatEnable",
            "NatDisable",
            "Flush",
        ]
        script = self.lab.write("softether.vpncmd", "\n".join(commands) + "\n")
        self.administer(f"localhost:{MANAGEMENT}", "/SERVER", f"/IN:{script}")

    def halt(self):
        """Its processes are whatever is in its namespace: the one we started begets others."""
        self.server.kill()
        self.processes.pop().stop()
        until(lambda: not self.server.pids(), 10, "SoftEther's end")

    def stop(self):
        if self.server is not None and self.server.name in self.lab.namespaces:
            self.server.kill("vpnserver")
        super().stop()

    def server_pids(self):
        def name(pid):
            try:
                return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            except FileNotFoundError:
                return ""

        return [pid for pid in self.server.pids() if name(pid).startswith("vpnserver")]

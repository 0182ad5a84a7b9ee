"""Figures of the same kind that are measured by other means, and stand in the same table."""

import json
import re
import subprocess

from figures import NOT_MEASURED
from lab import Missing
from tools import ROOT, TARGET

# Written by bench/trio: for "up" (client → server) and "down" a list of what each round gave, in
# Gbit/s: {"bare": …, "classic": …, "adit": …}. "cipher_share" is what the ciphers, which are emulated
# there, take of the server's CPU, by server and direction in words, where it is known.
TRIO = TARGET / "bench" / "trio.json"
IDLE_COMMAND = ["cargo", "bench", "--locked", "-p", "dataplane", "--bench", "sessions"]
# What it prints for each suite and direction.
IDLE = re.compile(r"^10,000 idle sessions, .+: ([0-9.]+)$", re.MULTILINE)


class Elsewhere:
    def __init__(self, trio=TRIO):
        self.file = trio
        self.ratios = None
        self.reason = NOT_MEASURED

    def measure_idle_sessions(self):
        """What a packet of the only session costs, and of one among 10,000 whose others are idle."""
        done = subprocess.run(IDLE_COMMAND, cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            last = (done.stderr.strip() or "no output").splitlines()[-1]
            self.reason = f"{' '.join(IDLE_COMMAND)}: {last[:200]}"
            return
        self.ratios = [float(found) for found in IDLE.findall(done.stdout)]
        self.reason = f"{' '.join(IDLE_COMMAND)} prints no ratio of idle-sessions"

    def idle_sessions(self):
        if not self.ratios:
            raise Missing(self.reason)
        # The worst direction and suite, not the middle one.
        return [max(self.ratios)]

    def trio(self, way):
        try:
            rounds = self.read()[way]
            return [one["adit"] / one["classic"] for one in rounds]
        except (KeyError, TypeError, ZeroDivisionError, ValueError):
            raise Missing(f"{self.file} is not as expected") from None

    def read(self):
        try:
            return json.loads(self.file.read_text())
        except OSError:
            raise Missing(f"no {self.file.name}: bench/trio writes it") from None

    def cipher_share(self):
        """The ciphers' share of the CPU in the machine, by server; nothing where it is not known."""
        try:
            return self.read().get("cipher_share", {})
        except (Missing, ValueError, AttributeError):
            return {}

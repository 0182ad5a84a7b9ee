"""Programs that adit is compared with, and what its own tools for this benchmark measure."""

import json
import os
import shutil
import subprocess

from lab import Missing, until
from tools import CACHE

# Where tests/run has its tools too.
INSTALLED = CACHE / "adit-tools"
VERSIONS = {"gotatun": ("gotatun-cli", "0.10.2"), "boringtun-cli": ("boringtun-cli", "0.7.1")}
PORT = 5300
# Bytes of payload of a small packet.
SMALL = 64
GIB = 2 ** 30
# Of a packet of 1,400 bytes: what iperf3 counts (without IP and TCP headers, timestamps among
# these), and what is sealed (with PPP, L2TP and UDP headers).
COUNTED = 1400 - 20 - 32
SEALED = 1418


def find_installed(program):
    """A program from the registry, which `install` has built once."""
    package, version = VERSIONS[program]
    path = shutil.which(program) or INSTALLED / "bin" / program
    if not os.access(path, os.X_OK):
        raise Missing(f"{program} is not there: cargo install --locked {package}@{version}")
    return path


def install(program, say):
    """Builds it into a directory that outlives this run, if it is not there."""
    package, version = VERSIONS[program]
    try:
        find_installed(program)
        return
    except Missing:
        if os.environ.get("ADIT_NO_INSTALL"):
            return
    say(f"building {program} into {INSTALLED}, once; this takes some minutes")
    INSTALLED.mkdir(parents=True, exist_ok=True)
    # Settings and locks of this workspace are not its business.
    environment = os.environ | {"CARGO_TARGET_DIR": str(INSTALLED / "build")}
    command = ["cargo", "install", "--locked", "--root", INSTALLED, f"{package}@{version}"]
    with open(INSTALLED / f"{program}-install.log", "wb") as log:
        subprocess.run(command, cwd="/", env=environment, stdout=log, stderr=log)
    shutil.rmtree(INSTALLED / "build", ignore_errors=True)


def small_packets(peer, own, seconds, joined=False):
    """Datagrams of 64 bytes from our own sender, as fast as the kernel takes them; to a receiver that
    takes them one by one, or joined (UDP_GRO)."""
    output = peer.lab.folder / "sink.json"
    options = ["--joined", SMALL] if joined else []
    with open(output, "wb") as file:
        sink = peer.server.start("sink", [own, "sink", f"{peer.target}:{PORT}", *options],
                                  stdout=file)
    try:
        until(lambda: output.read_text().startswith("ready"), 5, "the sink", sink)
        sent = json.loads(peer.client.run(
            [own, "send", f"{peer.target}:{PORT}", "--seconds", seconds, "--size", SMALL],
            seconds + 15))
        if sink.wait(10) != 0:
            raise Missing(f"the sink: {sink.last_words()}")
        report = json.loads(output.read_text().splitlines()[-1])
    finally:
        sink.stop(1)
        peer.lab.processes.remove(sink)
    return {"packets": report["received"] / report["seconds"],
            "sent": sent["sent"] / sent["seconds"]}


def ciphers(own, suite):
    """CPU seconds for each GiB that iperf3 would count: of opening, and of sealing."""
    command = [own, "ciphers", "--suite", suite, "--payload", str(SEALED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Missing(f"ciphers: {done.stderr.strip()[-200:]}")
    report = json.loads(done.stdout)
    packets = GIB / COUNTED / report["packets"]
    return {"receiving": report["open_seconds"] * packets,
            "sending": report["seal_seconds"] * packets}

"""The machine that all of it runs on, for the head of the table."""

import os
import pathlib
import platform
import re
import subprocess

# Above this, others are using the CPUs.
BUSY = 0.5


def first(path, pattern, default="unknown"):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(), re.MULTILINE)
    except OSError:
        return default
    return found.group(1).strip() if found else default


def describe(adit):
    version = subprocess.run([adit, "--version"], capture_output=True, text=True)
    return {
        "adit": version.stdout.strip(),
        "cpu": first("/proc/cpuinfo", r"^model name\s*:\s*(.*)$"),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "congestion": first("/proc/sys/net/ipv4/tcp_congestion_control", r"(\S+)"),
        "load": os.getloadavg()[0],
    }


def words(host):
    yield f"{host['adit']} on {host['cpu']}, {host['cores']} cores, Linux {host['kernel']}"
    yield f"TCP congestion control {host['congestion']}; load {host['load']:.2f} at the start"
    if host["load"] > BUSY:
        yield f"WARNING: a load above {BUSY}: others use this machine, the numbers will be noise"

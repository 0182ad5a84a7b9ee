"""What the kernel says about processes."""

import os
import pathlib


def cpu_seconds(pids):
    """User and system time of these processes so far, their threads included."""
    ticks = 0
    for pid in pids:
        # The name in the second field may have blanks in it; behind it there are none.
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """Resident, in bytes."""
    return field(pid, "VmRSS") * 1024


def threads(pid):
    return field(pid, "Threads")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def field(pid, name):
    """A number of /proc/PID/status."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ProcessLookupError(f"the process {pid} has no {name}")

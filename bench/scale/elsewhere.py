"""Figures that are made by other programs, and stand in the same table."""

import json
import os

from lab import Missing
from tools import CACHE, TARGET

# Written by bench/trio-ramp: for each server, by name, what it gave in the virtual machine.
TRIO = TARGET / "bench" / "trio-ramp.json"
# Written by fuzz/run: the sum of all its runs.
FUZZ = "total.json"


def fuzzing(add):
    folder = os.environ.get("ADIT_FUZZ_CACHE", CACHE / "adit-fuzz")
    path = f"{folder}/{FUZZ}"
    try:
        with open(path) as file:
            total = json.load(file)
        targets = total["targets"]
        hours = {name: target["cpu_seconds_since_find"] / 3600 for name, target in targets.items()}
        everything = len(total.get("all_targets", targets))
        all_hours = sum(target["cpu_seconds"] for target in targets.values()) / 3600
    except OSError:
        raise Missing(f"no {path}: fuzz/run HOURS writes it") from None
    except (ValueError, KeyError, TypeError):
        raise Missing(f"{path} is not as expected") from None
    if not hours:
        raise Missing(f"{path} has no target: fuzz/run HOURS writes it")
    least = min(hours, key=hours.get)
    found = total.get("last_find")
    add("fuzz-hours", sum(hours.values()),
        f"{len(hours)} of {everything} targets, the least of them {least} with "
        f"{60 * hours[least]:.0f} min; "
        f"{all_hours:.1f} h since {total['began']}, "
        + (f"the last find at {found['at']} in {found['target']}" if found else "no find"))


class Trio:
    """The same ramp for the classic trio and for adit, in the virtual machine of tests/interop."""

    def __init__(self, file=TRIO):
        self.file = file
        self.report = None
        try:
            self.report = json.loads(file.read_text())
            self.reason = None
        except OSError:
            self.reason = f"no {file.name}: bench/trio-ramp writes it"
        except ValueError:
            self.reason = f"{file} is not as expected"

    def missing(self):
        return self.reason is not None

    def lines(self, width):
        yield ""
        yield "in the virtual machine of tests/interop, two emulated cores: figures of no real processor"
        if self.missing():
            yield f"{'the classic trio (strongSwan, xl2tpd, pppd) on the same ramp':{width}} {'missing':>12}  {self.reason}"
            return
        heading = ("held", "connects/s", "failed", "CPU ms", "MiB", "processes")
        yield f"{'':{width - 24}} " + " ".join(f"{word:>11}" for word in heading)
        for server in self.report["servers"]:
            values = (server["held"], server["per_second"], server["failed"],
                      server["cpu_milliseconds"], server["resident_mib"], server["processes"])
            yield (f"{server['title']:{width - 24}} "
                   + " ".join(f"{shown(value):>11}" for value in values))
            if server.get("why"):
                yield f"    {server['why']}"


def shown(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.2f}"

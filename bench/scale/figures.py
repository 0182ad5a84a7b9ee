"""What was measured, and whether it is enough."""

import dataclasses
import statistics
import typing

from lab import Missing

# Of what was not asked for, or not reached before the run was interrupted.
NOT_MEASURED = "not measured"


class Figures:
    def __init__(self):
        # Of each figure the value of every round.
        self.values = {}
        self.remarks = {}
        # Why there is none.
        self.reasons = {}

    def add(self, key, value, remark=""):
        self.values.setdefault(key, []).append(value)
        if remark:
            self.remarks[key] = remark

    def add_missing(self, key, reason):
        if key not in self.values:
            self.reasons[key] = reason

    def of(self, key):
        """The values of all rounds. Says why there are none."""
        if key not in self.values:
            raise Missing(self.reasons.get(key, NOT_MEASURED))
        return self.values[key]


@dataclasses.dataclass
class Figure:
    """A line of the table; with a sign and a limit, a number to reach."""

    key: str
    title: str
    unit: str
    sign: str = ""
    limit: float = 0
    # How many, or how long, it takes for the limit to mean something, and what there was.
    wanted: float = 0
    there: float = 0
    of_what: str = ""

    def reached(self, value):
        if self.sign == "±":
            return abs(value) <= self.limit
        return value >= self.limit if self.sign == "≥" else value <= self.limit


def judged(figure, figures):
    """The median and all values of a figure, and whether it is reached; or why there are none."""
    try:
        values = figures.of(figure.key)
    except Missing as reason:
        return {"missing": str(reason)}
    median = statistics.median(values)
    found = {"median": median, "values": values}
    if remark := figures.remarks.get(figure.key):
        found["remark"] = remark
    if not figure.sign:
        return found
    # That even less is too much says it all; that less is enough says nothing.
    if figure.there < figure.wanted:
        found["reduced"] = f"{figure.there:,g} {figure.of_what} in place of {figure.wanted:,g}"
    else:
        found["reached"] = figure.reached(median)
    return found


def everything(options):
    """In the order of the table."""
    some, many = options.clients, options.sessions
    thousands = {"wanted": 10_000, "there": some, "of_what": "clients"}
    all_sessions = {"wanted": 60_000, "there": many, "of_what": "sessions"}
    attack = {"wanted": 50_000, "there": options.flood_rate, "of_what": "packets a second"}
    hour = {"wanted": 60, "there": options.flood_minutes, "of_what": "minutes"}
    found = [
        Figure("held-many", "sessions held, idle with keep-alives, one process", "", "≥", 60_000,
               **all_sessions),
        Figure("ramp-many", f"  until {many:,} had come, ecp256", "s"),
        Figure("memory-some", f"resident memory at {some:,} sessions", "MiB", "≤", 160, **thousands),
        Figure("memory-many", f"resident memory at {many:,} sessions", "MiB", "≤", 1024, **all_sessions),
        Figure("per-session-some", f"  for each of {some:,}", "KiB"),
        Figure("per-session-many", f"  for each of {many:,}", "KiB"),
        Figure("cpu-modp2048", "server CPU for a full connect, modp2048", "ms", "≤", 1.5),
        Figure("cpu-ecp256", "  server CPU for a full connect, ecp256", "ms"),
        Figure("rate-modp2048", "full connects, both sides on these cores, modp2048", "/s", "≥", 500),
        Figure("rate-ecp256", "full connects, both sides on these cores, ecp256", "/s", "≥", 1500),
        Figure("time-modp2048", f"  median of a connect, {options.at_once} at a time, modp2048", "ms"),
        Figure("time-ecp256", f"  median of a connect, {options.at_once} at a time, ecp256", "ms"),
    ]
    ways = {"storm": "server and clients new, all dial at once", "polite": "the server had said goodbye",
            "kill": "the server was killed, clients found out"}
    for way, words in ways.items():
        found += [
            Figure(f"return-{way}", f"{some:,} return after a restart: {words}", "s", "≤", 60, **thousands),
            Figure(f"again-{way}", "  attempts that failed meanwhile, repeated by the client", ""),
        ]
        if way != "storm":
            found.append(Figure(f"since-restart-{way}", "  all up since the restart", "s"))
    found += [
        Figure("idle-some", f"idle CPU at {some:,} sessions, of a core", "%", "≤", 3, **thousands),
        Figure("idle-many", f"  idle CPU at {many:,} sessions", "%"),
        Figure("flood-share", "logins that succeed during a flood", "%", "≥", 95, **attack),
        Figure("flood-time", "time of a connect during a flood ÷ without", "", "≤", 3, **attack),
        Figure("flood-time-normal", "  without a flood, median", "ms"),
        Figure("flood-time-during", "  during a flood, median", "ms"),
        Figure("flood-rate", "  packets of the flood", "/s"),
        Figure("flood-exchanges", "  of its handshakes, brought to message 4", "/s"),
        Figure("flood-memory", f"memory after {options.flood_minutes:g} minutes of flood, less before", "MiB",
               "±", 2, **hour),
        Figure("flood-most", "  most at any time", "MiB"),
        Figure("flood-later", "  at the end, less after the first minute", "MiB"),
        Figure("fuzz-hours", "fuzzing without a find, CPU hours over all targets", "h", "≥", 8),
    ]
    return found

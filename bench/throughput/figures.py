"""What was measured, round by round, and what follows from it: ratios, and whether they are enough."""

import dataclasses
import statistics
import typing

from lab import Missing
from plan import BARE, CBC, CIPHERS_CBC, DOWN, FAIR, GCM, GOTATUN, RAW, SOFTETHER, UP

# Of what was not asked for, or not reached before the run was interrupted.
NOT_MEASURED = "not measured"


class Figures:
    def __init__(self):
        # (cell, peer) → round → values by name
        self.values = {}
        # (cell, peer) → why the last attempt failed
        self.reasons = {}

    def add(self, cell, peer, number, values):
        self.values.setdefault((cell, peer), {})[number] = values

    def add_missing(self, cell, peer, reason):
        self.reasons[cell, peer] = reason

    def rounds(self, cell, peer, value):
        """One value, by round. Says why there is none."""
        rounds = {number: values[value]
                  for number, values in self.values.get((cell, peer), {}).items()
                  if value in values}
        if not rounds:
            raise Missing(self.reasons.get((cell, peer), NOT_MEASURED))
        return rounds


def combine(operation, left, right):
    """Of the values of each round, which were measured one after the other."""
    both = sorted(left.keys() & right.keys())
    if not both:
        raise Missing("there is no round with both figures")
    return [operation(left[number], right[number]) for number in both]


@dataclasses.dataclass
class Goal:
    """A number to reach."""

    title: str
    # Gives the value of each round, or says why there is none.
    values: typing.Callable
    limit: float
    at_least: bool
    unit: str = ""

    def reached(self, value):
        return value >= self.limit if self.at_least else value <= self.limit


def ratio(figures, one, other):
    """Of two figures, each a cell, a peer and a value."""
    return combine(lambda a, b: a / b, figures.rounds(*one), figures.rounds(*other))


def difference(figures, one, other):
    return combine(lambda a, b: a - b, figures.rounds(*one), figures.rounds(*other))


def goals(elsewhere):
    """In the order of the table. `elsewhere` knows the figures that others measure."""
    found = []

    def at_least(title, limit, one, other):
        found.append(Goal(title, lambda figures: ratio(figures, one, other), limit, True))

    def at_most(title, limit, values, unit=""):
        found.append(Goal(title, values, limit, False, unit))

    ways = (("up", UP, "receiving", 2.1), ("down", DOWN, "sending", 2.6))
    for way, words, _, _ in ways:
        cell = f"tcp1-{way}"
        title = f"TCP, 1 stream, {words}:"
        ours = (cell, CBC, "gbit")
        at_least(f"{title} CBC/SHA-1 ÷ bare veth", 0.30, ours, (cell, BARE, "gbit"))
        at_least(f"{title} CBC/SHA-1 ÷ gotatun", 5.0, ours, (cell, GOTATUN, "gbit"))
        at_least(f"{title} GCM ÷ bare veth", 0.40, (cell, GCM, "gbit"), (cell, BARE, "gbit"))
        at_least(f"{title} raw ESP ÷ ESP in UDP", 0.55, (cell, RAW, "gbit"), ours)
        other = f"softether-{cell}"
        at_least(f"{title} adit ÷ SoftEther, same client", 10.0,
                 (other, CBC, "gbit"), (other, SOFTETHER, "gbit"))
    for way, words, _, _ in ways:
        found.append(Goal(f"in the machine, {words}: adit ÷ classic trio",
                          lambda _, way=way: elsewhere.trio(way), 1.0, True))
    for way, _, side, limit in ways:
        at_most(f"server CPU per GiB, {side} ÷ the ciphers alone", limit,
                lambda figures, way=way, side=side: ratio(
                    figures, (f"tcp1-{way}", CBC, "cpu"), ("ciphers", CIPHERS_CBC, side)))
    for cell, words in (("small", "small packets"), ("small-joined", "the same, joined")):
        at_least(f"{words}: adit ÷ bare veth", 1.2,
                 (cell, CBC, "packets"), (cell, BARE, "packets"))
        at_least(f"{words}: adit ÷ gotatun", 5.0,
                 (cell, CBC, "packets"), (cell, GOTATUN, "packets"))
    for share, limit in (("p50", 100), ("p99", 450)):
        at_most(f"added round trip, idle, {share}", limit,
                lambda figures, share=share: difference(
                    figures, ("idle", CBC, share), ("idle", BARE, share)), "µs")
    at_most("added round trip beside a saturating stream, p50", 1000,
            lambda figures: difference(figures, ("loaded", CBC, "p50"), ("idle", BARE, "p50")),
            "µs")
    for way, words, _, _ in ways:
        at_most(f"one client's p99 beside another's bulk, {words}, ÷ idle", 3.0,
                lambda figures, way=way: list(
                    figures.rounds(f"fair-{way}", FAIR, "times").values()))
    at_most("cost per packet, 10,000 idle sessions ÷ one", 1.1,
            lambda _: elsewhere.idle_sessions())
    return found


def judged(goal, figures):
    """The median and all values of a goal, and whether it is reached; or why there are none."""
    try:
        values = goal.values(figures)
    except Missing as reason:
        return {"missing": str(reason)}
    median = statistics.median(values)
    return {"median": median, "values": values, "reached": goal.reached(median)}

"""The table for people, and the same for programs."""

import statistics

import host
from figures import NOT_MEASURED, combine, goals, judged
from lab import Missing
from plan import BARE, DOWN, UP

WIDTH = 64
RATES = ("Gbit/s", "packets/s")


def number(value, unit):
    if unit == "packets/s":
        return f"{value:,.0f}"
    if unit == "µs":
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def spread(values, unit):
    return f"{number(min(values), unit)}–{number(max(values), unit)}" if len(values) > 1 else ""


def line(title, median="", between="", share="", goal="", verdict=""):
    text = f"{title:{WIDTH}} {median:>11} {between:>19} {share:>7}  {goal:<9} {verdict}"
    return text.rstrip()


def missing(title, reason):
    return f"{title:{WIDTH}} {'missing':>11}  {reason}"


def share_of_bare(figures, cell, peer):
    """Of rates, where there is one of the bare link."""
    if cell.unit not in RATES or peer == BARE:
        return ""
    try:
        ratios = combine(lambda a, b: a / b, figures.rounds(cell.key, peer, cell.value),
                         figures.rounds(cell.key, BARE, cell.value))
    except (Missing, ZeroDivisionError):
        return ""
    return f"{statistics.median(ratios):.3f}"


def cell_lines(figures, cell, titles):
    yield f"{cell.title} ({cell.unit})"
    for peer in cell.peers:
        try:
            values = list(figures.rounds(cell.key, peer, cell.value).values())
        except Missing as reason:
            yield missing(f"  {titles[peer]}", reason)
            continue
        yield line(f"  {titles[peer]}", number(statistics.median(values), cell.unit),
                   spread(values, cell.unit), share_of_bare(figures, cell, peer))


def extra_lines(figures, cells, titles):
    """What was measured beside: other values of the same cells."""
    wanted = [
        ("tcp1-up", "cpu", "server CPU, TCP, 1 stream, receiving", "s/GiB"),
        ("tcp1-down", "cpu", "server CPU, TCP, 1 stream, sending", "s/GiB"),
        ("ciphers", "sending", "the ciphers alone, sealing", "s/GiB"),
        ("idle", "p99", "round trip, idle, p99", "µs"),
        ("loaded", "p99", "round trip beside a saturating TCP stream, p99", "µs"),
        ("fair-up", "idle_p99", "one of two clients, p99, idle", "µs"),
        ("fair-up", "p99", f"one of two clients, p99 beside the other's bulk, {UP}", "µs"),
        ("fair-down", "p99", f"one of two clients, p99 beside the other's bulk, {DOWN}", "µs"),
    ]
    by_key = {cell.key: cell for cell in cells}
    for key, value, title, unit in wanted:
        if key not in by_key:
            continue
        lines = []
        for peer in by_key[key].peers:
            try:
                values = list(figures.rounds(key, peer, value).values())
            except Missing:
                continue
            lines.append(line(f"  {titles[peer]}", number(statistics.median(values), unit),
                              spread(values, unit)))
        if lines:
            yield f"{title} ({unit})"
            yield from lines


def goal_lines(figures, elsewhere, partial):
    """`partial`: what was not asked for is not missed."""
    for goal in goals(elsewhere):
        result = judged(goal, figures)
        if partial and result.get("missing") == NOT_MEASURED:
            continue
        sign = "≥" if goal.at_least else "≤"
        limit = f"{sign} {goal.limit:g} {goal.unit}".rstrip()
        if "missing" in result:
            yield f"{missing(goal.title, result['missing'])} (goal {limit})"
            continue
        yield line(goal.title, number(result["median"], goal.unit),
                   spread(result["values"], goal.unit), "", limit,
                   "reached" if result["reached"] else "NOT reached")
    for server, share in elsewhere.cipher_share().items():
        yield line(f"in the machine, the emulated ciphers' share of the server's core: {server}", f"{share:.2f}")


def lines(about_host, figures, cells, titles, elsewhere, rounds, partial):
    yield from host.words(about_host)
    yield (f"medians of {rounds}; a ratio is the median of the ratios of neighbouring runs"
           if rounds > 1 else "ONE round: --quick is for a first look")
    yield ""
    yield line("figure", "median", "min–max", "÷ bare", "goal")
    for cell in cells:
        yield from cell_lines(figures, cell, titles)
    yield from extra_lines(figures, cells, titles)
    yield "ratios and goals"
    yield from (f"  {text}" for text in goal_lines(figures, elsewhere, partial))


def report(about_host, figures, cells, titles, elsewhere, rounds):
    """The same as an object for programs; values by round, none of them rounded."""
    measured = [
        {"cell": cell.key, "title": cell.title, "unit": cell.unit, "value": cell.value,
         "peer": peer, "peer_title": titles[peer],
         "rounds": list(figures.values.get((cell.key, peer), {}).values()),
         **({"missing": figures.reasons.get((cell.key, peer), NOT_MEASURED)}
            if (cell.key, peer) not in figures.values else {})}
        for cell in cells for peer in cell.peers
    ]
    return {
        "host": about_host,
        "rounds": rounds,
        "figures": measured,
        "goals": [{"title": goal.title, "limit": goal.limit, "unit": goal.unit,
                   "at_least": goal.at_least, **judged(goal, figures)}
                  for goal in goals(elsewhere)],
        "cipher_share": elsewhere.cipher_share(),
    }


def complete(figures, cells, elsewhere, partial):
    """Whether nothing is missing of what was asked for."""
    reasons = {judged(goal, figures).get("missing") for goal in goals(elsewhere)} - {None}
    if partial:
        reasons.discard(NOT_MEASURED)
    return not reasons and all((cell.key, peer) in figures.values
                               for cell in cells for peer in cell.peers)

"""The table for people, and the same for programs."""

import host
from figures import NOT_MEASURED, judged

WIDTH = 68


def number(value, unit):
    if unit in ("", "/s", "KiB") and (value == round(value) or abs(value) >= 100):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def with_unit(text, unit):
    return f"{text} {unit}" if unit not in ("", "/s") else f"{text}{unit}"


def spread(values, unit):
    return f"{number(min(values), unit)}–{number(max(values), unit)}" if len(values) > 1 else ""


def limit(figure):
    return f"{figure.sign} {with_unit(f'{figure.limit:,g}', figure.unit)}" if figure.sign else ""


def verdict(found):
    if "reached" in found:
        return "reached" if found["reached"] else "NOT reached"
    return f"not judged: {found['reduced']}" if "reduced" in found else ""


def line(figure, found):
    if "missing" in found:
        goal = f" (goal {limit(figure)})" if figure.sign else ""
        return f"{figure.title:{WIDTH}} {'missing':>12}  {found['missing']}{goal}"
    text = (f"{figure.title:{WIDTH}} {with_unit(number(found['median'], figure.unit), figure.unit):>12} "
            f"{spread(found['values'], figure.unit):>15}  {limit(figure):<12} {verdict(found)}").rstrip()
    return f"{text}\n    {found['remark']}" if "remark" in found else text


def lines(about_host, figures, wanted, trio, partial):
    """`partial`: what was not asked for is not missed."""
    yield from host.words(about_host)
    yield "client and server share the cores; medians where there are several rounds"
    yield ""
    yield f"{'figure':{WIDTH}} {'':>12} {'min–max':>15}  goal"
    for figure in wanted:
        found = judged(figure, figures)
        if found.get("missing") == NOT_MEASURED and (partial or not figure.sign):
            continue
        yield line(figure, found)
    if not (partial and trio.missing()):
        yield from trio.lines(WIDTH)


def report(about_host, figures, wanted, trio, options):
    """The same as an object for programs; no value is rounded."""
    return {
        "host": about_host,
        "options": {name: value for name, value in vars(options).items()
                    if isinstance(value, (int, float, str, bool))},
        "figures": [{"figure": figure.key, "title": figure.title.strip(), "unit": figure.unit,
                     **({"goal": f"{figure.sign} {figure.limit:g}"} if figure.sign else {}),
                     **judged(figure, figures)} for figure in wanted],
        "trio": trio.report,
    }


def complete(figures, wanted, trio, partial):
    """Whether nothing is missing of what was asked for."""
    reasons = {judged(figure, figures).get("missing") for figure in wanted if figure.sign} - {None}
    if partial:
        reasons.discard(NOT_MEASURED)
    return not reasons and (partial or not trio.missing())

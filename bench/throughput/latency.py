"""Round-trip times of ping: the kernel answers, and takes the times, at both ends."""

import math
import re
import time

import iperf
from lab import Missing

INTERVAL = 0.005
# The first ones wake up what has been asleep, and are not counted.
WARM_UP = 20
# A stream has its full speed after this many seconds.
RAMP = 1.0

# A ping that does not come back counts as one that took as long as it was waited for.
PATIENCE = 1
LOST = PATIENCE * 1e6

TIME = re.compile(r"time=([0-9.]+) ms")


def percentile(values, share):
    """The smallest value that at least this share of all are not above."""
    values = sorted(values)
    return values[max(0, math.ceil(share * len(values)) - 1)]


def patience(count):
    """Seconds: under load a ping is not sent more often than the machine gets round to it."""
    return RAMP + (count + WARM_UP) * INTERVAL * 4 + 20


def pings(namespace, address, count):
    """p50 and p99 in microseconds."""
    count += WARM_UP
    command = ["ping", "-n", "-i", INTERVAL, "-c", count, "-W", PATIENCE, address]
    text = namespace.run(command, patience(count))
    times = [float(time) * 1000 for time in TIME.findall(text)][WARM_UP:]
    lost = count - WARM_UP - len(times)
    if lost > len(times):
        raise Missing(f"{lost} of {count - WARM_UP} pings did not come back")
    times += [LOST] * lost
    return {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99), "lost": lost}


def idle(peer, count):
    return pings(peer.client, peer.target, count)


def beside(peer, pinging, count, *options):
    """Pings while iperf3 runs at the peer's first client."""
    # It is stopped when they have come back, which under load may take a while.
    run = iperf.Run(peer, peer.client, math.ceil(patience(count)), *options)
    try:
        time.sleep(RAMP)
        values = pings(pinging, peer.target, count)
    except Missing:
        run.stop()
        raise
    alive = run.client.alive()
    run.stop()
    if not alive:
        raise Missing("the stream ended before the pings did")
    return values


def loaded(peer, count):
    """While one TCP stream takes all it can get."""
    return beside(peer, peer.client, count)


def fairness(peer, count, seconds, reverse):
    """One client at half of its greatest speed, and what another one's pings take meanwhile."""
    greatest = iperf.tcp(peer, seconds, 1, reverse)["gbit"]
    quiet = pings(peer.second_client, peer.target, count)
    options = ["--bitrate", int(greatest * 1e9 / 2)] + (["--reverse"] if reverse else [])
    busy = beside(peer, peer.second_client, count, *options)
    return {"idle_p99": quiet["p99"], "p99": busy["p99"], "p50": busy["p50"],
            "times": busy["p99"] / quiet["p99"]}

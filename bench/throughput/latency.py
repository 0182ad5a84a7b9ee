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

TIME = re.compile(r"time=([0-9.]+) ms")


def percentile(values, share):
    """The smallest value that at least this share of all are not above."""
    values = sorted(values)
    return values[max(0, math.ceil(share * len(values)) - 1)]


def pings(namespace, address, count):
    """p50 and p99 in microseconds."""
    count += WARM_UP
    command = ["ping", "-n", "-i", INTERVAL, "-c", count, "-W", 1, address]
    # Under load a ping is not sent more often than the machine gets round to it.
    text = namespace.run(command, count * INTERVAL * 4 + 20)
    times = [float(time) * 1000 for time in TIME.findall(text)][WARM_UP:]
    if len(times) < (count - WARM_UP) / 2:
        raise Missing(f"only {len(times)} of {count - WARM_UP} pings came back")
    return {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99),
            "lost": count - WARM_UP - len(times)}


def idle(peer, count):
    return pings(peer.client, peer.target, count)


def beside(peer, pinging, count, *options):
    """Pings while iperf3 runs at the peer's first client."""
    seconds = math.ceil(RAMP + (count + WARM_UP) * INTERVAL * 1.5) + 1
    run = iperf.Run(peer, peer.client, seconds, *options)
    try:
        time.sleep(RAMP)
        values = pings(pinging, peer.target, count)
    except Missing:
        run.stop()
        raise
    if not run.client.alive():
        raise Missing("the stream ended before the pings did")
    # What was to be seen has been seen; iperf3 need not come to its end.
    run.stop()
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

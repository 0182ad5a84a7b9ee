"""Where a long run is, on standard error: one line that changes on a terminal, few lines else."""

import sys
import time


class Progress:
    def __init__(self, costs):
        # Seconds that each measurement should take, in the order of their happening.
        self.costs = costs
        self.done = 0
        self.start = time.monotonic()
        self.live = sys.stderr.isatty()
        self.stage = None

    def say(self, text):
        """A line that stays."""
        self.clear()
        print(text, file=sys.stderr, flush=True)

    def clear(self):
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def left(self):
        """Seconds: what is planned still, as much slower as it has been so far."""
        planned = sum(self.costs[:self.done])
        ahead = sum(self.costs[self.done:])
        if planned < 20:
            return ahead
        return ahead * (time.monotonic() - self.start) / planned

    def step(self, stage, title):
        """Before each measurement. Without a terminal only a new stage is told."""
        left = self.left()
        time_left = f"{left / 60:.0f} min" if left > 90 else f"{left:.0f} s"
        place = f"measurement {self.done + 1} of {len(self.costs)}, about {time_left} left"
        if self.live:
            print(f"\r\033[K{place}: {title}"[:110], end="", file=sys.stderr, flush=True)
        elif stage != self.stage:
            self.say(f"{place}: {stage}")
        self.stage = stage
        self.done += 1

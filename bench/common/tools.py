"""Programs that are built here: adit itself, and its own tools for benchmarks."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
OWN = TARGET / "release" / "bench-tools"


def find_adit(given):
    # A debug build would measure something else.
    path = pathlib.Path(given) if given else TARGET / "release" / "adit"
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not there: cargo build --release, or say --adit FILE")
    return path.resolve()


def build(*arguments, say):
    """Runs cargo; ends the program where that fails."""
    say(f"cargo {' '.join(arguments)}")
    done = subprocess.run(["cargo", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"cargo {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")


def build_own(say):
    build("build", "--release", "--locked", "-p", "bench-tools", say=say)

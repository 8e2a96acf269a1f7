"""Waiting for something to become true, without a fixed sleep."""
import os
import time
from pathlib import Path

# Slower programs (sanitizers, a busy machine) get more time; no test demands less for it.
BUILD = Path(os.environ.get("SHAPEWIRE_BIN", "build/bin")).resolve().parent.name
TIME_FACTOR = float(os.environ.get("SHAPEWIRE_TIME_FACTOR")
                    or {"asan": 3, "tsan": 6}.get(BUILD, 1))


def patience(seconds):
    """The upper limit of a time that is `seconds` where nothing slows us down."""
    return seconds * TIME_FACTOR


def until(what, check, seconds=10.0, pause=0.02):
    """Calls check() until it gives something true and returns that; fails after `seconds`.

    `what` says what was waited for. An AssertionError of check() counts as "not yet" and is
    part of the message when the time is over.
    """
    deadline = time.monotonic() + patience(seconds)
    last = None
    while True:
        try:
            found = check()
            if found:
                return found
            last = found
        except AssertionError as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"after {patience(seconds)} s still waiting for {what}: last {last!r}")
        time.sleep(pause)


def never(what, check, seconds):
    """Fails as soon as check() gives something true within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        assert not found, f"{what}: {found!r}"
        time.sleep(0.02)

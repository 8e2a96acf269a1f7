"""Waiting for something to become true, without a fixed sleep."""
import time


def until(what, check, seconds=10.0, pause=0.02):
    """Calls check() until it gives something true and returns that; fails after `seconds`.

    `what` says what was waited for. An AssertionError of check() counts as "not yet" and is
    part of the message when the time is over.
    """
    deadline = time.monotonic() + seconds
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
            raise AssertionError(f"after {seconds} s still waiting for {what}: last {last!r}")
        time.sleep(pause)


def never(what, check, seconds):
    """Fails as soon as check() gives something true within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        assert not found, f"{what}: {found!r}"
        time.sleep(0.02)

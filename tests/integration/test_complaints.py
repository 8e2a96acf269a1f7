"""What a program says of itself, or that it crashed, fails the test that it runs in."""
import re
import signal

import pytest

from pylib.engine import SANITIZER, SERVICES, assert_no_complaints
from pylib.wait import until

REPORTS = [
    "==31==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010",
    "==31==ERROR: LeakSanitizer: detected memory leaks",
    "WARNING: ThreadSanitizer: data race (pid=31)",
    "common/wire.c:31:9: runtime error: left shift of negative value -1",
    "shapewire-api: common/worker.c:177: worker_lane_free: Assertion `lane' failed.",
    '2026-01-01T00:00:00Z warn orchestrator event=service_ended service=api slot=0 pid=31'
    ' reason="signal 11 (Segmentation fault)"',
]


@pytest.mark.parametrize("report", REPORTS)
def test_reports_are_known(report):
    with pytest.raises(AssertionError, match="a program complains of itself"):
        assert_no_complaints(f"all is well\n{report}\n    #0 main main.c:1\n")


def test_what_is_no_complaint():
    assert_no_complaints('warn orchestrator event=service_ended service=api slot=0 pid=31'
                         ' reason="signal 9 (Killed)"\n')


@pytest.mark.parametrize("service", SERVICES)
def test_crash_of_a_service_fails_a_test(engine, service):
    """Each service's reports reach the log that stop() reads, whoever started it."""
    before = engine.wait_all()
    engine.kill(service, signal.SIGSEGV)
    until("its successor", lambda: engine.wait_all()[service] != before[service])
    with pytest.raises(AssertionError, match="a program complains of itself") as error:
        engine.stop()
    if SANITIZER:
        wanted = {"asan": "AddressSanitizer: SEGV", "tsan": "ThreadSanitizer: SEGV"}[SANITIZER]
        assert re.search(wanted, str(error.value)), error.value
    engine.log_path.write_text("")  # or the end of this test would find it again

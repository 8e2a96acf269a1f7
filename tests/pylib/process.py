"""Facts about processes, from /proc."""
import ctypes
import os
import signal
import socket
import subprocess
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent(signum=signal.SIGTERM):
    """For preexec_fn: the child gets `signum` when the test run is killed."""
    libc = ctypes.CDLL(None, use_errno=True)

    def set_signal():
        libc.prctl(PR_SET_PDEATHSIG, signum)

    return set_signal


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alive(pid):
    """True while the process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def status_kb(pid, field):
    """A line such as VmHWM or VmRSS of /proc/pid/status, in kB."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise AssertionError(f"no {field} for process {pid}")


def pss_kb(pid):
    """The process's proportional share of memory, in kB."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        for line in rollup:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    raise AssertionError(f"no Pss for process {pid}")


def cpu_seconds(pid):
    """User and system time that the process has used, in seconds."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def linked_libraries(program):
    """Names of the shared libraries that the program needs itself."""
    out = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True)
    return [line.split("[")[1].split("]")[0] for line in out.stdout.splitlines() if "NEEDED" in line]


def find(marker, prefix):
    """{pid: program name} of processes named `prefix…` whose environment holds `marker`."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name = os.path.basename(os.readlink(entry / "exe")).removesuffix(" (deleted)")
            if not name.startswith(prefix) or not alive(int(entry.name)):
                continue
            if marker.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = name
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found

"""The simulation of ingest notices when a rule of the protocol is missing.

Each mutant is the engine without one rule: some text of the source replaced, the rest as it is.
The simulation must say which invariant broke. A rule that another one covers is not here.

    SIM_RUNS=400 pytest tests/sim     more schedules for each mutant
"""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/release"

GATE = "common/core/shape_gate.c"
APPLY = "services/shape_log_collector/apply.c"
INGEST = "services/shape_log_collector/ingest.c"

# The rule's name, file, text, and what stands there instead.
MUTANTS = [
    # A hello aborts an open transaction: its bytes are cut.
    ("cut_on_hello", APPLY, "!shape_log_abort(feed->log, &err)) {",
     "false && !shape_log_abort(feed->log, &err)) {"),
    # What was decided of a transaction counts for one delivery of it.
    ("decide_anew_on_hello", GATE,
     "gate_on_hello(struct shape_gate *gate)\n{\n    gate->decided_lsn = 0;\n"
     "    gate->inside_lsn = 0;",
     "gate_on_hello(struct shape_gate *gate)\n{\n    (void)gate;"),
    # c <= the last committed transaction of the log is skipped.
    ("skip_log", GATE, " || txn->commit_lsn <= txn->log_commit_lsn", ""),
    # c < L and visible in the marks is skipped.
    ("skip_marks", GATE, "commit_lsn < gate->lsn && marks_see(&gate->marks, xid)",
     "commit_lsn < gate->lsn && xid == 0"),
    # From L on the marks no longer matter.
    ("skip_uses_L", GATE, "commit_lsn < gate->lsn && marks_see",
     "commit_lsn > 0 && marks_see"),
    # 32-bit ids are compared with the low 32 bits, modular.
    ("xid_low_bits", "common/core/visibility.c", "return (int32_t)(a - b) < 0;", "return a < b;"),
    # What arrives between joining and the marks is held.
    ("hold", GATE, "        return GATE_HOLD;", "        return GATE_SKIP;"),
    # A shape that joins inside a transaction ignores the rest of it and counts it as one before.
    ("inside_counts", GATE, "    if (open_lsn != 0) {", "    if (open_lsn == 1) {"),
    # A snapshot that does not see a streamed transaction of its table is taken again.
    ("retake", GATE, "    return marks_see_all(marks, buf_view(&gate->before));",
     "    (void)marks;\n    return true;"),
    # It must see the ids that were unseen when the shape joined.
    ("unseen_at_joining", GATE, "    unseen_of_table(unseen, table, &gate->before);",
     "    (void)unseen;\n    (void)table;"),
    # The ids not yet seen visible are stored with each checkpoint.
    ("unseen_stored", "common/core/unseen.c",
     "position < unseen->words.size; position += 4) {\n        wire_put_u32(",
     "position < 0 * unseen->words.size; position += 4) {\n        wire_put_u32("),
    # Only commit records move the visible end; recovery cuts after the last one.
    ("commit_record", "services/shape_log_collector/log_files.c", "    *end_out = scan.commit;",
     "    *end_out = scan.head;"),
    # A commit record counts only with its bytes intact.
    ("record_crc", "common/core/log_format.c", "    if (scan->crc != record->bytes_crc) {",
     "    if (scan->crc == 0 && record->bytes_crc == 1) {"),
    # A position inside a transaction is no position to begin at.
    ("keepalive_in_order", INGEST, "!apply_is_inside(ingest->apply) && frame->wal_end",
     "frame->wal_end"),
    # The last item of a transaction says so.
    ("last", APPLY, "        item_mark_last(shape_log_items(feed->log));", "        (void)0;"),
]


def libraries():
    makefile = (ROOT / "Makefile").read_text()
    return re.search(r"^LIBS_tests\s*:=\s*(.*)$", makefile, re.M).group(1).split()


def run(program):
    env = {"SIM_RUNS": "300", **os.environ}
    return subprocess.run([program], env=env, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run(["make", "-s", "-j2", "build/release/bin/test_sim_ingest"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name, file, text, instead", MUTANTS, ids=[m[0] for m in MUTANTS])
def test_without_the_rule_an_invariant_breaks(name, file, text, instead, tmp_path):
    source = (ROOT / file).read_text()
    assert source.count(text) == 1, f"{file} has changed: the mutant's text is not there once"
    mutant = tmp_path / "mutant.c"
    mutant.write_text(source.replace(text, instead))
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, "-std=c17", "-O1", "-pthread", "-I.", "-isystem",
                    "/usr/include/postgresql", "-D_GNU_SOURCE", "-o", tmp_path / "sim", mutant,
                    BUILD / "tests/sim/test_sim_ingest.o", BUILD / "libtested.a", "-lcmocka",
                    *libraries()], cwd=ROOT, check=True)
    done = run(tmp_path / "sim")
    broken = re.search(r"seed \d+.*|assertion failed.*", done.stdout + done.stderr)
    assert done.returncode != 0 and broken, f"the simulation did not notice that {name} is missing"
    print(f"{name}: {broken.group(0)}")

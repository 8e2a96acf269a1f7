"""A machine with one rule taken out must be caught by its simulation.

Each mutant is the machine's own source with one rule taken out, linked in front of everything else
that the simulation needs. Where a simulation catches nothing, it proves nothing.
"""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "release"
RUNS = "4000"  # of the simulation's 100,000 histories: one that breaks is among the first
INGEST_RUNS = "300"  # with files; the rarest needs 64

STREAM = "common/core/stream_state.c"
RESTART = "common/core/restart.c"
STATUS = "common/core/status.c"
GATE = "common/core/shape_gate.c"
APPLY = "services/shape_log_collector/apply.c"
INGEST = "services/shape_log_collector/ingest.c"

# rule, source, what stands there, what stands there in the mutant
MUTANTS = [
    ("the admin pool comes before the lock", STREAM,
     "if (state->has_had_admin && state->lock == STREAM_LOCK_DOWN &&",
     "if (state->lock == STREAM_LOCK_DOWN &&"),
    ("nothing but waiting happens without the lock", STREAM,
     "    if (state->lock != STREAM_LOCK_HELD)\n        return actions;\n", ""),
    ("the stream ends with the lock's session", STREAM,
     "unsigned actions = void_hello(state) | close_sender(state);\n"
     "    if (state->lock != STREAM_LOCK_DOWN)",
     "unsigned actions = void_hello(state);\n    if (state->lock != STREAM_LOCK_DOWN)"),
    ("facts are read anew for each hello", STREAM,
     "    state->hello = STREAM_HELLO_NONE;\n    state->has_facts = false;\n",
     "    state->hello = STREAM_HELLO_NONE;\n"),
    ("a new publication needs a new slot", STREAM,
     "state->must_drop_slot |= event->is_new;", ""),
    ("the incarnation that agreed must be ready", STREAM,
     "state->hello == STREAM_HELLO_AGREED && state->is_current_ready &&",
     "state->hello == STREAM_HELLO_AGREED &&"),
    ("a later life voids what an earlier one agreed to", STREAM,
     "incarnation_compare(state->current, state->agreed) > 0)\n        return void_hello(state);\n"
     "    return 0;",
     "false)\n        return void_hello(state);\n    return 0;"),
    ("the word of a dead collector does not count", STREAM,
     "if (incarnation_compare(state->current, event->collector) > 0)", "if (false)"),
    ("a running stream cannot be rewound", STREAM,
     "return state->is_old_hello ? close_sender(state) : 0;", "return 0;"),
    ("another server starts everything anew", STREAM, "    if (is_other) {", "    if (false) {"),
    ("one task at a time", STREAM,
     "if (state->task != STREAM_TASK_NONE || !is_due(state, STREAM_PART_TASK, now_ms))",
     "if (!is_due(state, STREAM_PART_TASK, now_ms))"),
    ("asleep nothing is opened", STREAM,
     "if (!state->is_halted && !state->is_asleep)", "if (!state->is_halted)"),
    ("a failure is not the end", STREAM,
     "[STREAM_PART_LOCK] = state->lock == STREAM_LOCK_DOWN && state->has_had_admin,",
     "[STREAM_PART_LOCK] = false,"),
    ("one process at most", RESTART, "if (!is_alive(restart)) {", "if (false) {"),
    ("who is not wanted is not started", RESTART,
     "    if (!restart->is_wanted) {\n        restart->state = RESTART_STOPPED;",
     "    if (false) {\n        restart->state = RESTART_STOPPED;"),
    ("nobody is killed who answers", RESTART,
     "            restart->deadline_ms = event.now_ms + RESTART_SILENCE_MS;\n", ""),
    ("the delays grow", RESTART, "delay_ms *= 2;", "delay_ms *= 1;"),
    ("who leaves has its time", RESTART,
     "restart->deadline_ms = event->now_ms + event->limit_ms;",
     "restart->deadline_ms = event->now_ms;"),
    ("a start that fails is not tried in a circle", RESTART,
     "restart->failures += restart->failures == 0 ? 1 : 0;", ""),
    ("who is wanted is not forgotten", RESTART,
     "    restart->deadline_ms = event->now_ms + with_jitter(delay_ms, event->random_bits);",
     "    restart->deadline_ms = 0;"),
    ("conditions die with their life", STATUS,
     "    entry_forget_report(entry);\n    entry->pid = ", "    entry->pid = "),
    ("a late word of the dead changes nothing", STATUS,
     "if (!is_somebody(entry->who) || incarnation_compare(entry->who, who) == 0) {", "if (true) {"),
    ("a condition counts only when its owner says so", STATUS,
     "        if (condition < STATUS_CONDITION_COUNT &&\n"
     "            strcmp(conditions[condition].owner, entry->service) == 0) {\n"
     "            met[condition] = said->met;",
     "        if (condition < STATUS_CONDITION_COUNT) {\n"
     "            met[condition] = met[condition] || said->met;"),
    ("sleep is the connection's alone", STATUS,
     "    if (strcmp(entry->service, CONNECTION) == 0) {\n        *is_sleeping",
     "    {\n        *is_sleeping"),

    # The rules of design sections 4 to 6, by the names that the protocol's model gives them.
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
SIMULATION = {STREAM: "stream", RESTART: "restart", STATUS: "status"}  # of others: "ingest"


def run(program, simulation):
    runs = INGEST_RUNS if simulation == "ingest" else RUNS
    return subprocess.run([program], env={"SIM_RUNS": runs, **os.environ}, text=True,
                          capture_output=True, timeout=300)


def libraries():
    makefile = (ROOT / "Makefile").read_text()
    return re.search(r"^LIBS_tests\s*:=\s*(.*)$", makefile, re.M).group(1).split()


@pytest.fixture(scope="module")
def simulations():
    names = [*SIMULATION.values(), "ingest"]
    programs = [f"build/release/bin/test_sim_{name}" for name in names]
    subprocess.run(["make", "-s", "-j2", *programs], cwd=ROOT, check=True, capture_output=True)
    for name, program in zip(names, programs):
        done = run(ROOT / program, name)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule,source,old,new", MUTANTS, ids=[each[0] for each in MUTANTS])
def test_a_rule_that_is_missing_is_noticed(simulations, tmp_path, rule, source, old, new):
    text = (ROOT / source).read_text()
    assert old in text, f"{source} has no place like that any more: {old}"
    mutant, program = tmp_path / "mutant.c", tmp_path / "mutant"
    mutant.write_text(text.replace(old, new))
    simulation = SIMULATION.get(source, "ingest")
    subprocess.run([*os.environ.get("CC", "cc").split(), "-std=c17", "-O1", "-g", "-pthread",
                    "-D_GNU_SOURCE", f"-I{ROOT}", "-isystem", "/usr/include/postgresql", "-o",
                    program, mutant, BUILD / "tests" / "sim" / f"test_sim_{simulation}.o",
                    BUILD / "libtested.a", "-lcmocka", *libraries()], check=True, cwd=ROOT)
    done = run(program, simulation)
    assert done.returncode != 0, f"nothing noticed that '{rule}' is not kept"
    found = re.search(r"seed \d+.*|assertion failed.*", done.stdout + done.stderr)
    print(found.group(0) if found else done.returncode)

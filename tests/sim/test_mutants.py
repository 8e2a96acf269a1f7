"""A machine with one rule taken out must be caught by its simulation.

Each mutant is the machine's own source with one rule taken out, linked in front of everything else
that the simulation needs. Where a simulation catches nothing, it proves nothing.
"""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "release"
RUNS = "4000"  # of the simulation's 100,000 histories: one that breaks is among the first

STREAM = "common/core/stream_state.c"
RESTART = "common/core/restart.c"
STATUS = "common/core/status.c"

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
]
SIMULATION = {STREAM: "stream", RESTART: "restart", STATUS: "status"}


def run(program):
    return subprocess.run([program], env={**os.environ, "SIM_RUNS": RUNS}, text=True,
                          capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def simulations():
    programs = [f"build/release/bin/test_sim_{name}" for name in SIMULATION.values()]
    subprocess.run(["make", "-s", *programs], cwd=ROOT, check=True, capture_output=True)
    for program in programs:
        done = run(ROOT / program)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule,source,old,new", MUTANTS, ids=[each[0] for each in MUTANTS])
def test_a_rule_that_is_missing_is_noticed(simulations, tmp_path, rule, source, old, new):
    text = (ROOT / source).read_text()
    assert old in text, f"{source} has no place like that any more: {old}"
    mutant, program = tmp_path / "mutant.c", tmp_path / "mutant"
    mutant.write_text(text.replace(old, new))
    simulation = BUILD / "tests" / "sim" / f"test_sim_{SIMULATION[source]}.o"
    subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-O1", "-g", "-pthread", "-D_GNU_SOURCE",
                    f"-I{ROOT}", "-o", program, mutant, simulation, BUILD / "libtested.a",
                    "-lcmocka", "-lmsgpackc", "-lnng", "-lm"], check=True, cwd=ROOT)
    assert run(program).returncode != 0, f"nothing noticed that '{rule}' is not kept"

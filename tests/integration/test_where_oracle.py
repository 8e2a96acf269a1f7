"""The where language means what Postgres means: see docs/testing.md, "The oracle of where clauses".

SHAPEWIRE_ORACLE_PAIRS (50,000; `make oracle`: 1,000,000) and SHAPEWIRE_SEED decide a run.
"""
import os
import random

from pylib.where_oracle import Oracle

PAIRS = int(os.environ.get("SHAPEWIRE_ORACLE_PAIRS", "50000"))
SEED = int(os.environ.get("SHAPEWIRE_SEED", random.randrange(1 << 30)))


def test_random_clauses_have_the_truth_that_postgres_gives_them(make_cluster):
    oracle = Oracle(make_cluster().start(), SEED, PAIRS).run()
    for line in oracle.lines():
        print(line)
    assert not oracle.failures, f"{len(oracle.failures)} disagreements\n" + "\n\n".join(oracle.failures.values())
    assert oracle.accepted >= 0.6 * oracle.generated, f"seed {SEED}: {oracle.accepted} of {oracle.generated} accepted"
    below = oracle.rows_below()
    assert not below, f"seed {SEED}: too few pairs of " + "; ".join(oracle.name(use) for use in below)

/*
 * pg_fixture.h - a loop, its workers, and a scripted Postgres with an endpoint to it.
 */
#ifndef TESTS_PG_FIXTURE_H
#define TESTS_PG_FIXTURE_H

#include "common/config.h"
#include "services/connection/endpoint.h"
#include "services/connection/lock.h"
#include "services/connection/pool.h"
#include "tests/lib/fake_pg.h"

struct pg_fixture {
    struct loop *loop;
    struct worker_pool *workers;
    struct config config;
    struct fake_pg *pg;
    struct endpoint *endpoint;
    struct pool *pool; /* of pg_fixture_sessions() */
    struct lock *lock;
    struct loop_timer watchdog;
};

void pg_fixture_init(struct pg_fixture *f, const char *name);
void pg_fixture_fini(struct pg_fixture *f);

/*
 * Makes a pool of two sessions and a lock, neither started, and the caller's to free. The lock is
 * taken once it is open, and then the loop stops.
 */
void pg_fixture_sessions(struct pg_fixture *f);

/* Runs the loop until somebody stops it; the test ends when nobody does for ten seconds. */
void pg_fixture_run(struct pg_fixture *f);

/* Runs the loop for so long. */
void pg_fixture_run_ms(struct pg_fixture *f, uint64_t ms);

#endif

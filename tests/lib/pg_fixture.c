#include "tests/lib/pg_fixture.h"

static void
on_watchdog(void *ctx)
{
    (void)ctx;
    BUG("nobody stopped the loop");
}

static void
on_over(void *ctx)
{
    loop_stop(ctx);
}

void
pg_fixture_init(struct pg_fixture *f, const char *name)
{
    struct err err;
    *f = (struct pg_fixture){0};
    ASSERT(loop_new(&f->loop, &err));
    ASSERT(worker_pool_new(f->loop, 1, &f->workers, &err));
    f->pg = fake_pg_new(f->loop, name);
    struct endpoint_env env = {f->loop, f->workers, &f->config};
    ASSERT(endpoint_new(&env, "DATABASE_URL", fake_pg_url(f->pg), &f->endpoint, &err));
}

void
pg_fixture_fini(struct pg_fixture *f)
{
    fake_pg_free(f->pg); /* who cancels something waits for it to close */
    worker_pool_settle(f->workers);
    endpoint_free(f->endpoint);
    worker_pool_free(f->workers);
    loop_free(f->loop);
}

void
pg_fixture_run(struct pg_fixture *f)
{
    loop_timer_init(&f->watchdog, f->loop, on_watchdog, f);
    loop_timer_set(&f->watchdog, 10000);
    loop_run(f->loop);
    loop_timer_clear(&f->watchdog);
}

void
pg_fixture_run_ms(struct pg_fixture *f, uint64_t ms)
{
    struct loop_timer over;
    loop_timer_init(&over, f->loop, on_over, f->loop);
    loop_timer_set(&over, ms);
    loop_run(f->loop);
    loop_timer_clear(&over);
}

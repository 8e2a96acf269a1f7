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

static void
on_change(void *ctx, const struct pg_failure *failed)
{
    (void)ctx;
    (void)failed;
}

static void
on_opened(void *ctx)
{
    struct pg_fixture *f = ctx;
    lock_take(f->lock);
}

static void
on_locked(void *ctx)
{
    struct pg_fixture *f = ctx;
    loop_stop(f->loop);
}

static void
on_gone(void *ctx)
{
    (void)ctx;
}

void
pg_fixture_sessions(struct pg_fixture *f)
{
    f->pool = pool_new(&(struct pool_def){.loop = f->loop,
                                          .endpoint = f->endpoint,
                                          .name = "test",
                                          .size_max = 2,
                                          .size_kept = 1,
                                          .wait_ms = 500,
                                          .changed = on_change});
    f->lock = lock_new(&(struct lock_def){.loop = f->loop,
                                          .endpoint = f->endpoint,
                                          .slot = "slot",
                                          .publication = "pub",
                                          .opened = on_opened,
                                          .locked = on_locked,
                                          .failed = on_change,
                                          .publication_gone = on_gone,
                                          .ctx = f});
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

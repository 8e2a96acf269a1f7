/*
 * Whatever happens between two steps (a hello in the middle of a transaction, a crash of the
 * process or of the machine, commits that are streamed before they are visible, ids that come
 * round), a client's rows are always those of one moment of the table. The numbers are those of the
 * protocol's invariants:
 *
 *     1  at every visible end, snapshot plus log is the table as every transaction left it that the
 *        snapshot saw or that committed up to there
 *     2  every item fits what the client has, offsets increase, a transaction ends with last:true
 *     3  what may be acknowledged is never beyond what is durable
 *     5  what was ever below a visible end never changes; a log may be shorter for a while
 *     7  no shape ends without a reason
 *
 * A run is a function of its seed. SIM_SEED=n runs that one alone, SIM_RUNS=n so many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/lib/ingest_fixture.h"
#include "tests/lib/sim_postgres.h"

#define SHAPES 4
#define STEPS  220

/* So small that a transaction may hold the end of a chunk. */
#define CHUNK_BYTES 300

enum shape_state {
    SHAPE_NONE,
    SHAPE_NEW,
    SHAPE_JOINED,
    SHAPE_OPEN,     /* the marks are known */
    SHAPE_COMPLETE, /* in the catalogue: survives a crash */
};

struct snapshot_session {
    bool is_there;
    uint64_t joining; /* that it was asked for */
    struct marks marks;
    uint64_t xip[SIM_TXNS_MAX];
    uint64_t lsn;
};

struct sim_shape {
    struct fixture_shape shape;
    enum shape_state state;
    unsigned table;
    const char *where; /* NULL, or the only value it has */
    struct snapshot_session session;
    uint64_t xip[SIM_TXNS_MAX];
    struct marks marks; /* the accepted ones */
    uint64_t lsn;
    struct buf history;
    off_t durable_log;
    off_t durable_index;
};

struct sim {
    uint64_t seed;
    unsigned step;
    struct ingest_fixture f;
    struct sim_postgres pg;
    struct sim_stream stream;
    struct sim_shape shapes[SHAPES];
    unsigned handle_count;
    struct buf unseen; /* of the checkpoint */
};

/* Says what broke and where, for SIM_SEED. */
#define CHECK(sim, condition)                                                               \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            print_error("seed %lu, step %u: %s\n", (unsigned long)(sim)->seed, (sim)->step, \
                        #condition);                                                        \
            fail();                                                                         \
        }                                                                                   \
    } while (0)

/* ---- the client */

static bool
is_in(const struct sim_shape *shape, const char *value)
{
    return value != NULL && (shape->where == NULL || strcmp(shape->where, value) == 0);
}

static void
filter(const struct sim_shape *shape, sim_table rows)
{
    for (size_t key = 0; key < SIM_KEYS; key++) {
        rows[key] = is_in(shape, rows[key]) ? rows[key] : NULL;
    }
}

static struct log_offset
offset_of(const json_t *headers)
{
    return (struct log_offset){
        strtoull(json_string_value(json_object_get(headers, "lsn")), NULL, 10),
        (uint64_t)json_integer_value(json_object_get(headers, "op_position"))};
}

/* Invariant 2, item by item. */
static void
apply_item(struct sim *sim, json_t *item, sim_table rows)
{
    const char *key = json_string_value(json_object_get(item, "key"));
    unsigned number = (unsigned)(key[strlen(key) - 2] - '1');
    json_t *headers = json_object_get(item, "headers");
    const char *operation = json_string_value(json_object_get(headers, "operation"));
    const char *value = json_string_value(json_object_get(json_object_get(item, "value"), "v"));
    CHECK(sim, number < SIM_KEYS);
    CHECK(sim, (strcmp(operation, "insert") == 0) == (rows[number] == NULL));
    if (strcmp(operation, "delete") == 0) {
        rows[number] = NULL;
    } else {
        CHECK(sim, value != NULL);
        rows[number] = value;
    }
}

static void
replay(struct sim *sim, json_t *items, sim_table rows)
{
    struct log_offset before = {0};
    bool was_last = true;
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *headers = json_object_get(json_array_get(items, i), "headers");
        struct log_offset offset = offset_of(headers);
        CHECK(sim, offset_compare(before, offset) < 0);
        CHECK(sim, was_last == (offset.lsn != before.lsn));
        apply_item(sim, json_array_get(items, i), rows);
        before = offset;
        was_last = json_is_true(json_object_get(headers, "last"));
    }
    CHECK(sim, was_last);
}

static json_t *
parse(const char *log)
{
    size_t size = strlen(log);
    char *text = malloc(size + 3);
    assert_non_null(text);
    snprintf(text, size + 3, "[%s", log);
    text[size == 0 ? 1 : size] = ']';
    text[size == 0 ? 2 : size + 1] = '\0';
    json_t *items = json_loads(text, 0, NULL);
    free(text);
    return items;
}

static void
check_shape(struct sim *sim, struct sim_shape *shape)
{
    if (shape->state < SHAPE_OPEN) {
        return;
    }
    CHECK(sim, shape->shape.end_reason == NULL);
    const char *log = fixture_shape_log(&sim->f, &shape->shape);
    size_t size = strlen(log);
    size_t known = shape->history.size < size ? shape->history.size : size;
    CHECK(sim, known == 0 || memcmp(shape->history.bytes, log, known) == 0);
    buf_append(&shape->history, log + known, size - known);

    sim_table rows;
    sim_table wanted;
    uint64_t end = shape_log_end(shape->shape.feed.log).lsn;
    json_t *items = parse(log);
    CHECK(sim, items != NULL);
    sim_postgres_rows(&sim->pg, shape->table, &shape->marks, 0, rows);
    filter(shape, rows);
    replay(sim, items, rows);
    sim_postgres_rows(&sim->pg, shape->table, &shape->marks, end, wanted);
    filter(shape, wanted);
    for (size_t key = 0; key < SIM_KEYS; key++) {
        CHECK(sim, (rows[key] == NULL) == (wanted[key] == NULL));
        CHECK(sim, rows[key] == NULL || wanted[key] == NULL || strcmp(rows[key], wanted[key]) == 0);
    }
    json_decref(items);
}

static void
check_all(struct sim *sim)
{
    CHECK(sim, !sim->f.has_failed);
    for (size_t i = 0; i < SHAPES; i++) {
        check_shape(sim, &sim->shapes[i]);
    }
}

/* ---- shapes */

static void
forget_shape(struct sim *sim, struct sim_shape *shape)
{
    fixture_shape_close(&sim->f, &shape->shape);
    fixture_shape_fini(&shape->shape);
    buf_free(&shape->history);
    *shape = (struct sim_shape){0};
}

static void
make_shape(struct sim *sim, struct sim_shape *shape)
{
    char handle[32];
    snprintf(handle, sizeof handle, "1-%u", ++sim->handle_count);
    shape->table = (unsigned)sim_chance(&sim->pg.seed, SIM_TABLES);
    shape->where = sim_chance(&sim->pg.seed, 2) == 0 ? NULL : "x";
    fixture_shape_init(&shape->shape, &SIM_TABLE[shape->table], handle, NULL, 0,
                       shape->where == NULL ? NULL : "v = 'x'");
    fixture_shape_open(&sim->f, &shape->shape, true);
    shape->state = SHAPE_NEW;
}

/* Its snapshot is lost, or sees too little: back to the start. */
static void
leave(struct sim *sim, struct sim_shape *shape)
{
    ingest_leave(sim->f.ingest, &shape->shape.feed);
    gate_leave(&shape->shape.feed.gate);
    held_clear(&shape->shape.feed.held);
    shape->session.is_there = false;
    shape->state = SHAPE_NEW;
}

static void
take_snapshot(struct sim *sim, struct sim_shape *shape)
{
    shape->session.is_there = true;
    shape->session.joining = shape->shape.feed.gate.joining;
    shape->session.marks = sim_postgres_snapshot(&sim->pg, shape->session.xip);
    shape->session.lsn = sim->pg.insert_lsn;
}

static void
take_marks(struct sim *sim, struct sim_shape *shape)
{
    struct shape_feed *feed = &shape->shape.feed;
    if (!shape->session.is_there || shape->session.joining != feed->gate.joining) {
        return;
    }
    unseen_prune(ingest_unseen(sim->f.ingest), &shape->session.marks);
    if (!gate_accepts(&feed->gate, &shape->session.marks)) {
        leave(sim, shape);
        return;
    }
    shape->marks = shape->session.marks;
    memcpy(shape->xip, shape->session.xip, sizeof shape->xip);
    shape->marks.xip = shape->xip;
    shape->lsn = shape->session.lsn;
    shape->state = SHAPE_OPEN;
    ingest_open(sim->f.ingest, feed, &shape->marks, shape->lsn);
}

/* One step of one shape's life. */
static void
step_shape(struct sim *sim)
{
    struct sim_shape *shape = &sim->shapes[sim_chance(&sim->pg.seed, SHAPES)];
    switch (shape->state) {
    case SHAPE_NONE:
        make_shape(sim, shape);
        return;
    case SHAPE_NEW:
        ingest_join(sim->f.ingest, &shape->shape.feed);
        shape->state = SHAPE_JOINED;
        return;
    case SHAPE_JOINED:
        if (!shape->session.is_there) {
            take_snapshot(sim, shape);
        } else {
            take_marks(sim, shape);
        }
        return;
    case SHAPE_OPEN:
    case SHAPE_COMPLETE:
        if (sim_chance(&sim->pg.seed, 20) == 0) {
            forget_shape(sim, shape); /* DELETE */
        }
        return;
    }
}

/* ---- stream, checkpoint, hello, crash */

static void
stream_some(struct sim *sim, size_t events)
{
    while (events-- > 0 && sim_stream_next(&sim->stream, &sim->pg, &sim->f.frames)) {
        /* Inside a transaction Postgres says where it reads, which is behind the commit. */
        if (sim->stream.step > 0 && sim_chance(&sim->pg.seed, 8) == 0) {
            script_keepalive(&sim->f.frames, sim->pg.insert_lsn, false);
        }
    }
    if (sim->stream.number == sim->pg.wal_count && sim_chance(&sim->pg.seed, 2) == 0) {
        script_keepalive(&sim->f.frames, sim->pg.insert_lsn, false);
    }
    ingest_fixture_send(&sim->f);
}

static off_t
file_size(const struct sim *sim, const struct sim_shape *shape, const char *suffix)
{
    struct stat st;
    const char *path = storage_fixture_file(&sim->f.storage, shape->shape.handle, suffix);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* All files are synced, then the catalogue has the position: one moment here. */
static void
checkpoint(struct sim *sim)
{
    uint64_t received = ingest_received_lsn(sim->f.ingest);
    sim->f.checkpoint_lsn = received > sim->f.checkpoint_lsn ? received : sim->f.checkpoint_lsn;
    buf_clear(&sim->unseen);
    unseen_encode(ingest_unseen(sim->f.ingest), &sim->unseen);
    for (size_t i = 0; i < SHAPES; i++) {
        struct sim_shape *shape = &sim->shapes[i];
        shape->durable_log = file_size(sim, shape, "log");
        shape->durable_index = file_size(sim, shape, "index");
        if (shape->state == SHAPE_OPEN && sim_chance(&sim->pg.seed, 2) == 0) {
            shape->state = SHAPE_COMPLETE;
        }
    }
    CHECK(sim, sim->f.checkpoint_lsn <= sim->pg.insert_lsn);
}

static void
hello(struct sim *sim)
{
    ingest_abandon(sim->f.ingest);
    for (size_t i = 0; i < SHAPES; i++) {
        if (sim->shapes[i].state == SHAPE_JOINED) {
            leave(sim, &sim->shapes[i]);
        }
    }
    ingest_start_stream(sim->f.ingest, sim->f.checkpoint_lsn);
    sim->stream = sim_stream_start(&sim->pg, sim->f.checkpoint_lsn);
}

/* What was not durable is cut off, or is there as bytes that were never written. */
static void
cut(struct sim *sim, const struct sim_shape *shape, const char *suffix, off_t durable)
{
    off_t size = file_size(sim, shape, suffix);
    if (size > durable) {
        const char *path = storage_fixture_file(&sim->f.storage, shape->shape.handle, suffix);
        off_t left = durable + (off_t)sim_chance(&sim->pg.seed, (uint64_t)(size - durable) + 1);
        assert_int_equal(truncate(path, left), 0);
        if (sim_chance(&sim->pg.seed, 2) == 0) {
            assert_int_equal(truncate(path, size), 0);
        }
    }
}

static void
restore(struct sim *sim, struct sim_shape *shape)
{
    struct shape_feed *feed = &shape->shape.feed;
    fixture_shape_open(&sim->f, &shape->shape, false);
    gate_restore(&feed->gate, marks_copy(&shape->marks), shape->lsn);
    ingest_restore(sim->f.ingest, feed);
}

/* The process dies; with `is_power_cut` the machine as well. */
static void
crash(struct sim *sim, bool is_power_cut)
{
    struct err err;
    for (size_t i = 0; i < SHAPES; i++) {
        struct sim_shape *shape = &sim->shapes[i];
        if (shape->state == SHAPE_COMPLETE) {
            fixture_shape_close(&sim->f, &shape->shape);
            if (is_power_cut) {
                cut(sim, shape, "log", shape->durable_log);
                cut(sim, shape, "index", shape->durable_index);
            }
        } else if (shape->state != SHAPE_NONE) {
            forget_shape(sim, shape);
        }
    }
    ingest_fixture_crash(&sim->f);
    CHECK(sim, unseen_decode(ingest_unseen(sim->f.ingest), buf_view(&sim->unseen), &err));
    for (size_t i = 0; i < SHAPES; i++) {
        if (sim->shapes[i].state == SHAPE_COMPLETE) {
            restore(sim, &sim->shapes[i]);
        }
    }
    hello(sim);
}

static void
prune(struct sim *sim)
{
    uint64_t xip[SIM_TXNS_MAX];
    struct marks marks = sim_postgres_snapshot(&sim->pg, xip);
    unseen_prune(ingest_unseen(sim->f.ingest), &marks);
}

/* ---- a run */

static void
step(struct sim *sim)
{
    uint64_t chance = sim_chance(&sim->pg.seed, 100);
    if (chance < 15) {
        sim_postgres_begin(&sim->pg);
    } else if (chance < 28) {
        sim_postgres_commit(&sim->pg);
    } else if (chance < 40) {
        sim_postgres_end(&sim->pg);
    } else if (chance < 65) {
        stream_some(sim, 1 + sim_chance(&sim->pg.seed, 9));
    } else if (chance < 85) {
        step_shape(sim);
    } else if (chance < 90) {
        checkpoint(sim);
    } else if (chance < 94) {
        prune(sim);
    } else if (chance < 97) {
        hello(sim);
    } else {
        crash(sim, chance == 99);
    }
}

static void
stream_all(struct sim *sim)
{
    while (sim->stream.number < sim->pg.wal_count) {
        stream_some(sim, 9);
    }
    script_keepalive(&sim->f.frames, sim->pg.insert_lsn, false);
    ingest_fixture_send(&sim->f);
}

/* All that was committed is in the logs, for whoever is in it. */
static void
check_at_rest(struct sim *sim)
{
    check_all(sim);
    CHECK(sim, ingest_received_lsn(sim->f.ingest) == sim->pg.insert_lsn);
    for (size_t i = 0; i < SHAPES; i++) {
        struct sim_shape *shape = &sim->shapes[i];
        sim_table at_end;
        sim_table now;
        uint64_t end = shape->state < SHAPE_OPEN ? 0 : shape_log_end(shape->shape.feed.log).lsn;
        sim_postgres_rows(&sim->pg, shape->table, &shape->marks, end, at_end);
        sim_postgres_rows(&sim->pg, shape->table, &shape->marks, UINT64_MAX, now);
        filter(shape, at_end);
        filter(shape, now);
        CHECK(sim, shape->state < SHAPE_OPEN || memcmp(at_end, now, sizeof now) == 0);
    }
}

/* Half of all ids pass: what was before is now after, modulo 2^32. Nothing is unseen then. */
static void
pass_ids(struct sim *sim)
{
    prune(sim);
    sim->pg.next_xid += 1ull << 31;
    for (unsigned i = 0; i < 4; i++) {
        sim_postgres_begin(&sim->pg);
        sim_postgres_commit(&sim->pg);
    }
    sim_postgres_settle(&sim->pg);
}

/* Faults stop: in the end every shape has what the table has, also after ids have come round. */
static void
come_to_rest(struct sim *sim)
{
    sim_postgres_settle(&sim->pg);
    hello(sim);
    stream_all(sim);
    pass_ids(sim);
    stream_all(sim);
    check_at_rest(sim);
    for (unsigned i = 0; i < 2000; i++) {
        stream_some(sim, 4);
        step_shape(sim);
    }
    check_at_rest(sim);
}

static void
run(struct sim *sim, uint64_t seed)
{
    sim->seed = seed;
    sim_postgres_init(&sim->pg, seed);
    sim->stream = (struct sim_stream){0};
    buf_clear(&sim->unseen);
    sim->f.checkpoint_lsn = 0;
    ingest_fixture_crash(&sim->f);
    ingest_start_stream(sim->f.ingest, 0);
    for (sim->step = 0; sim->step < STEPS; sim->step++) {
        step(sim);
        check_all(sim);
    }
    come_to_rest(sim);
    for (size_t i = 0; i < SHAPES; i++) {
        if (sim->shapes[i].state != SHAPE_NONE) {
            forget_shape(sim, &sim->shapes[i]);
        }
    }
}

static void
test_any_schedule_keeps_the_invariants(void **state)
{
    (void)state;
    struct sim *sim = calloc(1, sizeof *sim);
    assert_non_null(sim);
    const char *one = getenv("SIM_SEED");
    const char *many = getenv("SIM_RUNS");
    uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    uint64_t runs = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 10) : 60;
    ingest_fixture_init(&sim->f, "sim_ingest");
    sim->f.storage.chunk_bytes = CHUNK_BYTES; /* each run opens the storage anew */
    for (uint64_t i = 0; i < runs; i++) {
        run(sim, first + i);
    }
    ingest_fixture_fini(&sim->f);
    buf_free(&sim->unseen);
    free(sim);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_schedule_keeps_the_invariants)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What a row costs on its way to its shapes, whatever their number: a message of the stream is
 * decoded, laid out and asked of the filter index, and what is found is evaluated. No log is
 * written. CPU time, the best of several passes.
 *
 *     bench_routing [SHAPES_MAX]
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/core/pgoutput.h"
#include "common/mem.h"
#include "common/sql_parse.h"
#include "services/shape_log_collector/routing.h"

#define ROWS    20000
#define PASSES  9
#define COLUMNS 8

static struct view
text(const char *s)
{
    return view_str(s);
}

#define COLUMN(label, oid, array)                                                          \
    {                                                                                      \
        .name = {(const uint8_t *)(label), sizeof(label) - 1},                             \
        .type_name = {(const uint8_t *)"t", 1}, .type_oid = (oid), .base_type_oid = (oid), \
        .element_type_oid = (array), .type_kind = 'b'                                      \
    }

static struct column columns[COLUMNS] = {
    COLUMN("id", 20, 0),      COLUMN("tenant", 23, 0), COLUMN("name", 25, 0),
    COLUMN("tags", 1009, 25), COLUMN("doc", 3802, 0),  COLUMN("at", 1184, 0),
    COLUMN("done", 16, 0),    COLUMN("note", 25, 0),
};

/* A clause for shape number #, and the row that is in it alone. */
struct form {
    const char *name;
    const char *where;
    const char *row[COLUMNS];
};

static const struct form forms[] = {
    {"equal", "id = #", {"#"}},
    {"equal_text", "name = 'user-#'", {"#", "7", "user-#"}},
    {"in_list", "id IN (#, -1, -2#)", {"#"}},
    {"any_array", "id = ANY ('{#,-1}'::int8[])", {"#"}},
    {"and_rest", "tenant = # AND note LIKE '%fox%'", {"7", "#"}},
    {"two_columns", "tenant = # AND id = #", {"#", "#"}},
    {"row_in_list", "(tenant, id) IN ((#, 1), (#, 2))", {"2", "#"}},
    {"or_both_sides", "tenant = # OR name = 'user-#'", {"7", "#", "someone else"}},
    {"between", "id BETWEEN #0 AND #9", {"#5"}},
    {"range_time",
     "at >= '2000-01-01 00:00:00+00'::timestamptz + '# min' AND at < '2000-01-01 "
     "00:00:00+00'::timestamptz "
     "+ '# min 59 s'",
     {"1", "7", "x", "{}", "{}", "~"}},
    {"null_and_equal", "done IS NULL AND tenant = #", {"1", "#", "x", "{}", "{}", "", NULL}},
    {"boolean_and_equal", "done AND tenant = #", {"1", "#"}},
    {"like_prefix", "name LIKE 'user-#-%'", {"1", "7", "user-#-x"}},
    {"array_contains", "tags @> '{tag#}'", {"1", "7", "x", "{red,tag#}"}},
    {"any_of_column", "'tag#' = ANY (tags)", {"1", "7", "x", "{red,tag#}"}},
    {"jsonb_path",
     "doc ->> 'owner' = 'o#'",
     {"1", "7", "x", "{}", "{\"owner\": \"o#\", \"n\": 1}"}},
    {"jsonb_contains",
     "doc @> '{\"owner\": \"o#\"}'",
     {"1", "7", "x", "{}", "{\"owner\": \"o#\", \"n\": 1}"}},
    {"jsonb_key", "doc ? 'k#'", {"1", "7", "x", "{}", "{\"k#\": true, \"n\": 1}"}},
    {"expression", "lower(name) = 'user-#'", {"1", "7", "User-#"}},
    {"like_part",
     "note LIKE '%item-#-%'",
     {"1", "7", "x", "{}", "{}", "", "t", "an item-#-of many"}},
};

static const char *const usual[COLUMNS] = {"1",
                                           "7",
                                           "someone",
                                           "{red,green}",
                                           "{\"owner\": \"nobody\", \"n\": 1}",
                                           "1999-01-01 00:00:00+00",
                                           "t",
                                           "the quick brown fox jumps over the lazy dog"};

/* ---- text with numbers in it */

/* # is the number; ~ the moment of that many minutes after 2000-01-01. */
static void
append(const char *form, size_t number, struct buf *out)
{
    for (; *form != '\0'; form++) {
        if (*form == '#') {
            buf_append_u64(out, number);
        } else if (*form == '~') {
            time_t at = (time_t)(946684800 + number * 60 + 30);
            struct tm parts;
            char moment[32];
            strftime(moment, sizeof moment, "%Y-%m-%d %H:%M:%S+00", gmtime_r(&at, &parts));
            buf_append_str(out, moment);
        } else {
            buf_append_byte(out, (uint8_t)*form);
        }
    }
}

static void
put_be(struct buf *out, uint64_t v, size_t size)
{
    for (size_t i = size; i-- > 0;) {
        buf_append_byte(out, (uint8_t)(v >> (8 * i)));
    }
}

/* An insert as pgoutput sends it. */
static void
append_row(const struct form *form, size_t number, struct buf *out)
{
    buf_append_byte(out, 'I');
    put_be(out, 1000, 4);
    buf_append_byte(out, 'N');
    put_be(out, COLUMNS, 2);
    for (size_t i = 0; i < COLUMNS; i++) {
        struct buf value = {0};
        bool is_null = i == 6 && strcmp(form->name, "null_and_equal") == 0;
        if (is_null) {
            buf_append_byte(out, 'n');
            continue;
        }
        bool is_given = form->row[i] != NULL && form->row[i][0] != '\0';
        append(is_given ? form->row[i] : usual[i], number, &value);
        buf_append_byte(out, 't');
        put_be(out, value.size, 4);
        buf_append_view(out, buf_view(&value));
        buf_free(&value);
    }
}

/* ---- shapes */

struct bench {
    struct routing *routing;
    struct shape_frames *frames;
    struct shape_feed *feeds;
    size_t count;
    size_t index_bytes; /* all of the index */
    size_t def_bytes;   /* all of the definitions */
};

static size_t
heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static struct shape_def *
define(const char *where, size_t number, struct arena *mem)
{
    struct err err;
    const char *field = "";
    struct sql_node *tree;
    struct buf sql = {0};
    struct shape_def *def;
    struct relation table = {1000, text("public"), text("items"), COLUMNS, columns};
    struct shape_wish wish = {0};
    append(where, number, &sql);
    if (!sql_parse_where(buf_view(&sql), mem, &tree, &err)) {
        fprintf(stderr, "%s: %s\n", buf_str(&sql), err.msg);
        exit(1);
    }
    wish.where = tree;
    if (!shape_def_build(&table, &wish, &def, &field, &err)) {
        fprintf(stderr, "%s: %s: %s\n", buf_str(&sql), field, err.msg);
        exit(1);
    }
    buf_free(&sql);
    return def;
}

/* As they are loaded at a start: from their bytes. */
static void
load_shapes(struct bench *bench, const struct buf *bytes, const size_t *ends)
{
    size_t start = 0;
    size_t before = heap_bytes();
    for (size_t i = 0; i < bench->count; i++) {
        struct err err;
        struct shape_def *def;
        struct view one = {bytes->bytes + start, ends[i] - start};
        bool ok = shape_def_decode(one, bench->frames, &def, &err);
        ASSERT(ok);
        start = ends[i];
        bench->feeds[i].def = def;
    }
    bench->def_bytes = heap_bytes() - before;
    before = heap_bytes();
    for (size_t i = 0; i < bench->count; i++) {
        routing_add(bench->routing, &bench->feeds[i]);
    }
    bench->index_bytes = heap_bytes() - before + bench->count * sizeof(struct index_member);
}

static void
open_shapes(struct bench *bench, const char *where, size_t count)
{
    struct arena *mem = arena_new(64u << 20);
    struct buf bytes = {0};
    size_t *ends = mem_alloc(count * sizeof *ends);
    *bench = (struct bench){.routing = routing_new(), .frames = shape_frames_new(), .count = count};
    bench->feeds = mem_alloc_zero(count * sizeof *bench->feeds);
    for (size_t i = 0; i < count; i++) {
        struct shape_def *def = define(where, i, mem);
        arena_reset(mem);
        shape_def_encode(def, &bytes);
        ends[i] = bytes.size;
        shape_def_free(def);
    }
    load_shapes(bench, &bytes, ends);
    mem_free(ends);
    buf_free(&bytes);
    arena_free(mem);
}

static double
cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
close_shapes(struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++) {
        struct shape_def *def = (struct shape_def *)(uintptr_t)bench->feeds[i].def;
        routing_remove(bench->routing, &bench->feeds[i]);
        shape_def_free(def);
    }
    routing_free(bench->routing);
    shape_frames_free(bench->frames);
    mem_free(bench->feeds);
}

/* ---- rows */

struct rows {
    struct buf bytes;
    size_t ends[ROWS];
};

static void
make_rows(const struct form *form, size_t shapes, struct rows *rows)
{
    uint64_t random = 1;
    buf_clear(&rows->bytes);
    for (size_t i = 0; i < ROWS; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        append_row(form, (size_t)(random >> 33) % shapes, &rows->bytes);
        rows->ends[i] = rows->bytes.size;
    }
}

static void
count_found(void *ctx, struct index_member *member, enum where_truth truth, const struct err *err)
{
    (void)err;
    (void)member;
    *(size_t *)ctx += truth == WHERE_TRUE;
}

/* All rows once; gives how many shapes were found. */
static size_t
route(struct routed_layout *layout, const struct rows *rows, struct arena *mem)
{
    size_t found = 0;
    size_t start = 0;
    for (size_t i = 0; i < ROWS; i++) {
        struct err err;
        struct pgoutput_msg msg;
        struct view message = {rows->bytes.bytes + start, rows->ends[i] - start};
        start = rows->ends[i];
        arena_reset(mem);
        if (!pgoutput_decode(message, mem, &msg, &err)) {
            fprintf(stderr, "%s\n", err.msg);
            exit(1);
        }
        routed_layout_fill(layout, &msg.change.new_row, NULL, layout->new_row);
        struct where_row row = {layout->new_row, COLUMNS, mem};
        shape_index_match(layout->index, &row, count_found, &found);
    }
    return found;
}

static struct routed_layout *
only_layout(const struct bench *bench)
{
    struct pgoutput_column streamed[COLUMNS] = {0};
    struct pgoutput_relation relation = {.column_count = COLUMNS, .columns = streamed};
    struct routed_table *table = routing_table(bench->routing, 1000);
    struct routed_layout *layout = LIST_ITEM(table->layouts.next, struct routed_layout, node);
    for (size_t i = 0; i < COLUMNS; i++) {
        streamed[i].name = columns[i].name;
        streamed[i].type_oid = columns[i].type_oid;
    }
    routed_layout_map(layout, &relation, 1);
    return layout;
}

/* Nanoseconds a row, of the best pass. */
static double
measure(const struct bench *bench, const struct rows *rows, size_t *found_out)
{
    struct arena *mem = arena_new(64u << 20);
    struct routed_layout *layout = only_layout(bench);
    double best = 1e9;
    for (size_t pass = 0; pass < PASSES; pass++) {
        double start = cpu_s();
        *found_out = route(layout, rows, mem);
        double spent = cpu_s() - start;
        best = spent < best ? spent : best;
    }
    arena_free(mem);
    return best / ROWS * 1e9;
}

static void
bench_form(const struct form *form, size_t shapes_max, struct rows *rows)
{
    double first = 0;
    for (size_t shapes = 100; shapes <= shapes_max; shapes *= 10) {
        struct bench bench;
        size_t found;
        open_shapes(&bench, form->where, shapes);
        make_rows(form, shapes, rows);
        double ns = measure(&bench, rows, &found);
        first = shapes == 100 ? ns : first;
        printf("route_%s_%zu=%.0f ns/row\n", form->name, shapes, ns);
        if (shapes * 10 > shapes_max) {
            printf("route_%s_growth=%.2f\n", form->name, ns / first);
            printf("route_%s_memory=%zu B/shape\n", form->name, bench.index_bytes / shapes);
            printf("route_%s_definition=%zu B/shape\n", form->name, bench.def_bytes / shapes);
            printf("route_%s_found=%.2f shapes/row\n", form->name, (double)found / ROWS);
        }
        fflush(stdout);
        close_shapes(&bench);
    }
}

/* ---- the look-up alone, and what has to be evaluated */

static void
bench_lookup(size_t shapes, struct rows *rows)
{
    struct bench bench;
    struct arena *mem = arena_new(64u << 20);
    open_shapes(&bench, "id = #", shapes);
    make_rows(&forms[0], shapes, rows);
    struct routed_layout *layout = only_layout(&bench);
    double best = 1e9;
    size_t found = 0;
    for (size_t pass = 0; pass < PASSES; pass++) {
        double start = cpu_s();
        for (size_t i = 0; i < ROWS; i++) {
            char number[24];
            struct where_row row = {layout->new_row, COLUMNS, mem};
            snprintf(number, sizeof number, "%zu", i * 48271 % shapes);
            layout->new_row[0] = (struct where_field){.text = view_str(number)};
            shape_index_match(layout->index, &row, count_found, &found);
        }
        double spent = cpu_s() - start;
        best = spent < best ? spent : best;
    }
    ASSERT(found == ROWS * PASSES);
    printf("route_lookup_%zu=%.0f ns\n", shapes, best / ROWS * 1e9);
    arena_free(mem);
    close_shapes(&bench);
}

static void
bench_rate(const char *name, const char *where, size_t shapes, struct rows *rows)
{
    static const struct form plain = {"plain", "", {"#"}};
    struct bench bench;
    size_t found;
    open_shapes(&bench, where, shapes);
    make_rows(&plain, 1000000, rows);
    double ns = measure(&bench, rows, &found);
    printf("route_%s_%zu=%.0f rows/s\n", name, shapes, 1e9 / ns);
    fflush(stdout);
    close_shapes(&bench);
}

int
main(int argc, char **argv)
{
    static struct rows rows;
    size_t shapes_max = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    mem_init();
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        bench_form(&forms[i], shapes_max, &rows);
    }
    bench_lookup(shapes_max, &rows);
    bench_rate("ilike_part", "note ILIKE '%Word#%'", 1000, &rows);
    bench_rate("ilike_evaluated", "NOT (note NOT ILIKE '%Word#%')", 1000, &rows);
    bench_rate("shared_part", "lower(note) <> 'word#'", 1000, &rows);
    buf_free(&rows.bytes);
    return 0;
}

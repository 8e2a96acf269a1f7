/*
 * A read gives the same bytes by reference and by bus; complete chunks are kept and survive the
 * collector; equal reads share a request; a file that has gone or a foreign folder means bytes.
 */
#include "services/api/log_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bus.h"
#include "common/mem.h"
#include "services/api/chunk_cache.h"
#include "tests/lib/tmp_path.h"

static struct err err;

#define ID "00112233445566778899aabbccddeeff"

/* A collector that answers every read by one recipe. */
struct fixture {
    struct loop *loop;
    char url[200];
    char folder[200];
    struct bus_server *server;
    struct log_reader *reader;

    const char *result;
    const char *storage_id;
    bool is_fixed;
    bool refuses_reference;
    struct view content;
    size_t asked;
    size_t asked_for_bytes;

    size_t expected;
    size_t answered;
    enum log_result last;
    bool was_kept;
    bool was_file;
    struct buf bytes;
    struct log_offset end;
};

static void
on_request(void *ctx, struct bus_request *request, struct view message)
{
    struct fixture *f = ctx;
    struct arena *mem = arena_new(1 << 20);
    struct shape_read read;
    struct envelope envelope;
    assert_true(proto_peek(message, &envelope, &err));
    assert_true(proto_decode(message, PROTO_shape_read, mem, &read, &err));
    assert_true(view_is(read.handle, "1-1"));
    f->asked++;
    f->asked_for_bytes += read.wants_bytes ? 1 : 0;
    struct shape_range range = {
        .result = view_str(f->result),
        .lsn = 100,
        .op = 2,
        .is_fixed = f->is_fixed,
        .is_end = !f->is_fixed,
        .end_lsn = 100,
        .end_op = 2,
        .processed_lsn = 120,
    };
    if (view_is(range.result, "ok") && read.wants_bytes) {
        range.bytes = f->content;
    } else if (view_is(range.result, "ok")) {
        range.path = view_str("7/ab/1-1.log");
        range.storage_id = view_str(f->storage_id);
        range.position = 3;
        range.size = f->content.size;
    }
    envelope.kind = PROTO_shape_range;
    struct buf reply = {0};
    proto_encode(&envelope, &range, &reply);
    bus_reply(request, &reply);
    arena_free(mem);
}

static void
serve(struct fixture *f)
{
    if (!bus_serve(f->loop, f->url, on_request, f, &f->server, &err)) {
        fail_msg("%s", err.msg);
    }
}

static void
write_file(const char *folder, const char *name, const char *head, struct view content)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(head, file);
    if (content.size > 0) {
        fwrite(content.bytes, 1, content.size, file);
    }
    fclose(file);
}

static void
set_up(struct fixture *f, const char *name, struct view content)
{
    *f = (struct fixture){.result = "ok", .storage_id = ID, .content = content};
    snprintf(f->folder, sizeof f->folder, "%s", tmp_path(name));
    snprintf(f->url, sizeof f->url, "ipc://%s/bus", f->folder);
    char path[300];
    assert_int_equal(mkdir(f->folder, 0700), 0);
    snprintf(path, sizeof path, "%s/7", f->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/7/ab", f->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(f->folder, "ID", "shapewire storage 1\n" ID "\n", (struct view){0});
    write_file(f->folder, "7/ab/1-1.log", "xxx", content);
    assert_true(loop_new(&f->loop, &err));
    serve(f);
    assert_true(log_reader_open(
        &(struct log_reader_options){
            .loop = f->loop,
            .shape_url = f->url,
            .storage_dir = f->folder,
            .from = {.sender = view_str("api"), .sender_incarnation = {1, 2}},
        },
        &f->reader, &err));
}

static void
tear_down(struct fixture *f)
{
    log_reader_close(f->reader);
    bus_server_close(f->server);
    loop_free(f->loop);
    buf_free(&f->bytes);
}

static void
on_range(void *ctx, const struct log_range *range)
{
    struct fixture *f = ctx;
    f->last = range->result;
    f->was_kept = range->is_kept;
    f->end = range->end;
    buf_clear(&f->bytes);
    f->was_file = range->items.size > 0 && range->items.blob == NULL;
    if (f->was_file) {
        uint8_t *bytes = buf_grow(&f->bytes, range->items.size);
        assert_int_equal(
            pread(range->items.fd, bytes, range->items.size, (off_t)range->items.position),
            (ssize_t)range->items.size);
    } else if (range->items.size > 0) {
        buf_append(&f->bytes, range->items.blob->bytes + range->items.from, range->items.size);
    }
    if (++f->answered == f->expected) {
        loop_stop(f->loop);
    }
}

static struct log_read *
begin_read(struct fixture *f, uint64_t lsn)
{
    return log_reader_read(f->reader, view_str("1-1"),
                           (struct log_position){.is_start = lsn == 0, .offset = {lsn, 0}}, 2000,
                           on_range, f);
}

static void
read_once(struct fixture *f, uint64_t lsn)
{
    f->expected = f->answered + 1;
    if (begin_read(f, lsn) != NULL) {
        loop_run(f->loop);
    }
    assert_int_equal(f->answered, f->expected);
}

static void
assert_content(struct fixture *f)
{
    assert_int_equal(f->last, LOG_RANGE);
    assert_true(view_equal(buf_view(&f->bytes), f->content));
    assert_true(f->end.lsn == 100 && f->end.op == 2);
}

static void
test_the_same_bytes_by_reference_and_by_bus(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "both", view_str("{\"a\":1},"));
    read_once(&f, 50);
    assert_content(&f);
    assert_int_equal(f.asked_for_bytes, 0);
    f.storage_id = "ffff"; /* the collector has another folder */
    read_once(&f, 50);
    assert_content(&f);
    assert_int_equal(f.asked_for_bytes, 1);
    read_once(&f, 50);
    assert_content(&f);
    assert_int_equal(f.asked_for_bytes, 2); /* and it is not tried again at once */
    assert_int_equal(f.asked, 4);
    tear_down(&f);
}

static void
test_a_file_that_has_gone_or_is_short_means_bytes(void **state)
{
    (void)state;
    struct fixture f;
    char path[300];
    set_up(&f, "gone", view_str("{\"a\":1},"));
    snprintf(path, sizeof path, "%s/7/ab/1-1.log", f.folder);
    assert_int_equal(truncate(path, 5), 0);
    read_once(&f, 50);
    assert_content(&f);
    assert_int_equal(f.asked_for_bytes, 1);
    assert_int_equal(unlink(path), 0);
    read_once(&f, 50);
    assert_content(&f);
    assert_int_equal(f.asked_for_bytes, 2);
    tear_down(&f);
}

static void
test_a_complete_chunk_is_kept_and_served_without_the_collector(void **state)
{
    (void)state;
    for (int is_large = 0; is_large <= 1; is_large++) {
        size_t size = is_large == 1 ? 1u << 20 : 100;
        uint8_t *bytes = mem_alloc(size);
        memset(bytes, 'y', size);
        struct fixture f;
        set_up(&f, is_large == 1 ? "large" : "small", view_of(bytes, size));
        f.is_fixed = true;
        read_once(&f, 0);
        assert_content(&f);
        assert_int_equal(f.was_file, is_large);
        assert_false(f.was_kept);

        bus_server_close(f.server);
        f.server = NULL;
        char path[300];
        snprintf(path, sizeof path, "%s/7/ab/1-1.log", f.folder);
        assert_int_equal(unlink(path), 0);
        read_once(&f, 0);
        assert_content(&f);
        assert_true(f.was_kept);
        assert_int_equal(f.asked, 1);
        assert_int_equal(log_reader_kept_bytes(f.reader), is_large == 1 ? 0 : size);

        log_reader_forget(f.reader, view_str("1-1"));
        assert_int_equal(log_reader_kept_bytes(f.reader), 0);
        serve(&f);
        f.result = "gone";
        read_once(&f, 0);
        assert_int_equal(f.last, LOG_GONE);
        tear_down(&f);
        mem_free(bytes);
    }
}

static void
test_what_can_still_change_is_not_kept(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "open", view_str("{\"a\":1},"));
    read_once(&f, 50);
    read_once(&f, 50);
    assert_int_equal(f.asked, 2);
    assert_int_equal(log_reader_kept_bytes(f.reader), 0);
    tear_down(&f);
}

static void
test_equal_reads_share_a_request(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "equal", view_str("{\"a\":1},"));
    f.expected = 101;
    struct log_read *left = NULL;
    for (unsigned i = 0; i < 101; i++) {
        struct log_read *read = begin_read(&f, 50);
        assert_non_null(read);
        left = i == 50 ? read : left;
    }
    begin_read(&f, 60);
    log_read_cancel(left);
    loop_run(f.loop);
    assert_int_equal(f.answered, 101);
    assert_true(f.asked <= 3); /* two, or three when a second has just begun */
    tear_down(&f);
}

static void
test_cancelled_and_open_reads_leave_nothing(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "cancel", view_str("{\"a\":1},"));
    struct log_read *one = begin_read(&f, 50);
    struct log_read *two = begin_read(&f, 60);
    log_read_cancel(one);
    log_read_cancel(two);
    begin_read(&f, 70); /* still open when the reader closes */
    tear_down(&f);
    assert_int_equal(f.answered, 0);
}

static void
test_every_answer_has_its_meaning(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "answers", view_str(""));
    static const struct {
        const char *text;
        enum log_result result;
    } answers[] = {
        {"beyond", LOG_BEYOND}, {"unavailable", LOG_UNAVAILABLE},
        {"failed", LOG_FAILED}, {"gone", LOG_GONE},
        {"what", LOG_FAILED},
    };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        f.result = answers[i].text;
        read_once(&f, 50);
        assert_int_equal(f.last, answers[i].result);
    }
    struct view long_handle =
        view_str("0123456789012345678901234567890123456789012345678901234567890123456789");
    f.expected = f.answered + 1;
    assert_null(log_reader_read(f.reader, long_handle, (struct log_position){.is_start = true}, 1,
                                on_range, &f));
    assert_int_equal(f.last, LOG_GONE);
    tear_down(&f);
}

static void
test_the_cache_is_bounded_and_forgets_what_was_used_longest_ago(void **state)
{
    (void)state;
    struct chunk_cache *cache = chunk_cache_new(1000, 5);
    for (uint64_t i = 0; i < 8; i++) {
        uint8_t bytes[250] = {0};
        struct blob *blob = blob_new(view_of(bytes, sizeof bytes));
        chunk_cache_put(cache, view_str(i % 2 == 0 ? "a" : "b"),
                        &(struct chunk){.from = {.offset = {i, 0}}, .blob = blob, .size = 250});
        blob_unref(blob);
        assert_true(chunk_cache_bytes(cache) <= 1000);
        (void)chunk_cache_get(cache, view_str("a"), (struct log_position){.offset = {0, 0}});
    }
    struct log_position zero = {.offset = {0, 0}};
    assert_non_null(chunk_cache_get(cache, view_str("a"), zero));
    assert_null(chunk_cache_get(cache, view_str("b"), zero));
    assert_null(chunk_cache_get(cache, view_str("a"), (struct log_position){.offset = {2, 0}}));
    assert_non_null(chunk_cache_get(cache, view_str("b"), (struct log_position){.offset = {7, 0}}));
    assert_null(chunk_cache_get(cache, view_str("a"), (struct log_position){.is_start = true}));
    chunk_cache_forget(cache, view_str("a"));
    assert_null(chunk_cache_get(cache, view_str("a"), zero));
    assert_int_equal(chunk_cache_bytes(cache), 500);
    chunk_cache_forget(cache, view_str("nobody"));
    for (uint64_t i = 0; i < 10; i++) {
        struct shared_file *file = shared_file_new(dup(0));
        chunk_cache_put(cache, view_str("c"),
                        &(struct chunk){.from = {.offset = {i, 0}}, .file = file});
        shared_file_unref(file);
    }
    assert_int_equal(chunk_cache_bytes(cache), 0);
    chunk_cache_free(cache);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_bytes_by_reference_and_by_bus),
        cmocka_unit_test(test_a_file_that_has_gone_or_is_short_means_bytes),
        cmocka_unit_test(test_a_complete_chunk_is_kept_and_served_without_the_collector),
        cmocka_unit_test(test_what_can_still_change_is_not_kept),
        cmocka_unit_test(test_equal_reads_share_a_request),
        cmocka_unit_test(test_cancelled_and_open_reads_leave_nothing),
        cmocka_unit_test(test_every_answer_has_its_meaning),
        cmocka_unit_test(test_the_cache_is_bounded_and_forgets_what_was_used_longest_ago),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bus_fini();
    return failed;
}

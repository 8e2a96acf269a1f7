#include "services/api/log_reader.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/bus.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/sys.h"
#include "services/api/chunk_cache.h"

/* What is kept: the bytes of some hundred small shapes, and a descriptor for each large chunk. */
#define KEPT_BYTES_MAX (64u << 20)
#define KEPT_COUNT_MAX 2048

/* A piece of a file up to here is read into memory: one copy for all who ask, no sendfile each. */
#define READ_BYTES_MAX (256u << 10)

/* The collector is asked again so long after a lost pipe. */
#define RETRY_MS 50

/* Beyond a read's deadline its answer may still be under way. */
#define GRACE_MS 1000

/* After a folder was found to be another's, so long until it is looked at again. */
#define SHARED_RETRY_MS 10000

#define REPLY_ARENA_MAX (1u << 20)
#define STORAGE_ID_SIZE 64

struct log_reader {
    struct log_reader_options options;
    char *storage_dir;
    struct bus_client *bus;
    struct arena *mem;
    struct chunk_cache *kept;
    struct map *flights;       /* by what they read -> struct flight */
    uint64_t not_shared_until; /* loop time; before it, references are not asked for */
};

/* One request to the collector, for all who want the same. */
struct flight {
    struct log_reader *reader;
    struct list reads;
    struct log_position from;
    uint64_t deadline_ms; /* loop time */
    bool wants_bytes;
    struct bus_call *call; /* NULL: waiting to ask again */
    struct loop_timer retry;
    struct buf key;
    char handle[65];
};

struct log_read {
    struct list node; /* in flight->reads */
    struct flight *flight;
    log_read_fn fn;
    void *ctx;
};

bool
log_reader_open(const struct log_reader_options *options, struct log_reader **reader_out,
                struct err *err)
{
    struct log_reader *reader = mem_alloc_zero(sizeof *reader);
    reader->options = *options;
    reader->storage_dir = options->storage_dir != NULL ? mem_dup_str(options->storage_dir) : NULL;
    reader->mem = arena_new(REPLY_ARENA_MAX);
    reader->kept = chunk_cache_new(KEPT_BYTES_MAX, KEPT_COUNT_MAX);
    reader->flights = map_new();
    if (!bus_client_open(options->loop, options->shape_url, &reader->bus, err)) {
        log_reader_close(reader);
        return false;
    }
    *reader_out = reader;
    return true;
}

static void ask(struct flight *flight);

/* The flight is over: everybody gets the range. Callbacks may read and cancel. */
static void
land(struct flight *flight, const struct log_range *range)
{
    map_remove(flight->reader->flights, buf_view(&flight->key));
    while (!list_is_empty(&flight->reads)) {
        struct log_read *read = LIST_ITEM(flight->reads.next, struct log_read, node);
        list_remove(&read->node);
        log_read_fn fn = read->fn;
        void *ctx = read->ctx;
        mem_free(read);
        fn(ctx, range);
    }
    loop_timer_clear(&flight->retry);
    buf_free(&flight->key);
    mem_free(flight);
}

static void
land_without(struct flight *flight, enum log_result result, const char *error)
{
    land(flight, &(struct log_range){.result = result, .error = error});
}

/* ---- references */

/* Whether our storage folder has this id now. */
static bool
has_id(const struct log_reader *reader, struct view id)
{
    char path[PATH_MAX];
    uint8_t text[128];
    size_t size;
    struct err ignored;
    snprintf(path, sizeof path, "%s/ID", reader->storage_dir);
    if (id.size == 0 || !fs_read(path, text, sizeof text, &size, &ignored)) {
        return false;
    }
    uint8_t *line = memchr(text, '\n', size);
    if (line == NULL) {
        return false;
    }
    size_t left = size - (size_t)(line + 1 - text);
    return left == id.size + 1 && memcmp(line + 1, id.bytes, id.size) == 0;
}

/* NULL: the folder is not the collector's, or the file has gone meanwhile. */
static struct shared_file *
open_reference(struct log_reader *reader, const struct shape_range *reply)
{
    char path[PATH_MAX];
    bool is_inside =
        memmem(reply->path.bytes, reply->path.size, "..", 2) == NULL && reply->path.bytes[0] != '/';
    if (!is_inside || reader->storage_dir == NULL || !has_id(reader, reply->storage_id)) {
        reader->not_shared_until = loop_now_ms(reader->options.loop) + SHARED_RETRY_MS;
        return NULL;
    }
    snprintf(path, sizeof path, "%s/%.*s", reader->storage_dir, (int)reply->path.size,
             (const char *)reply->path.bytes);
    int fd = sys_open(path, O_RDONLY, 0);
    return fd < 0 ? NULL : shared_file_new(fd);
}

/* The piece's bytes; NULL: they could not be read. */
static struct blob *
read_piece(const struct shared_file *file, uint64_t position, size_t size)
{
    uint8_t *bytes = mem_alloc(size);
    bool is_whole = fs_pread(file->fd, bytes, size, position) == (ssize_t)size;
    struct blob *blob = is_whole ? blob_new(view_of(bytes, size)) : NULL;
    mem_free(bytes);
    return blob;
}

/* Whether the file really has the piece; a head that promises more cannot be taken back. */
static bool
has_piece(const struct shared_file *file, uint64_t end)
{
    struct stat stat;
    return sys_fstat(file->fd, &stat) == 0 && (uint64_t)stat.st_size >= end;
}

/* Where the range's items are. False: ask again for the bytes. */
static bool
take_items(struct log_reader *reader, const struct shape_range *reply, struct chunk *chunk)
{
    if (reply->path.size == 0) {
        chunk->blob = reply->bytes.size > 0 ? blob_new(reply->bytes) : NULL;
        chunk->size = reply->bytes.size;
        return true;
    }
    chunk->file = open_reference(reader, reply);
    chunk->position = reply->position;
    chunk->size = reply->size;
    if (chunk->file == NULL || !has_piece(chunk->file, reply->position + reply->size)) {
        return false;
    }
    if (reply->size <= READ_BYTES_MAX) {
        chunk->blob = read_piece(chunk->file, reply->position, (size_t)reply->size);
        shared_file_unref(chunk->file);
        chunk->file = NULL;
        return chunk->blob != NULL;
    }
    return true;
}

static struct answer_part
part_of(const struct chunk *chunk)
{
    return (struct answer_part){
        .blob = chunk->blob,
        .size = (size_t)chunk->size,
        .fd = chunk->file == NULL ? -1 : chunk->file->fd,
        .position = chunk->position,
    };
}

/* ---- the collector's answer */

static void
take_range(struct flight *flight, const struct shape_range *reply)
{
    struct log_reader *reader = flight->reader;
    struct chunk chunk = {.from = flight->from, .end = {reply->lsn, reply->op}};
    if (!take_items(reader, reply, &chunk)) {
        shared_file_unref(chunk.file);
        if (flight->wants_bytes) { /* a path in spite of that */
            land_without(flight, LOG_FAILED, "the collector's files cannot be read");
            return;
        }
        flight->wants_bytes = true;
        ask(flight);
        return;
    }
    if (reply->is_fixed && chunk.size > 0) {
        chunk_cache_put(reader->kept, view_str(flight->handle), &chunk);
    }
    land(flight, &(struct log_range){
                     .result = LOG_RANGE,
                     .items = part_of(&chunk),
                     .end = chunk.end,
                     .is_end = reply->is_end,
                     .is_fixed = reply->is_fixed,
                     .log_end = {reply->end_lsn, reply->end_op},
                     .processed_lsn = reply->processed_lsn,
                 });
    blob_unref(chunk.blob);
    shared_file_unref(chunk.file);
}

static void
take_reply(struct flight *flight, const struct shape_range *reply)
{
    char error[512];
    snprintf(error, sizeof error, "%.*s", (int)reply->error.size,
             reply->error.size == 0 ? "" : (const char *)reply->error.bytes);
    if (view_is(reply->result, "ok")) {
        take_range(flight, reply);
    } else if (view_is(reply->result, "gone")) {
        chunk_cache_forget(flight->reader->kept, view_str(flight->handle));
        land_without(flight, LOG_GONE, NULL);
    } else if (view_is(reply->result, "beyond")) {
        land(flight, &(struct log_range){
                         .result = LOG_BEYOND,
                         .log_end = {reply->end_lsn, reply->end_op},
                         .processed_lsn = reply->processed_lsn,
                         .is_behind = reply->is_behind,
                     });
    } else if (view_is(reply->result, "unmade")) {
        land(flight, &(struct log_range){
                         .result = LOG_UNMADE,
                         .error = error,
                         .is_known_error = reply->is_known,
                         .retry_after_s = (unsigned)reply->retry_after_s,
                     });
    } else if (view_is(reply->result, "unavailable")) {
        land_without(flight, LOG_UNAVAILABLE, error);
    } else {
        land_without(flight, LOG_FAILED, error);
    }
}

static void
on_reply(void *ctx, struct view message, const struct err *failed)
{
    struct flight *flight = ctx;
    struct log_reader *reader = flight->reader;
    flight->call = NULL;
    if (failed != NULL) {
        if (failed->kind == ERR_IO && loop_now_ms(reader->options.loop) < flight->deadline_ms) {
            loop_timer_set(&flight->retry,
                           RETRY_MS); /* the collector restarts: reads can be repeated */
            return;
        }
        land_without(flight, LOG_UNAVAILABLE, failed->msg);
        return;
    }
    struct err err;
    struct shape_range reply;
    arena_reset(reader->mem);
    if (!proto_decode(message, PROTO_shape_range, reader->mem, &reply, &err)) {
        log_error("event=shape_read_reply_refused handle=%s error=\"%s\"", flight->handle, err.msg);
        land_without(flight, LOG_FAILED, err.msg);
        return;
    }
    take_reply(flight, &reply);
}

/* ---- asking */

static void
ask(struct flight *flight)
{
    struct log_reader *reader = flight->reader;
    uint64_t now_ms = loop_now_ms(reader->options.loop);
    uint64_t left_ms = flight->deadline_ms > now_ms ? flight->deadline_ms - now_ms : 0;
    struct shape_read message = {
        .handle = view_str(flight->handle),
        .from_start = flight->from.is_start,
        .lsn = flight->from.is_start ? 0 : flight->from.offset.lsn,
        .op = flight->from.is_start ? 0 : flight->from.offset.op,
        .wants_bytes =
            flight->wants_bytes || reader->storage_dir == NULL || now_ms < reader->not_shared_until,
        .deadline_ms = left_ms,
    };
    struct envelope envelope = reader->options.from;
    envelope.kind = PROTO_shape_read;
    struct buf bytes = {0};
    proto_encode(&envelope, &message, &bytes);
    flight->call = bus_ask(reader->bus, &bytes, (uint32_t)(left_ms + GRACE_MS), on_reply, flight);
    buf_free(&bytes);
}

static void
ask_again(void *ctx)
{
    ask(ctx);
}

static void
append_key(struct buf *key, struct view handle, struct log_position from)
{
    uint64_t numbers[2] = {from.is_start ? 0 : from.offset.lsn, from.is_start ? 0 : from.offset.op};
    buf_append_byte(key, from.is_start ? 1 : 0);
    buf_append(key, numbers, sizeof numbers);
    buf_append_view(key, handle);
}

static struct flight *
take_off(struct log_reader *reader, struct view handle, struct log_position from,
         uint64_t deadline_ms, struct buf *key)
{
    struct flight *flight = mem_alloc_zero(sizeof *flight);
    flight->reader = reader;
    flight->from = from;
    flight->deadline_ms = deadline_ms;
    flight->key = *key;
    *key = (struct buf){0};
    memcpy(flight->handle, handle.bytes, handle.size);
    list_init(&flight->reads);
    loop_timer_init(&flight->retry, reader->options.loop, ask_again, flight);
    map_put(reader->flights, buf_view(&flight->key), flight);
    ask(flight);
    return flight;
}

static bool
give_kept(struct log_reader *reader, struct view handle, struct log_position from, log_read_fn fn,
          void *ctx)
{
    const struct chunk *chunk = chunk_cache_get(reader->kept, handle, from);
    if (chunk == NULL) {
        return false;
    }
    struct chunk held = *chunk; /* what `fn` does may drop it */
    if (held.blob != NULL) {
        blob_ref(held.blob);
    }
    if (held.file != NULL) {
        shared_file_ref(held.file);
    }
    fn(ctx, &(struct log_range){
                .result = LOG_RANGE,
                .items = part_of(&held),
                .end = held.end,
                .is_fixed = true,
                .is_kept = true,
            });
    blob_unref(held.blob);
    shared_file_unref(held.file);
    return true;
}

struct log_read *
log_reader_read(struct log_reader *reader, struct view handle, struct log_position from,
                uint64_t deadline_ms, log_read_fn fn, void *ctx)
{
    if (handle.size == 0 || handle.size >= sizeof((struct flight *)0)->handle) {
        fn(ctx, &(struct log_range){.result = LOG_GONE});
        return NULL;
    }
    if (give_kept(reader, handle, from, fn, ctx)) {
        return NULL;
    }
    /* In groups of a second, so that one who joins another's request waits no shorter than he may.
     */
    uint64_t until_ms = loop_now_ms(reader->options.loop) + deadline_ms;
    until_ms += GRACE_MS - 1;
    until_ms -= until_ms % GRACE_MS;
    struct buf key = {0};
    append_key(&key, handle, from);
    buf_append(&key, &until_ms, sizeof until_ms);
    struct flight *flight = map_get(reader->flights, buf_view(&key));
    if (flight == NULL) {
        flight = take_off(reader, handle, from, until_ms, &key);
    }
    buf_free(&key);
    struct log_read *read = mem_alloc_zero(sizeof *read);
    *read = (struct log_read){.flight = flight, .fn = fn, .ctx = ctx};
    list_init(&read->node);
    list_push_back(&flight->reads, &read->node);
    return read;
}

/* Nobody waits for it any more. */
static void
give_up(struct flight *flight)
{
    if (flight->call != NULL) {
        bus_call_cancel(flight->call);
    }
    land(flight, NULL);
}

void
log_read_cancel(struct log_read *read)
{
    struct flight *flight = read->flight;
    list_remove(&read->node);
    mem_free(read);
    bool is_landing = flight->call == NULL && !loop_timer_is_set(&flight->retry);
    if (list_is_empty(&flight->reads) && !is_landing) {
        give_up(flight);
    }
}

void
log_reader_forget(struct log_reader *reader, struct view handle)
{
    chunk_cache_forget(reader->kept, handle);
}

size_t
log_reader_kept_bytes(const struct log_reader *reader)
{
    return chunk_cache_bytes(reader->kept);
}

void
log_reader_close(struct log_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    size_t pos = 0;
    struct view key;
    for (struct flight *flight; (flight = map_next(reader->flights, &pos, &key)) != NULL;) {
        LIST_FOREACH (node, &flight->reads) {
            list_remove(node);
            mem_free(LIST_ITEM(node, struct log_read, node));
        }
        give_up(flight);
    }
    bus_client_close(reader->bus);
    map_free(reader->flights);
    chunk_cache_free(reader->kept);
    arena_free(reader->mem);
    mem_free(reader->storage_dir);
    mem_free(reader);
}

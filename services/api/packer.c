#include "services/api/packer.h"

#include <string.h>
#include <unistd.h>

#include "common/deflate.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/sys.h"
#include "common/worker.h"
#include "common/zstd_frame.h"

#define THREADS 2

/* Compressed on the loop: a fraction of a millisecond, less than the way to a worker and back. */
#define AT_ONCE_MAX ((size_t)8 * 1024)

/* What waits for the workers, before compression. */
#define QUEUED_MAX ((size_t)64 << 20)

/* What stands around the large part is stored, not compressed. */
#define AROUND_MAX ((size_t)4 * 1024)

/* A large part, compressed. */
struct packed {
    struct list lru_node; /* in packer->kept; in no list: not kept */
    struct buf key;
    enum http_encoding encoding;
    struct blob *bytes;
    struct deflate_sums sums;
    uint8_t window;
};

/* A large part on its way through a worker. */
struct job {
    struct worker_task task;
    struct packer *packer;
    struct list waiters;
    struct buf key; /* empty: in no map */
    enum http_encoding encoding;
    struct answer_part part; /* its blob is referenced, its fd is its own */
    struct packed *packed;   /* NULL: the file could not be read */
};

/* An answer that waits for its large part. */
struct waiter {
    struct list node;
    struct api_request *request;
    struct answer answer; /* blobs referenced; the large part's place is empty */
    size_t large;
};

struct packer {
    struct front *front;
    struct worker_pool *pool;
    struct worker_lane *lanes[THREADS];
    size_t next_lane;
    struct map *jobs; /* key -> struct job */
    struct map *kept; /* key -> struct packed */
    struct list lru;  /* used last is at the end */
    size_t kept_bytes;
    size_t queued_bytes;
};

/* ---- compressing */

static struct packed *
pack(struct view bytes, enum http_encoding encoding)
{
    struct packed *packed = mem_alloc_zero(sizeof *packed);
    struct buf out = {0};
    list_init(&packed->lru_node);
    packed->encoding = encoding;
    if (encoding == HTTP_ZSTD) {
        zstd_frame_append_piece(bytes, &out, &packed->window);
    } else {
        packed->sums = deflate_sums(bytes);
        deflate_append_piece(bytes, &out);
    }
    packed->bytes = blob_new(buf_view(&out));
    buf_free(&out);
    return packed;
}

static void
free_packed(struct packed *packed)
{
    blob_unref(packed->bytes);
    buf_free(&packed->key);
    mem_free(packed);
}

static void
count_compression(const struct answer_part *part, enum http_encoding encoding)
{
    metrics_add(METRIC_API_COMPRESSIONS, 1);
    log_debug("event=compressed encoding=%s bytes=%zu", http_encoding_name(encoding), part->size);
}

/* On a worker. */
static void
run_job(struct worker_task *task)
{
    struct job *job = (struct job *)(void *)task;
    const struct answer_part *part = &job->part;
    if (part->blob != NULL) {
        job->packed = pack(view_of(part->blob->bytes + part->from, part->size), job->encoding);
        return;
    }
    struct buf bytes = {0};
    uint8_t *room = buf_grow(&bytes, part->size);
    if (fs_pread(part->fd, room, part->size, part->position) == (ssize_t)part->size) {
        job->packed = pack(buf_view(&bytes), job->encoding);
    }
    buf_free(&bytes);
}

/* ---- what is kept */

static void
drop(struct packer *packer, struct packed *packed)
{
    map_remove(packer->kept, buf_view(&packed->key));
    list_remove(&packed->lru_node);
    packer->kept_bytes -= packed->bytes->size;
    free_packed(packed);
}

/* Takes it over; false: it is too large, and stays the caller's. */
static bool
keep(struct packer *packer, struct packed *packed, struct view key)
{
    size_t size = packed->bytes->size;
    if (key.size == 0 || size > PACKER_KEPT_MAX / 2) {
        return false;
    }
    while (packer->kept_bytes + size > PACKER_KEPT_MAX) {
        drop(packer, LIST_ITEM(packer->lru.next, struct packed, lru_node));
    }
    buf_append_view(&packed->key, key);
    void *before = map_put(packer->kept, key, packed);
    ASSERT(before == NULL); /* else it would have been found */
    list_push_back(&packer->lru, &packed->lru_node);
    packer->kept_bytes += size;
    metrics_set(METRIC_API_COMPRESSED_BYTES, packer->kept_bytes);
    return true;
}

/* ---- putting together */

static struct view
part_view(const struct answer_part *part)
{
    return view_of(part->blob->bytes + part->from, part->size);
}

/* The parts from `from` to `to` as they are; their sums behind `*sums`. */
static void
append_stored(const struct answer *answer, size_t from, size_t to, bool is_last,
              enum http_encoding encoding, struct deflate_sums *sums, struct buf *out)
{
    struct buf bytes = {0};
    for (size_t i = from; i < to; i++) {
        buf_append_view(&bytes, part_view(&answer->parts[i]));
    }
    if (encoding == HTTP_ZSTD) {
        if (bytes.size > 0 || is_last) {
            zstd_frame_append_stored(buf_view(&bytes), is_last, out);
        }
    } else {
        *sums = deflate_sums_join(*sums, deflate_sums(buf_view(&bytes)));
        if (bytes.size > 0 || is_last) {
            deflate_append_stored(buf_view(&bytes), is_last, out);
        }
    }
    buf_free(&bytes);
}

/* Sends head, stored bytes, the large part, stored bytes. */
static void
send_packed(struct packer *packer, struct api_request *request, struct answer *answer, size_t large,
            const struct packed *packed)
{
    bool is_zstd = packed->encoding == HTTP_ZSTD;
    bool is_gzip = packed->encoding == HTTP_GZIP;
    struct buf before = {0};
    struct buf behind = {0};
    struct deflate_sums sums = deflate_sums((struct view){0});
    if (is_zstd) {
        zstd_frame_append_head(packed->window, &before);
    } else {
        deflate_append_head(is_gzip, &before);
    }
    append_stored(answer, 0, large, false, packed->encoding, &sums, &before);
    sums = deflate_sums_join(sums, packed->sums);
    append_stored(answer, large + 1, answer->part_count, true, packed->encoding, &sums, &behind);
    if (!is_zstd) {
        deflate_append_tail(is_gzip, sums, &behind);
    }
    struct answer out = {.head = answer->head, .part_count = 3};
    answer->head = (struct buf){0};
    buf_append_str(&out.head, "content-encoding: ");
    buf_append_str(&out.head, http_encoding_name(packed->encoding));
    buf_append(&out.head, "\r\n", 2);
    struct blob *blobs[3] = {blob_new(buf_view(&before)), packed->bytes,
                             blob_new(buf_view(&behind))};
    for (size_t i = 0; i < COUNT_OF(blobs); i++) {
        out.parts[i] = (struct answer_part){.blob = blobs[i], .size = blobs[i]->size, .fd = -1};
    }
    front_answer(packer->front, request, &out);
    blob_unref(blobs[0]);
    blob_unref(blobs[2]);
    buf_free(&before);
    buf_free(&behind);
}

/* ---- waiting */

static void
free_waiter(struct waiter *waiter)
{
    list_remove(&waiter->node);
    for (size_t i = 0; i < waiter->answer.part_count; i++) {
        blob_unref(waiter->answer.parts[i].blob);
    }
    buf_free(&waiter->answer.head);
    mem_free(waiter);
}

static void
on_waiter_gone(struct api_request *request)
{
    free_waiter(request->user);
}

static void
wait_for(struct job *job, struct api_request *request, struct answer *answer, size_t large)
{
    struct waiter *waiter = mem_alloc_zero(sizeof *waiter);
    *waiter = (struct waiter){.request = request, .answer = *answer, .large = large};
    answer->head = (struct buf){0};
    waiter->answer.parts[large] = (struct answer_part){.fd = -1};
    for (size_t i = 0; i < answer->part_count; i++) {
        if (waiter->answer.parts[i].blob != NULL) {
            blob_ref(waiter->answer.parts[i].blob);
        }
    }
    request->user = waiter;
    request->on_gone = on_waiter_gone;
    request->on_ended = NULL;
    list_init(&waiter->node);
    list_push_back(&job->waiters, &waiter->node);
}

static void
answer_waiter(struct job *job, struct waiter *waiter)
{
    struct api_request *request = waiter->request;
    request->user = NULL;
    request->on_gone = NULL;
    if (job->packed != NULL) {
        send_packed(job->packer, request, &waiter->answer, waiter->large, job->packed);
    } else { /* the head is good for the bytes as they are, which are sent as far as they go */
        waiter->answer.parts[waiter->large] = job->part;
        front_answer(job->packer->front, request, &waiter->answer);
        waiter->answer.parts[waiter->large].blob = NULL; /* the job's */
    }
    free_waiter(waiter);
}

static void
free_job(struct job *job)
{
    blob_unref(job->part.blob);
    if (job->part.fd >= 0) {
        sys_close(job->part.fd);
    }
    buf_free(&job->key);
    mem_free(job);
}

static void
job_done(struct worker_task *task)
{
    struct job *job = (struct job *)(void *)task;
    struct packer *packer = job->packer;
    packer->queued_bytes -= job->part.size;
    if (job->key.size > 0) {
        map_remove(packer->jobs, buf_view(&job->key));
    }
    if (job->packed == NULL) {
        log_error("event=compression_failed error=\"a log cannot be read\"");
    }
    while (!list_is_empty(&job->waiters)) {
        answer_waiter(job, LIST_ITEM(job->waiters.next, struct waiter, node));
    }
    if (job->packed != NULL && !keep(packer, job->packed, buf_view(&job->key))) {
        free_packed(job->packed);
    }
    free_job(job);
}

/* False when there is no room, or no descriptor, for one more. */
static bool
submit(struct packer *packer, const struct answer_part *part, enum http_encoding encoding,
       struct view key, struct job **job_out)
{
    int fd = part->blob == NULL ? dup(part->fd) : -1;
    if (packer->queued_bytes + part->size > QUEUED_MAX || (part->blob == NULL && fd < 0)) {
        if (fd >= 0) {
            sys_close(fd);
        }
        return false;
    }
    struct job *job = mem_alloc_zero(sizeof *job);
    *job = (struct job){.task = {.run = run_job, .done = job_done},
                        .packer = packer,
                        .encoding = encoding,
                        .part = *part};
    job->part.fd = fd;
    if (part->blob != NULL) {
        blob_ref(part->blob);
    }
    list_init(&job->waiters);
    if (key.size > 0) {
        buf_append_view(&job->key, key);
        map_put(packer->jobs, key, job);
    }
    packer->queued_bytes += part->size;
    worker_submit(packer->lanes[packer->next_lane++ % THREADS], &job->task);
    count_compression(part, encoding);
    *job_out = job;
    return true;
}

/* ---- answering */

/* The largest part; false: the others are too large, or not in memory. */
static bool
find_large(const struct answer *answer, size_t *large_out)
{
    size_t large = 0;
    size_t total = 0;
    for (size_t i = 0; i < answer->part_count; i++) {
        total += answer->parts[i].size;
        large = answer->parts[i].size > answer->parts[large].size ? i : large;
    }
    for (size_t i = 0; i < answer->part_count; i++) {
        if (i != large && answer->parts[i].blob == NULL) {
            return false;
        }
    }
    *large_out = large;
    return total >= PACKER_BODY_MIN && total - answer->parts[large].size <= AROUND_MAX;
}

static void
answer_at_once(struct packer *packer, struct api_request *request, struct answer *answer,
               size_t large, enum http_encoding encoding, struct view key)
{
    struct packed *packed = pack(part_view(&answer->parts[large]), encoding);
    count_compression(&answer->parts[large], encoding);
    send_packed(packer, request, answer, large, packed);
    if (!keep(packer, packed, key)) {
        free_packed(packed);
    }
}

void
packer_answer(struct packer *packer, struct api_request *request, struct answer *answer,
              enum http_encoding encoding, struct view key)
{
    size_t large = 0;
    if (encoding == HTTP_IDENTITY || !find_large(answer, &large)) {
        front_answer(packer->front, request, answer);
        return;
    }
    struct buf whole = {0};
    if (key.size > 0) {
        buf_append_view(&whole, key);
        buf_printf(&whole, ":%zu:%s", answer->parts[large].size, http_encoding_name(encoding));
    }
    struct packed *packed = map_get(packer->kept, buf_view(&whole));
    struct job *job = map_get(packer->jobs, buf_view(&whole));
    const struct answer_part *part = &answer->parts[large];
    if (packed != NULL) {
        list_remove(&packed->lru_node);
        list_push_back(&packer->lru, &packed->lru_node);
        send_packed(packer, request, answer, large, packed);
    } else if (job == NULL && part->blob != NULL && part->size <= AT_ONCE_MAX) {
        answer_at_once(packer, request, answer, large, encoding, buf_view(&whole));
    } else if (job != NULL || submit(packer, part, encoding, buf_view(&whole), &job)) {
        wait_for(job, request, answer, large);
    } else {
        front_answer(packer->front, request, answer);
    }
    buf_free(&whole);
}

/* ---- start and end */

bool
packer_open(struct loop *loop, struct front *front, struct packer **packer_out, struct err *err)
{
    struct packer *packer = mem_alloc_zero(sizeof *packer);
    packer->front = front;
    if (!worker_pool_new(loop, THREADS, &packer->pool, err)) {
        mem_free(packer);
        return err_wrap(err, "start threads that compress");
    }
    for (size_t i = 0; i < THREADS; i++) {
        packer->lanes[i] = worker_lane_new(packer->pool);
    }
    packer->jobs = map_new();
    packer->kept = map_new();
    list_init(&packer->lru);
    *packer_out = packer;
    return true;
}

void
packer_close(struct packer *packer)
{
    if (packer == NULL) {
        return;
    }
    worker_pool_free(packer->pool); /* nobody waits any more, and nothing is queued behind this */
    for (size_t i = 0; i < THREADS; i++) {
        worker_lane_free(packer->lanes[i]);
    }
    while (!list_is_empty(&packer->lru)) {
        drop(packer, LIST_ITEM(packer->lru.next, struct packed, lru_node));
    }
    map_free(packer->jobs);
    map_free(packer->kept);
    mem_free(packer);
}

#include "services/api/hints_client.h"

#include "common/bus.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/api/definitions.h"
#include "services/api/live.h"
#include "services/api/log_reader.h"

struct hints_client {
    struct api *api;
    struct bus_subscriber *subscriber;
    struct arena *mem;
    struct incarnation from;
    uint64_t seq;
    uint64_t processed_lsn;
};

uint64_t
hints_client_processed(const struct hints_client *client)
{
    return client->processed_lsn;
}

void
hints_client_gone(struct api *api, struct view handle)
{
    definitions_forget(api->definitions, handle);
    log_reader_forget(api->reader, handle);
    live_gone(api->live, handle);
}

static void
take_hint(struct api *api, const struct log_hint *hint)
{
    if (hint->is_gone) {
        hints_client_gone(api, hint->handle);
        return;
    }
    live_advanced(api->live, hint->handle, (struct log_offset){hint->from_lsn, hint->from_op},
                  (struct log_offset){hint->lsn, hint->op}, hint->bytes);
}

/* Whether this is not the message that follows the last one. */
static bool
is_gap(struct hints_client *client, struct incarnation from, uint64_t seq)
{
    bool is_other = incarnation_compare(from, client->from) != 0;
    bool is_next = seq == client->seq + 1;
    client->from = from;
    client->seq = seq;
    return is_other || !is_next;
}

static void
on_hint(void *ctx, struct view message)
{
    struct hints_client *client = ctx;
    struct api *api = client->api;
    struct envelope envelope;
    struct log_hints hints;
    struct err err;
    if (message.size == 0) {
        live_missed(api->live); /* the pipe was lost or made */
        return;
    }
    arena_reset(client->mem);
    if (!proto_peek(message, &envelope, &err) ||
        !proto_decode(message, PROTO_log_hints, client->mem, &hints, &err)) {
        log_error("event=hint_refused error=\"%s\"", err.msg);
        return;
    }
    if (incarnation_compare(envelope.sender_incarnation, client->from) < 0) {
        return; /* a late word of a collector that is no more */
    }
    if (hints.processed_lsn > client->processed_lsn) {
        client->processed_lsn = hints.processed_lsn;
    }
    if (is_gap(client, envelope.sender_incarnation, hints.seq)) {
        log_debug("event=hints_missed seq=%llu", (unsigned long long)hints.seq);
        definitions_forget_all(api->definitions);
        live_missed(api->live);
    }
    for (size_t i = 0; i < hints.hints_count; i++) {
        take_hint(api, &hints.hints[i]);
    }
}

bool
hints_client_open(struct api *api, const char *url, struct hints_client **client_out,
                  struct err *err)
{
    struct hints_client *client = mem_alloc_zero(sizeof *client);
    client->api = api;
    client->mem = arena_new(PROTO_DECODE_MAX);
    if (!bus_subscribe(api->loop, url, on_hint, client, &client->subscriber, err)) {
        hints_client_close(client);
        return err_wrap(err, "hear hints at %s", url);
    }
    *client_out = client;
    return true;
}

void
hints_client_close(struct hints_client *client)
{
    if (client == NULL) {
        return;
    }
    if (client->subscriber != NULL) {
        bus_subscriber_close(client->subscriber);
    }
    arena_free(client->mem);
    mem_free(client);
}

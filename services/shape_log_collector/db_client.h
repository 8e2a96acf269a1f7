/*
 * db_client.h - what the collector asks of Postgres, by way of the connection service.
 *
 * Thin: encodes a db.* request, decodes its reply. A failure (pipe lost, deadline, bytes that are
 * no reply) is the caller's to retry; nothing is sent twice by itself.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_DB_CLIENT_H
#define COLLECTOR_DB_CLIENT_H

#include "common/core/visibility.h"
#include "proto/codec.h"

struct db_client;
struct db_call;
struct service;

NODISCARD bool db_client_open(struct service *service, const char *url,
                              struct db_client **client_out, struct err *err);

/* Cancels what is open. NULL is accepted. */
void db_client_close(struct db_client *client);

/* `reply` is the struct of the reply's kind, good until the callback returns; NULL: `failed` says
 * why. */
typedef void (*db_reply_fn)(void *ctx, const void *reply, const struct err *failed);

/*
 * Asks; `message` is the struct of `kind` and not kept. `fn` is called exactly once, unless the
 * call is cancelled, and never from inside db_ask().
 */
struct db_call *db_ask(struct db_client *client, enum proto_kind kind, const void *message,
                       enum proto_kind reply_kind, uint32_t timeout_ms, db_reply_fn fn, void *ctx);

/* `fn` will not be called. */
void db_cancel(struct db_call *call);

/* A number for a snapshot: connection tells them apart by it, as long as the process lives. */
uint64_t db_next_snapshot(struct db_client *client);

/* Nobody asks for this snapshot any more. */
void db_cancel_snapshot(struct db_client *client, uint64_t snapshot);

/* The marks of a reply; the caller ends them with marks_free(). */
struct marks db_marks_of(const struct db_marks *reply);

#endif

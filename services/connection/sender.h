/*
 * sender.h - the replication stream: a walsender's messages become batches.
 *
 *     walsender ==CopyData==> frames that fill up ==one batch under way==> repl
 *
 * Messages are looked at by their first byte only: begin and commit bound a
 * transaction, because keepalives inside one say nothing and are dropped. While
 * a batch is under way the next one fills; when it is full the socket is not
 * read, and Postgres waits. What is acknowledged is exactly what the collector
 * has on disk, by our own timer too, so a slow collector ends no session.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_SENDER_H
#define CONNECTION_SENDER_H

#include "services/connection/endpoint.h"
#include "services/connection/repl.h"

struct sender;

struct sender_def {
    struct loop *loop;
    struct endpoint *endpoint;
    struct repl *repl;
    const char *slot; /* borrowed */
    const char *publication;
    void (*identified)(void *ctx, const char *system_id, uint64_t timeline);
    void (*started)(void *ctx);
    void (*failed)(void *ctx, const struct pg_failure *failed);
    void *ctx;
};

struct sender *sender_new(const struct sender_def *def);

/* NULL is accepted. */
void sender_free(struct sender *sender);

/* Connects, pins how values are spelled, asks who the server is. */
void sender_open(struct sender *sender);

/* START_REPLICATION at `lsn`, which is durable already. */
void sender_start(struct sender *sender, uint64_t lsn);

/* The session goes, with what was not sent yet. */
void sender_close(struct sender *sender);

/* The stream is not read any more, but answered: its hello was forgotten. */
void sender_stop_feeding(struct sender *sender);

/* A batch was answered. */
void sender_take_answer(struct sender *sender, uint64_t received_lsn, uint64_t durable_lsn);

/* All that came is acknowledged. */
bool sender_is_even(const struct sender *sender);

/* When the stream began, or the last transaction of it ended: the loop's clock. */
uint64_t sender_active_ms(const struct sender *sender);

/* Figures for the status. */
uint64_t sender_durable_lsn(const struct sender *sender);
uint64_t sender_received_lsn(const struct sender *sender);

#endif

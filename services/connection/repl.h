/*
 * repl.h - our side of the repl channel: hello, and numbered batches.
 *
 * One request is under way at a time. A batch whose pipe is lost, or which is
 * held, is sent again with the same number until it is answered or the hello
 * is forgotten. Hello is asked once; whoever asked decides what then.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_REPL_H
#define CONNECTION_REPL_H

#include "common/buf.h"
#include "proto/codec.h"

struct repl;
struct service;

struct repl_def {
    struct service *service;
    const char *url;
    void (*agreed)(void *ctx, struct incarnation collector, uint64_t checkpoint);
    void (*again)(void *ctx, const char *why);
    void (*answered)(void *ctx, uint64_t received_lsn, uint64_t durable_lsn);
    void (*stale)(void *ctx, const char *why);
    void *ctx;
};

NODISCARD bool repl_open(const struct repl_def *def, struct repl **repl_out, struct err *err);

/* NULL is accepted. */
void repl_close(struct repl *repl);

/* Says hello; the number of the stream is ours to fill in. Gives `agreed` or `again`. */
void repl_say_hello(struct repl *repl, struct repl_hello hello);

/* What is under way is not waited for, and nothing more is sent until the next hello is agreed. */
void repl_forget(struct repl *repl);

/* A hello is agreed on and no batch is under way. */
bool repl_is_idle(const struct repl *repl);

/* Sends the next batch; takes the frames' bytes. Gives `answered` or `stale`. */
void repl_send(struct repl *repl, struct buf *frames);

#endif

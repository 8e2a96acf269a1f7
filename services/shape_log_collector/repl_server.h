/*
 * repl_server.h - the repl channel: who streams to us, and whether it is the stream of our store.
 *
 * hello compares facts (design §7): agreement opens a stream, a first start stores the identity, a
 * mismatch resets the store, after which this process leaves to be started clean. Batches are taken
 * in order, once, of the agreed stream alone.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_REPL_SERVER_H
#define COLLECTOR_REPL_SERVER_H

#include "services/shape_log_collector/collector.h"

struct repl_server;

NODISCARD bool repl_server_open(struct collector *collector, const char *url,
                                struct repl_server **server_out, struct err *err);
void repl_server_close(struct repl_server *server);

/* Whether a hello of the connection that speaks now was agreed on. */
bool repl_server_has_agreed(const struct repl_server *server);

/* Whether the stream has not yet passed the WAL end that the server had at the hello. */
bool repl_server_is_behind(const struct repl_server *server);

/* ingest says that a batch is taken in. */
void repl_server_batch_done(struct repl_server *server, const struct err *failed);

/* What may be acknowledged. */
uint64_t repl_server_durable_lsn(const struct repl_server *server);

#endif

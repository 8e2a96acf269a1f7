/*
 * publisher.h - db.publish and db.unpublish: tables enter the publication
 * without a gap, and leave it.
 *
 *     look -> add -> take writers -> wait -> (old pgoutput: add again, take, wait) -> identity ->
 * done
 *
 * A transaction that wrote the table before it was added commits rows that the
 * stream never has; so who holds a write lock right after ADD TABLE is waited
 * for, by virtual transaction id (prepared ones too). Nobody's write is blocked:
 * locks that we need are waited for briefly and asked for again.
 *
 * One job a table, whoever asks. It dies with the lock's session, and a minute
 * after the last question.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_PUBLISHER_H
#define CONNECTION_PUBLISHER_H

#include "services/connection/db_request.h"

struct publisher;

struct publisher *publisher_new(const struct db_env *env);

/* Questions that are open are answered. NULL is accepted. */
void publisher_free(struct publisher *publisher);

/* Answers within 800 ms: done, failed, or what is waited for. */
void publisher_publish(struct publisher *publisher, struct db_request *request,
                       const struct db_publish *wanted);
void publisher_unpublish(struct publisher *publisher, struct db_request *request,
                         const struct db_unpublish *wanted);

/* The lock's session, or the collector that asked, is gone: every job begins anew when asked. */
void publisher_reset(struct publisher *publisher);

#endif

/*
 * session_settings.h - what decides how Postgres spells values and reads our SQL.
 *
 * The stream and the snapshots must spell alike, so both pin the same settings,
 * whatever the defaults of server, database and role are.
 *
 * Threading: no state, any thread.
 */
#ifndef CONNECTION_SESSION_SETTINGS_H
#define CONNECTION_SESSION_SETTINGS_H

#include "common/buf.h"

/* "SET LOCAL a = 'b'; ..." takes no snapshot: for the begin of a transaction. */
void session_settings_local(struct buf *sql);

/* "set_config('a', 'b', false), ...": columns of a SELECT, for the rest of the session. */
void session_settings_columns(struct buf *sql);

#endif

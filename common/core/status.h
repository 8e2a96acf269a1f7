/*
 * status.h - the conditions that services report.
 */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include "common/wire.h"

/* Named as Electric names them, so that operators recognise them. */
enum status_condition {
    /* met by connection */
    STATUS_PG_LOCK_ACQUIRED,
    STATUS_REPLICATION_CLIENT_READY,
    STATUS_ADMIN_CONNECTION_POOL_READY,
    STATUS_SNAPSHOT_CONNECTION_POOL_READY,
    STATUS_INTEGRITY_CHECKS_PASSED,
    /* met by shape_log_collector */
    STATUS_SHAPE_METADATA_READY,
    STATUS_SHAPE_LOG_COLLECTOR_READY,
    STATUS_STORAGE_WRITABLE,
    STATUS_CONDITION_COUNT
};

/* "pg_lock_acquired" */
const char *status_condition_name(enum status_condition condition);

/* The service that meets it: "connection" or "shape_log_collector". */
const char *status_condition_owner(enum status_condition condition);

#endif

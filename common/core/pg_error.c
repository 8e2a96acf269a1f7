#include "common/core/pg_error.h"

#include <string.h>

/* The first row whose parts all match counts; NULL matches everything. */
struct row {
    const char *sqlstate; /* "": not from Postgres */
    const char *message;  /* what it contains */
    const char *also;     /* ... and what else */
    const char *detail;
    const char *type;
    enum pg_error_action action;
};

#define RETRY     PG_ERROR_RETRY
#define FATAL     PG_ERROR_FATAL
#define DROP_SLOT PG_ERROR_DROP_SLOT

static const struct row table[] = {
    /* the way to Postgres: the resolver, TCP, TLS */
    {"", "Name or service not known", NULL, NULL, "nxdomain", FATAL},
    {"", "No address associated with hostname", NULL, NULL, "nxdomain", FATAL},
    {"", "Temporary failure in name resolution", NULL, NULL, "nxdomain_temporary", RETRY},
    {"", "server does not support SSL", NULL, NULL, "connection_closed", FATAL},
    {"", "certificate verify failed", NULL, NULL, "ssl_connection_failed", FATAL},
    {"", "root certificate file", NULL, NULL, "ssl_connection_failed", FATAL},
    {"", "server certificate for", "does not match host name", NULL, "ssl_connection_failed",
     FATAL},
    {"", "bad certificate", NULL, NULL, "ssl_connection_failed", FATAL},
    {"", "unknown ca", NULL, NULL, "ssl_connection_failed", FATAL},
    {"", "no password supplied", NULL, NULL, "invalid_username_or_password", FATAL},
    {"", "Connection refused", NULL, NULL, "connection_refused", RETRY},
    {"", "timeout expired", NULL, NULL, "connection_timeout", RETRY},
    {"", "timed out", NULL, NULL, "connection_timeout", RETRY},
    {"", "No route to host", NULL, NULL, "host_unreachable", RETRY},
    {"", "etwork is unreachable", NULL, NULL, "network_unreachable", RETRY},
    {"", "closed", NULL, NULL, "connection_closed", RETRY},
    {"", "Connection reset", NULL, NULL, "connection_closed", RETRY},
    {"", "Broken pipe", NULL, NULL, "connection_closed", RETRY},
    {"", "could not receive data", NULL, NULL, "connection_closed", RETRY},
    {"", "could not send data", NULL, NULL, "connection_closed", RETRY},

    /* ours */
    {"", "publication", "not found in the database", NULL, "publication_missing", FATAL},
    {"", "publication", "does not publish all required operations", NULL,
     "publication_missing_operations", FATAL},
    {"", "replication slot", "belongs to", NULL, "config_error", FATAL},
    {"", "replication slot", "is lost", NULL, "database_slot_invalidated", DROP_SLOT},

    /* Postgres */
    {"55000", "logical decoding requires", "wal_level", NULL, "wal_level_is_not_logical", FATAL},
    {"55000", NULL, NULL, "exceeded the maximum reserved size", "database_slot_exceeded_max_size",
     DROP_SLOT},
    {"55000", "can no longer get changes from replication slot", NULL, NULL,
     "database_slot_exceeded_max_size", DROP_SLOT},
    {"55000", "can no longer access replication slot", NULL, NULL, "database_slot_invalidated",
     DROP_SLOT},
    {"55000", "cannot read from logical replication slot", NULL, NULL, "database_slot_invalidated",
     DROP_SLOT},
    {"55000", "recovery is in progress", NULL, NULL, "database_server_in_recovery", RETRY},
    {"25006", NULL, NULL, NULL, "database_server_in_recovery", RETRY},
    {"55006", "replication slot", "is active for PID", NULL, "replication_slot_in_use", RETRY},
    {"42501", "REPLICATION attribute", NULL, NULL, "insufficient_privileges", FATAL},
    {"42501", "must be superuser or replication role", NULL, NULL, "insufficient_privileges",
     FATAL},
    {"42501", "permission denied to use replication slots", NULL, NULL, "insufficient_privileges",
     FATAL},
    {"42501", "permission denied to start WAL sender", NULL, NULL, "insufficient_privileges",
     FATAL},
    {"28P01", NULL, NULL, NULL, "invalid_username_or_password", FATAL},
    {"28000", "branch ", NULL, NULL, "branch_does_not_exist", RETRY},
    {"28000", "no pg_hba.conf entry", "no encryption", NULL, "ssl_connection_required", FATAL},
    {"28000", "no pg_hba.conf entry", NULL, NULL, "authorization_failure", FATAL},
    {"28000", "does not exist", NULL, NULL, "invalid_username_or_password", FATAL},
    {"28000", "is not permitted to log in", NULL, NULL, "authorization_failure", FATAL},
    {"57P01", NULL, NULL, NULL, "database_server_shutting_down", RETRY},
    {"57P02", NULL, NULL, NULL, "database_server_shutting_down", RETRY},
    {"57P03", NULL, NULL, NULL, "database_server_unavailable", RETRY},
    {"53300", "max_wal_senders", NULL, NULL, "insufficient_resources", RETRY},
    {"53300", NULL, NULL, NULL, "insufficient_resources", RETRY},
    {"53400", "all replication slots are in use", NULL, NULL, "insufficient_resources", RETRY},
    {"53100", NULL, NULL, NULL, "disk_full", RETRY},
    {"08006", NULL, NULL, NULL, "connection_failure", RETRY},
    {"08P01", "server conn crashed", NULL, NULL, "server_connection_crashed", RETRY},
    {"57014", NULL, NULL, NULL, "query_canceled", RETRY},
    {"42704", "publication", "does not exist", NULL, "missing_publication", RETRY},
    {"42704", "replication slot", "does not exist", NULL, "missing_slot", RETRY},
    {"3D000", NULL, NULL, NULL, "database_does_not_exist", FATAL},
    {"58P02", "replication slot", NULL, NULL, "duplicate_slot_file", RETRY},
    {"42601", NULL, NULL, NULL, "syntax_error", FATAL},
    {"XX000", "remaining connection slots are reserved", NULL, NULL, "insufficient_resources",
     RETRY},
    {"XX000", "database \"", "does not exist", NULL, "database_does_not_exist", FATAL},
    {"XX000", "endpoint could not be found", NULL, NULL, "endpoint_not_found", FATAL},
    {"XX000", "compute time quota", NULL, NULL, "compute_quota_exceeded", FATAL},
    {"XX000", "data transfer quota", NULL, NULL, "data_transfer_quota_exceeded", FATAL},
    {"XX000", "password authentication failed for user", NULL, NULL, "invalid_username_or_password",
     FATAL},
    {"XX000", "server login has been failing", NULL, NULL, "pooler_login_failed", RETRY},
    {"XX000", "ouldn't connect to compute node", NULL, NULL, "compute_node_unreachable", RETRY},
    {NULL, "Failed to identify your database: Your account has restrictions", NULL, NULL,
     "endpoint_not_found", FATAL},
    {NULL, NULL, NULL, NULL, "unknown", RETRY},
};

static bool
contains(const char *text, const char *part)
{
    return !part || strstr(text, part) != NULL;
}

struct pg_error_class
pg_error_classify(const char *sqlstate, const char *message, const char *detail)
{
    const struct row *row = table;
    while ((row->sqlstate && strcmp(row->sqlstate, sqlstate) != 0) ||
           !contains(message, row->message) || !contains(message, row->also) ||
           !contains(detail, row->detail))
        row++;
    return (struct pg_error_class){row->type, row->action};
}

bool
pg_error_passes(const char *sqlstate)
{
    return sqlstate[0] == '\0' || strncmp(sqlstate, "53", 2) == 0 ||
           strncmp(sqlstate, "57", 2) == 0 || strncmp(sqlstate, "08", 2) == 0;
}

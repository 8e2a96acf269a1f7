/* Every kind of error has the fate that engine §1.10 gives it. */
#include "common/core/pg_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
expect(const char *sqlstate, const char *message, const char *detail, const char *type,
       enum pg_error_action action)
{
    struct pg_error_class class = pg_error_classify(sqlstate, message, detail);
    assert_string_equal(class.type, type);
    assert_int_equal(class.action, action);
}

static void
test_the_way_to_postgres(void **state)
{
    (void)state;
    expect("", "could not resolve host \"x\": Name or service not known", "", "nxdomain",
           PG_ERROR_FATAL);
    expect("", "could not resolve host \"x\": Temporary failure in name resolution", "",
           "nxdomain_temporary", PG_ERROR_RETRY);
    expect("", "connection to server at \"h\", port 1 failed: Connection refused", "",
           "connection_refused", PG_ERROR_RETRY);
    expect("", "timeout expired", "", "connection_timeout", PG_ERROR_RETRY);
    expect("", "server closed the connection unexpectedly", "", "connection_closed",
           PG_ERROR_RETRY);
    expect("", "SSL connection has been closed unexpectedly", "", "connection_closed",
           PG_ERROR_RETRY);
    expect("", "server does not support SSL, but SSL was required", "", "connection_closed",
           PG_ERROR_FATAL);
    expect("", "SSL error: certificate verify failed", "", "ssl_connection_failed", PG_ERROR_FATAL);
    expect("", "server certificate for \"a\" does not match host name \"b\"", "",
           "ssl_connection_failed", PG_ERROR_FATAL);
    expect("", "fe_sendauth: no password supplied", "", "invalid_username_or_password",
           PG_ERROR_FATAL);
}

static void
test_what_a_person_must_repair(void **state)
{
    (void)state;
    expect("55000", "logical decoding requires wal_level >= logical", "",
           "wal_level_is_not_logical", PG_ERROR_FATAL);
    expect("55000", "logical decoding requires \"wal_level\" >= \"logical\"", "",
           "wal_level_is_not_logical", PG_ERROR_FATAL);
    expect("28P01", "password authentication failed for user \"x\"", "",
           "invalid_username_or_password", PG_ERROR_FATAL);
    expect("28000", "no pg_hba.conf entry for host \"h\", user \"u\", no encryption", "",
           "ssl_connection_required", PG_ERROR_FATAL);
    expect("28000", "no pg_hba.conf entry for host \"h\", user \"u\", SSL encryption", "",
           "authorization_failure", PG_ERROR_FATAL);
    expect("3D000", "database \"x\" does not exist", "", "database_does_not_exist", PG_ERROR_FATAL);
    expect("42501", "must be superuser or replication role to use replication slots", "",
           "insufficient_privileges", PG_ERROR_FATAL);
    expect("42601", "syntax error", "", "syntax_error", PG_ERROR_FATAL);
    expect("", "publication \"p\" not found in the database", "", "publication_missing",
           PG_ERROR_FATAL);
    expect("", "replication slot \"s\" belongs to database \"x\"", "", "config_error",
           PG_ERROR_FATAL);
    expect("XX000", "endpoint could not be found", "", "endpoint_not_found", PG_ERROR_FATAL);
}

static void
test_what_passes(void **state)
{
    (void)state;
    expect("57P01", "terminating connection due to administrator command", "",
           "database_server_shutting_down", PG_ERROR_RETRY);
    expect("57P03", "the database system is starting up", "", "database_server_unavailable",
           PG_ERROR_RETRY);
    expect("53300", "too many connections for role \"x\"", "", "insufficient_resources",
           PG_ERROR_RETRY);
    expect("55006", "replication slot \"s\" is active for PID 7", "", "replication_slot_in_use",
           PG_ERROR_RETRY);
    expect("28000", "branch \"b\" not found", "", "branch_does_not_exist", PG_ERROR_RETRY);
    expect("57014", "canceling statement due to user request", "", "query_canceled",
           PG_ERROR_RETRY);
    expect("42704", "publication \"p\" does not exist", "", "missing_publication", PG_ERROR_RETRY);
    expect("42704", "replication slot \"s\" does not exist", "", "missing_slot", PG_ERROR_RETRY);
    expect("55000", "recovery is in progress", "", "database_server_in_recovery", PG_ERROR_RETRY);
    expect("25006", "cannot execute CREATE PUBLICATION in a read-only transaction", "",
           "database_server_in_recovery", PG_ERROR_RETRY);
    expect("P0001", "anything", "", "unknown", PG_ERROR_RETRY);
    expect("", "", "", "unknown", PG_ERROR_RETRY);
}

static void
test_a_lost_slot_is_dropped(void **state)
{
    (void)state;
    expect("55000", "cannot read from logical replication slot \"s\"",
           "This slot has been invalidated because it exceeded the maximum reserved size.",
           "database_slot_exceeded_max_size", PG_ERROR_DROP_SLOT);
    expect("55000", "can no longer access replication slot \"s\"",
           "This replication slot has been invalidated due to \"wal_removed\".",
           "database_slot_invalidated", PG_ERROR_DROP_SLOT);
    expect("", "replication slot \"s\" is lost", "", "database_slot_invalidated",
           PG_ERROR_DROP_SLOT);
}

static void
test_whose_fault_it_is(void **state)
{
    (void)state;
    static const char *const passing[] = {"", "53300", "57P01", "57014", "08006"};
    static const char *const final[] = {"42501", "42P01", "22P02", "55P03", "XX000"};
    for (size_t i = 0; i < COUNT_OF(passing); i++) {
        assert_true(pg_error_passes(passing[i]));
        assert_false(pg_error_passes(final[i]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_way_to_postgres),
        cmocka_unit_test(test_what_a_person_must_repair),
        cmocka_unit_test(test_what_passes),
        cmocka_unit_test(test_a_lost_slot_is_dropped),
        cmocka_unit_test(test_whose_fault_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

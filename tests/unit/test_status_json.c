/*
 * The board as JSON, byte for byte.
 */
#include "common/core/status_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_no_board_yet(void **state)
{
    (void)state;
    struct buf out = {0};
    status_json_append(NULL, &out);
    assert_string_equal(buf_str(&out), "{\"status\":\"starting\",\"connection\":\"unknown\","
                                       "\"shapes\":\"unknown\",\"services\":[]}");
    buf_free(&out);
}

static void
test_all_that_is_known(void **state)
{
    (void)state;
    struct condition conditions[] = {
        {.name = view_str("pg_lock_acquired"), .met = true, .since_us = 95},
        {.name = view_str("replication_client_ready"), .error = view_str("no \"slot\"")},
    };
    struct fact facts[] = {{.name = view_str("lsn"), .value = view_str("0/1")},
                           {.name = view_str("slot"), .value = view_str("s")}};
    struct board_ending endings[] = {{.at_us = 80, .reason = view_str("exit code 1")},
                                     {.at_us = 89, .reason = view_str("signal 9 (Killed)")}};
    struct board_service rows[] = {
        {.service = view_str("connection"),
         .incarnation_us = 100,
         .incarnation_salt = 18446744073709551615u,
         .pid = 12,
         .state = view_str("up"),
         .since_us = 90,
         .restarts = 2,
         .last_error = view_str("signal 9 (Killed)"),
         .conditions = conditions,
         .conditions_count = 2,
         .facts = facts,
         .facts_count = 2,
         .endings = endings,
         .endings_count = 2},
        {.service = view_str("api"), .state = view_str("down")},
    };
    struct status_board board = {.connection = view_str("up"),
                                 .shapes = view_str("up"),
                                 .service = view_str("active"),
                                 .services = rows,
                                 .services_count = 2};
    struct buf out = {0};
    status_json_append(&board, &out);
    assert_string_equal(
        buf_str(&out),
        "{\"status\":\"active\",\"connection\":\"up\",\"shapes\":\"up\",\"services\":["
        "{\"service\":\"connection\",\"state\":\"up\",\"since_us\":90,\"pid\":12,\"restarts\":2,"
        "\"incarnation\":\"100-18446744073709551615\",\"last_error\":\"signal 9 (Killed)\","
        "\"endings\":[{\"at_us\":80,\"reason\":\"exit code 1\"},"
        "{\"at_us\":89,\"reason\":\"signal 9 (Killed)\"}],"
        "\"conditions\":{\"pg_lock_acquired\":{\"met\":true,\"since_us\":95},"
        "\"replication_client_ready\":{\"met\":false,\"error\":\"no \\\"slot\\\"\"}},"
        "\"facts\":{\"lsn\":\"0/1\",\"slot\":\"s\"}},"
        "{\"service\":\"api\",\"state\":\"down\",\"since_us\":0,\"pid\":0,\"restarts\":0,"
        "\"endings\":[],\"conditions\":{},\"facts\":{}}]}");
    buf_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_board_yet),
        cmocka_unit_test(test_all_that_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

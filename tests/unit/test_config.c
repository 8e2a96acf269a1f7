/*
 * Every setting has its default, takes what its row allows and names itself when it is wrong;
 * docs/configuration.md says what the table says (UPDATE_DOCS=1 in the environment writes it).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/config_value.h"
#include "common/mem.h"
#include "tests/lib/tmp_path.h"

#define DOC "docs/configuration.md"
#define MARKER \
    "<!-- written from common/config.def: UPDATE_DOCS=1 build/release/bin/test_config -->\n"

/* As from a real environment, whose strings are not const. */
static bool
load_copy(const char *const *env, struct config *config_out, struct err *err)
{
    char *copy[32] = {NULL};
    size_t count = 0;
    for (; env[count] != NULL; count++) {
        assert_true(count + 1 < COUNT_OF(copy));
        copy[count] = mem_dup_str(env[count]);
    }
    bool ok = config_load(copy, config_out, err);
    while (count > 0) {
        mem_free(copy[--count]);
    }
    return ok;
}

static struct config
load(const char *const *env)
{
    struct config config = {0};
    struct err err = {0};
    if (!load_copy(env, &config, &err)) {
        fail_msg("%s", err.msg);
    }
    return config;
}

/* The message of the one wrong setting. */
static const char *
refused(const char *setting)
{
    static struct err err;
    const char *env[] = {setting, NULL};
    struct config config = {0};
    err = (struct err){0};
    assert_false(load_copy(env, &config, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    return err.msg;
}

static void
without_an_environment_all_is_default(void **state)
{
    (void)state;
    const char *env[] = {NULL};
    struct config config = load(env);
    assert_null(config.database_url);
    assert_null(config.pooled_database_url);
    assert_null(config.secret);
    assert_false(config.insecure);
    assert_int_equal(config.port, 3000);
    assert_int_equal(config.long_poll_ms, 20000);
    assert_int_equal(config.cache_max_age_s, 60);
    assert_int_equal(config.chunk_bytes, 10 << 20);
    assert_int_equal(config.max_concurrent_requests.initial, 300);
    assert_int_equal(config.max_concurrent_requests.existing, 10000);
    assert_int_equal(config.log_level, LOG_LEVEL_INFO);
    assert_string_equal(config.storage_dir, "./persistent");
    assert_string_equal(config.stream_id, "default");
    assert_int_equal(config.prometheus_port, CONFIG_UNSET);
    assert_null(config.accepted_names);
    assert_null(config.unknown_names);
    config_free(&config);
    config_free(&config);
}

static void
values_come_from_the_environment(void **state)
{
    (void)state;
    const char *env[] = {"DATABASE_URL=postgresql://u:p=1@h/d",
                         "ELECTRIC_PORT=8080",
                         "ELECTRIC_LONG_POLL_TIMEOUT=5 sec",
                         "ELECTRIC_CACHE_STALE_AGE=2min",
                         "ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD=4KiB",
                         "ELECTRIC_MAX_CONCURRENT_REQUESTS={ \"existing\" : 7 }",
                         "ELECTRIC_LOG_LEVEL=critical",
                         "ELECTRIC_INSECURE=TRUE",
                         "ELECTRIC_SECRET=",
                         "SHAPEWIRE_API_STORAGE=remote",
                         "SHAPEWIRE_BUS_REPL=tcp://10.0.0.1:7003",
                         "ELECTRIC_STORAGE=MEMORY",
                         "SENTRY_DSN=x",
                         "ELECTRIC_TYPO=1",
                         "SHAPEWIRE_=",
                         "PATH=/bin",
                         NULL};
    struct config config = load(env);
    assert_string_equal(config.database_url, "postgresql://u:p=1@h/d");
    assert_string_equal(config.pooled_database_url, config.database_url);
    assert_int_equal(config.port, 8080);
    assert_int_equal(config.long_poll_ms, 5000);
    assert_int_equal(config.cache_stale_age_s, 120);
    assert_int_equal(config.chunk_bytes, 4096);
    assert_int_equal(config.max_concurrent_requests.initial, 300);
    assert_int_equal(config.max_concurrent_requests.existing, 7);
    assert_int_equal(config.log_level, LOG_LEVEL_ERROR);
    assert_true(config.insecure);
    assert_null(config.secret);
    assert_int_equal(config.api_storage, CONFIG_API_STORAGE_REMOTE);
    assert_string_equal(config.bus_repl, "tcp://10.0.0.1:7003");
    assert_string_equal(config.accepted_names, "ELECTRIC_STORAGE,SENTRY_DSN");
    assert_string_equal(config.unknown_names, "ELECTRIC_TYPO,SHAPEWIRE_");
    config_free(&config);
}

static void
an_older_name_counts_unless_the_new_one_is_there(void **state)
{
    (void)state;
    const char *old[] = {"ELECTRIC_QUERY_DATABASE_URL=old", "DATABASE_URL=d", NULL};
    struct config config = load(old);
    assert_string_equal(config.pooled_database_url, "old");
    config_free(&config);
    const char *both[] = {"ELECTRIC_POOLED_DATABASE_URL=new", "ELECTRIC_QUERY_DATABASE_URL=old",
                          NULL};
    config = load(both);
    assert_string_equal(config.pooled_database_url, "new");
    config_free(&config);
}

static void
a_wrong_value_is_named_with_what_is_allowed(void **state)
{
    (void)state;
    assert_string_equal(refused("ELECTRIC_PORT=65536"),
                        "ELECTRIC_PORT is \"65536\" but must be a number from 0 to 65535");
    assert_string_equal(refused("ELECTRIC_LONG_POLL_TIMEOUT=6min"),
                        "ELECTRIC_LONG_POLL_TIMEOUT is \"6min\" but must be a duration from 1ms to "
                        "5min (units: ms, s, min; none: ms)");
    assert_string_equal(refused("ELECTRIC_REPLICATION_IDLE_TIMEOUT=29999"),
                        "ELECTRIC_REPLICATION_IDLE_TIMEOUT is 29999 ms: minimum supported timeout "
                        "is 30sec (0: never)");
    assert_string_equal(refused("ELECTRIC_INSECURE=yes"),
                        "ELECTRIC_INSECURE is \"yes\" but must be true or false");
    assert_string_equal(refused("ELECTRIC_LOG_LEVEL=loud"),
                        "ELECTRIC_LOG_LEVEL is \"loud\" but must be error, warning, info or debug");
    assert_string_equal(
        refused("ELECTRIC_REPLICATION_STREAM_ID=Two"),
        "ELECTRIC_REPLICATION_STREAM_ID is \"Two\" but must be 1 to 40 lower-case letters, digits "
        "and _");
    assert_string_equal(
        refused("SHAPEWIRE_BUS_LOG=/tmp/x"),
        "SHAPEWIRE_BUS_LOG is \"/tmp/x\" but must be ipc://PATH or tcp://HOST:PORT");
    assert_string_equal(refused("ELECTRIC_MAX_CONCURRENT_REQUESTS={\"initial\":0}"),
                        "ELECTRIC_MAX_CONCURRENT_REQUESTS is \"{\"initial\":0}\" but must be JSON "
                        "like {\"initial\":300,\"existing\":10000}, each from 1 to 1000000");
    assert_string_equal(refused("SHAPEWIRE_API_STORAGE=none"),
                        "SHAPEWIRE_API_STORAGE is \"none\" but must be auto or remote");
    assert_string_equal(refused("ELECTRIC_CACHE_MAX_AGE=-1"),
                        "ELECTRIC_CACHE_MAX_AGE is \"-1\" but must be a number of seconds from 0 "
                        "to 31536000");
}

static void
a_secret_is_in_no_message(void **state)
{
    (void)state;
    char secret[2000] = "ELECTRIC_SECRET=";
    memset(secret + 16, 's', sizeof secret - 17);
    secret[sizeof secret - 1] = '\0';
    assert_string_equal(refused(secret), "ELECTRIC_SECRET must be a text of 1 to 1024 bytes");
}

static void
what_a_service_needs_is_asked_for_by_name(void **state)
{
    (void)state;
    struct err err = {0};
    const char *none[] = {NULL};
    struct config config = load(none);
    assert_false(config_require_database(&config, &err));
    assert_non_null(strstr(err.msg, "DATABASE_URL"));
    assert_false(config_require_access(&config, &err));
    assert_non_null(strstr(err.msg, "ELECTRIC_INSECURE=true"));
    config_free(&config);
    const char *both[] = {"ELECTRIC_SECRET=s", "ELECTRIC_INSECURE=true", "DATABASE_URL=d", NULL};
    config = load(both);
    assert_true(config_require_database(&config, &err));
    assert_false(config_require_access(&config, &err));
    assert_non_null(strstr(err.msg, "both set"));
    config_free(&config);
    const char *one[] = {"ELECTRIC_SECRET=s", NULL};
    config = load(one);
    assert_true(config_require_access(&config, &err));
    config_free(&config);
}

/* ---- single values */

static void
durations_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"0", 0},       {"20000", 20000},   {"5ms", 5},     {"5 msec", 5},
                {"2s", 2000},   {"2sec", 2000},     {"3m", 180000}, {"3 min", 180000},
                {"1.5s", 1500}, {"0.25min", 15000}, {"1.0", 1},     {"007", 7}};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        uint64_t ms = 99;
        assert_true(config_parse_duration(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"",
                                      "s",
                                      "-1",
                                      "1h",
                                      " 1",
                                      "1.s",
                                      "1.5",
                                      "+1s",
                                      "1e3",
                                      "1s ",
                                      "1.2345s",
                                      "18446744073709551616",
                                      "18446744073709551615s"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint64_t ms = 99;
        assert_false(config_parse_duration(bad[i], &ms));
        assert_int_equal(ms, 99);
    }
    uint64_t seconds;
    assert_true(config_parse_seconds("60", &seconds));
    assert_int_equal(seconds, 60);
    assert_true(config_parse_seconds("1.5min", &seconds));
    assert_int_equal(seconds, 90);
    assert_false(config_parse_seconds("1.5", &seconds));
    assert_false(config_parse_seconds("500ms", &seconds));
}

static void
sizes_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"10485760", 10485760}, {"1KB", 1000},       {"1 KiB", 1024},    {"2mb", 2000000},
                {"10MiB", 10485760},    {"1GB", 1000000000}, {"1GiB", 1u << 30}, {"1.5KiB", 1536}};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        uint64_t bytes;
        assert_true(config_parse_size(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    uint64_t bytes;
    assert_false(config_parse_size("1TB", &bytes));
    assert_false(config_parse_size("1.5", &bytes));
    assert_false(config_parse_size("99999999999999GiB", &bytes));
}

static void
request_limits_are_json(void **state)
{
    (void)state;
    struct config_request_limits limits = {1, 2};
    assert_true(config_parse_request_limits("{\"initial\":30,\"existing\":40}", &limits));
    assert_int_equal(limits.initial, 30);
    assert_int_equal(limits.existing, 40);
    assert_true(config_parse_request_limits(" {\n\"initial\" : 5 } ", &limits));
    assert_int_equal(limits.initial, 5);
    assert_int_equal(limits.existing, 40);
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"initial\"}",
                                      "{\"initial\":}",
                                      "{\"initial\":-1}",
                                      "{\"initial\":4294967296}",
                                      "{\"other\":1}",
                                      "{\"initial\":1,}",
                                      "{\"initial\":1} x",
                                      "{\"initial\":1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(config_parse_request_limits(bad[i], &limits));
        assert_int_equal(limits.initial, 5);
    }
}

/* ---- the runtime folder */

static void
the_runtime_folder_follows_storage_and_port(void **state)
{
    (void)state;
    char here[1024];
    assert_non_null(getcwd(here, sizeof here));
    char full[1100];
    snprintf(full, sizeof full, "ELECTRIC_STORAGE_DIR=%s//./persistent/", here);
    const char *relative[] = {NULL};
    const char *absolute[] = {full, NULL};
    const char *port[] = {"ELECTRIC_PORT=3001", NULL};
    struct config a = load(relative);
    struct config b = load(absolute);
    struct config c = load(port);
    char prefix[32];
    snprintf(prefix, sizeof prefix, "/tmp/shapewire-%u-", (unsigned)geteuid());
    assert_memory_equal(a.runtime_dir, prefix, strlen(prefix));
    assert_string_equal(a.runtime_dir, b.runtime_dir);
    assert_string_not_equal(a.runtime_dir, c.runtime_dir);
    char address[128];
    snprintf(address, sizeof address, "ipc://%s/report", a.runtime_dir);
    assert_string_equal(a.bus_report, address);
    config_free(&a);
    config_free(&b);
    config_free(&c);
}

static void
the_runtime_folder_is_ours_alone(void **state)
{
    (void)state;
    struct err err = {0};
    char setting[256];
    snprintf(setting, sizeof setting, "SHAPEWIRE_RUNTIME_DIR=%s", tmp_path("runtime"));
    const char *env[] = {setting, NULL};
    struct config config = load(env);
    assert_true(config_make_runtime_dir(&config, &err));
    assert_true(config_make_runtime_dir(&config, &err));
    struct stat stat_of;
    assert_int_equal(stat(config.bus_control + strlen("ipc://"), &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0700);

    assert_int_equal(chmod(config.runtime_dir, 0777), 0);
    assert_false(config_make_runtime_dir(&config, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    config_free(&config);
}

/* ---- documentation */

static char *
read_text(FILE *file)
{
    char *text = mem_alloc_zero(1 << 20);
    rewind(file);
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    text[size] = '\0';
    return text;
}

static void
help_names_every_setting(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    config_print_help(file);
    char *help = read_text(file);
    (void)fclose(file);
#define GROUP(title)                                       assert_non_null(strstr(help, title));
#define OPTION(member, TYPE, name, preset, min, max, text) assert_non_null(strstr(help, name));
#define ALIAS(name, member)                                assert_non_null(strstr(help, name));
#define ACCEPTED(name, why)                                assert_non_null(strstr(help, name));
#include "common/config.def"
#undef GROUP
#undef OPTION
#undef ALIAS
#undef ACCEPTED
    for (char *line = strtok(help, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(strlen(line) <= 79);
    }
    mem_free(help);
}

static void
the_documentation_is_the_table(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    config_print_markdown(file);
    char *expected = read_text(file);
    (void)fclose(file);

    file = fopen(DOC, "r+"); /* tests run at the top of the tree */
    assert_non_null(file);
    char *doc = read_text(file);
    char *table = strstr(doc, MARKER);
    assert_non_null(table);
    table += strlen(MARKER);
    if (getenv("UPDATE_DOCS") != NULL) {
        assert_int_equal(fseek(file, table - doc, SEEK_SET), 0);
        (void)fputs(expected, file);
        assert_int_equal(fflush(file), 0);
        assert_int_equal(ftruncate(fileno(file), ftell(file)), 0);
    } else {
        assert_string_equal(table, expected);
    }
    (void)fclose(file);
    mem_free(doc);
    mem_free(expected);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_environment_all_is_default),
        cmocka_unit_test(values_come_from_the_environment),
        cmocka_unit_test(an_older_name_counts_unless_the_new_one_is_there),
        cmocka_unit_test(a_wrong_value_is_named_with_what_is_allowed),
        cmocka_unit_test(a_secret_is_in_no_message),
        cmocka_unit_test(what_a_service_needs_is_asked_for_by_name),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(request_limits_are_json),
        cmocka_unit_test(the_runtime_folder_follows_storage_and_port),
        cmocka_unit_test(the_runtime_folder_is_ours_alone),
        cmocka_unit_test(help_names_every_setting),
        cmocka_unit_test(the_documentation_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

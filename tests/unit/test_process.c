/*
 * A child begins only after it is on record, gets exactly the descriptors that
 * are meant for it, and is told from another process by its start time.
 */
#include "common/process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/listen.h"
#include "tests/lib/tmp_path.h"

#define SHELL "/bin/sh"

/* Runs `script` in a shell; gives its exit code. */
static int
run(const char *script, struct process_start start)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", script);
    char shell[] = SHELL;
    char option[] = "-c";
    char *argv[] = {shell, option, text, NULL};
    start.path = SHELL;
    start.argv = argv;
    struct err err;
    pid_t pid;
    assert_true(process_spawn(&start, &pid, &err));
    siginfo_t info = {0};
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
    return process_exit_code(info.si_code, info.si_status);
}

static const struct process_start plain = {.listen_fd = -1, .link_fd = -1};

static void
test_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(run("exit 3", plain), 3);
    assert_int_equal(run("kill -9 $$", plain), 128 + SIGKILL);
    char text[64];
    process_exit_text(3, text, sizeof text);
    assert_string_equal(text, "exit code 3");
    process_exit_text(128 + SIGKILL, text, sizeof text);
    assert_string_equal(text, "signal 9 (Killed)");
    process_exit_text(-1, text, sizeof text);
    assert_string_equal(text, "ended, its exit code is not known");
}

static void
test_descriptors_are_exactly_those_meant(void **state)
{
    (void)state;
    int stray = dup(2); /* not close-on-exec, as a careless library leaves it */
    int listening = -1;
    struct err err;
    assert_true(listen_open("127.0.0.1", 0, false, &listening, &err));
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct process_start start = {.listen_fd = listening, .link_fd = pair[1]};
    assert_int_equal(run("test $LISTEN_FDS = 1 && test $LISTEN_PID = $$ && "
                         "test $ENGINE_PARENT_FD = 4 && printf x >&4 && "
                         "test -h /proc/$$/fd/3 && for fd in 5 6 7 8 9 10 11 12; do "
                         "test ! -h /proc/$$/fd/$fd || exit 1; done",
                         start),
                     0);
    char byte;
    assert_int_equal(read(pair[0], &byte, 1), 1);
    assert_int_equal(run("test -z \"$LISTEN_FDS$LISTEN_PID$ENGINE_PARENT_FD\" && "
                         "for fd in 3 4 5 6 7 8 9 10 11 12; do "
                         "test ! -h /proc/$$/fd/$fd || exit 1; done",
                         plain),
                     0);
    /* The two change places: what is moved must not be overwritten first. */
    struct process_start crossed = {.listen_fd = pair[1], .link_fd = listening};
    assert_int_equal(run("printf y >&3", crossed), 0);
    assert_int_equal(read(pair[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(pair[0]);
    close(pair[1]);
    close(listening);
    close(stray);
}

static void
test_a_child_has_default_signals_and_a_group_of_its_own(void **state)
{
    (void)state;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
    assert_int_equal(run("kill -TERM $$; exit 0", plain), 128 + SIGTERM);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &blocked, NULL), 0);
    assert_int_equal(run("set -- $(cat /proc/$$/stat); test $5 = $$", plain), 0);
}

static bool
refuse(void *ctx, pid_t pid, struct err *err)
{
    *(pid_t *)ctx = pid;
    return err_set(err, ERR_IO, "no room for the record");
}

static void
test_what_is_not_recorded_never_begins(void **state)
{
    (void)state;
    char mark[256];
    snprintf(mark, sizeof mark, "%s", tmp_path("began"));
    char shell[] = SHELL;
    char option[] = "-c";
    char script[300];
    snprintf(script, sizeof script, "touch %s", mark);
    char *argv[] = {shell, option, script, NULL};
    pid_t seen = 0;
    struct process_start start = {.path = SHELL,
                                  .argv = argv,
                                  .listen_fd = -1,
                                  .link_fd = -1,
                                  .record = refuse,
                                  .ctx = &seen};
    struct err err;
    pid_t pid = 0;
    assert_false(process_spawn(&start, &pid, &err));
    assert_int_equal(process_start_ticks(seen), 0); /* gone, and reaped */
    assert_int_not_equal(access(mark, F_OK), 0);
}

static void
test_a_missing_program_is_named(void **state)
{
    (void)state;
    char *argv[] = {NULL};
    struct process_start start = plain;
    start.path = "/nowhere/shapewire-api";
    start.argv = argv;
    struct err err;
    pid_t pid;
    assert_false(process_spawn(&start, &pid, &err));
    assert_non_null(strstr(err.msg, "/nowhere/shapewire-api"));
}

static void
test_start_and_parent_of_a_process(void **state)
{
    (void)state;
    uint64_t mine = process_start_ticks(getpid());
    assert_true(mine > 0);
    assert_int_equal(process_start_ticks(getpid()), mine);
    assert_int_equal(process_parent(getpid()), getppid());
    assert_int_equal(process_start_ticks(0x7ffffff0), 0);
    char folder[256];
    struct err err;
    assert_true(process_folder(folder, sizeof folder, &err));
    assert_int_equal(folder[0], '/');
}

static void
test_an_inherited_socket_is_for_whom_it_is_meant(void **state)
{
    (void)state;
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_PID", "1", 1); /* somebody else */
    assert_int_equal(listen_take_inherited(), -1);
    assert_null(getenv("LISTEN_FDS"));
    assert_int_equal(listen_take_inherited(), -1);
}

static void
test_an_occupied_port_is_named(void **state)
{
    (void)state;
    int first = -1;
    int second = -1;
    struct err err;
    assert_true(listen_open("127.0.0.1", 0, false, &first, &err));
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    assert_int_equal(getsockname(first, (struct sockaddr *)&address, &size), 0);
    unsigned char *bytes = (unsigned char *)&address;
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): getsockname() wrote it */
    uint16_t port = (uint16_t)(bytes[2] << 8 | bytes[3]);
    assert_false(listen_open("127.0.0.1", port, false, &second, &err));
    char text[16];
    snprintf(text, sizeof text, "port %u", port);
    assert_non_null(strstr(err.msg, text));
    assert_false(listen_open("no such host", port, false, &second, &err));
    assert_non_null(strstr(err.msg, "no such host"));
    close(first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_descriptors_are_exactly_those_meant),
        cmocka_unit_test(test_a_child_has_default_signals_and_a_group_of_its_own),
        cmocka_unit_test(test_what_is_not_recorded_never_begins),
        cmocka_unit_test(test_a_missing_program_is_named),
        cmocka_unit_test(test_start_and_parent_of_a_process),
        cmocka_unit_test(test_an_inherited_socket_is_for_whom_it_is_meant),
        cmocka_unit_test(test_an_occupied_port_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

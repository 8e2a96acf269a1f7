/* Every head comes back once, also around one that civetweb refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/mem.h"
#include "services/api/links.h"

#define HEADS 2000

struct asked {
    struct fixture *fixture;
    unsigned number;
    unsigned answers;
    bool is_refused;
    struct links_entry *entry;
};

struct fixture {
    struct loop *loop;
    struct links *links;
    struct asked asked[HEADS];
    unsigned left;
};

static void
on_answer(void *ctx, struct http_parsed *parsed)
{
    struct asked *asked = ctx;
    asked->answers++;
    asked->is_refused = parsed == NULL;
    asked->entry = NULL;
    if (parsed != NULL) {
        char path[32];
        snprintf(path, sizeof path, "/%u", asked->number);
        assert_true(view_is(parsed->raw_path, path));
        assert_true(view_is(parsed->query, "q=1"));
        assert_true(view_is(parsed->headers[HTTP_ORIGIN], "here"));
        assert_int_equal(parsed->headers[HTTP_AUTHORIZATION].size, 0);
        mem_free(parsed);
    }
    if (--asked->fixture->left == 0) {
        loop_stop(asked->fixture->loop);
    }
}

static void
on_turn_end(void *ctx)
{
    links_flush(((struct fixture *)ctx)->links);
}

static void
submit(struct fixture *fixture, unsigned number, bool is_good)
{
    char target[64];
    snprintf(target, sizeof target, is_good ? "/%u?q=1" : "/%u a b?q=1", number);
    struct http_head head = {.method = HTTP_GET, .target = view_str(target), .header_count = 1};
    head.headers[0] = (struct http_header){view_str("Origin"), view_str("here")};
    struct asked *asked = &fixture->asked[number];
    *asked = (struct asked){.fixture = fixture, .number = number};
    asked->entry = links_submit(fixture->links, &head, on_answer, asked);
    fixture->left++;
}

static struct fixture *
set_up(void)
{
    struct err err = {0};
    struct fixture *fixture = mem_alloc_zero(sizeof *fixture);
    assert_true(loop_new(&fixture->loop, &err));
    assert_true(links_open(fixture->loop, &fixture->links, &err));
    loop_on_turn_end(fixture->loop, on_turn_end, fixture);
    return fixture;
}

static void
tear_down(struct fixture *fixture)
{
    links_close(fixture->links);
    loop_free(fixture->loop);
    mem_free(fixture);
}

static void
all_come_back_once(void **state)
{
    (void)state;
    struct fixture *fixture = set_up();
    for (unsigned i = 0; i < HEADS; i++) {
        submit(fixture, i, true);
    }
    links_flush(fixture->links);
    loop_run(fixture->loop);
    for (unsigned i = 0; i < HEADS; i++) {
        assert_int_equal(fixture->asked[i].answers, 1);
        assert_false(fixture->asked[i].is_refused);
    }
    tear_down(fixture);
}

/* Blanks in the target make a request line that civetweb closes the link for. */
static void
the_one_that_breaks_a_link_is_refused_and_no_other(void **state)
{
    (void)state;
    struct fixture *fixture = set_up();
    for (unsigned i = 0; i < HEADS; i++) {
        submit(fixture, i, i % 500 != 3);
    }
    links_flush(fixture->links);
    loop_run(fixture->loop);
    for (unsigned i = 0; i < HEADS; i++) {
        assert_int_equal(fixture->asked[i].answers, 1);
        assert_int_equal(fixture->asked[i].is_refused, i % 500 == 3);
    }
    tear_down(fixture);
}

static void
what_is_cancelled_never_comes(void **state)
{
    (void)state;
    struct fixture *fixture = set_up();
    for (unsigned i = 0; i < HEADS; i++) {
        submit(fixture, i, true);
        if (i == HEADS / 2) {
            links_flush(fixture->links); /* so that some are under way */
        }
    }
    for (unsigned i = 0; i < HEADS; i += 2) {
        links_cancel(fixture->asked[i].entry);
        fixture->left--;
    }
    links_flush(fixture->links);
    loop_run(fixture->loop);
    for (unsigned i = 0; i < HEADS; i++) {
        assert_int_equal(fixture->asked[i].answers, i % 2);
    }
    tear_down(fixture);
}

static void
closing_forgets_what_is_under_way(void **state)
{
    (void)state;
    struct fixture *fixture = set_up();
    for (unsigned i = 0; i < HEADS; i++) {
        submit(fixture, i, i != 0);
    }
    links_flush(fixture->links);
    tear_down(fixture);
    links_close(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_come_back_once),
        cmocka_unit_test(the_one_that_breaks_a_link_is_refused_and_no_other),
        cmocka_unit_test(what_is_cancelled_never_comes),
        cmocka_unit_test(closing_forgets_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

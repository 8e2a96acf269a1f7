/*
 * Each rule of the connection's life (the list in stream_state.h) is kept, in
 * the order in which things happen and in the order in which they go wrong.
 */
#include "common/core/stream_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct stream_state s;
static uint64_t now_ms;

static const struct incarnation first = {100, 1};
static const struct incarnation second = {200, 2};

static unsigned
step(struct stream_event event)
{
    event.now_ms = now_ms;
    return stream_state_step(&s, &event);
}

static unsigned
simple(enum stream_event_kind kind)
{
    return step((struct stream_event){.kind = kind});
}

static unsigned
up(enum stream_part part)
{
    return step((struct stream_event){
        .kind = STREAM_EVENT_UP, .part = part, .system_id = view_str("7"), .timeline = 1});
}

static unsigned
failed(enum stream_part part, enum pg_error_action action)
{
    return step((struct stream_event){.kind = STREAM_EVENT_FAILED, .part = part, .action = action});
}

static unsigned
agreed(struct incarnation collector, uint64_t lsn)
{
    return step(
        (struct stream_event){.kind = STREAM_EVENT_AGREED, .collector = collector, .lsn = lsn});
}

static unsigned
board(struct incarnation collector, bool is_ready)
{
    return step((struct stream_event){
        .kind = STREAM_EVENT_COLLECTOR, .collector = collector, .is_ready = is_ready});
}

static unsigned
slot(bool is_new)
{
    return step((struct stream_event){.kind = STREAM_EVENT_SLOT, .is_new = is_new});
}

static unsigned
publication(bool is_new)
{
    return step((struct stream_event){.kind = STREAM_EVENT_PUBLICATION, .is_new = is_new});
}

/* Time passes up to the deadline, and no further. */
static unsigned
wait_for_tick(void)
{
    uint64_t at_ms = stream_state_deadline(&s, now_ms);
    assert_true(at_ms != UINT64_MAX);
    assert_true(at_ms > now_ms);
    now_ms = at_ms;
    return simple(STREAM_EVENT_TICK);
}

static int
fresh(void **state)
{
    (void)state;
    stream_state_init(&s);
    now_ms = 1000;
    return 0;
}

static void
get_lock(void)
{
    assert_int_equal(simple(STREAM_EVENT_TICK), STREAM_DO_OPEN_ADMIN);
    assert_int_equal(up(STREAM_PART_ADMIN), STREAM_DO_OPEN_LOCK);
    assert_int_equal(up(STREAM_PART_LOCK), STREAM_DO_TAKE_LOCK);
    assert_int_equal(simple(STREAM_EVENT_LOCKED), STREAM_DO_PUBLICATION);
}

static void
get_identity(void)
{
    get_lock();
    assert_int_equal(publication(false), STREAM_DO_SLOT);
    assert_int_equal(slot(false), STREAM_DO_OPEN_SNAPSHOT | STREAM_DO_OPEN_SENDER);
    assert_int_equal(up(STREAM_PART_SNAPSHOT), 0);
}

static void
get_streaming(void)
{
    get_identity();
    assert_int_equal(board(first, true), 0);
    assert_int_equal(up(STREAM_PART_SENDER), STREAM_DO_HELLO);
    assert_int_equal(agreed(first, 42), STREAM_DO_START);
    assert_int_equal(s.checkpoint, 42);
    assert_int_equal(simple(STREAM_EVENT_SENDING), 0);
    assert_int_equal(s.sender, STREAM_SENDER_STREAMING);
}

static void
test_the_way_to_streaming(void **state)
{
    (void)state;
    get_streaming();
    assert_true(stream_state_is_set_up(&s));
}

static void
test_the_admin_pool_comes_before_the_lock(void **state)
{
    (void)state;
    assert_int_equal(simple(STREAM_EVENT_TICK), STREAM_DO_OPEN_ADMIN);
    assert_int_equal(failed(STREAM_PART_ADMIN, PG_ERROR_RETRY), 0);
    assert_int_equal(s.lock, STREAM_LOCK_DOWN);
    assert_int_equal(wait_for_tick(), STREAM_DO_OPEN_ADMIN);
    assert_int_equal(up(STREAM_PART_ADMIN), STREAM_DO_OPEN_LOCK);
    /* Later the pool heals by itself, and nothing else ends. */
    assert_int_equal(failed(STREAM_PART_ADMIN, PG_ERROR_RETRY), 0);
    assert_int_equal(s.lock, STREAM_LOCK_CONNECTING);
}

static void
test_a_lock_that_is_held_is_looked_at_again_and_again(void **state)
{
    (void)state;
    (void)simple(STREAM_EVENT_TICK);
    (void)up(STREAM_PART_ADMIN);
    (void)up(STREAM_PART_LOCK);
    for (int i = 0; i < 3; i++) {
        uint64_t before_ms = now_ms;
        assert_int_equal(wait_for_tick(), STREAM_DO_BREAK_LOCK);
        assert_int_equal(now_ms - before_ms, STREAM_LOCK_TICK_MS);
    }
    assert_int_equal(simple(STREAM_EVENT_LOCKED), STREAM_DO_PUBLICATION);
    assert_int_equal(stream_state_deadline(&s, now_ms), UINT64_MAX);
}

static void
test_a_new_publication_needs_a_new_slot(void **state)
{
    (void)state;
    get_lock();
    assert_int_equal(publication(true), STREAM_DO_DROP_SLOT);
    assert_int_equal(simple(STREAM_EVENT_SLOT_DROPPED), STREAM_DO_SLOT);
    (void)slot(true);
    assert_true(s.is_slot_new);
}

static void
test_a_slot_in_the_making_is_helped(void **state)
{
    (void)state;
    get_lock();
    (void)publication(false);
    assert_int_equal(wait_for_tick(), STREAM_DO_HEAL);
    assert_int_equal(wait_for_tick(), STREAM_DO_HEAL);
}

static void
test_hello_waits_for_slot_and_identity(void **state)
{
    (void)state;
    get_identity();
    assert_int_equal(s.hello, STREAM_HELLO_NONE);
    assert_int_equal(up(STREAM_PART_SENDER), STREAM_DO_HELLO);
}

static void
test_facts_are_read_anew_for_each_hello(void **state)
{
    (void)state;
    get_identity();
    (void)up(STREAM_PART_SENDER);
    assert_int_equal(simple(STREAM_EVENT_AGAIN), STREAM_DO_FORGET_HELLO);
    assert_int_equal(wait_for_tick(), STREAM_DO_SLOT);
    assert_int_equal(slot(false), STREAM_DO_HELLO);
}

static void
test_a_slot_made_after_a_hello_voids_it(void **state)
{
    (void)state;
    get_identity();
    (void)up(STREAM_PART_SENDER);
    (void)simple(STREAM_EVENT_AGAIN);
    (void)wait_for_tick();
    assert_int_equal(slot(true), STREAM_DO_HELLO);
    assert_true(s.is_slot_new);
    assert_int_equal(agreed(first, 1), 0);
    assert_false(s.is_slot_new);

    /* Agreed; then the slot is lost, and a new one made. */
    assert_int_equal(failed(STREAM_PART_SENDER, PG_ERROR_DROP_SLOT),
                     STREAM_DO_FORGET_HELLO | STREAM_DO_CLOSE_SENDER | STREAM_DO_DROP_SLOT);
    assert_int_equal(agreed(first, 1), 0); /* too late */
    assert_int_equal(s.hello, STREAM_HELLO_NONE);
}

static void
test_streaming_waits_for_the_incarnation_that_agreed(void **state)
{
    (void)state;
    get_identity();
    (void)up(STREAM_PART_SENDER);
    assert_int_equal(agreed(second, 7), 0);
    assert_int_equal(board(first, true), 0);
    assert_int_equal(board(second, false), 0);
    assert_int_equal(board(second, true), STREAM_DO_START);
}

static void
test_the_word_of_a_dead_collector_does_not_count(void **state)
{
    (void)state;
    get_identity();
    (void)board(second, true);
    (void)up(STREAM_PART_SENDER);
    assert_int_equal(agreed(first, 7), STREAM_DO_FORGET_HELLO | STREAM_DO_SLOT);
}

static void
test_a_new_collector_gets_a_new_stream(void **state)
{
    (void)state;
    get_streaming();
    assert_int_equal(board(second, false), STREAM_DO_FORGET_HELLO | STREAM_DO_SLOT);
    assert_int_equal(s.sender, STREAM_SENDER_STREAMING); /* left open, and answered */
    assert_int_equal(slot(false), STREAM_DO_HELLO);
    assert_int_equal(agreed(second, 43), STREAM_DO_CLOSE_SENDER);
    assert_int_equal(board(second, true), STREAM_DO_OPEN_SENDER);
    assert_int_equal(up(STREAM_PART_SENDER), STREAM_DO_START);

    /* The walsender of the stream before is not gone yet. */
    assert_int_equal(simple(STREAM_EVENT_IN_USE), STREAM_DO_CLOSE_SENDER);
    uint64_t before_ms = now_ms;
    assert_int_equal(wait_for_tick(), STREAM_DO_OPEN_SENDER);
    assert_int_equal(now_ms - before_ms, STREAM_IN_USE_MS);
    assert_int_equal(s.hello, STREAM_HELLO_AGREED);
}

static void
test_a_stale_batch_means_hello_again(void **state)
{
    (void)state;
    get_streaming();
    assert_int_equal(simple(STREAM_EVENT_STALE), STREAM_DO_FORGET_HELLO | STREAM_DO_SLOT);
    (void)slot(false);
    assert_int_equal(agreed(first, 42), STREAM_DO_CLOSE_SENDER | STREAM_DO_OPEN_SENDER);
}

static void
test_the_stream_ends_with_the_lock(void **state)
{
    (void)state;
    get_streaming();
    assert_int_equal(failed(STREAM_PART_LOCK, PG_ERROR_RETRY),
                     STREAM_DO_FORGET_HELLO | STREAM_DO_CLOSE_SENDER | STREAM_DO_CLOSE_LOCK);
    assert_false(stream_state_is_set_up(&s));
    assert_int_equal(wait_for_tick(), STREAM_DO_OPEN_LOCK);
    (void)up(STREAM_PART_LOCK);
    assert_int_equal(simple(STREAM_EVENT_LOCKED), STREAM_DO_PUBLICATION);
}

static void
test_the_lock_outlives_the_stream(void **state)
{
    (void)state;
    get_streaming();
    assert_int_equal(failed(STREAM_PART_SENDER, PG_ERROR_RETRY),
                     STREAM_DO_FORGET_HELLO | STREAM_DO_CLOSE_SENDER | STREAM_DO_PUBLICATION);
    assert_int_equal(s.lock, STREAM_LOCK_HELD);
    (void)publication(false);
    (void)slot(false);
    assert_int_equal(wait_for_tick(), STREAM_DO_OPEN_SENDER);
    assert_int_equal(up(STREAM_PART_SENDER), STREAM_DO_HELLO);
}

static void
test_another_server_starts_everything_anew(void **state)
{
    (void)state;
    get_streaming();
    (void)board(second, true);
    (void)slot(false);
    (void)agreed(second, 42);
    unsigned actions = step((struct stream_event){.kind = STREAM_EVENT_UP,
                                                  .part = STREAM_PART_SENDER,
                                                  .system_id = view_str("7"),
                                                  .timeline = 2});
    assert_int_equal(actions,
                     STREAM_DO_FORGET_HELLO | STREAM_DO_CLOSE_SENDER | STREAM_DO_CLOSE_LOCK);
    assert_int_equal(wait_for_tick(), STREAM_DO_OPEN_LOCK);
}

static void
test_back_off_grows_and_begins_anew_after_steady_streaming(void **state)
{
    (void)state;
    assert_int_equal(stream_state_delay_ms(0), 250);
    assert_int_equal(stream_state_delay_ms(1), 1000);
    assert_int_equal(stream_state_delay_ms(4), 8000);
    assert_int_equal(stream_state_delay_ms(5), 10000);
    assert_int_equal(stream_state_delay_ms(500), 10000);
    get_streaming();
    (void)failed(STREAM_PART_SENDER, PG_ERROR_RETRY);
    assert_int_equal(s.failures[STREAM_PART_SENDER], 1);
    (void)publication(false);
    (void)slot(false);
    (void)wait_for_tick();
    (void)up(STREAM_PART_SENDER);
    (void)agreed(first, 42);
    (void)simple(STREAM_EVENT_SENDING);
    assert_int_equal(s.failures[STREAM_PART_SENDER], 1); /* one that ends at once keeps growing */
    uint64_t before_ms = now_ms;
    assert_int_equal(wait_for_tick(), 0);
    assert_int_equal(now_ms - before_ms, STREAM_STEADY_MS);
    assert_int_equal(s.failures[STREAM_PART_SENDER], 0);
}

static void
test_a_failed_task_is_tried_again(void **state)
{
    (void)state;
    get_lock();
    assert_int_equal(failed(STREAM_PART_TASK, PG_ERROR_RETRY), 0);
    assert_int_equal(wait_for_tick(), STREAM_DO_PUBLICATION);
    (void)publication(false);
    assert_int_equal(failed(STREAM_PART_TASK, PG_ERROR_DROP_SLOT), 0);
    assert_int_equal(wait_for_tick(), STREAM_DO_DROP_SLOT);
}

static void
test_what_a_person_must_repair_ends_everything(void **state)
{
    (void)state;
    get_lock();
    assert_int_equal(failed(STREAM_PART_TASK, PG_ERROR_FATAL), STREAM_DO_HALT);
    assert_int_equal(simple(STREAM_EVENT_TICK), 0);
    assert_int_equal(stream_state_deadline(&s, now_ms), UINT64_MAX);
}

static void
test_the_snapshot_pool_heals_beside_the_stream(void **state)
{
    (void)state;
    get_streaming();
    assert_int_equal(failed(STREAM_PART_SNAPSHOT, PG_ERROR_RETRY), 0);
    assert_int_equal(wait_for_tick(), STREAM_DO_OPEN_SNAPSHOT);
    assert_int_equal(s.sender, STREAM_SENDER_STREAMING);
}

static void
test_asleep_nothing_is_open_until_a_wake(void **state)
{
    (void)state;
    get_streaming();
    assert_int_equal(simple(STREAM_EVENT_SLEEP), STREAM_DO_CLOSE_SENDER | STREAM_DO_CLOSE_LOCK |
                                                     STREAM_DO_FORGET_HELLO |
                                                     STREAM_DO_CLOSE_POOLS);
    assert_int_equal(stream_state_deadline(&s, now_ms), UINT64_MAX);
    now_ms += 3600000;
    assert_int_equal(simple(STREAM_EVENT_TICK), 0);
    assert_int_equal(board(second, true), 0);
    assert_int_equal(simple(STREAM_EVENT_WAKE), STREAM_DO_OPEN_ADMIN);
    assert_int_equal(up(STREAM_PART_ADMIN), STREAM_DO_OPEN_LOCK);
}

static void
test_only_a_stream_falls_asleep(void **state)
{
    (void)state;
    get_lock();
    assert_int_equal(simple(STREAM_EVENT_SLEEP), 0);
    assert_false(s.is_asleep);
    assert_int_equal(s.lock, STREAM_LOCK_HELD);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_way_to_streaming, fresh),
        cmocka_unit_test_setup(test_the_admin_pool_comes_before_the_lock, fresh),
        cmocka_unit_test_setup(test_a_lock_that_is_held_is_looked_at_again_and_again, fresh),
        cmocka_unit_test_setup(test_a_new_publication_needs_a_new_slot, fresh),
        cmocka_unit_test_setup(test_a_slot_in_the_making_is_helped, fresh),
        cmocka_unit_test_setup(test_hello_waits_for_slot_and_identity, fresh),
        cmocka_unit_test_setup(test_facts_are_read_anew_for_each_hello, fresh),
        cmocka_unit_test_setup(test_a_slot_made_after_a_hello_voids_it, fresh),
        cmocka_unit_test_setup(test_streaming_waits_for_the_incarnation_that_agreed, fresh),
        cmocka_unit_test_setup(test_the_word_of_a_dead_collector_does_not_count, fresh),
        cmocka_unit_test_setup(test_a_new_collector_gets_a_new_stream, fresh),
        cmocka_unit_test_setup(test_a_stale_batch_means_hello_again, fresh),
        cmocka_unit_test_setup(test_the_stream_ends_with_the_lock, fresh),
        cmocka_unit_test_setup(test_the_lock_outlives_the_stream, fresh),
        cmocka_unit_test_setup(test_another_server_starts_everything_anew, fresh),
        cmocka_unit_test_setup(test_back_off_grows_and_begins_anew_after_steady_streaming, fresh),
        cmocka_unit_test_setup(test_a_failed_task_is_tried_again, fresh),
        cmocka_unit_test_setup(test_what_a_person_must_repair_ends_everything, fresh),
        cmocka_unit_test_setup(test_the_snapshot_pool_heals_beside_the_stream, fresh),
        cmocka_unit_test_setup(test_asleep_nothing_is_open_until_a_wake, fresh),
        cmocka_unit_test_setup(test_only_a_stream_falls_asleep, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

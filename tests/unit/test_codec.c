/*
 * Every message comes out of its bytes as it went in; whatever else is sent, cut short, of another
 * type or beyond a limit, is refused with a text that names message and key.
 */
#include "proto/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/pack.h"
#include "tests/lib/messages.h"

static const struct incarnation us = {1700000000000000, 0xfedcba9876543210};
static const struct incarnation them = {1700000000000001, 7};

static struct envelope
envelope_of(enum proto_kind kind)
{
    return (struct envelope){kind, view_str("api"), us, them, 12};
}

static void
check_round_trip(enum proto_kind kind, uint64_t seed, bool is_full)
{
    struct err err;
    struct arena *mem = arena_new(PROTO_DECODE_MAX);
    const struct layout *layout = layout_of_message(kind);
    struct envelope envelope = envelope_of(kind);
    union any_message in, out;
    struct buf buf = {0};
    messages_fill(layout, &seed, is_full, mem, &in);
    proto_encode(&envelope, &in, &buf);

    struct envelope got;
    assert_true(proto_peek(buf_view(&buf), &got, &err));
    assert_int_equal(got.kind, kind);
    assert_true(view_is(got.sender, "api"));
    assert_int_equal(incarnation_compare(got.sender_incarnation, us), 0);
    assert_int_equal(incarnation_compare(got.receiver_incarnation, them), 0);
    assert_int_equal(got.epoch, 12);

    assert_true(proto_decode(buf_view(&buf), kind, mem, &out, &err));
    assert_true(messages_equal(layout, &in, &out));
    for (size_t size = 0; size < buf.size; size++) {
        assert_false(proto_decode(view_of(buf.bytes, size), kind, mem, &out, &err));
        assert_int_equal(err.kind, ERR_PROTOCOL);
    }
    buf_append_byte(&buf, 0);
    assert_false(proto_decode(buf_view(&buf), kind, mem, &out, &err));
    buf_free(&buf);
    arena_free(mem);
}

static void
test_every_message_makes_the_round_trip_and_no_prefix_does(void **state)
{
    (void)state;
    for (enum proto_kind kind = 0; kind < PROTO_KIND_COUNT; kind++) {
        check_round_trip(kind, kind, true);
        for (uint64_t seed = 0; seed < 20; seed++) {
            check_round_trip(kind, seed, false);
        }
    }
}

/* All of a message's lists filled to their limits, at once. */
static size_t
decoded_size_max(const struct layout *layout)
{
    size_t count, sum = 0;
    const struct field *fields = layout_fields(layout, &count);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].type == FIELD_LIST) {
            const struct layout *item = layout_of_item(&fields[i]);
            sum += fields[i].max * (item->struct_size + decoded_size_max(item));
        }
    }
    return sum;
}

static void
test_no_message_decodes_to_more_than_the_limit(void **state)
{
    (void)state;
    for (enum proto_kind kind = 0; kind < PROTO_KIND_COUNT; kind++) {
        assert_in_range(decoded_size_max(layout_of_message(kind)), 0, PROTO_DECODE_MAX);
    }
}

static void
check_keys(const struct layout *layout)
{
    size_t count;
    const struct field *fields = layout_fields(layout, &count);
    assert_in_range(count, 1, 64);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(fields[i].key[0], 'a', 'z');
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(fields[i].key, fields[j].key);
        }
        if (fields[i].type == FIELD_LIST) {
            check_keys(layout_of_item(&fields[i]));
        }
    }
}

static void
test_keys_are_unique_and_leave_the_envelope_its_own(void **state)
{
    (void)state;
    for (enum proto_kind kind = 0; kind < PROTO_KIND_COUNT; kind++) {
        check_keys(layout_of_message(kind));
    }
}

/* ---- messages written by hand */

static void
begin(struct buf *buf, uint32_t fields, uint64_t version, const char *kind)
{
    buf_clear(buf);
    pack_put_map(buf, 3 + fields);
    pack_put_str(buf, view_str("K"));
    pack_put_str(buf, view_str(kind));
    pack_put_str(buf, view_str("V"));
    pack_put_u64(buf, version);
    pack_put_str(buf, view_str("S"));
    pack_put_str(buf, view_str("api"));
}

static void
put_str(struct buf *buf, const char *key, const char *value)
{
    pack_put_str(buf, view_str(key));
    pack_put_str(buf, view_str(value));
}

static void
check_refused(const struct buf *buf, enum proto_kind kind, enum err_kind why, const char *text)
{
    struct err err = {0};
    union any_message out;
    struct arena *mem = arena_new(PROTO_DECODE_MAX);
    assert_false(proto_decode(buf_view(buf), kind, mem, &out, &err));
    assert_int_equal(err.kind, why);
    assert_string_equal(err.msg, text);
    arena_free(mem);
}

static void
test_what_is_wrong_is_named(void **state)
{
    (void)state;
    struct buf buf = {0};
    begin(&buf, 1, PROTO_VERSION, "control.request");
    put_str(&buf, "v", "ping");
    check_refused(&buf, PROTO_control_reply, ERR_PROTOCOL,
                  "control.request where control.reply belongs");

    begin(&buf, 0, PROTO_VERSION, "control.request");
    check_refused(&buf, PROTO_control_request, ERR_PROTOCOL, "control.request: no key \"v\"");

    begin(&buf, 1, PROTO_VERSION, "control.request");
    pack_put_str(&buf, view_str("v"));
    pack_put_u64(&buf, 1);
    check_refused(&buf, PROTO_control_request, ERR_PROTOCOL,
                  "control.request, key \"v\": a number where text belongs");

    begin(&buf, 1, PROTO_VERSION, "control.request");
    put_str(&buf, "v", "seventeen bytes!!");
    check_refused(&buf, PROTO_control_request, ERR_LIMIT,
                  "control.request, key \"v\": 17 bytes where 16 are allowed");

    begin(&buf, 2, PROTO_VERSION, "control.request");
    put_str(&buf, "v", "ping");
    put_str(&buf, "v", "ping");
    check_refused(&buf, PROTO_control_request, ERR_PROTOCOL,
                  "control.request: key \"v\" stands there twice");

    begin(&buf, 1, PROTO_VERSION + 1, "control.request");
    put_str(&buf, "v", "ping");
    check_refused(&buf, PROTO_control_request, ERR_PROTOCOL,
                  "message, key \"V\": the peer speaks version 2 of the bus protocol, we speak 1");

    begin(&buf, 0, PROTO_VERSION, "shape.shift");
    check_refused(&buf, PROTO_control_request, ERR_PROTOCOL,
                  "message, key \"K\": unknown kind \"shape.shift\"");

    buf_clear(&buf);
    pack_put_map(&buf, 1);
    put_str(&buf, "v", "ping");
    check_refused(&buf, PROTO_control_request, ERR_PROTOCOL,
                  "message: no version, no kind or no sender");
    buf_free(&buf);
}

static void
test_an_error_in_a_nested_list_names_the_way_to_it(void **state)
{
    (void)state;
    struct buf buf = {0};
    begin(&buf, 2, PROTO_VERSION, "db.relation");
    put_str(&buf, "r", "ok");
    pack_put_str(&buf, view_str("an"));
    pack_put_array(&buf, 2);
    pack_put_map(&buf, 1);
    pack_put_str(&buf, view_str("o"));
    pack_put_u64(&buf, 5);
    pack_put_map(&buf, 0);
    check_refused(&buf, PROTO_db_relation, ERR_PROTOCOL,
                  "db.relation, key \"an\": item 1: db_oid: no key \"o\"");

    begin(&buf, 2, PROTO_VERSION, "db.relation");
    put_str(&buf, "r", "ok");
    pack_put_str(&buf, view_str("an"));
    pack_put_array(&buf, 65);
    for (int i = 0; i < 65; i++) {
        pack_put_map(&buf, 0);
    }
    check_refused(&buf, PROTO_db_relation, ERR_LIMIT,
                  "db.relation, key \"an\": 65 items where 64 are allowed");
    buf_free(&buf);
}

static void
test_unknown_keys_are_skipped(void **state)
{
    (void)state;
    struct err err;
    struct buf buf = {0};
    struct control_request out;
    struct arena *mem = arena_new(64);
    begin(&buf, 3, PROTO_VERSION, "control.request");
    pack_put_str(&buf, view_str("new"));
    pack_put_array(&buf, 2);
    pack_put_map(&buf, 1);
    put_str(&buf, "v", "inner");
    pack_put_bin(&buf, view_str("bytes"));
    put_str(&buf, "v", "ping");
    put_str(&buf, "X", "an envelope's key of a later version");
    assert_true(proto_decode(buf_view(&buf), PROTO_control_request, mem, &out, &err));
    assert_true(view_is(out.verb, "ping"));
    buf_free(&buf);
    arena_free(mem);
}

static void
test_text_for_people_is_cut_at_a_whole_character(void **state)
{
    (void)state;
    struct err err;
    struct buf buf = {0}, text = {0};
    struct arena *mem = arena_new(64);
    for (int i = 0; i < 400; i++) {
        buf_append_str(&text, "€"); /* 3 bytes: 512 is no multiple */
    }
    struct repl_reply in = {.result = view_str("hold"), .reason = buf_view(&text)}, out;
    struct envelope envelope = envelope_of(PROTO_repl_reply);
    proto_encode(&envelope, &in, &buf);
    assert_true(proto_decode(buf_view(&buf), PROTO_repl_reply, mem, &out, &err));
    assert_int_equal(out.reason.size, 510);
    buf_free(&buf);
    buf_free(&text);
    arena_free(mem);
}

static void
test_incarnations_are_ordered(void **state)
{
    (void)state;
    assert_true(incarnation_compare(us, them) < 0);
    assert_true(incarnation_compare(them, us) > 0);
    assert_true(incarnation_compare((struct incarnation){5, 2}, (struct incarnation){5, 1}) > 0);
    assert_true(incarnation_compare((struct incarnation){5, 1}, (struct incarnation){5, 2}) < 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_makes_the_round_trip_and_no_prefix_does),
        cmocka_unit_test(test_no_message_decodes_to_more_than_the_limit),
        cmocka_unit_test(test_keys_are_unique_and_leave_the_envelope_its_own),
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_an_error_in_a_nested_list_names_the_way_to_it),
        cmocka_unit_test(test_unknown_keys_are_skipped),
        cmocka_unit_test(test_text_for_people_is_cut_at_a_whole_character),
        cmocka_unit_test(test_incarnations_are_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

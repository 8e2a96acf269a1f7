/*
 * The small values of the catalogue: any bytes are marks, ids or an offset, or not; what they are
 * is written again as the same bytes, and visibility keeps its laws.
 *
 * Covers: common/core/visibility.c common/core/unseen.c proto/offset.c
 */
#include "common/core/unseen.h"

#include <string.h>

#include "proto/offset.h"
#include "tests/lib/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_marks(struct view bytes)
{
    struct err err;
    struct marks marks;
    struct buf out = {0};
    if (marks_decode(bytes, &marks, &err)) {
        marks_encode(&marks, &out);
        ASSERT(view_equal(buf_view(&out), bytes));
        struct marks copy = marks_copy(&marks);
        ASSERT(copy.xip_count == marks.xip_count);
        marks_append_item(&copy, &out);
        marks_free(&copy);
        marks_free(&marks);
    }
    buf_free(&out);
}

static void
check_unseen(struct view bytes)
{
    struct err err;
    struct unseen *unseen = unseen_new();
    struct buf out = {0};
    if (unseen_decode(unseen, bytes, &err)) {
        unseen_encode(unseen, &out);
        ASSERT(view_equal(buf_view(&out), bytes));
    }
    unseen_free(unseen);
    buf_free(&out);
}

static void
check_offset(struct view text)
{
    struct log_offset offset;
    struct log_offset again;
    struct buf out = {0};
    if (offset_parse(text, &offset)) {
        offset_append(&out, offset);
        ASSERT(offset_parse(buf_view(&out), &again) && offset_compare(offset, again) == 0);
        again.op++;
        ASSERT(offset_compare(offset, again) == -offset_compare(again, offset));
    }
    buf_free(&out);
}

/* What the marks see leaves the set; the others stay, each with its tables. */
static void
check_prune(struct fuzz_input *in, const struct marks *marks)
{
    struct unseen *unseen = unseen_new();
    struct buf before = {0};
    struct buf after = {0};
    uint32_t tables[3] = {1, 2, 3};
    for (unsigned i = 0; i < 8; i++) {
        unseen_add(unseen, (uint32_t)(marks->xmin + fuzz_input_below(in, 12) - 3), tables,
                   fuzz_input_below(in, 4));
    }
    unseen_of_table(unseen, 2, &before);
    unseen_prune(unseen, marks);
    unseen_of_table(unseen, 2, &after);
    size_t left = 0;
    for (size_t i = 0; i < before.size; i += sizeof(uint32_t)) {
        uint32_t xid;
        memcpy(&xid, before.bytes + i, sizeof xid);
        left += !marks_see(marks, xid);
    }
    ASSERT(after.size == left * sizeof(uint32_t) && unseen_count(unseen) >= left);
    unseen_clear(unseen);
    ASSERT(unseen_count(unseen) == 0);
    unseen_free(unseen);
    buf_free(&before);
    buf_free(&after);
}

static struct marks
take_marks(struct fuzz_input *in, uint64_t *xip)
{
    struct marks marks = {.xmin = fuzz_input_u64(in) >> 8, .xip = xip};
    marks.xip_count = fuzz_input_below(in, 4);
    marks.xmax = marks.xmin + 8;
    for (size_t i = 0; i < marks.xip_count; i++) {
        xip[i] = marks.xmin + fuzz_input_below(in, 8);
    }
    return marks;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct view bytes = {data, size};
    struct buf made = {0};
    uint64_t xip[4];
    static const char *const words[] = {"0_", "inf", "_", "18446744073709551615", "7", "-1"};
    check_marks(bytes);
    check_unseen(bytes);
    check_offset(bytes);
    fuzz_input_spell(words, COUNT_OF(words), bytes, &made);
    check_offset(buf_view(&made));
    struct marks marks = take_marks(&in, xip);
    buf_clear(&made);
    marks_encode(&marks, &made);
    check_marks(buf_view(&made));
    check_prune(&in, &marks);
    buf_free(&made);
    return 0;
}

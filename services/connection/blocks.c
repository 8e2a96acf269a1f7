#include "services/connection/blocks.h"

bool
blocks_have_room(const struct blocks *blocks)
{
    return blocks->count < BLOCKS_AHEAD + (size_t)blocks->is_given;
}

static void
close_block(struct blocks *blocks)
{
    ASSERT(blocks->count < COUNT_OF(blocks->list));
    struct buf empty = blocks->list[blocks->count];
    blocks->list[blocks->count++] = blocks->fill;
    blocks->fill = empty;
    buf_clear(&blocks->fill);
}

static void
close_if_due(struct blocks *blocks)
{
    bool is_due =
        blocks->fill.size >= BLOCKS_BYTES || (blocks->is_complete && blocks->fill.size > 0);
    if (is_due && blocks_have_room(blocks))
        close_block(blocks);
}

void
blocks_add(struct blocks *blocks, struct view row)
{
    buf_append_view(&blocks->fill, row);
    close_if_due(blocks);
}

void
blocks_complete(struct blocks *blocks)
{
    blocks->is_complete = true;
    close_if_due(blocks);
}

bool
blocks_can_give(const struct blocks *blocks, uint64_t number)
{
    return number == blocks->given || (blocks->is_given && number == blocks->given + 1);
}

/* The block that was given goes, the others move up. */
static void
forget_given(struct blocks *blocks)
{
    if (blocks->count > 0) {
        struct buf first = blocks->list[0];
        for (size_t i = 1; i < blocks->count; i++)
            blocks->list[i - 1] = blocks->list[i];
        blocks->list[--blocks->count] = first;
        buf_clear(&blocks->list[blocks->count]);
    }
    blocks->is_given = false;
    blocks->given++;
}

bool
blocks_give(struct blocks *blocks, uint64_t number, struct view *rows_out, bool *is_last_out)
{
    ASSERT(blocks_can_give(blocks, number));
    if (blocks->is_given && number != blocks->given)
        forget_given(blocks);
    close_if_due(blocks);
    if (!blocks->is_given && blocks->count == 0 && !blocks->is_complete)
        return false;
    blocks->is_given = true;
    *rows_out = blocks->count > 0 ? buf_view(&blocks->list[0]) : (struct view){NULL, 0};
    *is_last_out = blocks->is_complete && blocks->count <= 1 && blocks->fill.size == 0;
    return true;
}

void
blocks_fini(struct blocks *blocks)
{
    for (size_t i = 0; i < COUNT_OF(blocks->list); i++)
        buf_free(&blocks->list[i]);
    buf_free(&blocks->fill);
}

/*
 * blocks.h - rows on their way to whoever pulls them, in numbered blocks.
 *
 * The block that was given last is kept until the next one is asked for, so an
 * answer that was lost can be given again. Two more are read ahead.
 *
 * Threading: as any object, one thread at a time.
 */
#ifndef CONNECTION_BLOCKS_H
#define CONNECTION_BLOCKS_H

#include "common/buf.h"

#define BLOCKS_BYTES (256u << 10) /* a block is closed when it is that large */
#define BLOCKS_AHEAD 2

struct blocks {
    struct buf list[1 + BLOCKS_AHEAD]; /* the one given, then those read ahead */
    size_t count;
    struct buf fill;
    bool is_complete; /* no row follows */
    bool is_given;    /* list[0], or nothing, is block `given` */
    uint64_t given;   /* while !is_given: the number of the first block in the list */
};

/* Room is there for one more block at least. */
bool blocks_have_room(const struct blocks *blocks);

void blocks_add(struct blocks *blocks, struct view row);

/* No row follows. */
void blocks_complete(struct blocks *blocks);

/* This number is the next one, or the last one again. */
bool blocks_can_give(const struct blocks *blocks, uint64_t number);

/* False when the block is not there yet. `rows` is borrowed until the next call. */
NODISCARD bool blocks_give(struct blocks *blocks, uint64_t number, struct view *rows_out,
                           bool *is_last_out);

/* A zeroed one is accepted. */
void blocks_fini(struct blocks *blocks);

#endif

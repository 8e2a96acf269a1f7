#include "common/core/unseen.h"

#include <string.h>

#include "common/mem.h"

/* Entries one behind the other: u32 xid, u32 count, u32 each table. */
struct unseen {
    struct buf words;
    size_t count;
};

struct unseen *
unseen_new(void)
{
    return mem_alloc_zero(sizeof(struct unseen));
}

void
unseen_free(struct unseen *unseen)
{
    if (unseen != NULL) {
        buf_free(&unseen->words);
        mem_free(unseen);
    }
}

static uint32_t
word_at(const struct unseen *unseen, size_t position)
{
    uint32_t word;
    memcpy(&word, unseen->words.bytes + position, sizeof word);
    return word;
}

static size_t
entry_size(uint32_t table_count)
{
    return 8 + 4 * (size_t)table_count;
}

void
unseen_add(struct unseen *unseen, uint32_t xid, const uint32_t *tables, size_t table_count)
{
    uint32_t head[] = {xid, (uint32_t)table_count};
    buf_append(&unseen->words, head, sizeof head);
    buf_append(&unseen->words, tables, table_count * sizeof *tables);
    unseen->count++;
}

void
unseen_prune(struct unseen *unseen, const struct marks *marks)
{
    size_t kept = 0;
    for (size_t position = 0; position < unseen->words.size;) {
        size_t size = entry_size(word_at(unseen, position + 4));
        if (marks_see(marks, word_at(unseen, position))) {
            unseen->count--;
        } else {
            memmove(unseen->words.bytes + kept, unseen->words.bytes + position, size);
            kept += size;
        }
        position += size;
    }
    unseen->words.size = kept;
}

size_t
unseen_count(const struct unseen *unseen)
{
    return unseen->count;
}

void
unseen_of_table(const struct unseen *unseen, uint32_t table, struct buf *ids_out)
{
    for (size_t position = 0; position < unseen->words.size;) {
        uint32_t count = word_at(unseen, position + 4);
        for (uint32_t i = 0; i < count; i++) {
            if (word_at(unseen, position + 8 + 4 * (size_t)i) == table) {
                buf_append(ids_out, unseen->words.bytes + position, 4);
                break;
            }
        }
        position += entry_size(count);
    }
}

void
unseen_encode(const struct unseen *unseen, struct buf *out)
{
    for (size_t position = 0; position < unseen->words.size; position += 4) {
        wire_put_u32(buf_grow(out, 4), word_at(unseen, position));
    }
}

bool
unseen_decode(struct unseen *unseen, struct view bytes, struct err *err)
{
    size_t count = 0;
    size_t position = 0;
    while (bytes.size - position >= 8) {
        uint32_t tables = wire_get_u32(bytes.bytes + position + 4);
        if (tables > (bytes.size - position - 8) / 4) {
            break;
        }
        position += entry_size(tables);
        count++;
    }
    if (position != bytes.size || count > UNSEEN_MAX) {
        return err_set(err, ERR_CORRUPT, "ids not yet seen: %zu bytes that are none", bytes.size);
    }
    unseen_clear(unseen);
    for (position = 0; position < bytes.size; position += 4) {
        uint32_t word = wire_get_u32(bytes.bytes + position);
        buf_append(&unseen->words, &word, sizeof word);
    }
    unseen->count = count;
    return true;
}

void
unseen_clear(struct unseen *unseen)
{
    buf_clear(&unseen->words);
    unseen->count = 0;
}

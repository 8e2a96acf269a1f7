/*
 * Any text: names, or an error; a name that was quoted again is the same one.
 *
 * Covers: common/core/ident.c
 */
#include "common/core/ident.h"

#include "common/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct view *names;
    size_t count;
    struct table_ident table;
    struct arena *mem = arena_new(64u << 20);
    if (ident_parse_table((struct view){data, size}, mem, &table, &err)) {
        struct buf quoted = {0};
        struct table_ident again;
        buf_append_byte(&quoted, '"');
        for (size_t i = 0; i < table.name.size; i++) {
            buf_append_byte(&quoted, table.name.bytes[i]);
            if (table.name.bytes[i] == '"') {
                buf_append_byte(&quoted, '"');
            }
        }
        buf_append_byte(&quoted, '"');
        ASSERT(ident_parse_table(buf_view(&quoted), mem, &again, &err));
        ASSERT(view_equal(table.name, again.name));
        buf_free(&quoted);
    }
    (void)!ident_parse_list((struct view){data, size}, mem, &names, &count, &err);
    arena_free(mem);
    return 0;
}

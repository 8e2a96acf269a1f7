#include "services/shape_log_collector/rows.h"

#include "common/core/copy_text.h"
#include "common/mem.h"

void
rows_init(struct rows *rows, const struct shape_def *def, const struct item_plan *plan)
{
    *rows = (struct rows){.def = def, .plan = plan};
    rows->fields = mem_alloc_zero((def->table.column_count + 1) * sizeof *rows->fields);
    rows->copied = mem_alloc_zero((def->fetched_count + 1) * sizeof *rows->copied);
}

void
rows_fini(struct rows *rows)
{
    mem_free(rows->fields);
    mem_free(rows->copied);
}

bool
rows_append(struct rows *rows, struct buf *copied, uint32_t mark, struct buf *items,
            struct err *err)
{
    const struct shape_def *def = rows->def;
    struct copy_rows left = {copied->bytes, copied->bytes + copied->size};
    while (copy_rows_next(&left, rows->copied, def->fetched_count, err)) {
        for (size_t i = 0; i < def->fetched_count; i++) {
            struct where_field *field = &rows->fields[def->fetched[i]];
            field->text = rows->copied[i].text;
            field->is_null = rows->copied[i].is_null;
        }
        if (mark == 0) {
            item_append_snapshot(rows->plan, rows->fields, items);
        } else {
            item_append_subset(rows->plan, rows->fields, mark, items);
        }
    }
    return err->kind == ERR_NONE;
}

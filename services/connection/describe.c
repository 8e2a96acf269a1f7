#include "services/connection/describe.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/sql_text.h"

void
describe_oid_by_name(struct buf *sql, struct view schema, struct view name)
{
    buf_append_str(sql, "(SELECT x.oid FROM pg_class x JOIN pg_namespace y "
                        "ON y.oid = x.relnamespace WHERE y.nspname = ");
    sql_text_literal(sql, schema);
    buf_append_str(sql, " AND x.relname = ");
    sql_text_literal(sql, name);
    buf_append_str(sql, ")");
}

void
describe_relation(struct buf *sql, const char *oid_sql)
{
    buf_printf(sql,
               "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident, "
               "(SELECT string_agg(p.relid::oid::text, ',' ORDER BY p.nth) "
               "FROM pg_partition_ancestors(c.oid) WITH ORDINALITY AS p (relid, nth) "
               "WHERE p.relid <> c.oid), "
               "(SELECT string_agg(p.relid::oid::text, ',') FROM pg_partition_tree(c.oid) p "
               "WHERE p.level > 0) "
               "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
               "WHERE c.relkind IN ('r', 'p') AND c.oid = %s",
               oid_sql);
}

void
describe_columns(struct buf *sql, const char *oid_sql)
{
    buf_printf(
        sql,
        "SELECT a.attname, a.atttypid, a.atttypmod::int8 & 4294967295, bt.oid, e.oid, "
        "CASE WHEN t.oid = bt.oid AND e.oid IS NOT NULL THEN e.typname ELSE t.typname END, "
        "t.typtype, format_type(a.atttypid, a.atttypmod), "
        "CASE WHEN e.oid IS NULL THEN 0 ELSE greatest(a.attndims, 1) END, "
        "a.attnotnull, a.attgenerated <> '', k.position, co.collname, en.oid, "
        "CASE WHEN octet_length(en.labels) <= 65536 THEN en.labels END "
        "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
        "CROSS JOIN LATERAL (WITH RECURSIVE d (oid, typtype, typbasetype) AS ("
        "SELECT t.oid, t.typtype, t.typbasetype UNION ALL "
        "SELECT b.oid, b.typtype, b.typbasetype FROM d JOIN pg_type b ON b.oid = d.typbasetype "
        "WHERE d.typtype = 'd') SELECT d.oid FROM d WHERE d.typtype <> 'd') AS bottom "
        "JOIN pg_type bt ON bt.oid = bottom.oid "
        "LEFT JOIN pg_type e ON e.oid = bt.typelem AND e.typarray = bt.oid "
        "LEFT JOIN LATERAL (SELECT l.enumtypid AS oid, "
        "array_agg(l.enumlabel::text ORDER BY l.enumsortorder)::text AS labels "
        "FROM pg_enum l WHERE l.enumtypid = coalesce(e.oid, t.oid) AND t.typtype <> 'd' "
        "GROUP BY l.enumtypid) AS en "
        "ON true "
        "LEFT JOIN pg_collation co ON co.oid = a.attcollation AND co.collname <> 'default' "
        "LEFT JOIN LATERAL (SELECT u.nth AS position FROM pg_index i, "
        "unnest(i.indkey::int2[]) WITH ORDINALITY AS u (attnum, nth) "
        "WHERE i.indrelid = a.attrelid AND i.indisprimary AND u.attnum = a.attnum "
        "AND u.nth <= i.indnkeyatts) AS k ON true "
        "WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        oid_sql);
}

/* ---- rows to messages */

static struct view
text_in(struct arena *mem, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    char *copy = arena_alloc(mem, size + 1, 1);
    if (text)
        memcpy(copy, text, size + 1);
    return view_of(copy, size);
}

/* "1,2,3" */
static size_t
count_numbers(const char *text)
{
    size_t count = text && text[0] ? 1 : 0;
    for (const char *p = text; p && *p; p++)
        count += *p == ',';
    return count;
}

static void
read_oids(const char *text, struct arena *mem, struct db_oid **oids_out, size_t *count_out)
{
    size_t count = count_numbers(text);
    *oids_out = arena_alloc(mem, count > 0 ? count : 1, sizeof **oids_out);
    *count_out = count;
    for (size_t i = 0; i < count; i++) {
        char *end = NULL;
        (*oids_out)[i].oid = strtoull(text, &end, 10);
        text = end + 1;
    }
}

void
describe_read_relation(const struct pg_results *results, size_t statement, struct arena *mem,
                       struct db_relation *relation_out)
{
    relation_out->oid = pg_u64(results, statement, 0, 0);
    relation_out->schema = text_in(mem, pg_text(results, statement, 0, 1));
    relation_out->name = text_in(mem, pg_text(results, statement, 0, 2));
    relation_out->kind = text_in(mem, pg_text(results, statement, 0, 3));
    relation_out->replica_identity = text_in(mem, pg_text(results, statement, 0, 4));
    read_oids(pg_text(results, statement, 0, 5), mem, &relation_out->ancestors,
              &relation_out->ancestors_count);
    read_oids(pg_text(results, statement, 0, 6), mem, &relation_out->descendants,
              &relation_out->descendants_count);
}

static bool
is_true(const char *text)
{
    return text && text[0] == 't';
}

void
describe_read_columns(const struct pg_results *results, size_t statement, struct arena *mem,
                      struct db_column **columns_out, size_t *count_out)
{
    size_t count = pg_rows(results, statement);
    struct db_column *columns = arena_alloc(mem, count > 0 ? count : 1, sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        columns[i] = (struct db_column){
            .name = text_in(mem, pg_text(results, statement, i, 0)),
            .type_oid = pg_u64(results, statement, i, 1),
            .type_mod = pg_u64(results, statement, i, 2),
            .base_type_oid = pg_u64(results, statement, i, 3),
            .element_type_oid = pg_u64(results, statement, i, 4),
            .type_name = text_in(mem, pg_text(results, statement, i, 5)),
            .type_kind = text_in(mem, pg_text(results, statement, i, 6)),
            .format = text_in(mem, pg_text(results, statement, i, 7)),
            .dimensions = pg_u64(results, statement, i, 8),
            .is_not_null = is_true(pg_text(results, statement, i, 9)),
            .is_generated = is_true(pg_text(results, statement, i, 10)),
            .key_position = pg_u64(results, statement, i, 11),
            .collation = text_in(mem, pg_text(results, statement, i, 12)),
            .enum_oid = pg_u64(results, statement, i, 13),
            .enum_labels = text_in(mem, pg_text(results, statement, i, 14)),
        };
    }
    *columns_out = columns;
    *count_out = count;
}

bool
describe_read_snapshot(const char *text, struct arena *mem, struct db_marks *marks_out)
{
    char *end = NULL;
    if (!text)
        return false;
    marks_out->xmin = strtoull(text, &end, 10);
    if (end == text || *end != ':')
        return false;
    text = end + 1;
    marks_out->xmax = strtoull(text, &end, 10);
    if (end == text || *end != ':')
        return false;
    text = end + 1;
    size_t count = count_numbers(text);
    struct db_xid *xip = arena_alloc(mem, count > 0 ? count : 1, sizeof *xip);
    for (size_t i = 0; i < count; i++) {
        xip[i].xid = strtoull(text, &end, 10);
        if (end == text || (*end != ',' && *end != 0))
            return false;
        text = end + (*end == ',');
    }
    marks_out->xip = xip;
    marks_out->xip_count = count;
    return true;
}

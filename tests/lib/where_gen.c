#include "tests/lib/where_gen.h"

#include <stdio.h>
#include <string.h>

#include "common/core/where_fn.h"
#include "common/core/where_sql.h"
#include "common/sql_parse.h"

#define DEPTH_MAX 5

/* A longer clause gets leaves only. */
#define CLAUSE_MAX 400

#define ENUM_OID 16400

/* clang-format off */
static const char *const NUMBERS[] = {
    "0", "1", "-1", "2", "7", "32767", "-32768", "2147483647", "-2147483648",
    "9223372036854775807", "-9223372036854775808", "40000", "3000000000", NULL,
};
static const char *const REALS[] = {
    "0", "1.5", "-0", "NaN", "Infinity", "-Infinity", "1e308", "1e-320", "3.4e38", "0.1", "-2.5",
    "1e40", NULL,
};
static const char *const DECIMALS[] = {
    "0", "1.50", "-1.5", "NaN", "Infinity", "-Infinity", "0.000",
    "123456789012345678901234567890.12345", "1e20", "-1E-5", ".5", "99999999", NULL,
};
static const char *const TEXTS[] = {
    "", "a", "abc", "ABC", "a%", "_b", "\\%", "ü€🐘", " a ", "t", "2024-02-29", "10",
    "a'b\"c\\", "{a,b}", "%", "true", NULL,
};
static const char *const BOOLS[] = {
    "t", "f", "true", "off", "yes", "0", NULL,
};
static const char *const UUIDS[] = {
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC99-9C0B4EF8-BB6D6BB9BD380A11}",
    "00000000000000000000000000000000", NULL,
};
static const char *const BYTES[] = {
    "\\x", "\\x00ff", "abc\\000\\\\", "\\x 1", NULL,
};
static const char *const DATES[] = {
    "2024-02-29", "infinity", "-infinity", "0044-03-15 BC", "5874897-12-31", "1999-12-31",
    "2000-13-01", "4713-11-24 BC", NULL,
};
static const char *const TIMES[] = {
    "00:00", "24:00:00", "23:59:59.9999995", "01:02:03.5", "12:00:60", NULL,
};
static const char *const STAMPS[] = {
    "2024-02-29 12:00:00", "infinity", "-infinity", "0044-03-15 01:02:03 BC",
    "294276-12-31 23:59:59.999999", "1970-01-01T00:00:00", "2024-01-31 24:00:00", NULL,
};
static const char *const ZONED[] = {
    "2024-02-29 12:00:00+00", "infinity", "-infinity", "2024-01-01 00:00:00-08:30",
    "0044-03-15 01:02:03+00 BC", "2024-01-01T00:00:00Z", NULL,
};
static const char *const INTERVALS[] = {
    "P1Y2M3DT4H5M6.789S", "PT0S", "-P1D", "P-1Y2M", "1 day", "1 year 2 mons -3 days 04:05:06",
    "-00:00:01", "@ 1 hour ago", "PT2147483647H", "P178956970Y7M", "1 mon", NULL,
};
static const char *const JSONS[] = {
    "null", "1", "{\"a\": {\"b\": [1, 2, \"x\"]}, \"c\": null}", "[1, [2], {\"k\": 1.50}]",
    "\"a\"", "{}", "[]", "true", "1e3", "\"\\u00e9\\n\"", "{\"a\": 1", NULL,
};
static const char *const ARRAYS[] = {
    "{}", "{1,2,3}", "{NULL}", "{{1,2},{3,4}}", "{\"a b\",\"\\\"\"}", "{a,NULL,b}", "{t,f}",
    "{2024-02-29}", "{{1},{2,3}}", "{1,", NULL,
};
/* clang-format on */

static const char *const *
samples(enum where_base base)
{
    switch ((int)base) {
    case WT_BOOL:
        return BOOLS;
    case WT_INT2:
    case WT_INT4:
    case WT_INT8:
        return NUMBERS;
    case WT_FLOAT4:
    case WT_FLOAT8:
        return REALS;
    case WT_NUMERIC:
        return DECIMALS;
    case WT_UUID:
        return UUIDS;
    case WT_BYTEA:
        return BYTES;
    case WT_DATE:
        return DATES;
    case WT_TIME:
        return TIMES;
    case WT_TIMESTAMP:
        return STAMPS;
    case WT_TIMESTAMPTZ:
        return ZONED;
    case WT_INTERVAL:
        return INTERVALS;
    case WT_JSON:
    case WT_JSONB:
        return JSONS;
    default:
        return TEXTS;
    }
}

static const char *
pick(struct fuzz_input *in, const char *const *texts)
{
    size_t count = 0;
    while (texts[count] != NULL) {
        count++;
    }
    return texts[fuzz_input_below(in, count)];
}

struct view
where_gen_text(struct fuzz_input *in, struct where_type type)
{
    if (fuzz_input_chance(in, 12)) {
        return fuzz_input_bytes(in, 40);
    }
    if (fuzz_input_chance(in, 24)) {
        type.base = (enum where_base)fuzz_input_below(in, WHERE_BASE_COUNT);
    }
    return view_str(pick(in, type.is_array ? ARRAYS : samples(type.base)));
}

/* ---- columns and rows */

void
where_gen_init(struct where_gen *gen)
{
    *gen = (struct where_gen){0};
    for (size_t i = 0; i < WHERE_GEN_COLUMNS; i++) {
        enum where_base base = (enum where_base)(1 + i / 2);
        snprintf(gen->names[i], sizeof gen->names[i], "%c%d", i % 2 == 0 ? 'c' : 'a', (int)base);
        gen->columns[i] = (struct where_column){
            .name = view_str(gen->names[i]),
            .type = {.base = base,
                     .is_array = i % 2 == 1,
                     .oid = base == WT_ENUM || base == WT_OPAQUE ? ENUM_OID + (uint32_t)base : 0},
            .is_c_collated = base == WT_VARCHAR,
        };
    }
    for (size_t i = 0; i < WHERE_GEN_COLUMNS; i++) {
        if (gen->columns[i].type.base == WT_ENUM) {
            gen->labels[i] = view_str("{a,abc,t,\"\",10}");
        }
    }
    gen->params[0] = (struct where_param){true, view_str("10")};
    gen->params[1] = (struct where_param){true, view_str("2024-02-29")};
    gen->scope = (struct where_scope){.columns = gen->columns,
                                      .column_count = WHERE_GEN_COLUMNS,
                                      .params = gen->params,
                                      .param_count = 3,
                                      .enum_labels = gen->labels,
                                      .table = view_str("t")};
}

void
where_gen_row(struct fuzz_input *in, struct arena *mem, struct where_field *fields)
{
    for (size_t i = 0; i < WHERE_GEN_COLUMNS; i++) {
        fields[i] = (struct where_field){.is_null = fuzz_input_chance(in, 6)};
        if (fields[i].is_null) {
            continue;
        }
        struct where_type type = {.base = (enum where_base)(1 + i / 2), .is_array = i % 2 == 1};
        struct view text = where_gen_text(in, type);
        uint8_t *copy = arena_alloc(mem, text.size + 1, 1);
        memcpy(copy, text.bytes, text.size);
        fields[i].text = view_of(copy, text.size);
    }
}

/* ---- clauses */

static void gen_value(struct fuzz_input *in, struct where_type type, unsigned depth,
                      struct buf *out);

static struct where_type
any_type(struct fuzz_input *in)
{
    return (struct where_type){.base = (enum where_base)(1 + fuzz_input_below(in, WT_OPAQUE)),
                               .is_array = fuzz_input_chance(in, 6)};
}

/* The type that is wanted, or now and then another one. */
static struct where_type
nearly(struct fuzz_input *in, struct where_type type)
{
    return fuzz_input_chance(in, 20) ? any_type(in) : type;
}

static void
append_type_name(struct where_type type, struct buf *out)
{
    buf_append_str(out, where_type_name(type));
}

static void
gen_literal(struct fuzz_input *in, struct where_type type, struct buf *out)
{
    /* clang-format off */
    static const char *const plain[] = {
        "1", "0", "2147483648", "1.5", "true", "NULL", "1e400", "99999999999999999999", "$1", "$2",
        "$3", NULL,
    };
    /* clang-format on */
    if (fuzz_input_chance(in, 5)) {
        buf_append_str(out, pick(in, plain));
        return;
    }
    struct buf quoted = {0};
    sql_quote_literal(where_gen_text(in, type), &quoted);
    for (size_t i = 0; i < quoted.size; i++) { /* what is no text stops at the grammar's door */
        buf_append_byte(out, quoted.bytes[i] == 0 ? '0' : quoted.bytes[i]);
    }
    buf_free(&quoted);
    if (type.base != WT_ENUM && !fuzz_input_chance(in, 3)) {
        buf_append_str(out, "::");
        append_type_name(type, out);
    }
}

static void
gen_column(struct where_type type, struct buf *out)
{
    buf_printf(out, "%c%d", type.is_array ? 'a' : 'c', (int)type.base);
}

static void
gen_unit(struct fuzz_input *in, struct buf *out)
{
    /* clang-format off */
    static const char *const units[] = {
        "year", "month", "day", "hour", "minute", "second", "milliseconds", "microseconds", "week",
        "dow", "isodow", "doy", "quarter", "decade", "century", "millennium", "isoyear", "julian",
        "epoch", "timezone", "timezone_hour", "parsec", NULL,
    };
    /* clang-format on */
    buf_printf(out, "'%s'", pick(in, units));
}

/* One row of the table, with arguments of its types. */
static void
gen_call(struct fuzz_input *in, const struct where_fn *fn, unsigned depth, struct buf *out)
{
    struct where_type any = {.base = (enum where_base)(1 + fuzz_input_below(in, WT_OPAQUE - 1)),
                             .is_array = !fuzz_input_chance(in, 4)};
    bool is_infix = fn->kind != FN_FUNCTION && fn->arg_count >= 2;
    bool is_function = fn->name[0] >= 'a' && fn->name[0] <= 'z';
    is_infix = is_infix && !is_function;
    buf_append_byte(out, '(');
    if (!is_infix) {
        buf_append_str(out, fn->name);
        buf_append_str(out, is_function ? "(" : " (");
    }
    size_t count = fn->arg_count - ((fn->flags & FN_LABELS) != 0 ? 1u : 0u);
    for (size_t i = 0; i < count; i++) {
        buf_append_str(out, i == 0 ? "" : is_infix ? " " : ", ");
        buf_append_str(out, i == 1 && is_infix ? fn->name : "");
        buf_append_byte(out, ' ');
        if (i == 0 && (fn->flags & FN_UNIT) != 0) {
            gen_unit(in, out);
            continue;
        }
        gen_value(in, nearly(in, fn->args[i] == WT_UNKNOWN ? any : where_fn_arg(fn, i)), depth,
                  out);
    }
    buf_append_str(out, is_infix ? ")" : "))");
}

/* A row that gives this type: the search begins anywhere. False: none does. */
static bool
gen_call_of(struct fuzz_input *in, struct where_type type, unsigned depth, struct buf *out)
{
    size_t start = fuzz_input_below(in, where_fn_count);
    for (size_t i = 0; i < where_fn_count; i++) {
        const struct where_fn *fn = &where_fns[(start + i) % where_fn_count];
        bool is_any = fn->result == WT_UNKNOWN;
        if (is_any == type.is_array && (is_any || fn->result == type.base)) {
            gen_call(in, fn, depth, out);
            return true;
        }
    }
    return false;
}

static void
gen_list(struct fuzz_input *in, struct where_type type, unsigned depth, struct buf *out)
{
    size_t count = 1 + fuzz_input_below(in, 3);
    for (size_t i = 0; i < count; i++) {
        buf_append_str(out, i > 0 ? ", " : "");
        gen_value(in, nearly(in, type), depth, out);
    }
}

/* Forms of the grammar around values of one type: %v is a value of it, %l a list, %b a condition,
 * %a an array of it, %x a value of any type, %t the type's name, %i a number. */
static void
gen_form(struct fuzz_input *in, const char *form, struct where_type type, unsigned depth,
         struct buf *out)
{
    struct where_type array = {.base = type.base, .is_array = true};
    for (; *form != '\0'; form++) {
        if (*form != '%' || form[1] == '\0') {
            buf_append_byte(out, (uint8_t)*form);
            continue;
        }
        switch (*++form) {
        case 'v':
            gen_value(in, nearly(in, type), depth, out);
            break;
        case 'l':
            gen_list(in, type, depth, out);
            break;
        case 'a':
            gen_value(in, nearly(in, array), depth, out);
            break;
        case 'b':
            gen_value(in, (struct where_type){.base = WT_BOOL}, depth, out);
            break;
        case 'x':
            gen_value(in, any_type(in), depth, out);
            break;
        case 't':
            append_type_name(type, out);
            break;
        case 'i':
            gen_value(in, (struct where_type){.base = WT_INT4}, depth, out);
            break;
        default:
            buf_append_byte(out, (uint8_t)*form);
        }
    }
}

/* clang-format off */
static const char *const CONDITIONS[] = {
    "(%b AND %b)", "(%b OR %b AND NOT %b)", "(NOT %b)", "(%b IS TRUE)", "(%b IS NOT FALSE)",
    "(%b IS UNKNOWN)", "(%b IS NOT TRUE)", "(%b IS FALSE)", "(%b IS NOT UNKNOWN)", "(%b = %b)",
    NULL,
};

static const char *const TESTS[] = {
    "(%v = %v)", "(%v < %v)", "(%v >= %v)", "(%v <> %v)", "(%v IS NULL)", "(%v IS NOT NULL)",
    "(%v IN (%l))", "(%v NOT IN (%l))", "(%v BETWEEN %v AND %v)", "(%v NOT BETWEEN %v AND %v)",
    "(%v BETWEEN SYMMETRIC %v AND %v)", "(%v NOT BETWEEN SYMMETRIC %v AND %v)",
    "(%v IS DISTINCT FROM %v)", "(%v IS NOT DISTINCT FROM %v)", "(%v = ANY (%a))",
    "(%v < ALL (%a))", "(%v <> ANY (%a))", "(%v LIKE %v)", "(%v NOT LIKE %v)", "(%v ILIKE %v)",
    "(%v NOT ILIKE %v)", "(%v LIKE %v ESCAPE 'x')", "(%v SIMILAR TO %v)", "((%v, %x) = (%v, %x))",
    "((%v, %v) < (%v, %v))", "((%v, %v) IN ((%v, %v), (%v, %v)))", "(%v = ANY (ARRAY[%l]))",
    "(ROW(%v, %x) IS NULL)", "(%a @> %a)", "(%a && ARRAY[%l])", "(%v ~ %v)", "(%v !~* 'a+')",
    "(%a = %a)", "(%v OPERATOR(pg_catalog.=) %v)", "EXISTS (SELECT 1)", "(%v IN (SELECT 1))",
    "(%v ~* '^(a|b)*$')", "(%v % %v = %v)", "(%v ? 'a')", "(%v ?| ARRAY['a'])", "(%v @> '{}')",
    "((%v, %v) IS DISTINCT FROM (%v, %v))", "starts_with(%v, %v)", NULL,
};

static const char *const VALUES[] = {
    "COALESCE(%l)", "GREATEST(%l)", "LEAST(%l)", "NULLIF(%v, %v)",
    "(CASE WHEN %b THEN %v ELSE %v END)", "(CASE %v WHEN %v THEN %v WHEN %v THEN %v END)",
    "(%x)::%t", "CAST(%x AS %t)", "(%a)[%i]", "(%a)[1][2]", "(ARRAY[%l])[1]", "%t '1'",
    "(%v COLLATE \"C\")", "(%v::text::%t)", "((%v)::%t)", "(SELECT %v)", "min(%v)", "now()",
    "(-%v)", "(%v)::varchar(3)", "(%v)::%t(2)", NULL,
};

static const char *const TEXT_VALUES[] = {
    "concat(%x, %v, %x)", "(%x)::text", "(%v || %v)", "lower(%v)", "upper(%v)", "(%x)::varchar",
    "substring(%v FROM %i FOR %i)", "substring(%v from 'a(.)')", "trim(both %v from %v)",
    "trim(leading from %v)", "trim(%v)", "left(%v, %i)", "replace(%v, %v, %v)",
    "split_part(%v, %v, %i)", "overlay(%v placing %v from 1)", "concat_ws(',', %l)", "B'101'",
    "(%x ->> 'a')", "(%x #>> '{a,b}')", "(%x)::name", "(%x)::bpchar", "format(%v)", "U&'\\0041'",
    "$$a$$", NULL,
};

static const char *const OTHER_VALUES[] = {
    "extract(year from %x)", "date_part('dow', %x)", "date_trunc('month', %v)", "length(%x)",
    "position(%x in %x)", "round(%v)", "floor(%v)", "ceil(%v)", "(%x -> 'a')", "(%x #> '{a}')",
    "abs(%v)", "(%x AT TIME ZONE 'UTC')", "current_date", "CURRENT_TIMESTAMP", "(%x - %x)",
    "(%v + %v)", "(%v * 2)", "(%x)[1:2]", "ARRAY[%l]", "ARRAY[[%l],[%l]]", "'{}'::%t[]",
    "char_length(%x)", "array_length(%a, 1)", "(%v % 3)", "(%v ^ 2)", "(@ %v)", "(|/ 2)", "(~ %i)",
    "random()", "t.c3", "this.c3", "missing", "\"C3\"", "public.t.c3", "*", "$9", "f(VARIADIC %a)",
    "count(*)", "sum(%v) OVER ()", "pg_sleep(%i)", "pg_catalog.lower(%x)", "x.lower(%x)", NULL,
};
/* clang-format on */

static void
gen_value(struct fuzz_input *in, struct where_type type, unsigned depth, struct buf *out)
{
    if (depth == 0 || fuzz_input_is_empty(in) || out->size > CLAUSE_MAX) {
        if (fuzz_input_chance(in, 2)) {
            gen_literal(in, type, out);
        } else {
            gen_column(type, out);
        }
        return;
    }
    depth--;
    switch (fuzz_input_below(in, 8)) {
    case 0:
        gen_column(type, out);
        return;
    case 1:
        gen_literal(in, type, out);
        return;
    case 2:
    case 3:
        if (!gen_call_of(in, type, depth, out)) {
            gen_form(in, pick(in, VALUES), type, depth, out);
        }
        return;
    case 4:
        gen_form(in, pick(in, VALUES), type, depth, out);
        return;
    case 5:
        if (type.base == WT_BOOL && !type.is_array) {
            gen_form(in, pick(in, TESTS), any_type(in), depth, out);
        } else {
            gen_form(in, pick(in, type.base == WT_TEXT ? TEXT_VALUES : VALUES), type, depth, out);
        }
        return;
    case 6:
        gen_form(in, pick(in, type.base == WT_BOOL ? TESTS : OTHER_VALUES), nearly(in, type), depth,
                 out);
        return;
    default:
        gen_form(in, pick(in, type.base == WT_BOOL ? CONDITIONS : OTHER_VALUES), type, depth, out);
    }
}

/* One row of the table over columns and literals: what it gives, compared with something. */
static void
gen_row_test(struct fuzz_input *in, struct buf *out)
{
    const struct where_fn *fn = &where_fns[fuzz_input_below(in, where_fn_count)];
    bool is_bool = fn->result == WT_BOOL;
    buf_append_byte(out, '(');
    gen_call(in, fn, (unsigned)fuzz_input_below(in, 2), out);
    if (is_bool && fuzz_input_chance(in, 2)) {
        buf_append_str(out, " IS NOT TRUE");
    } else if (fuzz_input_chance(in, 2)) {
        buf_append_str(out, " IS NULL");
    } else if (!is_bool) {
        buf_append_str(out, fuzz_input_chance(in, 2) ? " IS DISTINCT FROM " : " = ");
        gen_literal(in, (struct where_type){.base = fn->result}, out);
    }
    buf_append_byte(out, ')');
}

void
where_gen_clause(struct fuzz_input *in, struct buf *out)
{
    struct where_type type = {.base = WT_BOOL};
    unsigned depth = 1 + (unsigned)fuzz_input_below(in, DEPTH_MAX);
    if (fuzz_input_chance(in, 2)) {
        gen_row_test(in, out);
    } else if (fuzz_input_chance(in, 3)) {
        gen_form(in, pick(in, TESTS), any_type(in), depth, out);
    } else {
        gen_value(in, nearly(in, type), depth, out);
    }
}

/* %c: a column, %k: a literal, %n: a literal array. */
static void
gen_filter_test(struct fuzz_input *in, enum where_base base, struct buf *out)
{
    /* clang-format off */
    static const char *const tests[] = {
        "%c = %k", "%k = %c", "%c IN (%k, %k, %k)", "%c > %k", "%c <= %k", "%k < %c",
        "%c BETWEEN %k AND %k", "%c IS NULL", "%c IS NOT NULL", "%c LIKE %k", "%c = ANY (%n)",
        "%c <> %k", "%c NOT IN (%k, %k)", "%c >= %k AND %c < %k", "%c = %k AND %c = %k",
        "NOT %c = %k", "%c IS DISTINCT FROM %k", "%c IS NOT DISTINCT FROM %k", "%c = %c",
        "%c BETWEEN SYMMETRIC %k AND %k", "%c ILIKE %k", "(%c = %k) IS TRUE", "%c < ALL (%n)",
        "%c LIKE 'a%'", "starts_with(%c, 'a')", "%c ILIKE 'ab%'", NULL,
    };
    static const char *const json_tests[] = {
        "%c @> '{\"a\":{\"b\":[1,\"x\"]}}'", "%c ? 'a'", "%c ?| ARRAY['a','c']",
        "%c ?& ARRAY['a',NULL,'c']", "%c @> '[1]'", "%c @> '{}'", "%c #> '{a,b}' = '[1, 2, \"x\"]'",
        "%c -> 'a' ? 'b'", "'{\"a\":null}' <@ %c", "%c ->> 'c' IS NULL", "%c = %k",
        "%c @> '{\"c\":\"x\"}'", "%c #>> '{a,b,2}' = 'x'", "%c @> '\"a\"'", NULL,
    };
    /* clang-format on */
    struct where_type type = {.base = base};
    bool is_json = base == WT_JSONB && !fuzz_input_chance(in, 4);
    for (const char *form = pick(in, is_json ? json_tests : tests); *form != '\0'; form++) {
        bool is_place = *form == '%' && strchr("ckn", form[1]) != NULL && form[1] != '\0';
        if (!is_place) {
            buf_append_byte(out, (uint8_t)*form);
            continue;
        }
        form++;
        if (*form == 'c') {
            gen_column(nearly(in, type), out);
        } else {
            gen_literal(in, (struct where_type){.base = type.base, .is_array = *form == 'n'}, out);
        }
    }
}

void
where_gen_filter(struct fuzz_input *in, enum where_base base, struct buf *out)
{
    size_t count = 1 + fuzz_input_below(in, 3);
    for (size_t i = 0; i < count; i++) {
        buf_append_str(out, i == 0 ? "(" : fuzz_input_chance(in, 2) ? " AND (" : " OR (");
        switch (fuzz_input_below(in, 12)) {
        case 0:
            buf_printf(out, "c%d", (int)WT_BOOL);
            break;
        case 1:
            buf_printf(out, "%ca%d", fuzz_input_chance(in, 2) ? ' ' : '\n', (int)WT_INT4);
            buf_append_str(out, " @> '{1,2}'");
            break;
        case 2:
            buf_append_str(out, "'a' = ANY (");
            gen_column((struct where_type){.base = WT_TEXT, .is_array = true}, out);
            buf_append_byte(out, ')');
            break;
        default:
            gen_filter_test(in, base, out);
        }
        buf_append_byte(out, ')');
    }
}

struct expr *
where_gen_check(const struct where_gen *gen, struct view text, struct arena *mem)
{
    struct err err;
    struct sql_node *tree;
    struct expr *expr = NULL;
    if (!sql_parse_where(text, mem, &tree, &err) ||
        !where_check_tree(tree, &gen->scope, mem, &expr, &err)) {
        return NULL;
    }
    return expr;
}

struct expr *
where_gen_expr(const struct where_gen *gen, struct fuzz_input *in, struct arena *mem)
{
    struct buf text = {0};
    where_gen_clause(in, &text);
    struct expr *expr = where_gen_check(gen, buf_view(&text), mem);
    buf_free(&text);
    return expr;
}

/* ---- words */

void
where_gen_words(struct fuzz_input *in, struct buf *out)
{
    /* clang-format off */
    static const char *const words[] = {
        "c3", "a3", "'x'", "1", "1.5", "(", ")", ",", "=", "AND", "OR", "NOT", "IS", "NULL",
        "TRUE", "IN", "LIKE", "BETWEEN", "SELECT 1", "FROM t", "CASE", "WHEN", "THEN", "END",
        "ELSE", "::", "int4", "text[]", "[", "]", "ARRAY[", "ANY (", "$1", "ASC", "DESC",
        "NULLS FIRST", "NULLS LAST", "USING >", "LIMIT 1", ";", "--", "/*", "*/", "ORDER BY",
        "GROUP BY c3", "UNION", "FOR UPDATE", "WITH x AS (", "XMLPARSE(", "ROW(", "COLLATE \"C\"",
        ".", "*", "OVER (", "FILTER (WHERE ", "DISTINCT", "VARIADIC", "lower(", "CURRENT_DATE",
        "B'1'", "X'1'", "E'\\n'", "INTERVAL '1' DAY", "timestamp(3) '2024-01-01'", "DEFAULT",
        "OFFSET 1", "?", "%", "OPERATOR(pg_catalog.+)", "GROUPING(", "IS JSON", "GREATEST(",
        "COALESCE(", NULL,
    };
    /* clang-format on */
    if (fuzz_input_chance(in, 8)) {
        buf_append_view(out, fuzz_input_bytes(in, 60));
    }
    for (size_t count = fuzz_input_below(in, 20); count > 0; count--) {
        buf_append_byte(out, ' ');
        buf_append_str(out, pick(in, words));
    }
}

/*
 * where_value.h - values of the where language: their types, and how they are
 * read from Postgres' text and compared.
 *
 * A value read from text is what Postgres' input function would have made of
 * it, for the output forms that our sessions pin (ISO dates, UTC, ISO 8601
 * intervals). Numbers of arbitrary precision stay decimal text and are
 * compared as such, never as a double.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_VALUE_H
#define CORE_WHERE_VALUE_H

#include "common/arena.h"
#include "common/err.h"
#include "common/wire.h"

enum where_base {
    WT_UNKNOWN, /* a literal without a type yet */
    WT_BOOL,
    WT_INT2,
    WT_INT4,
    WT_INT8,
    WT_FLOAT4,
    WT_FLOAT8,
    WT_NUMERIC,
    WT_TEXT,
    WT_VARCHAR,
    WT_BPCHAR,
    WT_NAME,
    WT_UUID,
    WT_BYTEA,
    WT_DATE,
    WT_TIME,
    WT_TIMESTAMP,
    WT_TIMESTAMPTZ,
    WT_INTERVAL,
    WT_JSON,
    WT_JSONB,
    WT_ENUM,
    WT_OPAQUE, /* a column's type that we do not know: IS NULL and casts to text only */
};

#define WHERE_BASE_COUNT (WT_OPAQUE + 1)

struct where_type {
    enum where_base base;
    bool is_array;
    uint32_t oid; /* of an enum or an opaque type; else 0 */
};

bool where_type_equal(struct where_type a, struct where_type b);

/* "int4", "text[]": as error texts name it. For an enum "enum". */
const char *where_type_name(struct where_type type);

/* By the name that SQL uses: int, integer, int4, …; false for one that we do not know. */
NODISCARD bool where_type_by_name(struct view name, enum where_base *base_out);

/* By pg_type.oid, arrays included. WT_OPAQUE for one that we do not know. */
struct where_type where_type_by_oid(uint32_t oid);

struct where_interval {
    int32_t months;
    int32_t days;
    int64_t us;
};

/* One decimal number: value = sign * digits * 10^-scale; digits without leading zeros. */
struct where_decimal {
    enum {
        DECIMAL_FINITE,
        DECIMAL_NAN,
        DECIMAL_PLUS_INFINITY,
        DECIMAL_MINUS_INFINITY,
    } kind;
    bool is_negative;
    struct view whole;    /* digits before the point, no leading zeros */
    struct view fraction; /* digits after it, as written: their count is the scale */
};

/* where_json.h reads it. */
struct json_node;
struct where_json {
    const struct json_node *root;
    struct view text; /* of json: as it was written */
};

struct where_value;
struct where_array {
    size_t count; /* elements in all dimensions */
    size_t dimension_count;
    size_t dimensions[6];
    const struct where_value *items;
};

struct where_value {
    bool is_null;
    union {
        bool boolean;
        int64_t integer;  /* int2/4/8; days since 2000 of a date; us of a time; us since 2000 of a
                             timestamp */
        double real;      /* float4 (rounded to one) and float8 */
        struct view text; /* text types, bytea as bytes, uuid as 16 bytes, enum labels */
        struct where_decimal decimal;
        struct where_interval interval;
        struct where_array array;
        struct where_json json; /* json and jsonb */
    };
};

#define WHERE_DATE_INFINITY       INT32_MAX
#define WHERE_DATE_MINUS_INFINITY INT32_MIN

/* As much of a text as fits into a name: 63 bytes, whole characters. */
struct view where_value_name(struct view text);

/*
 * Reads Postgres' text for a value of `type`. Views borrow from `text` or live in `mem`.
 * Errors: ERR_INVALID "invalid syntax for type int4: x".
 */
NODISCARD bool where_value_parse(struct where_type type, struct view text, struct arena *mem,
                                 struct where_value *value_out, struct err *err);

/*
 * Orders two values of one type that are not null, as Postgres' btree operators do, text and arrays
 * of it by bytes. Less than, equal to or greater than 0; jsonb has no order here, only equality.
 */
int where_value_compare(struct where_type type, const struct where_value *a,
                        const struct where_value *b);

/*
 * The canonical text of a value: Postgres reads it back to the same value, and equal values that
 * people may write differently have one text. Without quotes.
 */
struct buf;
void where_value_print(struct where_type type, const struct where_value *value, struct buf *out);

/* Equal values of one type have equal bytes: for hashing. Appended to `key`. */
void where_value_key(struct where_type type, const struct where_value *value, struct buf *key);

#endif

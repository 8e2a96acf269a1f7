#include "common/core/where_fn.h"

#include "common/core/where_ops.h"

#define COMPARISONS(base, flags)                                     \
    {"=", FN_OPERATOR, 2, {base, base}, WT_BOOL, fn_eq, 0},          \
        {"<>", FN_OPERATOR, 2, {base, base}, WT_BOOL, fn_ne, 0},     \
        {"<", FN_OPERATOR, 2, {base, base}, WT_BOOL, fn_lt, flags},  \
        {"<=", FN_OPERATOR, 2, {base, base}, WT_BOOL, fn_le, flags}, \
        {">", FN_OPERATOR, 2, {base, base}, WT_BOOL, fn_gt, flags},  \
    {                                                                \
        ">=", FN_OPERATOR, 2, {base, base}, WT_BOOL, fn_ge, flags    \
    }

#define EQUALITY(base)                                        \
    {"=", FN_OPERATOR, 2, {base, base}, WT_BOOL, fn_eq, 0},   \
    {                                                         \
        "<>", FN_OPERATOR, 2, {base, base}, WT_BOOL, fn_ne, 0 \
    }

#define INTEGERS(base)                                         \
    {"+", FN_OPERATOR, 2, {base, base}, base, int_add, 0},     \
        {"-", FN_OPERATOR, 2, {base, base}, base, int_sub, 0}, \
        {"*", FN_OPERATOR, 2, {base, base}, base, int_mul, 0}, \
        {"/", FN_OPERATOR, 2, {base, base}, base, int_div, 0}, \
        {"+", FN_OPERATOR, 1, {base}, base, int_plus, 0},      \
        {"-", FN_OPERATOR, 1, {base}, base, int_minus, 0},     \
        {"@", FN_OPERATOR, 1, {base}, base, int_abs, 0},       \
        {"&", FN_OPERATOR, 2, {base, base}, base, int_and, 0}, \
        {"|", FN_OPERATOR, 2, {base, base}, base, int_or, 0},  \
        {"#", FN_OPERATOR, 2, {base, base}, base, int_xor, 0}, \
    {                                                          \
        "~", FN_OPERATOR, 1, {base}, base, int_not, 0          \
    }

#define REALS(base)                                             \
    {"+", FN_OPERATOR, 2, {base, base}, base, real_add, 0},     \
        {"-", FN_OPERATOR, 2, {base, base}, base, real_sub, 0}, \
        {"*", FN_OPERATOR, 2, {base, base}, base, real_mul, 0}, \
        {"/", FN_OPERATOR, 2, {base, base}, base, real_div, 0}, \
        {"+", FN_OPERATOR, 1, {base}, base, real_plus, 0},      \
        {"-", FN_OPERATOR, 1, {base}, base, real_minus, 0},     \
    {                                                           \
        "@", FN_OPERATOR, 1, {base}, base, real_abs, 0          \
    }

/* Postgres has these too, and overload resolution sees them: int4 * float4 is one of float8. */
#define MIXED_REALS(left, right)                                      \
    {"=", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_eq, 0},          \
        {"<>", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_ne, 0},     \
        {"<", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_lt, 0},      \
        {"<=", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_le, 0},     \
        {">", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_gt, 0},      \
        {">=", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_ge, 0},     \
        {"+", FN_OPERATOR, 2, {left, right}, WT_FLOAT8, real_add, 0}, \
        {"-", FN_OPERATOR, 2, {left, right}, WT_FLOAT8, real_sub, 0}, \
        {"*", FN_OPERATOR, 2, {left, right}, WT_FLOAT8, real_mul, 0}, \
    {                                                                 \
        "/", FN_OPERATOR, 2, {left, right}, WT_FLOAT8, real_div, 0    \
    }

#define STAMPS(base)                                                          \
    {"+", FN_OPERATOR, 2, {base, WT_INTERVAL}, base, timestamp_add, 0},       \
        {"+", FN_OPERATOR, 2, {WT_INTERVAL, base}, base, timestamp_added, 0}, \
        {"-", FN_OPERATOR, 2, {base, WT_INTERVAL}, base, timestamp_sub, 0},   \
    {                                                                         \
        "-", FN_OPERATOR, 2, {base, base}, WT_INTERVAL, timestamp_diff, 0     \
    }

#define TEXT_MATCH(base)                                                                 \
    {"~~", FN_OPERATOR, 2, {base, WT_TEXT}, WT_BOOL, text_like, 0},                      \
        {"!~~", FN_OPERATOR, 2, {base, WT_TEXT}, WT_BOOL, text_not_like, 0},             \
        {"~~*", FN_OPERATOR, 2, {base, WT_TEXT}, WT_BOOL, text_ilike, FN_C_COLLATION},   \
    {                                                                                    \
        "!~~*", FN_OPERATOR, 2, {base, WT_TEXT}, WT_BOOL, text_not_ilike, FN_C_COLLATION \
    }

#define JSON_PARTS(base)                                                                   \
    {"->", FN_OPERATOR, 2, {base, WT_TEXT}, base, json_get_member, 0},                     \
        {"->>", FN_OPERATOR, 2, {base, WT_TEXT}, WT_TEXT, json_get_member_text, 0},        \
        {"->", FN_OPERATOR, 2, {base, WT_INT4}, base, json_get_element, 0},                \
        {"->>", FN_OPERATOR, 2, {base, WT_INT4}, WT_TEXT, json_get_element_text, 0},       \
        {"#>", FN_OPERATOR, 2, {base, WT_TEXT}, base, json_get_path, FN_TEXT_ARRAY},       \
    {                                                                                      \
        "#>>", FN_OPERATOR, 2, {base, WT_TEXT}, WT_TEXT, json_get_path_text, FN_TEXT_ARRAY \
    }

#define REGEX(base)                                                                    \
    {"~", FN_OPERATOR, 2, {base, WT_TEXT}, WT_BOOL, regex_match, REGEX_FLAGS},         \
        {"!~", FN_OPERATOR, 2, {base, WT_TEXT}, WT_BOOL, regex_no_match, REGEX_FLAGS}, \
        {"~*",                                                                         \
         FN_OPERATOR,                                                                  \
         2,                                                                            \
         {base, WT_TEXT},                                                              \
         WT_BOOL,                                                                      \
         regex_match,                                                                  \
         REGEX_FLAGS | FN_REGEX_NO_CASE},                                              \
    {                                                                                  \
        "!~*", FN_OPERATOR, 2, {base, WT_TEXT}, WT_BOOL, regex_no_match,               \
            REGEX_FLAGS | FN_REGEX_NO_CASE                                             \
    }

#define REGEX_FLAGS (FN_REGEX | FN_C_COLLATION)

#define DATE_AND_STAMP(base)                                                \
    {"=", FN_OPERATOR, 2, {WT_DATE, base}, WT_BOOL, date_eq_stamp, 0},      \
        {"<>", FN_OPERATOR, 2, {WT_DATE, base}, WT_BOOL, date_ne_stamp, 0}, \
        {"<", FN_OPERATOR, 2, {WT_DATE, base}, WT_BOOL, date_lt_stamp, 0},  \
        {"<=", FN_OPERATOR, 2, {WT_DATE, base}, WT_BOOL, date_le_stamp, 0}, \
        {">", FN_OPERATOR, 2, {WT_DATE, base}, WT_BOOL, date_gt_stamp, 0},  \
        {">=", FN_OPERATOR, 2, {WT_DATE, base}, WT_BOOL, date_ge_stamp, 0}, \
        {"=", FN_OPERATOR, 2, {base, WT_DATE}, WT_BOOL, stamp_eq_date, 0},  \
        {"<>", FN_OPERATOR, 2, {base, WT_DATE}, WT_BOOL, stamp_ne_date, 0}, \
        {"<", FN_OPERATOR, 2, {base, WT_DATE}, WT_BOOL, stamp_lt_date, 0},  \
        {"<=", FN_OPERATOR, 2, {base, WT_DATE}, WT_BOOL, stamp_le_date, 0}, \
        {">", FN_OPERATOR, 2, {base, WT_DATE}, WT_BOOL, stamp_gt_date, 0},  \
    {                                                                       \
        ">=", FN_OPERATOR, 2, {base, WT_DATE}, WT_BOOL, stamp_ge_date, 0    \
    }

/* Both count from the same moment, since sessions are at UTC. */
#define TWO_STAMPS(left, right)                                   \
    {"=", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_eq, 0},      \
        {"<>", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_ne, 0}, \
        {"<", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_lt, 0},  \
        {"<=", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_le, 0}, \
        {">", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_gt, 0},  \
    {                                                             \
        ">=", FN_OPERATOR, 2, {left, right}, WT_BOOL, fn_ge, 0    \
    }

#define FIELDS(base, part, extract)                                              \
    {"date_part", FN_FUNCTION, 2, {WT_TEXT, base}, WT_FLOAT8, part, FN_UNIT},    \
    {                                                                            \
        "extract", FN_FUNCTION, 2, {WT_TEXT, base}, WT_NUMERIC, extract, FN_UNIT \
    }

/* clang-format off */
const struct where_fn where_fns[] = {
    COMPARISONS(WT_INT2, 0), COMPARISONS(WT_INT4, 0), COMPARISONS(WT_INT8, 0),
    COMPARISONS(WT_FLOAT4, 0), COMPARISONS(WT_FLOAT8, 0), COMPARISONS(WT_NUMERIC, 0),
    COMPARISONS(WT_TEXT, FN_C_COLLATION), COMPARISONS(WT_BPCHAR, FN_C_COLLATION),
    COMPARISONS(WT_UUID, 0), COMPARISONS(WT_DATE, 0), COMPARISONS(WT_TIME, 0),
    COMPARISONS(WT_TIMESTAMP, 0), COMPARISONS(WT_TIMESTAMPTZ, 0),
    COMPARISONS(WT_BOOL, 0), COMPARISONS(WT_INTERVAL, 0), COMPARISONS(WT_BYTEA, 0),
    EQUALITY(WT_ENUM),
    INTEGERS(WT_INT2), INTEGERS(WT_INT4), INTEGERS(WT_INT8),
    REALS(WT_FLOAT4), REALS(WT_FLOAT8),
    {"|/", FN_OPERATOR, 1, {WT_FLOAT8}, WT_FLOAT8, real_root, 0},
    {"+", FN_OPERATOR, 2, {WT_NUMERIC, WT_NUMERIC}, WT_NUMERIC, numeric_add, 0},
    {"-", FN_OPERATOR, 2, {WT_NUMERIC, WT_NUMERIC}, WT_NUMERIC, numeric_sub, 0},
    {"*", FN_OPERATOR, 2, {WT_NUMERIC, WT_NUMERIC}, WT_NUMERIC, numeric_mul, 0},
    {"+", FN_OPERATOR, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_plus, 0},
    {"-", FN_OPERATOR, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_minus, 0},
    {"@", FN_OPERATOR, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_abs, 0},
    {"||", FN_OPERATOR, 2, {WT_TEXT, WT_TEXT}, WT_TEXT, text_concat, 0},
    TEXT_MATCH(WT_TEXT), TEXT_MATCH(WT_BPCHAR),
    {"like", FN_FUNCTION, 2, {WT_TEXT, WT_TEXT}, WT_BOOL, text_like, 0},
    {"notlike", FN_FUNCTION, 2, {WT_TEXT, WT_TEXT}, WT_BOOL, text_not_like, 0},
    {"lower", FN_FUNCTION, 1, {WT_TEXT}, WT_TEXT, text_lower, FN_C_COLLATION},
    {"upper", FN_FUNCTION, 1, {WT_TEXT}, WT_TEXT, text_upper, FN_C_COLLATION},
    {"+", FN_OPERATOR, 2, {WT_DATE, WT_INT4}, WT_DATE, date_add_days, 0},
    {"+", FN_OPERATOR, 2, {WT_INT4, WT_DATE}, WT_DATE, days_add_date, 0},
    {"-", FN_OPERATOR, 2, {WT_DATE, WT_INT4}, WT_DATE, date_sub_days, 0},
    {"-", FN_OPERATOR, 2, {WT_DATE, WT_DATE}, WT_INT4, date_sub_date, 0},
    {"+", FN_OPERATOR, 2, {WT_DATE, WT_TIME}, WT_TIMESTAMP, date_add_time, 0},
    {"+", FN_OPERATOR, 2, {WT_TIME, WT_DATE}, WT_TIMESTAMP, time_add_date, 0},
    STAMPS(WT_TIMESTAMP), STAMPS(WT_TIMESTAMPTZ),
    {"+", FN_OPERATOR, 2, {WT_TIME, WT_INTERVAL}, WT_TIME, time_add, 0},
    {"+", FN_OPERATOR, 2, {WT_INTERVAL, WT_TIME}, WT_TIME, time_added, 0},
    {"-", FN_OPERATOR, 2, {WT_TIME, WT_INTERVAL}, WT_TIME, time_sub, 0},
    {"-", FN_OPERATOR, 2, {WT_TIME, WT_TIME}, WT_INTERVAL, time_diff, 0},
    {"+", FN_OPERATOR, 2, {WT_INTERVAL, WT_INTERVAL}, WT_INTERVAL, interval_add, 0},
    {"-", FN_OPERATOR, 2, {WT_INTERVAL, WT_INTERVAL}, WT_INTERVAL, interval_sub, 0},
    {"-", FN_OPERATOR, 1, {WT_INTERVAL}, WT_INTERVAL, interval_minus, 0},
    {"%", FN_OPERATOR, 2, {WT_INT2, WT_INT2}, WT_INT2, int_mod, 0},
    {"%", FN_OPERATOR, 2, {WT_INT4, WT_INT4}, WT_INT4, int_mod, 0},
    {"%", FN_OPERATOR, 2, {WT_INT8, WT_INT8}, WT_INT8, int_mod, 0},
    MIXED_REALS(WT_FLOAT4, WT_FLOAT8), MIXED_REALS(WT_FLOAT8, WT_FLOAT4),
    {"@>", FN_ARRAY, 2, {WT_UNKNOWN, WT_UNKNOWN}, WT_BOOL, array_contains, 0},
    {"<@", FN_ARRAY, 2, {WT_UNKNOWN, WT_UNKNOWN}, WT_BOOL, array_contained, 0},
    {"&&", FN_ARRAY, 2, {WT_UNKNOWN, WT_UNKNOWN}, WT_BOOL, array_overlaps, 0},
    {"||", FN_ARRAY, 2, {WT_UNKNOWN, WT_UNKNOWN}, WT_UNKNOWN, array_concat, FN_TAKES_NULL},
    /* numbers and texts */
    {"/", FN_OPERATOR, 2, {WT_NUMERIC, WT_NUMERIC}, WT_NUMERIC, numeric_div, 0},
    {"%", FN_OPERATOR, 2, {WT_NUMERIC, WT_NUMERIC}, WT_NUMERIC, numeric_mod, 0},
    {"div", FN_FUNCTION, 2, {WT_NUMERIC, WT_NUMERIC}, WT_NUMERIC, numeric_div_whole, 0},
    {"mod", FN_FUNCTION, 2, {WT_NUMERIC, WT_NUMERIC}, WT_NUMERIC, numeric_mod, 0},
    {"mod", FN_FUNCTION, 2, {WT_INT2, WT_INT2}, WT_INT2, int_mod, 0},
    {"mod", FN_FUNCTION, 2, {WT_INT4, WT_INT4}, WT_INT4, int_mod, 0},
    {"mod", FN_FUNCTION, 2, {WT_INT8, WT_INT8}, WT_INT8, int_mod, 0},
    {"abs", FN_FUNCTION, 1, {WT_INT2}, WT_INT2, int_abs, 0},
    {"abs", FN_FUNCTION, 1, {WT_INT4}, WT_INT4, int_abs, 0},
    {"abs", FN_FUNCTION, 1, {WT_INT8}, WT_INT8, int_abs, 0},
    {"abs", FN_FUNCTION, 1, {WT_FLOAT4}, WT_FLOAT4, real_abs, 0},
    {"abs", FN_FUNCTION, 1, {WT_FLOAT8}, WT_FLOAT8, real_abs, 0},
    {"abs", FN_FUNCTION, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_abs, 0},
    {"sign", FN_FUNCTION, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_sign, 0},
    {"sign", FN_FUNCTION, 1, {WT_FLOAT8}, WT_FLOAT8, real_sign, 0},
    {"round", FN_FUNCTION, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_round, 0},
    {"round", FN_FUNCTION, 1, {WT_FLOAT8}, WT_FLOAT8, real_round, 0},
    {"round", FN_FUNCTION, 2, {WT_NUMERIC, WT_INT4}, WT_NUMERIC, numeric_round_to, 0},
    {"trunc", FN_FUNCTION, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_trunc, 0},
    {"trunc", FN_FUNCTION, 1, {WT_FLOAT8}, WT_FLOAT8, real_trunc, 0},
    {"trunc", FN_FUNCTION, 2, {WT_NUMERIC, WT_INT4}, WT_NUMERIC, numeric_trunc_to, 0},
    {"floor", FN_FUNCTION, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_floor, 0},
    {"floor", FN_FUNCTION, 1, {WT_FLOAT8}, WT_FLOAT8, real_floor, 0},
    {"ceil", FN_FUNCTION, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_ceil, 0},
    {"ceil", FN_FUNCTION, 1, {WT_FLOAT8}, WT_FLOAT8, real_ceil, 0},
    {"ceiling", FN_FUNCTION, 1, {WT_NUMERIC}, WT_NUMERIC, numeric_ceil, 0},
    {"ceiling", FN_FUNCTION, 1, {WT_FLOAT8}, WT_FLOAT8, real_ceil, 0},
    {"sqrt", FN_FUNCTION, 1, {WT_NUMERIC}, WT_NUMERIC, NULL, 0},
    {"sqrt", FN_FUNCTION, 1, {WT_FLOAT8}, WT_FLOAT8, real_root, 0},
    {"length", FN_FUNCTION, 1, {WT_TEXT}, WT_INT4, text_length, 0},
    {"length", FN_FUNCTION, 1, {WT_BPCHAR}, WT_INT4, bpchar_length, 0},
    {"length", FN_FUNCTION, 1, {WT_BYTEA}, WT_INT4, octet_length, 0},
    {"char_length", FN_FUNCTION, 1, {WT_TEXT}, WT_INT4, text_length, 0},
    {"char_length", FN_FUNCTION, 1, {WT_BPCHAR}, WT_INT4, bpchar_length, 0},
    {"character_length", FN_FUNCTION, 1, {WT_TEXT}, WT_INT4, text_length, 0},
    {"character_length", FN_FUNCTION, 1, {WT_BPCHAR}, WT_INT4, bpchar_length, 0},
    {"octet_length", FN_FUNCTION, 1, {WT_TEXT}, WT_INT4, octet_length, 0},
    {"octet_length", FN_FUNCTION, 1, {WT_BPCHAR}, WT_INT4, octet_length, 0},
    {"octet_length", FN_FUNCTION, 1, {WT_BYTEA}, WT_INT4, octet_length, 0},
    {"left", FN_FUNCTION, 2, {WT_TEXT, WT_INT4}, WT_TEXT, text_left, 0},
    {"right", FN_FUNCTION, 2, {WT_TEXT, WT_INT4}, WT_TEXT, text_right, 0},
    {"substr", FN_FUNCTION, 2, {WT_TEXT, WT_INT4}, WT_TEXT, text_substring, 0},
    {"substr", FN_FUNCTION, 3, {WT_TEXT, WT_INT4, WT_INT4}, WT_TEXT, text_substring_for, 0},
    {"substr", FN_FUNCTION, 2, {WT_BYTEA, WT_INT4}, WT_BYTEA, NULL, 0},
    {"substr", FN_FUNCTION, 3, {WT_BYTEA, WT_INT4, WT_INT4}, WT_BYTEA, NULL, 0},
    {"substring", FN_FUNCTION, 2, {WT_TEXT, WT_INT4}, WT_TEXT, text_substring, 0},
    {"substring", FN_FUNCTION, 3, {WT_TEXT, WT_INT4, WT_INT4}, WT_TEXT, text_substring_for, 0},
    {"substring", FN_FUNCTION, 2, {WT_TEXT, WT_TEXT}, WT_TEXT, NULL, 0},
    {"substring", FN_FUNCTION, 3, {WT_TEXT, WT_TEXT, WT_TEXT}, WT_TEXT, NULL, 0},
    {"substring", FN_FUNCTION, 2, {WT_BYTEA, WT_INT4}, WT_BYTEA, NULL, 0},
    {"substring", FN_FUNCTION, 3, {WT_BYTEA, WT_INT4, WT_INT4}, WT_BYTEA, NULL, 0},
    {"position", FN_FUNCTION, 2, {WT_TEXT, WT_TEXT}, WT_INT4, text_position, 0},
    {"position", FN_FUNCTION, 2, {WT_BYTEA, WT_BYTEA}, WT_INT4, NULL, 0},
    {"strpos", FN_FUNCTION, 2, {WT_TEXT, WT_TEXT}, WT_INT4, text_position, 0},
    {"starts_with", FN_FUNCTION, 2, {WT_TEXT, WT_TEXT}, WT_BOOL, text_starts_with, 0},
    {"^@", FN_OPERATOR, 2, {WT_TEXT, WT_TEXT}, WT_BOOL, text_starts_with, 0},
    {"ascii", FN_FUNCTION, 1, {WT_TEXT}, WT_INT4, text_ascii, 0},
    {"btrim", FN_FUNCTION, 1, {WT_TEXT}, WT_TEXT, text_btrim_blanks, 0},
    {"btrim", FN_FUNCTION, 2, {WT_TEXT, WT_TEXT}, WT_TEXT, text_btrim, 0},
    {"btrim", FN_FUNCTION, 2, {WT_BYTEA, WT_BYTEA}, WT_BYTEA, NULL, 0},
    {"ltrim", FN_FUNCTION, 1, {WT_TEXT}, WT_TEXT, text_ltrim_blanks, 0},
    {"ltrim", FN_FUNCTION, 2, {WT_TEXT, WT_TEXT}, WT_TEXT, text_ltrim, 0},
    {"ltrim", FN_FUNCTION, 2, {WT_BYTEA, WT_BYTEA}, WT_BYTEA, NULL, 0},
    {"rtrim", FN_FUNCTION, 1, {WT_TEXT}, WT_TEXT, text_rtrim_blanks, 0},
    {"rtrim", FN_FUNCTION, 2, {WT_TEXT, WT_TEXT}, WT_TEXT, text_rtrim, 0},
    {"rtrim", FN_FUNCTION, 2, {WT_BYTEA, WT_BYTEA}, WT_BYTEA, NULL, 0},
    {"split_part", FN_FUNCTION, 3, {WT_TEXT, WT_TEXT, WT_INT4}, WT_TEXT, text_split_part, 0},
    {"reverse", FN_FUNCTION, 1, {WT_TEXT}, WT_TEXT, text_reverse, 0},
    {"replace", FN_FUNCTION, 3, {WT_TEXT, WT_TEXT, WT_TEXT}, WT_TEXT, text_replace, 0},
    {"translate", FN_FUNCTION, 3, {WT_TEXT, WT_TEXT, WT_TEXT}, WT_TEXT, text_translate, 0},
    REGEX(WT_TEXT), REGEX(WT_BPCHAR),
    {"array_ndims", FN_OF_ARRAY, 1, {WT_UNKNOWN}, WT_INT4, array_ndims, 0},
    {"array_length", FN_OF_ARRAY, 2, {WT_UNKNOWN, WT_INT4}, WT_INT4, array_length, 0},
    {"array_lower", FN_OF_ARRAY, 2, {WT_UNKNOWN, WT_INT4}, WT_INT4, array_lower, 0},
    {"array_upper", FN_OF_ARRAY, 2, {WT_UNKNOWN, WT_INT4}, WT_INT4, array_length, 0},
    {"cardinality", FN_OF_ARRAY, 1, {WT_UNKNOWN}, WT_INT4, array_cardinality, 0},
    {"array_append", FN_ARRAY_ELEMENT, 2, {WT_UNKNOWN, WT_UNKNOWN}, WT_UNKNOWN, array_append,
     FN_TAKES_NULL},
    {"array_prepend", FN_ELEMENT_ARRAY, 2, {WT_UNKNOWN, WT_UNKNOWN}, WT_UNKNOWN, array_prepend,
     FN_TAKES_NULL},
    /* json and jsonb */
    JSON_PARTS(WT_JSON), JSON_PARTS(WT_JSONB), EQUALITY(WT_JSONB),
    {"@>", FN_OPERATOR, 2, {WT_JSONB, WT_JSONB}, WT_BOOL, jsonb_contains, 0},
    {"<@", FN_OPERATOR, 2, {WT_JSONB, WT_JSONB}, WT_BOOL, jsonb_contained, 0},
    {"?", FN_OPERATOR, 2, {WT_JSONB, WT_TEXT}, WT_BOOL, jsonb_exists, 0},
    {"?|", FN_OPERATOR, 2, {WT_JSONB, WT_TEXT}, WT_BOOL, jsonb_exists_any, FN_TEXT_ARRAY},
    {"?&", FN_OPERATOR, 2, {WT_JSONB, WT_TEXT}, WT_BOOL, jsonb_exists_all, FN_TEXT_ARRAY},
    {"json_typeof", FN_FUNCTION, 1, {WT_JSON}, WT_TEXT, json_type_of, 0},
    {"jsonb_typeof", FN_FUNCTION, 1, {WT_JSONB}, WT_TEXT, json_type_of, 0},
    {"json_array_length", FN_FUNCTION, 1, {WT_JSON}, WT_INT4, json_array_length, 0},
    {"jsonb_array_length", FN_FUNCTION, 1, {WT_JSONB}, WT_INT4, json_array_length, 0},
    /* dates and times */
    DATE_AND_STAMP(WT_TIMESTAMP), DATE_AND_STAMP(WT_TIMESTAMPTZ),
    TWO_STAMPS(WT_TIMESTAMP, WT_TIMESTAMPTZ), TWO_STAMPS(WT_TIMESTAMPTZ, WT_TIMESTAMP),
    {"+", FN_OPERATOR, 2, {WT_DATE, WT_INTERVAL}, WT_TIMESTAMP, date_add_interval, 0},
    {"+", FN_OPERATOR, 2, {WT_INTERVAL, WT_DATE}, WT_TIMESTAMP, interval_add_date, 0},
    {"-", FN_OPERATOR, 2, {WT_DATE, WT_INTERVAL}, WT_TIMESTAMP, date_sub_interval, 0},
    {"*", FN_OPERATOR, 2, {WT_INTERVAL, WT_FLOAT8}, WT_INTERVAL, interval_mul, 0},
    {"*", FN_OPERATOR, 2, {WT_FLOAT8, WT_INTERVAL}, WT_INTERVAL, interval_mul_by, 0},
    {"/", FN_OPERATOR, 2, {WT_INTERVAL, WT_FLOAT8}, WT_INTERVAL, interval_div, 0},
    {"justify_hours", FN_FUNCTION, 1, {WT_INTERVAL}, WT_INTERVAL, justify_hours, 0},
    {"justify_days", FN_FUNCTION, 1, {WT_INTERVAL}, WT_INTERVAL, justify_days, 0},
    {"justify_interval", FN_FUNCTION, 1, {WT_INTERVAL}, WT_INTERVAL, justify_interval, 0},
    {"isfinite", FN_FUNCTION, 1, {WT_DATE}, WT_BOOL, date_is_finite, 0},
    {"isfinite", FN_FUNCTION, 1, {WT_TIMESTAMP}, WT_BOOL, stamp_is_finite, 0},
    {"isfinite", FN_FUNCTION, 1, {WT_TIMESTAMPTZ}, WT_BOOL, stamp_is_finite, 0},
    {"isfinite", FN_FUNCTION, 1, {WT_INTERVAL}, WT_BOOL, NULL, 0},
    FIELDS(WT_DATE, part_date, extract_date), FIELDS(WT_TIME, part_time, extract_time),
    FIELDS(WT_TIMESTAMP, part_timestamp, extract_timestamp),
    FIELDS(WT_TIMESTAMPTZ, part_timestamptz, extract_timestamptz),
    FIELDS(WT_INTERVAL, part_interval, extract_interval),
    {"date_trunc", FN_FUNCTION, 2, {WT_TEXT, WT_DATE}, WT_TIMESTAMPTZ, trunc_date, FN_UNIT},
    {"date_trunc", FN_FUNCTION, 2, {WT_TEXT, WT_TIMESTAMP}, WT_TIMESTAMP, trunc_timestamp, FN_UNIT},
    {"date_trunc", FN_FUNCTION, 2, {WT_TEXT, WT_TIMESTAMPTZ}, WT_TIMESTAMPTZ, trunc_timestamptz,
     FN_UNIT},
    {"date_trunc", FN_FUNCTION, 2, {WT_TEXT, WT_INTERVAL}, WT_INTERVAL, trunc_interval, FN_UNIT},
    {"timezone", FN_FUNCTION, 2, {WT_TEXT, WT_TIMESTAMP}, WT_TIMESTAMPTZ, stamp_at_utc, FN_UNIT},
    {"timezone", FN_FUNCTION, 2, {WT_TEXT, WT_TIMESTAMPTZ}, WT_TIMESTAMP, stamp_at_utc, FN_UNIT},
    {"timezone", FN_FUNCTION, 2, {WT_INTERVAL, WT_TIMESTAMP}, WT_TIMESTAMPTZ, NULL, 0},
    {"timezone", FN_FUNCTION, 2, {WT_INTERVAL, WT_TIMESTAMPTZ}, WT_TIMESTAMP, NULL, 0},
    /* enums */
    {"<", FN_OPERATOR, 3, {WT_ENUM, WT_ENUM, WT_TEXT}, WT_BOOL, enum_lt, FN_LABELS},
    {"<=", FN_OPERATOR, 3, {WT_ENUM, WT_ENUM, WT_TEXT}, WT_BOOL, enum_le, FN_LABELS},
    {">", FN_OPERATOR, 3, {WT_ENUM, WT_ENUM, WT_TEXT}, WT_BOOL, enum_gt, FN_LABELS},
    {">=", FN_OPERATOR, 3, {WT_ENUM, WT_ENUM, WT_TEXT}, WT_BOOL, enum_ge, FN_LABELS},
};
/* clang-format on */

const size_t where_fn_count = COUNT_OF(where_fns);

struct where_type
where_fn_arg(const struct where_fn *fn, size_t place)
{
    return (struct where_type){.base = fn->args[place],
                               .is_array = (place == 1 && (fn->flags & FN_TEXT_ARRAY) != 0) ||
                                           (place == 2 && (fn->flags & FN_LABELS) != 0)};
}

/* LIKE takes two texts and gives a bool as well, but is of text and not of every type's order. */
static bool
is_comparison(const struct where_fn *fn)
{
    return fn->impl == fn_eq || fn->impl == fn_ne || fn->impl == fn_lt || fn->impl == fn_le ||
           fn->impl == fn_gt || fn->impl == fn_ge;
}

const struct where_fn *
where_fn_comparison(struct view name, enum where_base base)
{
    enum where_base wanted = base == WT_VARCHAR || base == WT_NAME ? WT_TEXT : base;
    for (size_t i = 0; i < where_fn_count; i++) {
        const struct where_fn *fn = &where_fns[i];
        if (fn->kind == FN_OPERATOR && fn->arg_count == 2 && fn->args[0] == wanted &&
            fn->args[1] == wanted && is_comparison(fn) && view_is(name, fn->name)) {
            return fn;
        }
    }
    return NULL;
}

const struct where_fn *
where_fn_of_array(struct view name, size_t arg_count)
{
    for (size_t i = 0; i < where_fn_count; i++) {
        const struct where_fn *fn = &where_fns[i];
        bool is_one =
            fn->kind == FN_OF_ARRAY || fn->kind == FN_ARRAY_ELEMENT || fn->kind == FN_ELEMENT_ARRAY;
        if (is_one && fn->arg_count == arg_count && view_is(name, fn->name)) {
            return fn;
        }
    }
    return NULL;
}

const struct where_fn *
where_fn_enum_order(struct view name)
{
    for (size_t i = 0; i < where_fn_count; i++) {
        if ((where_fns[i].flags & FN_LABELS) != 0 && view_is(name, where_fns[i].name)) {
            return &where_fns[i];
        }
    }
    return NULL;
}

const struct where_fn *
where_fn_array(struct view name)
{
    for (size_t i = 0; i < where_fn_count; i++) {
        if (where_fns[i].kind == FN_ARRAY && view_is(name, where_fns[i].name)) {
            return &where_fns[i];
        }
    }
    return NULL;
}

uint32_t
where_fn_number(const struct where_fn *fn)
{
    return (uint32_t)(fn - where_fns);
}

const struct where_fn *
where_fn_by_number(uint32_t number)
{
    return number < where_fn_count ? &where_fns[number] : NULL;
}

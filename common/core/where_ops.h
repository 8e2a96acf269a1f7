/*
 * where_ops.h - our code for each row of where_fn.c's table, and no more.
 *
 * Each does what the Postgres function of the same purpose does, its errors included.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_OPS_H
#define CORE_WHERE_OPS_H

#include "common/core/where_fn.h"

#define IMPL(name)                                                           \
    bool name(struct where_scratch *scratch, const struct where_value *args, \
              struct where_value *result)

IMPL(fn_eq);
IMPL(fn_ne);
IMPL(fn_lt);
IMPL(fn_le);
IMPL(fn_gt);
IMPL(fn_ge);
IMPL(int_add);
IMPL(int_sub);
IMPL(int_mul);
IMPL(int_div);
IMPL(int_mod);
IMPL(int_plus);
IMPL(int_minus);
IMPL(int_abs);
IMPL(int_and);
IMPL(int_or);
IMPL(int_xor);
IMPL(int_not);
IMPL(real_add);
IMPL(real_sub);
IMPL(real_mul);
IMPL(real_div);
IMPL(real_plus);
IMPL(real_minus);
IMPL(real_abs);
IMPL(real_root);
IMPL(numeric_add);
IMPL(numeric_sub);
IMPL(numeric_mul);
IMPL(numeric_plus);
IMPL(numeric_minus);
IMPL(numeric_abs);
IMPL(text_concat);
IMPL(text_lower);
IMPL(text_upper);
IMPL(text_like);
IMPL(text_not_like);
IMPL(text_ilike);
IMPL(text_not_ilike);
IMPL(date_add_days);
IMPL(days_add_date);
IMPL(date_sub_days);
IMPL(date_sub_date);
IMPL(timestamp_add);
IMPL(timestamp_added);
IMPL(timestamp_sub);
IMPL(timestamp_diff);
IMPL(interval_add);
IMPL(interval_sub);
IMPL(interval_minus);
IMPL(time_add);
IMPL(time_added);
IMPL(time_sub);
IMPL(time_diff);
IMPL(date_add_time);
IMPL(time_add_date);
IMPL(regex_match);
IMPL(regex_no_match);
IMPL(text_length);
IMPL(bpchar_length);
IMPL(octet_length);
IMPL(text_position);
IMPL(text_starts_with);
IMPL(text_ascii);
IMPL(text_left);
IMPL(text_right);
IMPL(text_substring);
IMPL(text_substring_for);
IMPL(text_btrim);
IMPL(text_ltrim);
IMPL(text_rtrim);
IMPL(text_btrim_blanks);
IMPL(text_ltrim_blanks);
IMPL(text_rtrim_blanks);
IMPL(text_split_part);
IMPL(text_reverse);
IMPL(text_replace);
IMPL(text_translate);
IMPL(numeric_div);
IMPL(numeric_div_whole);
IMPL(numeric_mod);
IMPL(numeric_round);
IMPL(numeric_round_to);
IMPL(numeric_trunc);
IMPL(numeric_trunc_to);
IMPL(numeric_floor);
IMPL(numeric_ceil);
IMPL(numeric_sign);
IMPL(real_round);
IMPL(real_trunc);
IMPL(real_floor);
IMPL(real_ceil);
IMPL(real_sign);
IMPL(array_append);
IMPL(array_prepend);
IMPL(array_ndims);
IMPL(array_cardinality);
IMPL(array_length);
IMPL(array_lower);
IMPL(array_contains);
IMPL(array_contained);
IMPL(array_overlaps);
IMPL(array_concat);
IMPL(json_get_member);
IMPL(json_get_member_text);
IMPL(json_get_element);
IMPL(json_get_element_text);
IMPL(json_get_path);
IMPL(json_get_path_text);
IMPL(jsonb_contains);
IMPL(jsonb_contained);
IMPL(jsonb_exists);
IMPL(jsonb_exists_any);
IMPL(jsonb_exists_all);
IMPL(json_type_of);
IMPL(json_array_length);
IMPL(extract_date);
IMPL(extract_time);
IMPL(extract_timestamp);
IMPL(extract_timestamptz);
IMPL(extract_interval);
IMPL(part_date);
IMPL(part_time);
IMPL(part_timestamp);
IMPL(part_timestamptz);
IMPL(part_interval);
IMPL(trunc_date);
IMPL(trunc_timestamp);
IMPL(trunc_timestamptz);
IMPL(trunc_interval);
IMPL(date_eq_stamp);
IMPL(date_ne_stamp);
IMPL(date_lt_stamp);
IMPL(date_le_stamp);
IMPL(date_gt_stamp);
IMPL(date_ge_stamp);
IMPL(stamp_eq_date);
IMPL(stamp_ne_date);
IMPL(stamp_lt_date);
IMPL(stamp_le_date);
IMPL(stamp_gt_date);
IMPL(stamp_ge_date);
IMPL(date_add_interval);
IMPL(interval_add_date);
IMPL(date_sub_interval);
IMPL(interval_mul);
IMPL(interval_mul_by);
IMPL(interval_div);
IMPL(justify_hours);
IMPL(justify_days);
IMPL(justify_interval);
IMPL(date_is_finite);
IMPL(stamp_is_finite);
IMPL(stamp_at_utc);
IMPL(enum_lt);
IMPL(enum_le);
IMPL(enum_gt);
IMPL(enum_ge);

/* An error that Postgres would raise, in its words. False. */
bool where_raise(struct where_scratch *scratch, const char *text);

/* Room for a result whose size the data decides. False: so much that the row cannot be judged. */
bool where_take(struct where_scratch *scratch, size_t size, uint8_t **bytes_out);

#endif

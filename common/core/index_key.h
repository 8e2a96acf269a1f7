/*
 * index_key.h - values as the filter index compares them: bytes for equality, words for order.
 *
 * Inside of the index.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_INDEX_KEY_H
#define CORE_INDEX_KEY_H

#include "common/buf.h"
#include "common/core/where_value.h"

/* Equal values have equal bytes, and different ones different bytes. False: not of this type. */
bool index_key_is_faithful(struct where_type type);

/* Do values of two types that Postgres compares have keys and words that can be compared too? */
bool index_key_same_kind(struct where_type a, struct where_type b);

/* The value's bytes. */
void index_key_append(struct where_type type, const struct where_value *value, struct buf *key);

/* Has the type an order that words follow? */
bool index_word_exists(struct where_type type);

/* Is every value of the type a word of its own? */
bool index_word_is_exact(struct where_type type);

/* A value that is greater has a word that is greater or equal. */
uint64_t index_word(struct where_type type, const struct where_value *value);

#endif

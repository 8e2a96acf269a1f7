/*
 * fuzz_input.h - what a fuzzer found, read as choices: so that inputs that mean something come from
 * nothing, in seconds. Behind the end everything is 0, or chance that is a function of the input.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include "common/buf.h"

struct fuzz_input {
    const uint8_t *next;
    const uint8_t *end;
    uint64_t seed; /* 0: it ends */
};

struct fuzz_input fuzz_input(const uint8_t *data, size_t size);

/* Never ends: for what makes something large of a few bytes. */
struct fuzz_input fuzz_input_endless(const uint8_t *data, size_t size);

bool fuzz_input_is_empty(const struct fuzz_input *in);
uint8_t fuzz_input_byte(struct fuzz_input *in);
uint64_t fuzz_input_u64(struct fuzz_input *in);

/* A choice among `count`, which is not 0. */
size_t fuzz_input_below(struct fuzz_input *in, size_t count);

/* True once in `count`; never behind an end. */
bool fuzz_input_chance(struct fuzz_input *in, size_t count);

/* Up to `max` bytes, borrowed: a byte says how many. */
struct view fuzz_input_bytes(struct fuzz_input *in, size_t max);

/* Gives `check` the bytes as they are, and as fuzz_input_spell() writes them. */
void fuzz_input_check_both(const char *const *words, size_t count, struct view bytes,
                           void (*check)(struct view bytes));

/* Appends `text` with each byte that is below `count` written as that word. */
void fuzz_input_spell(const char *const *words, size_t count, struct view text, struct buf *out);

#endif

/*
 * messages.h - any bus message filled with chance, and two of them compared.
 */
#ifndef TESTS_LIB_MESSAGES_H
#define TESTS_LIB_MESSAGES_H

#include "proto/layout.h"

/* The largest struct of a message. */
union any_message {
#define MESSAGE(name, kind, way, what) struct name name;
#include "proto/messages.def"
};

/*
 * A function of *seed, which moves on. Sizes and counts are small, now and then 0. Text and lists
 * live in `mem`. With `is_full` every field is set, else optional ones may be left out.
 */
void messages_fill(const struct layout *layout, uint64_t *seed, bool is_full, struct arena *mem,
                   void *message_out);

bool messages_equal(const struct layout *layout, const void *a, const void *b);

#endif

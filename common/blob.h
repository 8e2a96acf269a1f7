/*
 * blob.h - bytes that never change, shared by whoever holds a reference.
 *
 * Threading: references may be taken and dropped on any thread.
 */
#ifndef COMMON_BLOB_H
#define COMMON_BLOB_H

#include "common/buf.h"

struct blob {
    uint32_t refs; /* touched by blob_ref and blob_unref alone, atomically */
    size_t size;
    uint8_t bytes[];
};

/* A copy of `view`, with one reference, the caller's. */
struct blob *blob_new(struct view view);

/* One reference more. */
struct blob *blob_ref(struct blob *blob);

/* One less; the last one frees it. NULL is accepted. */
void blob_unref(struct blob *blob);

struct view blob_view(const struct blob *blob);

#endif

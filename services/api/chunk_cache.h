/*
 * chunk_cache.h - complete chunks that were read: they never change.
 *
 * Bounded in bytes and number; what was used longest ago goes first. Small ones
 * are bytes, large ones a place in a file that is kept open, so they can be
 * served after the file has lost its name.
 *
 * Threading: the loop's.
 */
#ifndef API_CHUNK_CACHE_H
#define API_CHUNK_CACHE_H

#include "common/blob.h"
#include "services/api/log_reader.h"

/* An open file that chunks share. */
struct shared_file {
    unsigned refs;
    int fd;
};

/* Takes the descriptor; one reference, the caller's. */
struct shared_file *shared_file_new(int fd);
struct shared_file *shared_file_ref(struct shared_file *file);

/* The last one closes it. NULL is accepted. */
void shared_file_unref(struct shared_file *file);

struct chunk {
    struct log_position from;
    struct log_offset end;
    struct blob *blob;        /* or */
    struct shared_file *file; /* from this position on */
    uint64_t position;
    uint64_t size;
};

struct chunk_cache;

/* At most so many bytes in blobs, so many chunks. */
struct chunk_cache *chunk_cache_new(size_t bytes_max, size_t count_max);

/* NULL when it is not kept. Good until the next put or forget. */
const struct chunk *chunk_cache_get(struct chunk_cache *cache, struct view handle,
                                    struct log_position from);

/* Keeps a copy, with references of its own to blob and file. One larger than all may be is not. */
void chunk_cache_put(struct chunk_cache *cache, struct view handle, const struct chunk *chunk);

/* Nothing of this shape is kept any more. */
void chunk_cache_forget(struct chunk_cache *cache, struct view handle);

/* Bytes in blobs. */
size_t chunk_cache_bytes(const struct chunk_cache *cache);

/* NULL is accepted. */
void chunk_cache_free(struct chunk_cache *cache);

#endif

#include "services/api/chunk_cache.h"

#include "common/map.h"
#include "common/mem.h"
#include "common/sys.h"

struct kept {
    struct list lru_node; /* used last is at the end */
    struct list shape_node;
    struct kept_shape *shape;
    struct chunk chunk;
};

struct kept_shape {
    struct list chunks;
    char *handle;
    size_t handle_size;
};

struct chunk_cache {
    size_t bytes_max;
    size_t count_max;
    size_t bytes;
    size_t count;
    struct map *shapes; /* handle -> struct kept_shape */
    struct list lru;
};

struct shared_file *
shared_file_new(int fd)
{
    struct shared_file *file = mem_alloc_zero(sizeof *file);
    *file = (struct shared_file){1, fd};
    return file;
}

struct shared_file *
shared_file_ref(struct shared_file *file)
{
    file->refs++;
    return file;
}

void
shared_file_unref(struct shared_file *file)
{
    if (file == NULL || --file->refs > 0) {
        return;
    }
    sys_close(file->fd);
    mem_free(file);
}

struct chunk_cache *
chunk_cache_new(size_t bytes_max, size_t count_max)
{
    struct chunk_cache *cache = mem_alloc_zero(sizeof *cache);
    *cache =
        (struct chunk_cache){.bytes_max = bytes_max, .count_max = count_max, .shapes = map_new()};
    list_init(&cache->lru);
    return cache;
}

static bool
is_from(const struct chunk *chunk, struct log_position from)
{
    return chunk->from.is_start == from.is_start &&
           (from.is_start || offset_compare(chunk->from.offset, from.offset) == 0);
}

static struct kept *
find(struct chunk_cache *cache, struct view handle, struct log_position from)
{
    struct kept_shape *shape = map_get(cache->shapes, handle);
    if (shape == NULL) {
        return NULL;
    }
    LIST_FOREACH (node, &shape->chunks) {
        struct kept *kept = LIST_ITEM(node, struct kept, shape_node);
        if (is_from(&kept->chunk, from)) {
            return kept;
        }
    }
    return NULL;
}

const struct chunk *
chunk_cache_get(struct chunk_cache *cache, struct view handle, struct log_position from)
{
    struct kept *kept = find(cache, handle, from);
    if (kept == NULL) {
        return NULL;
    }
    list_remove(&kept->lru_node);
    list_push_back(&cache->lru, &kept->lru_node);
    return &kept->chunk;
}

static size_t
bytes_of(const struct chunk *chunk)
{
    return chunk->blob == NULL ? 0 : chunk->blob->size;
}

static void
drop(struct chunk_cache *cache, struct kept *kept)
{
    struct kept_shape *shape = kept->shape;
    cache->bytes -= bytes_of(&kept->chunk);
    cache->count--;
    blob_unref(kept->chunk.blob);
    shared_file_unref(kept->chunk.file);
    list_remove(&kept->lru_node);
    list_remove(&kept->shape_node);
    mem_free(kept);
    if (list_is_empty(&shape->chunks)) {
        map_remove(cache->shapes, view_of(shape->handle, shape->handle_size));
        mem_free(shape->handle);
        mem_free(shape);
    }
}

static struct kept_shape *
shape_of(struct chunk_cache *cache, struct view handle)
{
    struct kept_shape *shape = map_get(cache->shapes, handle);
    if (shape == NULL) {
        shape = mem_alloc_zero(sizeof *shape);
        shape->handle = mem_dup_bytes(handle.bytes, handle.size);
        shape->handle_size = handle.size;
        list_init(&shape->chunks);
        map_put(cache->shapes, handle, shape);
    }
    return shape;
}

void
chunk_cache_put(struct chunk_cache *cache, struct view handle, const struct chunk *chunk)
{
    struct kept *old = find(cache, handle, chunk->from);
    if (old != NULL) {
        drop(cache, old);
    }
    if (bytes_of(chunk) > cache->bytes_max) {
        return;
    }
    while (cache->count >= cache->count_max || cache->bytes + bytes_of(chunk) > cache->bytes_max) {
        drop(cache, LIST_ITEM(cache->lru.next, struct kept, lru_node));
    }
    struct kept *kept = mem_alloc_zero(sizeof *kept);
    kept->shape = shape_of(cache, handle);
    kept->chunk = *chunk;
    if (chunk->blob != NULL) {
        blob_ref(chunk->blob);
    }
    if (chunk->file != NULL) {
        shared_file_ref(chunk->file);
    }
    list_init(&kept->lru_node);
    list_init(&kept->shape_node);
    list_push_back(&cache->lru, &kept->lru_node);
    list_push_back(&kept->shape->chunks, &kept->shape_node);
    cache->bytes += bytes_of(chunk);
    cache->count++;
}

void
chunk_cache_forget(struct chunk_cache *cache, struct view handle)
{
    struct kept_shape *shape = map_get(cache->shapes, handle);
    for (bool is_last = shape == NULL; !is_last;) {
        is_last = shape->chunks.next->next == &shape->chunks;
        drop(cache, LIST_ITEM(shape->chunks.next, struct kept, shape_node));
    }
}

size_t
chunk_cache_bytes(const struct chunk_cache *cache)
{
    return cache->bytes;
}

void
chunk_cache_free(struct chunk_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    while (!list_is_empty(&cache->lru)) {
        drop(cache, LIST_ITEM(cache->lru.next, struct kept, lru_node));
    }
    map_free(cache->shapes);
    mem_free(cache);
}

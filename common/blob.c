#include "common/blob.h"

#include <string.h>

#include "common/mem.h"

struct blob *
blob_new(struct view view)
{
    struct blob *blob = mem_alloc(sizeof *blob + view.size);
    blob->refs = 1;
    blob->size = view.size;
    if (view.size > 0) {
        memcpy(blob->bytes, view.bytes, view.size);
    }
    return blob;
}

struct blob *
blob_ref(struct blob *blob)
{
    uint32_t before = __atomic_fetch_add(&blob->refs, 1, __ATOMIC_RELAXED);
    ASSERT(before > 0 && before < UINT32_MAX);
    return blob;
}

void
blob_unref(struct blob *blob)
{
    if (blob == NULL) {
        return;
    }
    /* Who drops the last one must see what the others did before they dropped theirs. */
    uint32_t before = __atomic_fetch_sub(&blob->refs, 1, __ATOMIC_ACQ_REL);
    ASSERT(before > 0);
    if (before == 1) {
        mem_free(blob);
    }
}

struct view
blob_view(const struct blob *blob)
{
    return view_of(blob->bytes, blob->size);
}

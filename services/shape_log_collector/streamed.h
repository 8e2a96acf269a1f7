/*
 * streamed.h - relations as the stream has described them since its start.
 *
 * A relation counts once it is known what it is a partition of; each description has a version of
 * its own, so that what was compared with one need not be compared again.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_STREAMED_H
#define COLLECTOR_STREAMED_H

#include "common/core/pgoutput.h"

struct streamed;

struct streamed_relation {
    struct arena *mem;
    struct pgoutput_relation relation; /* owned: copied */
    uint64_t version;                  /* 0: its ancestors are not known yet */
    bool has_ancestors;
    size_t ancestor_count;
    uint32_t *ancestors; /* what it is a partition of, nearest first */
};

struct streamed *streamed_new(void);
void streamed_free(struct streamed *streamed);

/*
 * Takes a description. False: its ancestors must be asked for, and it taken again afterwards. The
 * relation is borrowed until the next call.
 */
bool streamed_take(struct streamed *streamed, const struct pgoutput_relation *relation,
                   const struct streamed_relation **relation_out);

/* For a relation that was taken; an unknown one is ignored. */
void streamed_set_ancestors(struct streamed *streamed, uint32_t oid, const uint32_t *ancestors,
                            size_t count);

/* NULL: never described. */
const struct streamed_relation *streamed_find(const struct streamed *streamed, uint32_t oid);

/* A new stream describes all of them again. */
void streamed_forget(struct streamed *streamed);

#endif

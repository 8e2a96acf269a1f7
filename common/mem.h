/*
 * mem.h - heap memory that is always there.
 *
 * Out of memory ends the process; the orchestrator restarts it. That is safe
 * because every size that a peer chooses is checked against a limit first.
 */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include "common/base.h"

/*
 * Makes the heap give back what a burst needed: a large transaction or a first sync must not leave
 * its memory with the process. Called once, before the first thread.
 */
void mem_init(void);

void *mem_alloc_zero(size_t size);

/* Not zeroed. */
void *mem_alloc(size_t size);
void *mem_realloc(void *p, size_t size);
char *mem_dup_str(const char *s);

/* A copy with a NUL behind it. */
char *mem_dup_bytes(const void *bytes, size_t size);

/* NULL is accepted. */
void mem_free(void *p);

#endif

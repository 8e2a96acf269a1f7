/*
 * orphans.h - the last act of a parent: no process of the engine stays behind.
 */
#ifndef SHAPEWIRE_ORPHANS_H
#define SHAPEWIRE_ORPHANS_H

#include "common/base.h"

/* How long they may take to leave by themselves: a last checkpoint on a slow disk. */
#define ORPHANS_GRACE_MS 12000u

/*
 * Asks all children of this process to leave (SIGTERM), kills those that are there after
 * `grace_ms`, and reaps them. Blocks until none is left. As a subreaper we are in the end the
 * parent of all that our children have started.
 */
void orphans_end(uint32_t grace_ms);

#endif

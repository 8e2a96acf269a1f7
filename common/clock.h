/*
 * clock.h - the one place where time enters.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include "common/base.h"

uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);

/* Since 1970-01-01. */
uint64_t clock_wall_us(void);

/* Random bits from the kernel, for incarnations, secrets and jitter. */
uint64_t clock_random_u64(void);

#endif

#include "common/clock.h"

#include <sys/random.h>
#include <time.h>

static uint64_t
read_us(clockid_t clock)
{
    struct timespec ts;
    int rc = clock_gettime(clock, &ts);
    ASSERT(rc == 0);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t
clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

uint64_t
clock_random_u64(void)
{
    uint64_t bits;
    ssize_t n;
    do { /* only a signal before the kernel's pool is ready makes it shorter */
        n = getrandom(&bits, sizeof bits, 0);
    } while (n != (ssize_t)sizeof bits);
    return bits;
}

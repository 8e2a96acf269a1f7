#include "tests/lib/sim_chance.h"

#include <stdlib.h>

struct sim_chance
sim_chance(uint64_t seed)
{
    return (struct sim_chance){.seed = seed, .state = seed};
}

/* splitmix64 */
static uint64_t
next(struct sim_chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t
sim_below(struct sim_chance *chance, uint64_t count)
{
    return next(chance) % count;
}

bool
sim_one_in(struct sim_chance *chance, uint64_t count)
{
    return sim_below(chance, count) == 0;
}

bool
sim_each_run(uint64_t runs, void (*run)(uint64_t seed))
{
    const char *seed = getenv("SIM_SEED");
    const char *count = getenv("SIM_RUNS");
    if (seed != NULL) {
        run(strtoull(seed, NULL, 10));
        return false;
    }
    uint64_t last = count != NULL ? strtoull(count, NULL, 10) : runs;
    for (uint64_t i = 1; i <= last; i++) {
        run(i);
    }
    return last >= runs;
}

#include "tests/lib/sim_chance.h"

#include <stdlib.h>

/* splitmix64 */
uint64_t
sim_chance(uint64_t *seed, uint64_t bound)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % bound;
}

struct sim_lots
sim_lots(uint64_t seed)
{
    return (struct sim_lots){.seed = seed, .state = seed};
}

uint64_t
sim_below(struct sim_lots *lots, uint64_t bound)
{
    return sim_chance(&lots->state, bound);
}

bool
sim_one_in(struct sim_lots *lots, uint64_t count)
{
    return sim_below(lots, count) == 0;
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

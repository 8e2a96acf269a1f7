/*
 * sim_chance.h - lots that are a function of a seed, and runs of a simulation.
 */
#ifndef TESTS_LIB_SIM_CHANCE_H
#define TESTS_LIB_SIM_CHANCE_H

#include "common/base.h"

/* 0 to bound - 1; *seed moves on. */
uint64_t sim_chance(uint64_t *seed, uint64_t bound);

/* The same, with the seed that they began with for messages. */
struct sim_lots {
    uint64_t seed;
    uint64_t state;
};

struct sim_lots sim_lots(uint64_t seed);
uint64_t sim_below(struct sim_lots *lots, uint64_t bound);
bool sim_one_in(struct sim_lots *lots, uint64_t count);

/*
 * Runs seeds 1 to `runs`. The environment may say SIM_RUNS=n, or SIM_SEED=n for that one alone.
 * Gives true when they were at least `runs`: only then what was counted says something.
 */
bool sim_each_run(uint64_t runs, void (*run)(uint64_t seed));

#endif

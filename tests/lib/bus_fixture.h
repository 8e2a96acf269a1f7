/*
 * bus_fixture.h - a loop and an address for tests of the bus.
 *
 * One of each per process; test_loop is new for every test.
 */
#ifndef TESTS_LIB_BUS_FIXTURE_H
#define TESTS_LIB_BUS_FIXTURE_H

#include "common/loop.h"

extern struct loop *test_loop;
extern char test_url[256];

/* For cmocka, before and after each test. */
int bus_set_up(void **state);
int bus_tear_down(void **state);

/* Runs test_loop for `ms`, or until somebody stops it. */
void bus_run_for(uint64_t ms);

#endif

/*
 * api.h - what the modules of the API service share.
 *
 * The service keeps no truth: what it holds can be thrown away at any time.
 *
 *     front -> routes -> shape_get -> definitions (shape.open)
 *                            |
 *                            +-----> log_reader  (shape.read)
 *                            +-----> live        (parked, woken by hints)
 *
 * Threading: the loop's.
 */
#ifndef API_API_H
#define API_API_H

#include "common/core/shape_reply.h"
#include "common/service.h"
#include "services/api/front.h"

struct api {
    struct service *service;
    const struct config *config;
    struct loop *loop;
    struct front *front;
    struct bus_client *bus; /* to the collector: shape.open, shape.delete */
    struct packer *packer;
    struct log_reader *reader;
    struct definitions *definitions;
    struct live *live;
    struct hints_client *hints;
    struct waker *waker;
    struct arena *scratch; /* of one call; whoever uses it resets it first */
    size_t request_count;  /* of /v1/shape, not yet answered */
    uint64_t request_number;
    uint64_t subset_number; /* of the last shape.subset */
    bool is_draining;
};

#endif

/*
 * get.h - what shape_get.c and shape_events.c share: a request for a shape under way.
 *
 * Threading: the loop's.
 */
#ifndef API_GET_H
#define API_GET_H

#include "services/api/definitions.h"
#include "services/api/live.h"
#include "services/api/log_reader.h"

#define CURSOR_SIZE_MAX 20u

/* One request under way: what is needed of the query while it waits, which is read again if not. */
struct get {
    struct api *api;
    struct api_request *request;
    struct definition_wait opening;
    struct log_read *read;
    struct live_wait wait;
    struct blob *schema;
    struct log_offset offset; /* what is read after; not with is_start */
    enum shape_offset_kind asked;
    bool is_live;
    bool is_sse;
    bool is_beyond; /* its offset lies behind the log's end, so far */
    bool is_behind; /* and the stream may yet come there */
    bool is_rotated;
    bool was_parked;
    unsigned tries;
    bool is_subset;
    struct bus_call *subset_call; /* NULL: not under way */
    uint64_t subset_id;
    struct events *events; /* NULL: no stream has begun */
    size_t cursor_size;
    char cursor[CURSOR_SIZE_MAX];
    char handle[HANDLE_SIZE_MAX];
};

/* Its answer is about to go out. Gives the request, which is the front's again. */
struct api_request *get_end(struct get *get);

/* A 200 with the shape's headers; what differs is the caller's to set. Its views are in both. */
struct reply get_ok_reply(struct get *get, struct log_offset end, struct buf *asked);

/* Answers with it, and ends. */
void get_send_ok(struct get *get, const struct reply *reply, const struct answer_part *parts,
                 size_t count);

/* The request's parameters once more, in the scratch arena. */
void get_query(struct get *get, struct shape_query *query);

/*
 * The shape is no more. Who came with its handle gets 409, with the new one if it did not wait
 * (http-api [26]); the others get another try.
 */
void get_shape_gone(struct get *get);

/* Reads what follows get->offset. */
void get_read(struct get *get);

/* Nothing follows the offset. */
bool get_is_at_end(const struct get *get, const struct log_range *range);

/* Waits for something behind `at`, or reads again at once when that is there. */
void get_park(struct get *get, struct log_offset at, enum live_takes takes,
              enum live_patience patience);

/* What it waits for has not come: answers, and ends. */
void get_time_out(struct get *get);

/* 500 */
void get_fail(struct get *get);

#endif

/*
 * replies.h - puts answers together and gives them to the front.
 *
 * Threading: the loop's.
 */
#ifndef API_REPLIES_H
#define API_REPLIES_H

#include "services/api/api.h"

/* Answers with a head and a small body, which is copied. Empty: no body. */
void reply_send(struct api *api, struct api_request *request, const struct reply *reply,
                struct view body);

/* The same for a body in parts. If-None-Match makes it a 304 where it may. */
void reply_send_parts(struct api *api, struct api_request *request, const struct reply *reply,
                      const struct answer_part *parts, size_t part_count);

/* /v1/shape: an error with a JSON body. `retry_after_s` 0: not sent. */
void reply_send_error(struct api *api, struct api_request *request, unsigned status,
                      struct view body, unsigned retry_after_s, bool is_known);

/* 503 {"message":"…"} */
void reply_send_unavailable(struct api *api, struct api_request *request, const char *message,
                            unsigned retry_after_s, bool is_known);

/* 409; `handle` empty: the new one is not known. */
void reply_send_refetch(struct api *api, struct api_request *request, struct view handle);

/* The head of an answer without an end. */
void reply_begin_stream(struct api *api, struct api_request *request, const struct reply *reply);

/* OPTIONS */
void reply_send_options(struct api *api, struct api_request *request);

#endif

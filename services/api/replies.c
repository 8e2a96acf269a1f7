#include "services/api/replies.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/config.h"
#include "services/api/packer.h"

/* "req-", 16 and 8 hex digits. */
#define REQUEST_ID_SIZE 29

static struct reply_client
client_of(struct api *api, const struct api_request *request, char id[REQUEST_ID_SIZE])
{
    struct incarnation own = service_incarnation(api->service);
    snprintf(id, REQUEST_ID_SIZE, "req-%016llx%08x", (unsigned long long)own.salt,
             (unsigned)api->request_number++);
    return (struct reply_client){
        .method = request->method,
        .is_shape_route = view_is(request->path, "/v1/shape"),
        .origin = request->origin,
        .request_id = request->request_id,
        .own_request_id = view_str(id),
        .date_s = (int64_t)(clock_wall_us() / 1000000u),
    };
}

/* What equal large parts have in common: the same range of the same log never differs. */
static void
packing_key(const struct reply *reply, struct buf *key)
{
    bool is_range = reply->kind == REPLY_SHAPE && reply->status == 200 && !reply->is_subset &&
                    !reply->is_unchanged && reply->has_offset;
    if (is_range) {
        reply_etag(reply, key);
    }
}

void
reply_send_parts(struct api *api, struct api_request *request, const struct reply *reply,
                 const struct answer_part *parts, size_t part_count)
{
    char id[REQUEST_ID_SIZE];
    struct reply_client client = client_of(api, request, id);
    struct answer answer = {0};
    struct reply not_modified;
    ASSERT(part_count <= ANSWER_PARTS_MAX);
    if (reply->kind == REPLY_SHAPE && reply_is_known(request->if_none_match, reply)) {
        not_modified = *reply;
        not_modified.status = 304;
        reply = &not_modified;
        part_count = 0;
    }
    answer.no_body = reply->status == 304 || reply->status == 204;
    reply_head(&client, reply, &answer.head);
    for (size_t i = 0; i < part_count; i++) {
        answer.parts[i] = parts[i];
    }
    answer.part_count = part_count;
    struct buf key = {0};
    packing_key(reply, &key);
    packer_answer(api->packer, request, &answer, http_encoding_choose(request->accept_encoding),
                  buf_view(&key));
    buf_free(&key);
}

void
reply_send(struct api *api, struct api_request *request, const struct reply *reply,
           struct view body)
{
    if (body.size == 0) {
        reply_send_parts(api, request, reply, NULL, 0);
        return;
    }
    struct answer_part part = {.blob = blob_new(body), .size = body.size, .fd = -1};
    reply_send_parts(api, request, reply, &part, 1);
    blob_unref(part.blob);
}

void
reply_send_error(struct api *api, struct api_request *request, unsigned status, struct view body,
                 unsigned retry_after_s, bool is_known)
{
    reply_send(api, request,
               &(struct reply){.status = status,
                               .kind = REPLY_SHAPE,
                               .retry_after_s = retry_after_s,
                               .is_known_error = is_known},
               body);
}

void
reply_send_unavailable(struct api *api, struct api_request *request, const char *message,
                       unsigned retry_after_s, bool is_known)
{
    struct buf body = {0};
    reply_message(view_str(message), &body);
    reply_send_error(api, request, 503, buf_view(&body), retry_after_s, is_known);
    buf_free(&body);
}

void
reply_send_refetch(struct api *api, struct api_request *request, struct view handle)
{
    reply_send(api, request, &(struct reply){.status = 409, .kind = REPLY_SHAPE, .handle = handle},
               view_str(REPLY_MUST_REFETCH));
}

void
reply_begin_stream(struct api *api, struct api_request *request, const struct reply *reply)
{
    char id[REQUEST_ID_SIZE];
    struct reply_client client = client_of(api, request, id);
    struct buf head = {0};
    reply_head(&client, reply, &head);
    front_begin_stream(api->front, request, &head);
}

void
reply_send_options(struct api *api, struct api_request *request)
{
    char id[REQUEST_ID_SIZE];
    struct reply_client client = client_of(api, request, id);
    struct answer answer = {.no_body = true};
    reply_options(&client, request->access_control_request_headers, &answer.head);
    front_answer(api->front, request, &answer);
}

#include "services/connection/db_request.h"

#include "common/mem.h"
#include "common/service.h"

void
db_request_answer(struct db_request *request, enum proto_kind kind, const void *message)
{
    struct buf bytes = {0};
    struct envelope envelope = service_envelope(request->service, kind);
    envelope.receiver_incarnation = request->from;
    proto_encode(&envelope, message, &bytes);
    bus_reply(request->bus, &bytes);
    mem_free(request);
}

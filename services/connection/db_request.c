#include "services/connection/db_request.h"

#include <string.h>

#include "common/core/pg_error.h"
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

const char *
db_request_result(const struct pg_failure *failed)
{
    if (failed->is_lost || failed->sqlstate[0] == 0)
        return "unavailable";
    /* Insufficient resources and operator intervention pass; what else is said is final. */
    bool passes = strncmp(failed->sqlstate, "53", 2) == 0 ||
                  strncmp(failed->sqlstate, "57", 2) == 0 ||
                  strncmp(failed->sqlstate, "08", 2) == 0;
    return passes ? "unavailable" : "failed";
}

/*
 * packer.h - compressed answers.
 *
 * The large part of an answer (the items) is compressed once and kept, bounded, for all who ask for
 * the same; what stands around it is stored beside it. Small parts are compressed at once, large
 * ones by a worker, and when too much waits for the workers an answer goes out as it is.
 *
 * Threading: the loop's.
 */
#ifndef API_PACKER_H
#define API_PACKER_H

#include "common/core/http_encoding.h"
#include "services/api/front.h"

struct packer;

/* What the compressed forms that are kept may take. */
#define PACKER_KEPT_MAX ((size_t)32 << 20)

/* Bodies below this go out as they are: a head costs more. */
#define PACKER_BODY_MIN 128u

NODISCARD bool packer_open(struct loop *loop, struct front *front, struct packer **packer_out,
                           struct err *err);

/*
 * Answers the request with the answer compressed, now or soon; the answer is left empty. `key`:
 * equal ones have equal large parts; empty: nobody else asks for this one. Sets request->user and
 * ->on_gone while it waits.
 */
void packer_answer(struct packer *packer, struct api_request *request, struct answer *answer,
                   enum http_encoding encoding, struct view key);

/* After the front, which has told all who waited to go. NULL is accepted. */
void packer_close(struct packer *packer);

#endif

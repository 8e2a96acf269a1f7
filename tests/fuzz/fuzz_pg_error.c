/*
 * Any texts have a class.
 *
 * Covers: common/core/pg_error.c
 */
#include "common/core/pg_error.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char sqlstate[6] = {0}, message[256] = {0}, detail[256] = {0};
    size_t rest = size > 5 ? size - 5 : 0;
    if (size == 0)
        return 0;
    memcpy(sqlstate, data, size < 5 ? size : 5);
    memcpy(message, data + size - rest, rest < 255 ? rest : 255);
    memcpy(detail, data + size - rest / 2, rest / 2 < 255 ? rest / 2 : 255);
    struct pg_error_class class = pg_error_classify(size % 2 ? "" : sqlstate, message, detail);
    (void)pg_error_passes(sqlstate);
    ASSERT(class.type && class.action <= PG_ERROR_DROP_SLOT);
    return 0;
}

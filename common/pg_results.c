#include "common/pg_results.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

void
pg_results_clear(struct pg_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        PQclear(results->list[i]);
    results->count = 0;
}

size_t
pg_statements(const struct pg_results *results)
{
    return results->count;
}

size_t
pg_rows(const struct pg_results *results, size_t statement)
{
    return statement < results->count ? (size_t)PQntuples(results->list[statement]) : 0;
}

const char *
pg_text(const struct pg_results *results, size_t statement, size_t row, size_t column)
{
    ASSERT(row < pg_rows(results, statement));
    const PGresult *result = results->list[statement];
    ASSERT(column < (size_t)PQnfields(result));
    if (PQgetisnull(result, (int)row, (int)column))
        return NULL;
    return PQgetvalue(result, (int)row, (int)column);
}

uint64_t
pg_u64(const struct pg_results *results, size_t statement, size_t row, size_t column)
{
    const char *text = pg_text(results, statement, row, column);
    return text ? strtoull(text, NULL, 10) : 0;
}

uint64_t
pg_lsn(const char *text)
{
    unsigned high = 0, low = 0;
    if (!text || sscanf(text, "%8X/%8X", &high, &low) != 2)
        return 0;
    return (uint64_t)high << 32 | low;
}

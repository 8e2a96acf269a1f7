/*
 * bench_copy CONNINFO SQL - how fast libpq takes a COPY ... TO STDOUT and drops it: the limit of a
 * first sync. Prints one line: seconds, bytes, rows, own CPU seconds.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/clock.h"

static double
own_cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static bool
succeeded(PGconn *conn, ExecStatusType wanted, PGresult *result)
{
    bool ok = PQresultStatus(result) == wanted;
    if (!ok) {
        fprintf(stderr, "bench_copy: %s", PQerrorMessage(conn));
    }
    PQclear(result);
    return ok;
}

static bool
run(PGconn *conn, const char *sql)
{
    double cpu = own_cpu_seconds();
    uint64_t start_us = clock_mono_us();
    if (!succeeded(conn, PGRES_COPY_OUT, PQexec(conn, sql))) {
        return false;
    }
    uint64_t bytes = 0;
    uint64_t rows = 0;
    char *row;
    int size;
    while ((size = PQgetCopyData(conn, &row, 0)) > 0) {
        bytes += (uint64_t)size;
        rows++;
        PQfreemem(row);
    }
    if (!succeeded(conn, PGRES_COMMAND_OK, PQgetResult(conn))) {
        return false;
    }
    printf("seconds=%f bytes=%" PRIu64 " rows=%" PRIu64 " cpu=%f\n",
           (double)(clock_mono_us() - start_us) / 1e6, bytes, rows, own_cpu_seconds() - cpu);
    return true;
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_copy CONNINFO SQL\n");
        return 2;
    }
    PGconn *conn = PQconnectdb(argv[1]);
    bool ok = PQstatus(conn) == CONNECTION_OK;
    if (!ok) {
        fprintf(stderr, "bench_copy: %s", PQerrorMessage(conn));
    }
    ok = ok && run(conn, argv[2]);
    PQfinish(conn);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * report_client.h - tells the orchestrator how we are: each second, and at once on change.
 *
 * Every report says everything, so one that is lost costs nothing.
 *
 * Threading: the loop's thread.
 */
#ifndef COMMON_REPORT_CLIENT_H
#define COMMON_REPORT_CLIENT_H

#include "common/core/status.h"
#include "common/loop.h"

struct report_client;

struct report_client_options {
    const char *url;     /* of the orchestrator's report channel */
    const char *service; /* a literal */
    struct incarnation who;
    const char *control; /* our own control address; copied */
};

NODISCARD bool report_client_open(struct loop *loop, const struct report_client_options *options,
                                  struct report_client **client_out, struct err *err);

/* What service.h says of service_set_…() is said here. */
void report_client_condition(struct report_client *client, enum status_condition condition,
                             bool is_met, const char *error);
void report_client_ready(struct report_client *client, bool is_ready);
bool report_client_is_ready(const struct report_client *client);
void report_client_draining(struct report_client *client);
void report_client_sleeping(struct report_client *client, bool is_sleeping);
void report_client_last_error(struct report_client *client, const char *error);
void report_client_fact(struct report_client *client, const char *name, const char *value);

/* NULL is accepted. */
void report_client_close(struct report_client *client);

#endif

#include "common/probes.h"

#include <string.h>

#include "common/core/status_json.h"
#include "common/http_server.h"
#include "common/mem.h"
#include "common/metrics.h"

struct probes {
    struct http_server *server;
    struct probes_options options;
    bool was_ready;
};

static void
answer(struct http_reply *reply, bool is_yes)
{
    reply->status = is_yes ? 200 : 503;
    reply->content_type = "text/plain";
    buf_append_str(&reply->body, is_yes ? "ok\n" : "not yet\n");
}

static void
on_request(void *ctx, const char *method, const char *path, struct http_reply *reply)
{
    struct probes *probes = ctx;
    struct probe_answers answers = {0};
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        reply->status = 405;
        return;
    }
    probes->options.fn(probes->options.ctx, &answers);
    probes->was_ready = probes->was_ready || answers.is_ready;
    if (strcmp(path, "/livez") == 0) {
        answer(reply, true); /* the loop has just answered */
    } else if (strcmp(path, "/readyz") == 0) {
        answer(reply, answers.is_ready);
    } else if (strcmp(path, "/startupz") == 0) {
        answer(reply, probes->was_ready);
    } else if (strcmp(path, "/metrics") == 0) {
        reply->status = 200;
        reply->content_type = "text/plain; version=0.0.4";
        metrics_print(probes->options.service, &reply->body);
    } else if (strcmp(path, "/v1/status") == 0) {
        reply->status = 200;
        reply->content_type = "application/json";
        status_json_append(answers.board, &reply->body);
    }
}

bool
probes_open(struct loop *loop, const struct probes_options *options, struct probes **probes_out,
            struct err *err)
{
    struct probes *probes = mem_alloc_zero(sizeof *probes);
    probes->options = *options;
    if (!http_server_plain(loop, options->port, on_request, probes, &probes->server, err)) {
        mem_free(probes);
        return false;
    }
    *probes_out = probes;
    return true;
}

void
probes_close(struct probes *probes)
{
    if (probes != NULL) {
        http_server_close(probes->server);
        mem_free(probes);
    }
}

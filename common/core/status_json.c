#include "common/core/status_json.h"

#include <inttypes.h>

#include "common/json.h"

static void
append_member(struct buf *out, const char *name, struct view value)
{
    buf_printf(out, "\"%s\":", name);
    json_append_string(out, value);
}

static void
append_comma(struct buf *out, size_t i)
{
    if (i > 0) {
        buf_append_byte(out, ',');
    }
}

static void
append_conditions(const struct board_service *row, struct buf *out)
{
    buf_append_str(out, ",\"conditions\":{");
    for (size_t i = 0; i < row->conditions_count; i++) {
        const struct condition *condition = &row->conditions[i];
        append_comma(out, i);
        json_append_string(out, condition->name);
        buf_printf(out, ":{\"met\":%s", condition->met ? "true" : "false");
        if (condition->since_us != 0) {
            buf_printf(out, ",\"since_us\":%" PRIu64, condition->since_us);
        }
        if (condition->error.size > 0) {
            buf_append_byte(out, ',');
            append_member(out, "error", condition->error);
        }
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, '}');
}

static void
append_facts(const struct board_service *row, struct buf *out)
{
    buf_append_str(out, ",\"facts\":{");
    for (size_t i = 0; i < row->facts_count; i++) {
        append_comma(out, i);
        json_append_string(out, row->facts[i].name);
        buf_append_byte(out, ':');
        json_append_string(out, row->facts[i].value);
    }
    buf_append_byte(out, '}');
}

static void
append_endings(const struct board_service *row, struct buf *out)
{
    buf_append_str(out, ",\"endings\":[");
    for (size_t i = 0; i < row->endings_count; i++) {
        append_comma(out, i);
        buf_printf(out, "{\"at_us\":%" PRIu64 ",", row->endings[i].at_us);
        append_member(out, "reason", row->endings[i].reason);
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

static void
append_service(const struct board_service *row, struct buf *out)
{
    buf_append_byte(out, '{');
    append_member(out, "service", row->service);
    buf_append_byte(out, ',');
    append_member(out, "state", row->state);
    buf_printf(out, ",\"since_us\":%" PRIu64 ",\"pid\":%" PRIu64 ",\"restarts\":%" PRIu64,
               row->since_us, row->pid, row->restarts);
    if (row->incarnation_us != 0) { /* as text: its salt does not fit what JSON readers keep */
        buf_printf(out, ",\"incarnation\":\"%" PRIu64 "-%" PRIu64 "\"", row->incarnation_us,
                   row->incarnation_salt);
    }
    if (row->last_error.size > 0) {
        buf_append_byte(out, ',');
        append_member(out, "last_error", row->last_error);
    }
    append_endings(row, out);
    append_conditions(row, out);
    append_facts(row, out);
    buf_append_byte(out, '}');
}

void
status_json_append(const struct status_board *board, struct buf *out)
{
    static const struct status_board nothing = {0};
    if (board == NULL) {
        buf_append_str(out, "{\"status\":\"starting\",\"connection\":\"unknown\","
                            "\"shapes\":\"unknown\",\"services\":[");
        board = &nothing;
    } else {
        buf_append_byte(out, '{');
        append_member(out, "status", board->service);
        buf_append_byte(out, ',');
        append_member(out, "connection", board->connection);
        buf_append_byte(out, ',');
        append_member(out, "shapes", board->shapes);
        buf_append_str(out, ",\"services\":[");
    }
    for (size_t i = 0; i < board->services_count; i++) {
        append_comma(out, i);
        append_service(&board->services[i], out);
    }
    buf_append_str(out, "]}");
}

#include "common/report_client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/bus.h"
#include "common/clock.h"
#include "common/mem.h"

#define PERIOD_MS 1000u
#define FACTS_MAX 64u
#define TEXT_MAX  512u /* as messages.def has it */

struct fact_slot {
    const char *name;
    char value[TEXT_MAX + 1];
};

struct report_client {
    struct loop *loop;
    struct bus_client *bus;
    struct bus_call *call; /* the report under way, or NULL */
    struct loop_timer timer;
    const char *service;
    struct incarnation who;
    char *control;
    bool is_dirty; /* something changed since the last report was sent */

    bool is_ready;
    bool is_draining;
    bool is_sleeping;
    char last_error[TEXT_MAX + 1];
    bool met[STATUS_CONDITION_COUNT];
    uint64_t since_us[STATUS_CONDITION_COUNT];
    char error[STATUS_CONDITION_COUNT][TEXT_MAX + 1];
    size_t fact_count;
    struct fact_slot *facts[FACTS_MAX];
};

static void
on_reply(void *ctx, struct view reply, const struct err *failed)
{
    struct report_client *client = ctx;
    (void)reply;
    (void)failed; /* nobody heard it: the next report says it all again */
    client->call = NULL;
    loop_timer_set(&client->timer, client->is_dirty ? 0 : PERIOD_MS);
}

static void
send_report(void *ctx)
{
    struct report_client *client = ctx;
    struct condition conditions[STATUS_CONDITION_COUNT];
    struct fact facts[FACTS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < STATUS_CONDITION_COUNT; i++) {
        enum status_condition condition = (enum status_condition)i;
        if (strcmp(status_condition_owner(condition), client->service) == 0) {
            conditions[count++] = (struct condition){
                .name = view_str(status_condition_name(condition)),
                .met = client->met[i],
                .error = view_str(client->error[i]),
                .since_us = client->since_us[i],
            };
        }
    }
    for (size_t i = 0; i < client->fact_count; i++) {
        facts[i].name = view_str(client->facts[i]->name);
        facts[i].value = view_str(client->facts[i]->value);
    }
    struct report_state report = {
        .pid = (uint64_t)getpid(),
        .control = view_str(client->control),
        .started_us = client->who.started_us,
        .is_ready = client->is_ready,
        .is_draining = client->is_draining,
        .is_sleeping = client->is_sleeping,
        .last_error = view_str(client->last_error),
        .conditions = conditions,
        .conditions_count = count,
        .facts = facts,
        .facts_count = client->fact_count,
    };
    struct envelope envelope = {
        .kind = PROTO_report_state,
        .sender = view_str(client->service),
        .sender_incarnation = client->who,
    };
    struct buf message = {0};
    proto_encode(&envelope, &report, &message);
    client->is_dirty = false;
    client->call = bus_ask(client->bus, &message, PERIOD_MS, on_reply, client);
    buf_free(&message);
}

/* Changes of one turn go out together. */
static void
touch(struct report_client *client)
{
    client->is_dirty = true;
    if (client->call == NULL) {
        loop_timer_set(&client->timer, 0);
    }
}

/* Gives true when `to` changed. Never cuts a character of UTF-8 in two. */
static bool
set_text(char *to, const char *from)
{
    char text[TEXT_MAX + 1];
    size_t size = strnlen(from == NULL ? "" : from, TEXT_MAX + 1);
    if (size > TEXT_MAX) {
        size = TEXT_MAX;
        while (size > 0 && ((unsigned char)from[size] & 0xc0u) == 0x80u) {
            size--;
        }
    }
    memcpy(text, from == NULL ? "" : from, size);
    text[size] = '\0';
    if (strcmp(to, text) == 0) {
        return false;
    }
    memcpy(to, text, size + 1);
    return true;
}

bool
report_client_open(struct loop *loop, const struct report_client_options *options,
                   struct report_client **client_out, struct err *err)
{
    struct report_client *client = mem_alloc_zero(sizeof *client);
    client->loop = loop;
    client->service = options->service;
    client->who = options->who;
    client->control = mem_dup_str(options->control);
    loop_timer_init(&client->timer, loop, send_report, client);
    if (!bus_client_open(loop, options->url, &client->bus, err)) {
        report_client_close(client);
        return false;
    }
    loop_timer_set(&client->timer, 0);
    *client_out = client;
    return true;
}

void
report_client_condition(struct report_client *client, enum status_condition condition, bool is_met,
                        const char *error)
{
    ASSERT(condition < STATUS_CONDITION_COUNT);
    bool changed = client->met[condition] != is_met;
    client->met[condition] = is_met;
    if (changed) {
        client->since_us[condition] = clock_wall_us();
    }
    if (set_text(client->error[condition], error) || changed) {
        touch(client);
    }
}

void
report_client_ready(struct report_client *client, bool is_ready)
{
    if (client->is_ready != is_ready) {
        client->is_ready = is_ready;
        touch(client);
    }
}

bool
report_client_is_ready(const struct report_client *client)
{
    return client->is_ready && !client->is_draining;
}

void
report_client_draining(struct report_client *client)
{
    client->is_draining = true;
    touch(client);
}

void
report_client_sleeping(struct report_client *client, bool is_sleeping)
{
    if (client->is_sleeping != is_sleeping) {
        client->is_sleeping = is_sleeping;
        touch(client);
    }
}

void
report_client_last_error(struct report_client *client, const char *error)
{
    if (set_text(client->last_error, error)) {
        touch(client);
    }
}

void
report_client_fact(struct report_client *client, const char *name, const char *value)
{
    size_t i = 0;
    while (i < client->fact_count && strcmp(client->facts[i]->name, name) != 0) {
        i++;
    }
    if (i == client->fact_count) {
        ASSERT(client->fact_count < FACTS_MAX);
        client->facts[i] = mem_alloc_zero(sizeof *client->facts[i]);
        client->facts[i]->name = name;
        client->fact_count++;
    }
    (void)set_text(client->facts[i]->value, value); /* goes out with the next report */
}

void
report_client_close(struct report_client *client)
{
    if (client == NULL) {
        return;
    }
    loop_timer_clear(&client->timer);
    bus_client_close(client->bus);
    for (size_t i = 0; i < client->fact_count; i++) {
        mem_free(client->facts[i]);
    }
    mem_free(client->control);
    mem_free(client);
}

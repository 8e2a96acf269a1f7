/*
 * db_answers.h - what would have been answered on the db channel, read by a test instead.
 *
 * Included by the test itself: its db_request_answer() stands in for services/connection/
 * db_request.c, which the linker then leaves out.
 */
#ifndef TESTS_DB_ANSWERS_H
#define TESTS_DB_ANSWERS_H

#include <string.h>

#include "common/mem.h"
#include "services/connection/db_request.h"
#include "tests/lib/pg_fixture.h"

#define DB_ANSWERS_MAX 32

/* The last answers; texts are copied. */
struct db_answer {
    enum proto_kind kind;
    char result[17];
    char text[1025]; /* its error, or what is waited for */
    char rows[256];  /* of a block */
    uint64_t number; /* of a block; of marks L */
    size_t column_count;
    bool is_last;
};

struct db_answers {
    struct loop *loop;
    struct db_answer list[DB_ANSWERS_MAX];
    size_t count;
    size_t stop_at; /* the loop stops at so many */
};

static struct db_answers db_answers;

static inline void
db_answers_copy(char *to, size_t size, struct view from)
{
    size_t copied = from.size < size - 1 ? from.size : size - 1;
    memcpy(to, from.bytes, copied);
    to[copied] = '\0';
}

void
db_request_answer(struct db_request *request, enum proto_kind kind, const void *message)
{
    ASSERT(db_answers.count < DB_ANSWERS_MAX);
    struct db_answer *answer = &db_answers.list[db_answers.count++];
    *answer = (struct db_answer){.kind = kind};
    struct view result = {0};
    struct view text = {0};
    if (kind == PROTO_db_published) {
        const struct db_published *said = message;
        result = said->result;
        text = view_is(result, "waiting") ? said->waiting_for : said->error;
    } else if (kind == PROTO_db_marks) {
        const struct db_marks *said = message;
        result = said->result;
        text = said->error;
        answer->number = said->lsn;
        answer->column_count = said->columns_count;
    } else {
        const struct db_block *said = message;
        result = said->result;
        text = said->error;
        answer->number = said->block;
        answer->is_last = said->is_last;
        db_answers_copy(answer->rows, sizeof answer->rows, said->rows);
    }
    db_answers_copy(answer->result, sizeof answer->result, result);
    db_answers_copy(answer->text, sizeof answer->text, text);
    mem_free(request);
    if (db_answers.count == db_answers.stop_at) {
        loop_stop(db_answers.loop);
    }
}

/* A question from the collector of this life. */
static inline struct db_request *
db_answers_question(uint64_t life)
{
    struct db_request *request = mem_alloc_zero(sizeof *request);
    request->from = (struct incarnation){life, life};
    return request;
}

/* Runs until so many answers more are there, and gives the last one. */
static inline const struct db_answer *
db_answers_next(struct pg_fixture *f, size_t count)
{
    db_answers.loop = f->loop;
    db_answers.stop_at = db_answers.count + count;
    pg_fixture_run(f);
    return &db_answers.list[db_answers.count - 1];
}

#endif

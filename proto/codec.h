/*
 * codec.h - bus messages as bytes and back: one msgpack map each, envelope and
 * fields together.
 *
 * The envelope's keys: v protocol version, k kind, s sender (service), i i2 the
 * sender's incarnation, r r2 the receiver's where one is addressed, e the shape
 * epoch. Unknown keys are skipped; a missing required one, a wrong type and a
 * size beyond messages.def's limit are errors, found before anything is
 * allocated for them.
 *
 * Threading: no state, any thread.
 */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include "common/arena.h"
#include "common/buf.h"
#include "proto/messages.h"

/* Grows when a peer of the version before cannot understand us. */
#define PROTO_VERSION 1

/* PROTO_report_state, …, in the order of messages.def (items have none). */
enum proto_kind {
#define MESSAGE(name, kind, way, what) PROTO_##name,
#define ITEM(name, what)
#define U64(need, member, key, what)
#define BOOL(need, member, key, what)
#define STR(need, member, key, max, what)
#define BIN(need, member, key, max, what)
#define LIST(need, member, key, item, max, what)
#define END
#include "proto/messages.def"
#undef MESSAGE
#undef ITEM
#undef U64
#undef BOOL
#undef STR
#undef BIN
#undef LIST
#undef END
    PROTO_KIND_COUNT
};

/* One life of a process: when it began, then random. Ordered; {0, 0} is nobody. */
struct incarnation {
    uint64_t started_us;
    uint64_t salt;
};

/* Less than, equal to or greater than 0. */
int incarnation_compare(struct incarnation a, struct incarnation b);

struct envelope {
    enum proto_kind kind;
    struct view sender; /* service name: connection, shape_log_collector, api, orchestrator */
    struct incarnation sender_incarnation;
    struct incarnation receiver_incarnation; /* {0, 0}: whoever is there */
    uint64_t epoch;                          /* shape epoch; 0: not known */
};

/* Appends the whole message to `out`. `message` is the struct that belongs to envelope->kind. */
void proto_encode(const struct envelope *envelope, const void *message, struct buf *out);

/*
 * Reads the envelope alone. The views borrow from `bytes`.
 * Errors: ERR_PROTOCOL (also: another protocol version, an unknown kind).
 */
NODISCARD bool proto_peek(struct view bytes, struct envelope *envelope_out, struct err *err);

/*
 * Reads the fields of a message whose kind is `kind` into its struct; lists are in `mem`.
 * Errors: ERR_PROTOCOL (also: another kind), ERR_LIMIT.
 */
NODISCARD bool proto_decode(struct view bytes, enum proto_kind kind, struct arena *mem,
                            void *message_out, struct err *err);

/* "repl.hello" */
const char *proto_kind_name(enum proto_kind kind);

#endif

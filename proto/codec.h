/*
 * codec.h - bus messages as bytes and back: one msgpack map each, envelope and
 * fields together.
 *
 * The envelope's keys are upper-case: V protocol version, K kind, S sender
 * (service), I I2 the sender's incarnation, R R2 the receiver's where one is
 * addressed, E the shape epoch. Unknown keys are skipped; a missing required
 * one, one given twice, a wrong type and a size beyond messages.def's limit are
 * errors, found before anything is allocated for them.
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
#include "proto/messages.def"
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
    struct view sender; /* service name, at most 32 bytes: connection, shape_log_collector, api,
                           orchestrator */
    struct incarnation sender_incarnation;
    struct incarnation receiver_incarnation; /* {0, 0}: whoever is there */
    uint64_t epoch;                          /* shape epoch; 0: not known */
};

/*
 * Appends the whole message to `out`. `message` is the struct that belongs to envelope->kind. What
 * is beyond a limit of messages.def, TEXT apart, is a bug of the caller.
 */
void proto_encode(const struct envelope *envelope, const void *message, struct buf *out);

/*
 * Reads the envelope alone. The views borrow from `bytes`.
 * Errors: ERR_PROTOCOL (also: another protocol version, an unknown kind).
 */
NODISCARD bool proto_peek(struct view bytes, struct envelope *envelope_out, struct err *err);

/* What decoding any message takes from its arena at most. */
#define PROTO_DECODE_MAX (16u << 20)

/*
 * Reads the fields of a message whose kind is `kind` into its struct; lists are in `mem`, which
 * must have room for PROTO_DECODE_MAX. The views borrow from `bytes`.
 * Errors: ERR_PROTOCOL (also: another kind), ERR_LIMIT.
 */
NODISCARD bool proto_decode(struct view bytes, enum proto_kind kind, struct arena *mem,
                            void *message_out, struct err *err);

/* "repl.hello" */
const char *proto_kind_name(enum proto_kind kind);

#endif

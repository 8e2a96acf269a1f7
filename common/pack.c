#include "common/pack.h"

#include <msgpack/pack.h>

/* ---- writing: msgpack-c's packer, into a buffer */

static int
append(void *ctx, const char *bytes, size_t size)
{
    buf_append(ctx, bytes, size);
    return 0;
}

static msgpack_packer
packer(struct buf *out)
{
    msgpack_packer p;
    msgpack_packer_init(&p, out, append);
    return p;
}

void
pack_put_map(struct buf *out, uint32_t count)
{
    msgpack_packer p = packer(out);
    (void)msgpack_pack_map(&p, count); /* append() cannot fail, nor can what is built on it */
}

void
pack_put_array(struct buf *out, uint32_t count)
{
    msgpack_packer p = packer(out);
    (void)msgpack_pack_array(&p, count);
}

void
pack_put_u64(struct buf *out, uint64_t v)
{
    msgpack_packer p = packer(out);
    (void)msgpack_pack_uint64(&p, v);
}

void
pack_put_bool(struct buf *out, bool v)
{
    msgpack_packer p = packer(out);
    (void)(v ? msgpack_pack_true(&p) : msgpack_pack_false(&p));
}

void
pack_put_str(struct buf *out, struct view text)
{
    ASSERT(text.size <= UINT32_MAX);
    msgpack_packer p = packer(out);
    (void)msgpack_pack_str(&p, text.size);
    buf_append_view(out, text);
}

void
pack_put_bin(struct buf *out, struct view bytes)
{
    ASSERT(bytes.size <= UINT32_MAX);
    msgpack_packer p = packer(out);
    (void)msgpack_pack_bin(&p, bytes.size);
    buf_append_view(out, bytes);
}

/* ---- reading: by hand, since msgpack-c's unpacker allocates what the input claims */

enum head_type {
    HEAD_NIL,
    HEAD_BOOL,
    HEAD_U64,
    HEAD_NEGATIVE,
    HEAD_FLOAT,
    HEAD_STR,
    HEAD_BIN,
    HEAD_EXT,
    HEAD_ARRAY,
    HEAD_MAP,
};

static const char *const head_names[] = {
    [HEAD_NIL] = "nil",       [HEAD_BOOL] = "a truth value",         [HEAD_U64] = "a number",
    [HEAD_FLOAT] = "a float", [HEAD_NEGATIVE] = "a negative number", [HEAD_STR] = "text",
    [HEAD_BIN] = "bytes",     [HEAD_EXT] = "an extension",           [HEAD_ARRAY] = "a list",
    [HEAD_MAP] = "a map",
};

/* A value without its contents. */
struct head {
    enum head_type type;
    uint64_t v; /* number or truth value; map and array: how many; else: bytes that follow */
};

/* How a first byte from 0xc0 to 0xdf goes on: `width` bytes of big-endian number, then what it
 * means. */
struct form {
    uint8_t type; /* enum head_type */
    uint8_t width;
    uint8_t size; /* of the contents, where it is fixed */
    bool is_signed;
};

static const struct form forms[32] = {
    [0x00] = {HEAD_NIL, 0, 0, false},   [0x02] = {HEAD_BOOL, 0, 0, false},
    [0x03] = {HEAD_BOOL, 0, 1, false},  [0x04] = {HEAD_BIN, 1, 0, false},
    [0x05] = {HEAD_BIN, 2, 0, false},   [0x06] = {HEAD_BIN, 4, 0, false},
    [0x07] = {HEAD_EXT, 1, 1, false},   [0x08] = {HEAD_EXT, 2, 1, false},
    [0x09] = {HEAD_EXT, 4, 1, false},   [0x0a] = {HEAD_FLOAT, 0, 4, false},
    [0x0b] = {HEAD_FLOAT, 0, 8, false}, [0x0c] = {HEAD_U64, 1, 0, false},
    [0x0d] = {HEAD_U64, 2, 0, false},   [0x0e] = {HEAD_U64, 4, 0, false},
    [0x0f] = {HEAD_U64, 8, 0, false},   [0x10] = {HEAD_U64, 1, 0, true},
    [0x11] = {HEAD_U64, 2, 0, true},    [0x12] = {HEAD_U64, 4, 0, true},
    [0x13] = {HEAD_U64, 8, 0, true},    [0x14] = {HEAD_EXT, 0, 2, false},
    [0x15] = {HEAD_EXT, 0, 3, false},   [0x16] = {HEAD_EXT, 0, 5, false},
    [0x17] = {HEAD_EXT, 0, 9, false},   [0x18] = {HEAD_EXT, 0, 17, false},
    [0x19] = {HEAD_STR, 1, 0, false},   [0x1a] = {HEAD_STR, 2, 0, false},
    [0x1b] = {HEAD_STR, 4, 0, false},   [0x1c] = {HEAD_ARRAY, 2, 0, false},
    [0x1d] = {HEAD_ARRAY, 4, 0, false}, [0x1e] = {HEAD_MAP, 2, 0, false},
    [0x1f] = {HEAD_MAP, 4, 0, false},
};

struct pack_reader
pack_reader(struct view message)
{
    return (struct pack_reader){message.bytes, message.bytes + message.size};
}

static size_t
left(const struct pack_reader *r)
{
    return (size_t)(r->end - r->next);
}

static bool
too_short(struct err *err)
{
    return err_set(err, ERR_PROTOCOL, "the message is too short");
}

/* `r` stands behind the first byte `first`, which is one of 0xc0 to 0xdf. */
static bool
read_form(struct pack_reader *r, uint8_t first, struct head *head_out, struct err *err)
{
    if (first == 0xc1) {
        return err_set(err, ERR_PROTOCOL, "0xc1 begins no value");
    }
    const struct form *form = &forms[first - 0xc0];
    if (left(r) < form->width) {
        return too_short(err);
    }
    uint64_t v = 0;
    for (unsigned i = 0; i < form->width; i++) {
        v = v << 8 | *r->next++;
    }
    *head_out = (struct head){(enum head_type)form->type, v + form->size};
    if (form->is_signed && form->width > 0 && (v >> (8 * form->width - 1)) != 0) {
        head_out->type = HEAD_NEGATIVE;
    }
    return true;
}

/* What the bytes left over cannot hold is refused here, for every type. */
static bool
check_room(const struct pack_reader *r, const struct head *head, struct err *err)
{
    switch (head->type) {
    case HEAD_NIL:
    case HEAD_BOOL:
    case HEAD_U64:
    case HEAD_NEGATIVE:
        return true;
    case HEAD_FLOAT:
    case HEAD_STR:
    case HEAD_BIN:
    case HEAD_EXT:
    case HEAD_ARRAY: /* a byte each at the least */
        return head->v <= left(r) || too_short(err);
    case HEAD_MAP:
        return head->v <= left(r) / 2 || too_short(err);
    }
    return false;
}

static bool
read_head(struct pack_reader *r, struct head *head_out, struct err *err)
{
    if (left(r) == 0) {
        return too_short(err);
    }
    uint8_t first = *r->next++;
    if (first < 0x80) {
        *head_out = (struct head){HEAD_U64, first};
    } else if (first < 0x90) {
        *head_out = (struct head){HEAD_MAP, first & 0x0fu};
    } else if (first < 0xa0) {
        *head_out = (struct head){HEAD_ARRAY, first & 0x0fu};
    } else if (first < 0xc0) {
        *head_out = (struct head){HEAD_STR, first & 0x1fu};
    } else if (first >= 0xe0) {
        *head_out = (struct head){HEAD_NEGATIVE, first};
    } else if (!read_form(r, first, head_out, err)) {
        return false;
    }
    return check_room(r, head_out, err);
}

static bool
read_type(struct pack_reader *r, enum head_type type, uint64_t *v_out, struct err *err)
{
    struct head head;
    if (!read_head(r, &head, err)) {
        return false;
    }
    if (head.type != type) {
        return err_set(err, ERR_PROTOCOL, "%s where %s belongs", head_names[head.type],
                       head_names[type]);
    }
    *v_out = head.v;
    return true;
}

bool
pack_read_map(struct pack_reader *r, uint32_t *count_out, struct err *err)
{
    uint64_t v = 0;
    if (!read_type(r, HEAD_MAP, &v, err)) {
        return false;
    }
    *count_out = (uint32_t)v;
    return true;
}

bool
pack_read_array(struct pack_reader *r, uint32_t *count_out, struct err *err)
{
    uint64_t v = 0;
    if (!read_type(r, HEAD_ARRAY, &v, err)) {
        return false;
    }
    *count_out = (uint32_t)v;
    return true;
}

bool
pack_read_u64(struct pack_reader *r, uint64_t *v_out, struct err *err)
{
    return read_type(r, HEAD_U64, v_out, err);
}

bool
pack_read_bool(struct pack_reader *r, bool *v_out, struct err *err)
{
    uint64_t v = 0;
    if (!read_type(r, HEAD_BOOL, &v, err)) {
        return false;
    }
    *v_out = v != 0;
    return true;
}

static bool
read_view(struct pack_reader *r, enum head_type type, struct view *view_out, struct err *err)
{
    uint64_t size = 0;
    if (!read_type(r, type, &size, err)) {
        return false;
    }
    *view_out = (struct view){r->next, (size_t)size};
    r->next += size;
    return true;
}

bool
pack_read_str(struct pack_reader *r, struct view *text_out, struct err *err)
{
    return read_view(r, HEAD_STR, text_out, err);
}

bool
pack_read_bin(struct pack_reader *r, struct view *bytes_out, struct err *err)
{
    return read_view(r, HEAD_BIN, bytes_out, err);
}

/* No recursion: values still to pass over are counted, so depth costs nothing. */
bool
pack_skip(struct pack_reader *r, struct err *err)
{
    for (uint64_t values = 1; values > 0; values--) {
        struct head head;
        if (!read_head(r, &head, err)) {
            return false;
        }
        switch (head.type) {
        case HEAD_NIL:
        case HEAD_BOOL:
        case HEAD_U64:
        case HEAD_NEGATIVE:
            break;
        case HEAD_FLOAT:
        case HEAD_STR:
        case HEAD_BIN:
        case HEAD_EXT:
            r->next += head.v;
            break;
        case HEAD_ARRAY:
            values += head.v;
            break;
        case HEAD_MAP:
            values += 2 * head.v;
            break;
        }
    }
    return true;
}

bool
pack_end(const struct pack_reader *r, struct err *err)
{
    if (left(r) > 0) {
        return err_set(err, ERR_PROTOCOL, "%zu bytes are left over", left(r));
    }
    return true;
}

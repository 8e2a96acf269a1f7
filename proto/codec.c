#include "proto/codec.h"

#include <string.h>

#include "common/pack.h"
#include "proto/layout.h"

#define SENDER_SIZE_MAX 32

const char *
proto_kind_name(enum proto_kind kind)
{
    return layout_of_message(kind)->name;
}

static bool
find_kind(struct view name, enum proto_kind *kind_out)
{
    for (size_t i = 0; i < PROTO_KIND_COUNT; i++) {
        if (view_is(name, proto_kind_name((enum proto_kind)i))) {
            *kind_out = (enum proto_kind)i;
            return true;
        }
    }
    return false;
}

int
incarnation_compare(struct incarnation a, struct incarnation b)
{
    if (a.started_us != b.started_us) {
        return a.started_us < b.started_us ? -1 : 1;
    }
    return (a.salt > b.salt) - (a.salt < b.salt);
}

/* ---- a field in its struct */

static const void *
member(const void *self, size_t offset)
{
    return (const char *)self + offset;
}

static void *
member_out(void *self, size_t offset)
{
    return (char *)self + offset;
}

static bool
is_set(const struct field *field, const void *self)
{
    switch (field->type) {
    case FIELD_U64:
        return *(const uint64_t *)member(self, field->offset) != 0;
    case FIELD_BOOL:
        return *(const bool *)member(self, field->offset);
    case FIELD_STR:
    case FIELD_TEXT:
    case FIELD_BIN:
        return ((const struct view *)member(self, field->offset))->size > 0;
    case FIELD_LIST:
        return *(const size_t *)member(self, field->count_offset) > 0;
    }
    return false;
}

/* ---- encode */

/* The whole characters of `text` that fit. */
static struct view
cut(struct view text, size_t size_max)
{
    if (text.size > size_max) {
        text.size = size_max;
        while (text.size > 0 && (text.bytes[text.size] & 0xc0) == 0x80) {
            text.size--;
        }
    }
    return text;
}

static void encode_fields(const struct layout *layout, const void *self, struct buf *out);

static void
encode_list(const struct field *field, const void *self, struct buf *out)
{
    const struct layout *item = layout_of_item(field);
    size_t count = *(const size_t *)member(self, field->count_offset);
    const char *items = *(const char *const *)member(self, field->offset);
    ASSERT(count <= field->max);
    pack_put_array(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        encode_fields(item, items + i * item->struct_size, out);
    }
}

static void
encode_field(const struct field *field, const void *self, struct buf *out)
{
    const struct view *view;
    pack_put_str(out, view_of(field->key, field->key_size));
    switch (field->type) {
    case FIELD_U64:
        pack_put_u64(out, *(const uint64_t *)member(self, field->offset));
        return;
    case FIELD_BOOL:
        pack_put_bool(out, *(const bool *)member(self, field->offset));
        return;
    case FIELD_STR:
        view = member(self, field->offset);
        ASSERT(view->size <= field->max);
        pack_put_str(out, *view);
        return;
    case FIELD_TEXT:
        view = member(self, field->offset);
        pack_put_str(out, cut(*view, field->max));
        return;
    case FIELD_BIN:
        view = member(self, field->offset);
        ASSERT(view->size <= field->max);
        pack_put_bin(out, *view);
        return;
    case FIELD_LIST:
        encode_list(field, self, out);
        return;
    }
}

static uint32_t
present_count(const struct field *fields, size_t count, const void *self)
{
    uint32_t present = 0;
    for (size_t i = 0; i < count; i++) {
        present += fields[i].is_required || is_set(&fields[i], self);
    }
    return present;
}

static void
encode_present(const struct field *fields, size_t count, const void *self, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].is_required || is_set(&fields[i], self)) {
            encode_field(&fields[i], self, out);
        }
    }
}

static void
encode_fields(const struct layout *layout, const void *self, struct buf *out)
{
    size_t count;
    const struct field *fields = layout_fields(layout, &count);
    pack_put_map(out, present_count(fields, count, self));
    encode_present(fields, count, self, out);
}

static void
put_u64(struct buf *out, const char *key, uint64_t v)
{
    pack_put_str(out, view_str(key));
    pack_put_u64(out, v);
}

#define ENVELOPE_COUNT 8

/* All of its keys, always, and before the fields: so proto_peek() need not look further. */
static void
encode_envelope(const struct envelope *envelope, struct buf *out)
{
    put_u64(out, "V", PROTO_VERSION);
    pack_put_str(out, view_str("K"));
    pack_put_str(out, view_str(proto_kind_name(envelope->kind)));
    pack_put_str(out, view_str("S"));
    pack_put_str(out, envelope->sender);
    put_u64(out, "I", envelope->sender_incarnation.started_us);
    put_u64(out, "I2", envelope->sender_incarnation.salt);
    put_u64(out, "R", envelope->receiver_incarnation.started_us);
    put_u64(out, "R2", envelope->receiver_incarnation.salt);
    put_u64(out, "E", envelope->epoch);
}

void
proto_encode(const struct envelope *envelope, const void *message, struct buf *out)
{
    ASSERT(envelope->kind < PROTO_KIND_COUNT);
    ASSERT(envelope->sender.size <= SENDER_SIZE_MAX);
    size_t count;
    const struct field *fields = layout_fields(layout_of_message(envelope->kind), &count);
    pack_put_map(out, ENVELOPE_COUNT + present_count(fields, count, message));
    encode_envelope(envelope, out);
    encode_present(fields, count, message, out);
}

/* ---- peek */

enum envelope_key {
    ENVELOPE_VERSION = 1 << 0,
    ENVELOPE_KIND = 1 << 1,
    ENVELOPE_SENDER = 1 << 2,
    ENVELOPE_REQUIRED = ENVELOPE_VERSION | ENVELOPE_KIND | ENVELOPE_SENDER,
};

static bool
read_version(struct pack_reader *r, struct err *err)
{
    uint64_t version;
    if (!pack_read_u64(r, &version, err)) {
        return false;
    }
    if (version != PROTO_VERSION) {
        return err_set(err, ERR_PROTOCOL,
                       "the peer speaks version %llu of the bus protocol, we speak %d",
                       (unsigned long long)version, PROTO_VERSION);
    }
    return true;
}

static bool
read_kind(struct pack_reader *r, enum proto_kind *kind_out, struct err *err)
{
    struct view name;
    if (!pack_read_str(r, &name, err)) {
        return false;
    }
    if (!find_kind(name, kind_out)) {
        return err_set(err, ERR_PROTOCOL, "unknown kind \"%.*s\"",
                       (int)(name.size < 64 ? name.size : 64), (const char *)name.bytes);
    }
    return true;
}

static bool
read_sender(struct pack_reader *r, struct view *sender_out, struct err *err)
{
    if (!pack_read_str(r, sender_out, err)) {
        return false;
    }
    if (sender_out->size > SENDER_SIZE_MAX) {
        return err_set(err, ERR_PROTOCOL, "%zu bytes where %d are allowed", sender_out->size,
                       SENDER_SIZE_MAX);
    }
    return true;
}

/* One value of the envelope; what it was is noted in *seen. */
static bool
read_envelope_value(struct pack_reader *r, struct view key, struct envelope *envelope,
                    unsigned *seen, struct err *err)
{
    if (view_is(key, "V")) {
        *seen |= ENVELOPE_VERSION;
        return read_version(r, err);
    }
    if (view_is(key, "K")) {
        *seen |= ENVELOPE_KIND;
        return read_kind(r, &envelope->kind, err);
    }
    if (view_is(key, "S")) {
        *seen |= ENVELOPE_SENDER;
        return read_sender(r, &envelope->sender, err);
    }
    if (view_is(key, "I")) {
        return pack_read_u64(r, &envelope->sender_incarnation.started_us, err);
    }
    if (view_is(key, "I2")) {
        return pack_read_u64(r, &envelope->sender_incarnation.salt, err);
    }
    if (view_is(key, "R")) {
        return pack_read_u64(r, &envelope->receiver_incarnation.started_us, err);
    }
    if (view_is(key, "R2")) {
        return pack_read_u64(r, &envelope->receiver_incarnation.salt, err);
    }
    if (view_is(key, "E")) {
        return pack_read_u64(r, &envelope->epoch, err);
    }
    return pack_skip(r, err);
}

bool
proto_peek(struct view bytes, struct envelope *envelope_out, struct err *err)
{
    struct pack_reader r = pack_reader(bytes);
    struct envelope envelope = {0};
    uint32_t count;
    unsigned seen = 0;
    if (!pack_read_map(&r, &count, err)) {
        return err_wrap(err, "message");
    }
    for (uint32_t i = 0; i < count; i++) {
        struct view key;
        if (!pack_read_str(&r, &key, err)) {
            return err_wrap(err, "message, a key");
        }
        if (!read_envelope_value(&r, key, &envelope, &seen, err)) {
            return err_wrap(err, "message, key \"%.*s\"", (int)(key.size < 16 ? key.size : 16),
                            (const char *)key.bytes);
        }
        if (i + 1 == ENVELOPE_COUNT && seen == ENVELOPE_REQUIRED) {
            break; /* as encode_envelope() writes it */
        }
    }
    if (seen != ENVELOPE_REQUIRED) {
        return err_set(err, ERR_PROTOCOL, "message: no version, no kind or no sender");
    }
    *envelope_out = envelope;
    return true;
}

/* ---- decode */

static bool decode_fields(const struct layout *layout, struct pack_reader *r, struct arena *mem,
                          void *self, struct err *err);

static bool
check_size(const struct field *field, uint64_t size, const char *unit, struct err *err)
{
    if (size > field->max) {
        return err_set(err, ERR_LIMIT, "%llu %s where %u are allowed", (unsigned long long)size,
                       unit, field->max);
    }
    return true;
}

static bool
decode_list(const struct field *field, struct pack_reader *r, struct arena *mem, void *self,
            struct err *err)
{
    const struct layout *item = layout_of_item(field);
    uint32_t count;
    if (!pack_read_array(r, &count, err) || !check_size(field, count, "items", err)) {
        return false;
    }
    char *items = count > 0 ? arena_alloc(mem, count, item->struct_size) : NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (!decode_fields(item, r, mem, items + i * item->struct_size, err)) {
            return err_wrap(err, "item %u", i);
        }
    }
    *(char **)member_out(self, field->offset) = items;
    *(size_t *)member_out(self, field->count_offset) = count;
    return true;
}

static bool
decode_field(const struct field *field, struct pack_reader *r, struct arena *mem, void *self,
             struct err *err)
{
    struct view *view = member_out(self, field->offset);
    switch (field->type) {
    case FIELD_U64:
        return pack_read_u64(r, member_out(self, field->offset), err);
    case FIELD_BOOL:
        return pack_read_bool(r, member_out(self, field->offset), err);
    case FIELD_STR:
    case FIELD_TEXT:
        return pack_read_str(r, view, err) && check_size(field, view->size, "bytes", err);
    case FIELD_BIN:
        return pack_read_bin(r, view, err) && check_size(field, view->size, "bytes", err);
    case FIELD_LIST:
        return decode_list(field, r, mem, self, err);
    }
    return false;
}

/* `guess`: where it stands when the fields come in the order of the table, as they do. */
static size_t
find_field(const struct field *fields, size_t count, struct view key, size_t guess)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = (guess + i) % count;
        if (view_equal(key, view_of(fields[at].key, fields[at].key_size))) {
            return at;
        }
    }
    return count;
}

static bool
check_required(const struct layout *layout, uint64_t seen, struct err *err)
{
    size_t count;
    const struct field *fields = layout_fields(layout, &count);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].is_required && (seen >> i & 1) == 0) {
            return err_set(err, ERR_PROTOCOL, "%s: no key \"%s\"", layout->name, fields[i].key);
        }
    }
    return true;
}

/* `pairs` keys with their values, from where `r` stands. */
static bool
decode_pairs(const struct layout *layout, uint32_t pairs, struct pack_reader *r, struct arena *mem,
             void *self, struct err *err)
{
    size_t count;
    const struct field *fields = layout_fields(layout, &count);
    uint64_t seen = 0;
    size_t guess = 0;
    ASSERT(count <= 64);
    for (uint32_t i = 0; i < pairs; i++) {
        struct view key;
        if (!pack_read_str(r, &key, err)) {
            return err_wrap(err, "%s, a key", layout->name);
        }
        size_t at = find_field(fields, count, key, guess);
        if (at == count) {
            if (!pack_skip(r, err)) {
                return err_wrap(err, "%s, an unknown key", layout->name);
            }
            continue;
        }
        if ((seen >> at & 1) != 0) {
            return err_set(err, ERR_PROTOCOL, "%s: key \"%s\" stands there twice", layout->name,
                           fields[at].key);
        }
        if (!decode_field(&fields[at], r, mem, self, err)) {
            return err_wrap(err, "%s, key \"%s\"", layout->name, fields[at].key);
        }
        seen |= (uint64_t)1 << at;
        guess = at + 1;
    }
    return check_required(layout, seen, err);
}

static bool
decode_fields(const struct layout *layout, struct pack_reader *r, struct arena *mem, void *self,
              struct err *err)
{
    uint32_t pairs;
    return pack_read_map(r, &pairs, err) && decode_pairs(layout, pairs, r, mem, self, err);
}

bool
proto_decode(struct view bytes, enum proto_kind kind, struct arena *mem, void *message_out,
             struct err *err)
{
    const struct layout *layout = layout_of_message(kind);
    struct envelope envelope;
    if (!proto_peek(bytes, &envelope, err)) {
        return false;
    }
    if (envelope.kind != kind) {
        return err_set(err, ERR_PROTOCOL, "%s where %s belongs", proto_kind_name(envelope.kind),
                       layout->name);
    }
    memset(message_out, 0, layout->struct_size);
    struct pack_reader r = pack_reader(bytes);
    return decode_fields(layout, &r, mem, message_out, err) && pack_end(&r, err);
}

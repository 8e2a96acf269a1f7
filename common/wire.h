/*
 * wire.h - integers as bytes: our own formats are little-endian, Postgres' are big.
 */
#ifndef COMMON_WIRE_H
#define COMMON_WIRE_H

#include "common/err.h"

void wire_put_u32(uint8_t *p, uint32_t v);
void wire_put_u64(uint8_t *p, uint64_t v);
uint32_t wire_get_u32(const uint8_t *p);
uint64_t wire_get_u64(const uint8_t *p);
uint32_t wire_crc32c(const uint8_t *data, size_t size);

/* The checksum of what `crc` is the checksum of, and then these bytes. Of nothing it is 0. */
uint32_t wire_crc32c_extend(uint32_t crc, const uint8_t *data, size_t size);

/* The same without help from the processor; public for the tests. */
uint32_t wire_crc32c_portable(uint32_t crc, const uint8_t *data, size_t size);

/* Bytes that belong to someone else. Not terminated. */
struct view {
    const uint8_t *bytes;
    size_t size;
};

struct view view_of(const void *bytes, size_t size);
struct view view_str(const char *s);
bool view_equal(struct view a, struct view b);
bool view_is(struct view a, const char *s);

/* Less than, equal to or greater than 0, bytewise. */
int view_compare(struct view a, struct view b);

/*
 * Walks over a message. A read past the end gives 0 or an empty view and makes
 * wire_end() fail, so a decoder reads all its fields and asks once.
 */
struct wire_reader {
    const uint8_t *next;
    const uint8_t *end;
    bool overrun;
};

struct wire_reader wire_reader(struct view message);
uint8_t wire_read_u8(struct wire_reader *r);
uint16_t wire_read_u16_be(struct wire_reader *r);
uint32_t wire_read_u32_be(struct wire_reader *r);
uint64_t wire_read_u64_be(struct wire_reader *r);

/* The next `size` bytes, borrowed from the message. */
struct view wire_read_bytes(struct wire_reader *r, size_t size);

/* The bytes before the next NUL, which is skipped. Borrowed from the message. */
struct view wire_read_cstr(struct wire_reader *r);

/* Errors: ERR_PROTOCOL when the message was too short or has bytes left over. */
NODISCARD bool wire_end(const struct wire_reader *r, const char *what, struct err *err);

#endif

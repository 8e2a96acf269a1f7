#include "common/core/http_route.h"

#include <string.h>

static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at *at_io, which may be written %xx; *at_io goes behind it. False: a wrong %xx. */
static bool
decode_byte(struct view raw, size_t *at_io, uint8_t *byte_out)
{
    uint8_t c = raw.bytes[*at_io];
    if (c == '%') {
        bool is_whole = *at_io + 2 < raw.size;
        int high = is_whole ? hex_value(raw.bytes[*at_io + 1]) : -1;
        int low = is_whole ? hex_value(raw.bytes[*at_io + 2]) : -1;
        if (high < 0 || low < 0) {
            return false;
        }
        c = (uint8_t)(high * 16 + low);
        *at_io += 2;
    }
    *at_io += 1;
    *byte_out = c;
    return c != 0;
}

/* Ends the segment that begins at `start`, which has its slash before it. */
static bool
end_segment(struct buf *out, size_t start)
{
    struct view segment = {out->bytes + start, out->size - start};
    if (segment.size == 0) {
        out->size = start - 1; /* empty: its slash goes too */
        return true;
    }
    return !view_is(segment, ".") && !view_is(segment, "..");
}

bool
http_path_normalise(struct view raw, struct buf *out)
{
    if (raw.size == 0 || raw.bytes[0] != '/') {
        return false;
    }
    size_t begin = out->size;
    size_t start = begin + 1;
    buf_append_byte(out, '/');
    for (size_t i = 1; i < raw.size;) {
        if (raw.bytes[i] == '/') {
            if (!end_segment(out, start)) {
                return false;
            }
            buf_append_byte(out, '/');
            start = out->size;
            i++;
            continue;
        }
        uint8_t byte;
        if (!decode_byte(raw, &i, &byte)) {
            return false;
        }
        buf_append_byte(out, byte);
    }
    if (!end_segment(out, start)) {
        return false;
    }
    if (out->size == begin) {
        buf_append_byte(out, '/');
    }
    return true;
}

#define ONE_SHAPE "/v1/shapes/"

static bool
is_one_shape(struct view path)
{
    size_t size = sizeof ONE_SHAPE - 1;
    return path.size > size && memcmp(path.bytes, ONE_SHAPE, size) == 0 &&
           memchr(path.bytes + size, '/', path.size - size) == NULL;
}

struct view
http_route_handle(struct view path)
{
    ASSERT(is_one_shape(path));
    size_t size = sizeof ONE_SHAPE - 1;
    return (struct view){path.bytes + size, path.size - size};
}

struct view
http_route_bearer(struct view authorization)
{
    static const char scheme[] = "bearer";
    size_t size = sizeof scheme - 1;
    if (authorization.size <= size || authorization.bytes[size] != ' ' ||
        !http_name_is((struct view){authorization.bytes, size}, scheme)) {
        return (struct view){0};
    }
    struct view token = {authorization.bytes + size, authorization.size - size};
    while (token.size > 0 && token.bytes[0] == ' ') {
        token.bytes++;
        token.size--;
    }
    return token;
}

enum http_route
http_route_find(enum http_method method, struct view path)
{
    static const struct {
        const char *path;
        enum http_route route;
    } readable[] = {
        {"/", ROUTE_ROOT},
        {"/v1/health", ROUTE_HEALTH},
        {"/v1/status", ROUTE_STATUS},
        {"/livez", ROUTE_LIVEZ},
        {"/readyz", ROUTE_READYZ},
        {"/startupz", ROUTE_STARTUPZ},
        {"/v1/shapes", ROUTE_SHAPES},
    };
    if (view_is(path, "/v1/shape")) {
        return method == HTTP_OTHER ? ROUTE_NOT_FOUND : ROUTE_SHAPE;
    }
    if (method == HTTP_DELETE && is_one_shape(path)) {
        return ROUTE_SHAPES_ONE;
    }
    if (method != HTTP_GET && method != HTTP_HEAD) {
        return ROUTE_NOT_FOUND;
    }
    for (size_t i = 0; i < COUNT_OF(readable); i++) {
        if (view_is(path, readable[i].path)) {
            return readable[i].route;
        }
    }
    return ROUTE_NOT_FOUND;
}

bool
http_route_is_guarded(enum http_route route, enum http_method method)
{
    return route == ROUTE_SHAPE && method != HTTP_OPTIONS;
}

bool
http_secret_matches(struct view given, struct view secret)
{
    /* Each byte of what was given is looked at, whatever the first difference. */
    volatile uint8_t difference = given.size != secret.size || secret.size == 0;
    for (size_t i = 0; i < given.size; i++) {
        uint8_t own = secret.size > 0 ? secret.bytes[i % secret.size] : 0;
        difference = (uint8_t)(difference | (given.bytes[i] ^ own));
    }
    return difference == 0;
}

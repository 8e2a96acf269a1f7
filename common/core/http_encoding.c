#include "common/core/http_encoding.h"

#include <string.h>

#include "common/core/http_head.h"

/* What is not named, and no * stands for it. */
#define Q_UNSET (-1)
#define Q_MAX   1000

static struct view
trim(struct view text)
{
    while (text.size > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t')) {
        text.bytes++;
        text.size--;
    }
    while (text.size > 0 &&
           (text.bytes[text.size - 1] == ' ' || text.bytes[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

static struct view
cut(struct view *rest, uint8_t separator)
{
    const uint8_t *end = rest->size > 0 ? memchr(rest->bytes, separator, rest->size) : NULL;
    struct view head = {rest->bytes, end != NULL ? (size_t)(end - rest->bytes) : rest->size};
    size_t skipped = head.size + (end != NULL);
    rest->bytes += skipped;
    rest->size -= skipped;
    return trim(head);
}

/* "0.5" in thousandths; what is no q-value counts as 0: not wanted rather than wrongly given. */
static int
parse_q(struct view text)
{
    int q = 0;
    int unit = Q_MAX;
    bool is_begun =
        text.size > 0 && text.size <= 5 && (text.bytes[0] == '0' || text.bytes[0] == '1');
    if (!is_begun || (text.size > 1 && text.bytes[1] != '.')) {
        return 0;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (i == 1) {
            continue;
        }
        if (text.bytes[i] < '0' || text.bytes[i] > '9') {
            return 0;
        }
        q += (text.bytes[i] - '0') * unit;
        unit /= 10;
    }
    return q <= Q_MAX ? q : 0;
}

/* The q of an element's parameters, 1 without one. */
static int
q_of(struct view parameters)
{
    while (parameters.size > 0) {
        struct view value = cut(&parameters, ';');
        struct view name = cut(&value, '=');
        if (http_name_is(name, "q")) {
            return parse_q(trim(value));
        }
    }
    return Q_MAX;
}

enum http_encoding
http_encoding_choose(struct view accept_encoding)
{
    static const char *const names[HTTP_ENCODINGS] = {"identity", "gzip", "deflate", "zstd"};
    static const enum http_encoding order[] = {HTTP_ZSTD, HTTP_GZIP, HTTP_DEFLATE, HTTP_IDENTITY};
    int q[HTTP_ENCODINGS] = {Q_UNSET, Q_UNSET, Q_UNSET, Q_UNSET};
    int others = Q_UNSET;
    while (accept_encoding.size > 0) {
        struct view element = cut(&accept_encoding, ',');
        struct view name = cut(&element, ';');
        int value = q_of(element);
        others = view_is(name, "*") ? value : others;
        for (size_t i = 0; i < HTTP_ENCODINGS; i++) {
            bool is_old_name = i == HTTP_GZIP && http_name_is(name, "x-gzip");
            q[i] = http_name_is(name, names[i]) || is_old_name ? value : q[i];
        }
    }
    enum http_encoding best = HTTP_IDENTITY;
    int best_q = 0;
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        bool is_plain = order[i] == HTTP_IDENTITY;
        /* Bytes as they are need not be named, and are no worse a choice than nothing. */
        int wanted = q[order[i]] != Q_UNSET ? q[order[i]] : is_plain ? 0 : others;
        if (wanted > best_q) {
            best = order[i];
            best_q = wanted;
        }
    }
    return best;
}

const char *
http_encoding_name(enum http_encoding encoding)
{
    switch (encoding) {
    case HTTP_IDENTITY:
        return "identity";
    case HTTP_GZIP:
        return "gzip";
    case HTTP_DEFLATE:
        return "deflate";
    case HTTP_ZSTD:
        return "zstd";
    case HTTP_ENCODINGS:
        break;
    }
    BUG("an unknown encoding");
}

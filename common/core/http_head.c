#include "common/core/http_head.h"

#include <string.h>

/* A chunk's size line with its extensions, and a trailer line: more than anybody sends. */
#define CHUNK_LINE_MAX 1024u

/* 16 digits of a chunk's size would not fit 64 bits with room to spare. */
#define CHUNK_DIGITS_MAX 15u

static enum http_progress
refuse(struct http_refusal *refusal, unsigned status, const char *why)
{
    *refusal = (struct http_refusal){status, why};
    return HTTP_REFUSED;
}

static bool
is_token(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static uint8_t
lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool
http_name_is(struct view name, const char *expected)
{
    if (name.size != strlen(expected)) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (lower(name.bytes[i]) != lower((uint8_t)expected[i])) {
            return false;
        }
    }
    return true;
}

struct view
http_head_find(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (http_name_is(head->headers[i].name, name)) {
            return head->headers[i].value;
        }
    }
    return (struct view){0};
}

/* ---- where the head ends */

/* Empty lines before a request, which some clients leave behind a body (RFC 9112 2.2). */
static size_t
leading_lines(struct view bytes)
{
    size_t at = 0;
    while (at + 1 < bytes.size && bytes.bytes[at] == '\r' && bytes.bytes[at + 1] == '\n') {
        at += 2;
    }
    return at;
}

static bool
is_control(uint8_t c)
{
    return (c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f;
}

/* *end_out is behind the empty line. */
static enum http_progress
find_end(struct view bytes, size_t *scanned_io, size_t *end_out, struct http_refusal *refusal)
{
    size_t start = leading_lines(bytes);
    for (size_t i = *scanned_io; i < bytes.size; i++) {
        uint8_t c = bytes.bytes[i];
        uint8_t before = i > 0 ? bytes.bytes[i - 1] : 0;
        if (is_control(c)) {
            return refuse(refusal, 400, "a control byte in the head");
        }
        if ((c == '\n') != (before == '\r')) {
            return refuse(refusal, 400, "a line does not end in CR LF");
        }
        if (c == '\n' && i > start + 2 && bytes.bytes[i - 2] == '\n') {
            *end_out = i + 1;
            return HTTP_DONE;
        }
        if (i >= HTTP_HEAD_MAX) {
            return refuse(refusal, 431, "the head is too long");
        }
    }
    *scanned_io = bytes.size;
    return HTTP_MORE;
}

/* ---- the request line */

/* The next line of the head, without its end, which is there. */
static struct view
take_line(struct view *rest)
{
    const uint8_t *end = memchr(rest->bytes, '\r', rest->size);
    struct view line = {rest->bytes, (size_t)(end - rest->bytes)};
    rest->bytes += line.size + 2;
    rest->size -= line.size + 2;
    return line;
}

static struct view
take_word(struct view *line)
{
    const uint8_t *end = memchr(line->bytes, ' ', line->size);
    struct view word = {line->bytes, end != NULL ? (size_t)(end - line->bytes) : line->size};
    size_t skipped = word.size + (end != NULL);
    line->bytes += skipped;
    line->size -= skipped;
    return word;
}

static enum http_method
find_method(struct view name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } known[] = {{"GET", HTTP_GET},
                 {"HEAD", HTTP_HEAD},
                 {"POST", HTTP_POST},
                 {"DELETE", HTTP_DELETE},
                 {"OPTIONS", HTTP_OPTIONS}};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (view_is(name, known[i].name)) {
            return known[i].method;
        }
    }
    return HTTP_OTHER;
}

/* Proxies may send the whole URL: what counts is the part from the path on. */
static struct view
cut_authority(struct view target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t size = strlen(schemes[i]);
        if (target.size <= size || !http_name_is((struct view){target.bytes, size}, schemes[i])) {
            continue;
        }
        const uint8_t *path = memchr(target.bytes + size, '/', target.size - size);
        if (path != NULL) {
            return view_of(path, target.size - (size_t)(path - target.bytes));
        }
    }
    return target;
}

static bool
is_target(struct view target)
{
    for (size_t i = 0; i < target.size; i++) {
        if (target.bytes[i] <= ' ') {
            return false;
        }
    }
    return target.size > 0 && (target.bytes[0] == '/' || view_is(target, "*"));
}

static enum http_progress
parse_request_line(struct view line, struct http_head *head, struct http_refusal *refusal)
{
    head->method_name = take_word(&line);
    head->target = cut_authority(take_word(&line));
    if (head->method_name.size == 0) {
        return refuse(refusal, 400, "no method");
    }
    for (size_t i = 0; i < head->method_name.size; i++) {
        if (!is_token(head->method_name.bytes[i])) {
            return refuse(refusal, 400, "the method is not a token");
        }
    }
    if (!is_target(head->target)) {
        return refuse(refusal, 400, "the target is not a path");
    }
    if (!view_is(line, "HTTP/1.1") && !view_is(line, "HTTP/1.0")) {
        bool is_http = line.size == 8 && memcmp(line.bytes, "HTTP/", 5) == 0;
        return is_http ? refuse(refusal, 505, "only HTTP/1.0 and 1.1 are spoken here")
                       : refuse(refusal, 400, "no HTTP version");
    }
    head->method = find_method(head->method_name);
    head->is_1_0 = view_is(line, "HTTP/1.0");
    return HTTP_DONE;
}

/* ---- header lines */

static struct view
trim(struct view text)
{
    while (text.size > 0 && is_blank(text.bytes[0])) {
        text.bytes++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.bytes[text.size - 1])) {
        text.size--;
    }
    return text;
}

static enum http_progress
parse_header(struct view line, struct http_head *head, struct http_refusal *refusal)
{
    if (head->header_count == HTTP_HEADERS_MAX) {
        return refuse(refusal, 431, "too many headers");
    }
    size_t size = 0;
    while (size < line.size && is_token(line.bytes[size])) {
        size++;
    }
    if (size == 0 || size == line.size || line.bytes[size] != ':') {
        return refuse(refusal, 400, "a header line without name and colon");
    }
    head->headers[head->header_count++] = (struct http_header){
        {line.bytes, size}, trim(view_of(line.bytes + size + 1, line.size - size - 1))};
    return HTTP_DONE;
}

/* How many headers have this name; the first one's value. */
static size_t
count_headers(const struct http_head *head, const char *name, struct view *value_out)
{
    size_t count = 0;
    *value_out = http_head_find(head, name);
    for (size_t i = 0; i < head->header_count; i++) {
        count += http_name_is(head->headers[i].name, name);
    }
    return count;
}

/* A word in a list by commas, in any header of that name. */
static bool
lists_word(const struct http_head *head, const char *name, const char *word)
{
    for (size_t i = 0; i < head->header_count; i++) {
        struct view rest = head->headers[i].value;
        if (!http_name_is(head->headers[i].name, name)) {
            continue;
        }
        while (rest.size > 0) {
            const uint8_t *comma = memchr(rest.bytes, ',', rest.size);
            size_t size = comma != NULL ? (size_t)(comma - rest.bytes) : rest.size;
            if (http_name_is(trim((struct view){rest.bytes, size}), word)) {
                return true;
            }
            size += comma != NULL;
            rest.bytes += size;
            rest.size -= size;
        }
    }
    return false;
}

static enum http_progress
parse_length(struct view text, struct http_head *head, struct http_refusal *refusal)
{
    if (text.size == 0) {
        return refuse(refusal, 400, "an empty Content-Length");
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9') {
            return refuse(refusal, 400, "Content-Length is not a number");
        }
        head->body_size = head->body_size * 10 + (uint64_t)(text.bytes[i] - '0');
        if (head->body_size > HTTP_BODY_MAX) {
            return refuse(refusal, 413, "Request body too large");
        }
    }
    head->body = head->body_size > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
    return HTTP_DONE;
}

/* One reading of where the body ends, or none. */
static enum http_progress
find_body(struct http_head *head, struct http_refusal *refusal)
{
    struct view length;
    struct view encoding;
    size_t lengths = count_headers(head, "content-length", &length);
    size_t encodings = count_headers(head, "transfer-encoding", &encoding);
    if (lengths > 1 || encodings > 1 || (lengths > 0 && encodings > 0)) {
        return refuse(refusal, 400, "two lengths of one body");
    }
    if (encodings > 0) {
        if (head->is_1_0) {
            return refuse(refusal, 400, "Transfer-Encoding in HTTP/1.0");
        }
        if (!http_name_is(encoding, "chunked")) {
            return refuse(refusal, 501, "only the chunked Transfer-Encoding is known here");
        }
        head->body = HTTP_BODY_CHUNKED;
    }
    return lengths > 0 ? parse_length(length, head, refusal) : HTTP_DONE;
}

enum http_progress
http_head_parse(struct view bytes, size_t *scanned_io, struct http_head *head_out,
                struct http_refusal *refusal_out)
{
    size_t end;
    enum http_progress found = find_end(bytes, scanned_io, &end, refusal_out);
    if (found != HTTP_DONE) {
        return found;
    }
    struct http_head *head = head_out;
    size_t start = leading_lines(bytes);
    struct view rest = {bytes.bytes + start, end - start - 2};
    *head = (struct http_head){.size = end};
    found = parse_request_line(take_line(&rest), head, refusal_out);
    while (found == HTTP_DONE && rest.size > 0) {
        found = parse_header(take_line(&rest), head, refusal_out);
    }
    struct view host;
    if (found == HTTP_DONE && count_headers(head, "host", &host) != 1 && !head->is_1_0) {
        found = refuse(refusal_out, 400, "not exactly one Host");
    }
    if (found == HTTP_DONE) {
        found = find_body(head, refusal_out);
    }
    bool closes = lists_word(head, "connection", "close");
    head->keeps_alive = !closes && (!head->is_1_0 || lists_word(head, "connection", "keep-alive"));
    head->wants_continue = !head->is_1_0 && lists_word(head, "expect", "100-continue");
    return found;
}

/* ---- chunked bodies */

enum chunk_state {
    CHUNK_SIZE, /* digits of a chunk's size: zero is the start */
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER,    /* at the start of a trailer line */
    CHUNK_TRAILER_IN, /* inside one */
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
    CHUNK_END,
};

static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
step_size(struct http_chunks *chunks, uint8_t c)
{
    int digit = hex_value(c);
    if (digit >= 0 && chunks->line < CHUNK_DIGITS_MAX) {
        chunks->left = chunks->left * 16 + (uint64_t)digit;
        chunks->line++;
        return true;
    }
    chunks->state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
    return chunks->line > 0 && (c == '\r' || c == ';' || is_blank(c));
}

/* A byte of anything but data. False: it does not belong there. */
static bool
step(struct http_chunks *chunks, uint8_t c)
{
    enum chunk_state state = (enum chunk_state)chunks->state;
    switch (state) {
    case CHUNK_SIZE:
        return step_size(chunks, c);
    case CHUNK_EXTENSION:
        chunks->state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
        return (c == '\r' || !is_control(c)) && c != '\n' && ++chunks->line < CHUNK_LINE_MAX;
    case CHUNK_SIZE_LF:
        chunks->state = chunks->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
        chunks->line = 0;
        return c == '\n';
    case CHUNK_DATA_CR:
        chunks->state = CHUNK_DATA_LF;
        return c == '\r';
    case CHUNK_DATA_LF:
        chunks->state = CHUNK_SIZE;
        return c == '\n';
    case CHUNK_TRAILER:
        chunks->state = c == '\r' ? CHUNK_END_LF : CHUNK_TRAILER_IN;
        return c == '\r' || is_token(c);
    case CHUNK_TRAILER_IN:
        chunks->state = c == '\r' ? CHUNK_TRAILER_LF : CHUNK_TRAILER_IN;
        return !is_control(c) && c != '\n' && ++chunks->line < CHUNK_LINE_MAX;
    case CHUNK_TRAILER_LF:
        chunks->state = CHUNK_TRAILER;
        return c == '\n';
    case CHUNK_END_LF:
        chunks->state = CHUNK_END;
        return c == '\n';
    case CHUNK_DATA:
    case CHUNK_END:
        break;
    }
    BUG("data and the end are no steps");
}

/* As many of the chunk's bytes as there are. */
static size_t
take_data(struct http_chunks *chunks, struct view bytes, struct buf *body)
{
    size_t size = bytes.size < chunks->left ? bytes.size : (size_t)chunks->left;
    buf_append(body, bytes.bytes, size);
    chunks->left -= size;
    chunks->state = chunks->left > 0 ? CHUNK_DATA : CHUNK_DATA_CR;
    return size;
}

enum http_progress
http_chunks_decode(struct http_chunks *chunks, struct view bytes, size_t *taken_out,
                   struct buf *body, size_t max, struct http_refusal *refusal_out)
{
    size_t at = 0;
    *taken_out = 0;
    while (at < bytes.size && chunks->state != CHUNK_END) {
        if (chunks->state == CHUNK_DATA) {
            at += take_data(chunks, view_of(bytes.bytes + at, bytes.size - at), body);
        } else if (!step(chunks, bytes.bytes[at++])) {
            return refuse(refusal_out, 400, "a malformed chunk");
        }
        if (chunks->state == CHUNK_DATA && chunks->left > max - body->size) {
            return refuse(refusal_out, 413, "Request body too large");
        }
    }
    *taken_out = at;
    return chunks->state == CHUNK_END ? HTTP_DONE : HTTP_MORE;
}

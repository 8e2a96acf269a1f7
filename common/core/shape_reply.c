#include "common/core/shape_reply.h"

#include <string.h>

#include "common/json.h"
#include "common/version.h"

/* Cursors count from 2024-10-09T00:00:00Z. */
#define CURSOR_EPOCH_S 1728432000u

/* How far a cursor may jump so that it is not the client's own again. */
#define CURSOR_JUMP_MAX 3600u

#define REQUEST_ID_MIN 20u
#define REQUEST_ID_MAX 200u

#define SHAPE_METHODS "GET, POST, HEAD, DELETE, OPTIONS"

#define EXPOSED                                                          \
    "electric-cursor,electric-handle,electric-has-data,electric-offset," \
    "electric-schema,electric-up-to-date,electric-internal-known-error,retry-after"

static void
line(struct buf *out, const char *name, struct view value)
{
    buf_append_str(out, name);
    buf_append_str(out, ": ");
    buf_append_view(out, value);
    buf_append_str(out, "\r\n");
}

static void
line_str(struct buf *out, const char *name, const char *value)
{
    line(out, name, view_str(value));
}

static const char *
reason(unsigned status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return status >= 500 ? "Internal Server Error" : "Unknown";
    }
}

/* ---- the date */

struct civil {
    unsigned year;
    unsigned month; /* 1 to 12 */
    unsigned day;
};

/* Days since 1970 to a date, by eras of 400 years that begin on a 1st of March. */
static struct civil
civil_of(uint64_t days)
{
    uint64_t shifted = days + 719468u;
    uint64_t era = shifted / 146097u;
    uint64_t day_of_era = shifted % 146097u;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460u + day_of_era / 36524u - day_of_era / 146096u) / 365u;
    uint64_t day_of_year =
        day_of_era - (365u * year_of_era + year_of_era / 4u - year_of_era / 100u);
    uint64_t from_march = (5u * day_of_year + 2u) / 153u;
    unsigned month = (unsigned)(from_march < 10u ? from_march + 3u : from_march - 9u);
    return (struct civil){
        .year = (unsigned)(year_of_era + era * 400u + (month <= 2u)),
        .month = month,
        .day = (unsigned)(day_of_year - (153u * from_march + 2u) / 5u + 1u),
    };
}

static void
date_line(struct buf *out, int64_t date_s)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    uint64_t now_s = date_s > 0 ? (uint64_t)date_s : 0;
    unsigned second = (unsigned)(now_s % 86400u);
    uint64_t day = now_s / 86400u;
    struct civil date = civil_of(day);
    buf_printf(out, "date: %s, %02u %s %u %02u:%02u:%02u GMT\r\n", days[day % 7u], date.day,
               months[date.month - 1u], date.year, second / 3600u, second / 60u % 60u,
               second % 60u);
}

/* ---- what every answer says */

static void
status_line(struct buf *out, unsigned status)
{
    buf_printf(out, "HTTP/1.1 %u %s\r\n", status, reason(status));
}

static bool
is_own_id(struct view request_id)
{
    return request_id.size < REQUEST_ID_MIN || request_id.size > REQUEST_ID_MAX;
}

static void
common_lines(const struct reply_client *client, struct buf *out)
{
    line_str(out, "electric-server", "shapewire/" SHAPEWIRE_VERSION);
    line(out, "x-request-id",
         is_own_id(client->request_id) ? client->own_request_id : client->request_id);
    date_line(out, client->date_s);
    line_str(out, "vary", "accept-encoding");
    line(out, "access-control-allow-origin",
         client->origin.size > 0 ? client->origin : view_str("*"));
    line_str(out, "access-control-expose-headers", EXPOSED);
    line_str(out, "access-control-allow-methods",
             client->is_shape_route ? SHAPE_METHODS : "GET, HEAD");
}

/* ---- caching (http-api §2.3) */

static void
max_age_line(struct buf *out, unsigned max_age_s, unsigned stale_age_s)
{
    buf_printf(out, "cache-control: public, max-age=%u, stale-while-revalidate=%u\r\n", max_age_s,
               stale_age_s);
}

static void
error_cache_lines(const struct reply *reply, enum http_method method, struct buf *out)
{
    if (method == HTTP_DELETE) {
        line_str(out, "cache-control", "no-cache");
    } else if (reply->status == 409) {
        line_str(out, "cache-control",
                 reply->handle.size > 0 ? "public, max-age=60, must-revalidate"
                                        : "public, max-age=1, must-revalidate");
    } else {
        line_str(out, "cache-control", "no-store");
        line_str(out, "surrogate-control", "no-store");
    }
}

static void
shape_cache_lines(const struct reply *reply, enum http_method method, struct buf *out)
{
    bool reads = method == HTTP_GET || method == HTTP_HEAD;
    if (reply->status >= 400) {
        error_cache_lines(reply, method, out);
    } else if (!reads || reply->is_subset) {
        line_str(out, "cache-control", "no-cache");
    } else if (reply->asked == REPLY_OFFSET_START) {
        line_str(out, "cache-control",
                 "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746");
    } else if (reply->is_sse) {
        unsigned timeout_s = reply->sse_timeout_s;
        buf_printf(out, "cache-control: public, max-age=%u\r\n", timeout_s > 1 ? timeout_s - 1 : 0);
    } else if (reply->is_live) {
        max_age_line(out, 5, 5);
    } else {
        max_age_line(out, reply->max_age_s, reply->stale_age_s);
    }
}

static void
cache_lines(const struct reply *reply, enum http_method method, struct buf *out)
{
    switch (reply->kind) {
    case REPLY_PLAIN:
        line_str(out, "cache-control", "max-age=0, private, must-revalidate");
        return;
    case REPLY_HEALTH:
        line_str(out, "cache-control", "no-cache, no-store, must-revalidate");
        return;
    case REPLY_SHAPE:
        shape_cache_lines(reply, method, out);
        return;
    }
    BUG("an unknown kind of reply");
}

/* ---- the shape's own headers (http-api §2.2) */

static bool
tells_data(const struct reply *reply)
{
    unsigned status = reply->status;
    return !reply->is_subset && (status == 200 || status == 202 || status == 304);
}

void
reply_etag(const struct reply *reply, struct buf *out)
{
    if (reply->handle.size == 0) {
        return;
    }
    buf_append_byte(out, '"');
    buf_append_view(out, reply->handle);
    buf_append_byte(out, ':');
    if (reply->status != 409) {
        buf_append_view(out, reply->offset_asked);
    }
    buf_append_byte(out, ':');
    if (reply->status != 409 && reply->has_offset) {
        offset_append(out, reply->offset);
    }
    if (reply->status != 409 && reply->is_unchanged) {
        buf_append_byte(out, ':');
        buf_append_u64(out, reply->monotonic_us);
    }
    buf_append_byte(out, '"');
}

static void
etag_line(const struct reply *reply, struct buf *out)
{
    if (reply->handle.size == 0 || reply->is_subset) {
        return;
    }
    buf_append_str(out, "etag: ");
    reply_etag(reply, out);
    buf_append_str(out, "\r\n");
}

static void
shape_lines(const struct reply *reply, struct buf *out)
{
    if (reply->handle.size > 0) {
        line(out, "electric-handle", reply->handle);
    }
    if (reply->has_offset) {
        buf_append_str(out, "electric-offset: ");
        offset_append(out, reply->offset);
        buf_append_str(out, "\r\n");
    }
    if (reply->schema.size > 0 && reply->status == 200 && !reply->is_live) {
        line(out, "electric-schema", reply->schema);
    }
    if (reply->is_up_to_date) {
        line_str(out, "electric-up-to-date", "");
    }
    if (tells_data(reply)) {
        line_str(out, "electric-has-data", reply->has_data ? "true" : "false");
    }
    if (reply->has_cursor) {
        buf_append_str(out, "electric-cursor: ");
        buf_append_u64(out, reply->cursor);
        buf_append_str(out, "\r\n");
    }
    if (reply->is_subset) {
        line_str(out, "electric-snapshot", "true");
    }
    if (reply->is_known_error) {
        line_str(out, "electric-internal-known-error", "true");
    }
    etag_line(reply, out);
}

void
reply_head(const struct reply_client *client, const struct reply *reply, struct buf *out)
{
    status_line(out, reply->status);
    common_lines(client, out);
    cache_lines(reply, client->method, out);
    if (reply->kind == REPLY_SHAPE) {
        shape_lines(reply, out);
    }
    if (reply->retry_after_s > 0) {
        buf_printf(out, "retry-after: %u\r\n", reply->retry_after_s);
    }
    bool has_body = reply->status != 202 || reply->kind != REPLY_SHAPE;
    if (has_body && reply->status != 204 && reply->status != 304) {
        line_str(out, "content-type",
                 reply->content_type != NULL ? reply->content_type
                                             : "application/json; charset=utf-8");
    }
}

/* ---- OPTIONS */

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

/* The next element of a list by commas. False at its end. */
static bool
next_element(struct view *rest, struct view *element_out)
{
    if (rest->size == 0) {
        return false;
    }
    const uint8_t *comma = memchr(rest->bytes, ',', rest->size);
    size_t size = comma != NULL ? (size_t)(comma - rest->bytes) : rest->size;
    *element_out = trim((struct view){rest->bytes, size});
    size += comma != NULL;
    rest->bytes += size;
    rest->size -= size;
    return true;
}

void
reply_options(const struct reply_client *client, struct view headers_asked, struct buf *out)
{
    static const char *const allowed[] = {"if-none-match", "traceparent", "content-type"};
    status_line(out, 204);
    common_lines(client, out);
    line_str(out, "access-control-max-age", "86400");
    size_t count = 0;
    struct view name;
    while (next_element(&headers_asked, &name)) {
        for (size_t i = 0; i < COUNT_OF(allowed); i++) {
            if (http_name_is(name, allowed[i])) {
                buf_append_str(out, count++ == 0 ? "access-control-allow-headers: " : ", ");
                buf_append_str(out, allowed[i]);
            }
        }
    }
    if (count > 0) {
        buf_append_str(out, "\r\n");
    }
}

/* ---- revalidation */

/* Without W/ and quotes. */
static struct view
bare_tag(struct view tag)
{
    if (tag.size > 2 && tag.bytes[0] == 'W' && tag.bytes[1] == '/') {
        tag.bytes += 2;
        tag.size -= 2;
    }
    if (tag.size >= 2 && tag.bytes[0] == '"' && tag.bytes[tag.size - 1] == '"') {
        tag.bytes++;
        tag.size -= 2;
    }
    return tag;
}

bool
reply_is_known(struct view if_none_match, const struct reply *reply)
{
    if (if_none_match.size == 0 || reply->handle.size == 0 || reply->is_subset ||
        reply->status != 200 || reply->is_unchanged) {
        return false;
    }
    struct buf own = {0};
    reply_etag(reply, &own);
    struct view tag;
    bool is_known = false;
    while (!is_known && next_element(&if_none_match, &tag)) {
        is_known = view_is(tag, "*") || view_equal(bare_tag(tag), bare_tag(buf_view(&own)));
    }
    buf_free(&own);
    return is_known;
}

/* ---- the cursor */

/* 0 for what is no number of at most 18 digits. */
static uint64_t
parse_cursor(struct view text)
{
    uint64_t cursor = 0;
    if (text.size > 18) {
        return 0;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9') {
            return 0;
        }
        cursor = cursor * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    return cursor;
}

uint64_t
reply_cursor(struct view sent, uint64_t now_s, uint64_t long_poll_ms, uint64_t random)
{
    uint64_t step_s = long_poll_ms / 1000;
    if (step_s == 0) {
        return 0;
    }
    uint64_t since_s = now_s > CURSOR_EPOCH_S ? now_s - CURSOR_EPOCH_S : 0;
    uint64_t cursor = (since_s + step_s - 1) / step_s * step_s;
    uint64_t before = parse_cursor(sent);
    return cursor > before ? cursor : before + 1 + random % CURSOR_JUMP_MAX;
}

/* ---- bodies */

void
reply_up_to_date(uint64_t last_seen_lsn, struct buf *out)
{
    buf_append_str(out, "{\"headers\":{\"control\":\"up-to-date\",\"global_last_seen_lsn\":\"");
    buf_append_u64(out, last_seen_lsn);
    buf_append_str(out, "\"}}");
}

void
reply_message(struct view text, struct buf *out)
{
    buf_append_str(out, "{\"message\":");
    json_append_string(out, text);
    buf_append_byte(out, '}');
}

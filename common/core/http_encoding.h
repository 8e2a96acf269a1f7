/*
 * http_encoding.h - which content-encoding an answer gets, from the request's Accept-Encoding.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_HTTP_ENCODING_H
#define CORE_HTTP_ENCODING_H

#include "common/wire.h"

enum http_encoding {
    HTTP_IDENTITY,
    HTTP_GZIP,
    HTTP_DEFLATE, /* the zlib format, as RFC 9110 means it */
    HTTP_ZSTD,
    HTTP_ENCODINGS,
};

/*
 * What the client likes best by its q-values; of equals zstd, gzip, deflate, and bytes as they are
 * last. An empty header, and one that allows nothing we have, give HTTP_IDENTITY.
 */
enum http_encoding http_encoding_choose(struct view accept_encoding);

/* As in content-encoding. */
const char *http_encoding_name(enum http_encoding encoding);

#endif

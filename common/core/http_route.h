/*
 * http_route.h - which resource a path is, and whether the secret opens it.
 *
 * The secret is checked on the route that was found, never on the path (http-api [2] [3]).
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_HTTP_ROUTE_H
#define CORE_HTTP_ROUTE_H

#include "common/core/http_head.h"

enum http_route {
    ROUTE_NOT_FOUND, /* also a known path with another method */
    ROUTE_ROOT,
    ROUTE_SHAPE,
    ROUTE_SHAPES,     /* the list of them: the operator's */
    ROUTE_SHAPES_ONE, /* /v1/shapes/HANDLE, to end it */
    ROUTE_HEALTH,
    ROUTE_STATUS,
    ROUTE_LIVEZ,
    ROUTE_READYZ,
    ROUTE_STARTUPZ,
};

/*
 * Decodes %xx and drops empty segments: "//v1/%73hape/" becomes "/v1/shape". False for a path
 * with a wrong %xx, a NUL, or a segment "." or "..": nothing of ours has such a name.
 */
NODISCARD bool http_path_normalise(struct view raw, struct buf *out);

/* `path` is normalised. */
enum http_route http_route_find(enum http_method method, struct view path);

/* HANDLE of a path that is ROUTE_SHAPES_ONE. */
struct view http_route_handle(struct view path);

/* The token of `Authorization: Bearer TOKEN`; empty: it is none. */
struct view http_route_bearer(struct view authorization);

/* Whether a request for the route must show the secret. */
bool http_route_is_guarded(enum http_route route, enum http_method method);

/* In a time that depends on the sizes alone. An empty secret opens nothing. */
bool http_secret_matches(struct view given, struct view secret);

#endif

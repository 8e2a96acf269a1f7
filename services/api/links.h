/*
 * links.h - hands complete heads to civetweb, many in one send, and gives back what it read.
 *
 * A link is a keep-alive connection to http_server's parser. Heads go out in
 * order, civetweb treats them in order, so what comes back from a link is
 * always its oldest head. civetweb closes a link on a head that it dislikes:
 * the oldest one that did not come back is tried once more, then refused; those
 * behind it go out again on a new link. Links are opened when they are needed.
 *
 * Threading: the loop's thread.
 */
#ifndef API_LINKS_H
#define API_LINKS_H

#include "common/core/http_head.h"
#include "common/http_server.h"

struct links;
struct links_entry;

/* `parsed` is the callback's, or NULL: civetweb refused the head. */
typedef void (*links_fn)(void *ctx, struct http_parsed *parsed);

/* Errors: ERR_IO. */
NODISCARD bool links_open(struct loop *loop, struct links **links_out, struct err *err);

/*
 * Takes what `head` says; it goes out with the next links_flush(). `fn` is called once, unless the
 * entry is cancelled.
 */
struct links_entry *links_submit(struct links *links, const struct http_head *head, links_fn fn,
                                 void *ctx);

/* `fn` will not be called. */
void links_cancel(struct links_entry *entry);

/* Sends what was submitted. To be called at the end of a turn. */
void links_flush(struct links *links);

/* Cancels all. NULL is accepted. */
void links_close(struct links *links);

#endif

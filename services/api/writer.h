/*
 * writer.h - what is still to be sent to one client: bytes, shared blobs and pieces of files.
 *
 * A zeroed writer is an empty one.
 *
 * Threading: the loop's thread.
 */
#ifndef API_WRITER_H
#define API_WRITER_H

#include "common/blob.h"

/* More than this at a time is not sent to one client, so that others get their turn. */
#define WRITER_PIECE_BYTES ((size_t)256 * 1024)

struct writer_item;

struct writer {
    struct writer_item *first;
    struct writer_item *last;
    size_t size; /* of all that is left */
};

enum writer_progress {
    WRITER_DONE,    /* all is out */
    WRITER_BLOCKED, /* the socket is full, or the piece is out: go on when it is writable */
    WRITER_FAILED,  /* the client is gone, or a file is shorter than was said */
};

/* Takes the buffer's bytes and leaves it empty. */
void writer_push_bytes(struct writer *writer, struct buf *bytes);

/* Takes a reference. */
void writer_push_blob(struct writer *writer, struct blob *blob, size_t from, size_t size);

/* `fd` is borrowed until writer_own_files(), which duplicates it if it is still needed. */
void writer_push_file(struct writer *writer, int fd, uint64_t position, size_t size);

/* Sends what the socket takes; *sent_out says how much that was. */
enum writer_progress writer_write(struct writer *writer, int socket_fd, size_t *sent_out);

/* False when no descriptor is left for a file. */
NODISCARD bool writer_own_files(struct writer *writer);

void writer_clear(struct writer *writer);

#endif

#include "services/api/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/mem.h"

#define IOV_COUNT 16

struct writer_item {
    struct writer_item *next;
    struct buf bytes;  /* owned, when blob is NULL and fd is -1 */
    struct blob *blob; /* or NULL */
    int fd;            /* or -1 */
    bool is_fd_owned;
    uint64_t position; /* of the next byte, in the bytes, the blob or the file */
    size_t size;       /* left */
};

static void
push(struct writer *writer, struct writer_item item)
{
    if (item.size == 0) {
        return;
    }
    struct writer_item *copy = mem_alloc(sizeof *copy);
    *copy = item;
    if (writer->first == NULL) {
        writer->first = copy;
    } else {
        writer->last->next = copy;
    }
    writer->last = copy;
    writer->size += item.size;
}

void
writer_push_bytes(struct writer *writer, struct buf *bytes)
{
    if (bytes->size == 0) {
        buf_free(bytes);
        return;
    }
    push(writer, (struct writer_item){.bytes = *bytes, .fd = -1, .size = bytes->size});
    *bytes = (struct buf){0};
}

void
writer_push_blob(struct writer *writer, struct blob *blob, size_t from, size_t size)
{
    ASSERT(from <= blob->size && size <= blob->size - from);
    if (size > 0) {
        push(writer, (struct writer_item){
                         .blob = blob_ref(blob), .fd = -1, .position = from, .size = size});
    }
}

void
writer_push_file(struct writer *writer, int fd, uint64_t position, size_t size)
{
    push(writer, (struct writer_item){.fd = fd, .position = position, .size = size});
}

static void
free_first(struct writer *writer)
{
    struct writer_item *item = writer->first;
    writer->first = item->next;
    writer->size -= item->size;
    if (item->is_fd_owned) {
        close(item->fd);
    }
    blob_unref(item->blob);
    buf_free(&item->bytes);
    mem_free(item);
}

static void
advance(struct writer *writer, size_t sent)
{
    while (sent > 0) {
        struct writer_item *item = writer->first;
        size_t of_item = sent < item->size ? sent : item->size;
        item->position += of_item;
        item->size -= of_item;
        writer->size -= of_item;
        sent -= of_item;
        if (item->size == 0) {
            free_first(writer);
        }
    }
}

/* What stands in memory before the next file, in one call. */
static ssize_t
send_memory(const struct writer *writer, int socket_fd, size_t size_max)
{
    struct iovec iov[IOV_COUNT];
    size_t count = 0;
    size_t total = 0;
    const struct writer_item *item = writer->first;
    for (; item != NULL && item->fd < 0 && count < IOV_COUNT && total < size_max;
         item = item->next) {
        uint8_t *start = item->blob != NULL ? item->blob->bytes : item->bytes.bytes;
        size_t size = item->size < size_max - total ? item->size : size_max - total;
        iov[count++] = (struct iovec){start + item->position, size};
        total += size;
    }
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    /* A head waits for the file behind it, to leave in one packet. */
    int more = item != NULL ? MSG_MORE : 0;
    return sendmsg(socket_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | more);
}

static ssize_t
send_file(const struct writer_item *item, int socket_fd, size_t size_max)
{
    off_t position = (off_t)item->position;
    return sendfile(socket_fd, item->fd, &position, item->size < size_max ? item->size : size_max);
}

enum writer_progress
writer_write(struct writer *writer, int socket_fd, size_t *sent_out)
{
    *sent_out = 0;
    while (writer->first != NULL && *sent_out < WRITER_PIECE_BYTES) {
        size_t size_max = WRITER_PIECE_BYTES - *sent_out;
        ssize_t n = writer->first->fd >= 0 ? send_file(writer->first, socket_fd, size_max)
                                           : send_memory(writer, socket_fd, size_max);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return WRITER_BLOCKED;
        }
        if (n <= 0) { /* 0: the file ends before its piece does */
            return WRITER_FAILED;
        }
        *sent_out += (size_t)n;
        advance(writer, (size_t)n);
    }
    return writer->first == NULL ? WRITER_DONE : WRITER_BLOCKED;
}

bool
writer_own_files(struct writer *writer)
{
    for (struct writer_item *item = writer->first; item != NULL; item = item->next) {
        if (item->fd >= 0 && !item->is_fd_owned) {
            int fd = fcntl(item->fd, F_DUPFD_CLOEXEC, 0);
            if (fd < 0) {
                return false;
            }
            item->fd = fd;
            item->is_fd_owned = true;
        }
    }
    return true;
}

void
writer_clear(struct writer *writer)
{
    while (writer->first != NULL) {
        free_first(writer);
    }
    *writer = (struct writer){0};
}

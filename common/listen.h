/*
 * listen.h - listening sockets: opened here, or handed down by a parent.
 *
 * Handing down works as systemd's socket activation does: the descriptor is
 * number 3, LISTEN_FDS=1 and LISTEN_PID says for whom.
 */
#ifndef COMMON_LISTEN_H
#define COMMON_LISTEN_H

#include "common/err.h"

/* Where a handed down socket stands (SD_LISTEN_FDS_START). */
#define LISTEN_FD_FIRST 3

/*
 * The socket that was handed down to this process, close-on-exec and non-blocking, or -1. The
 * variables are removed from the environment, so a second call gives -1.
 */
int listen_take_inherited(void);

/*
 * A non-blocking TCP socket that listens on `host`:`port`; host NULL or "": all addresses, IPv6
 * too when `is_ipv6`. Errors: ERR_IO; the message names address and port.
 */
NODISCARD bool listen_open(const char *host, uint16_t port, bool is_ipv6, int *fd_out,
                           struct err *err);

#endif

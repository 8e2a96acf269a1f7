/*
 * Any bytes: the same verdict whether they come at once or one by one, and no crash.
 *
 * Covers: common/core/http_head.c common/core/http_route.c
 */
#include <string.h>

#include "common/core/http_route.h"
#include "tests/lib/fuzz_input.h"

static const char *const WORDS[] = {
    "GET ",
    "HEAD ",
    "POST ",
    "DELETE ",
    "OPTIONS ",
    "/v1/shape",
    "//v1/%68ealth",
    "/livez",
    "/%2e./",
    "\t",
    "\n",
    "?table=",
    "http://x/",
    "\r",
    "\r\n",
    "\r\n\r\n",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "Host: x\r\n",
    "Content-Length: ",
    "content-length:9",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: gzip\r\n",
    "Connection: close, keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "5\r\nhello\r\n",
    "0\r\n",
    "3;x=y\r\nabc\r\n",
    "Trailer: x\r\n",
    "*",
    " /status HTTP/1.1\r\nHost: x\r\n",
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_check_both(WORDS, COUNT_OF(WORDS), view_of(data, size), check);
    return 0;
}

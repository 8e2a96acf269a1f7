/*
 * http_client.h - a blocking client that says and hears exact bytes.
 *
 * What differs is printed and the program aborts: cmocka's assertions are for the main thread
 * alone, and a client usually has a thread of its own.
 *
 * Threading: any thread.
 */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include "common/base.h"

/* A connection to 127.0.0.1; nothing is waited for longer than 10 s. */
int http_client_dial(uint16_t port);

void http_client_say(int fd, const char *text);

/* Reads as many bytes as `expected` has. */
void http_client_hear(int fd, const char *expected);

/* The other side has closed; so do we. */
void http_client_hear_end(int fd);

#endif

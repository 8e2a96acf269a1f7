/*
 * http_method.h - the methods we know; what else arrives is OTHER.
 */
#ifndef COMMON_CORE_HTTP_METHOD_H
#define COMMON_CORE_HTTP_METHOD_H

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER,
};

#endif

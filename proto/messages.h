/*
 * messages.h - every message on the bus as a struct, made from messages.def.
 *
 * `struct repl_hello` is what "repl.hello" says, and PROTO_repl_hello its kind.
 * Views and lists borrow from the message or from the arena they were decoded into.
 */
#ifndef PROTO_MESSAGES_H
#define PROTO_MESSAGES_H

#include "common/wire.h"

#define MESSAGE(name, kind, way, what)     struct name {
#define ITEM(name, what)                   struct name {
#define U64(need, member, key, what)       uint64_t member;
#define BOOL(need, member, key, what)      bool member;
#define STR(need, member, key, max, what)  struct view member;
#define TEXT(need, member, key, max, what) struct view member;
#define BIN(need, member, key, max, what)  struct view member;
#define LIST(need, member, key, item, max, what) \
    struct item *member;                         \
    size_t member##_count;
#define END \
    }       \
    ;
#include "proto/messages.def"

#endif

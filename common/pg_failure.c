#include "common/pg_failure.h"

#include <string.h>

void
pg_failure_copy_text(char *to, size_t size, const char *from)
{
    size_t length = from ? strnlen(from, size - 1) : 0;
    while (length > 0 && from[length - 1] == '\n')
        length--;
    for (size_t i = 0; i < length; i++)
        to[i] = from[i] == '\n' || from[i] == '\t' ? ' ' : from[i];
    to[length] = 0;
}

static bool
is_sqlstate(const char *text)
{
    for (int i = 0; i < 5; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'A' && text[i] <= 'Z')))
            return false;
    return text[5] == ':' && text[6] == ' ';
}

void
pg_failure_from_text(struct pg_failure *failure, const char *text)
{
    const char *message = text;
    for (const char *p = text; (p = strstr(p, ":  ")) != NULL; p += 3) {
        if (is_sqlstate(p + 3)) {
            memcpy(failure->sqlstate, p + 3, 5);
            failure->sqlstate[5] = 0;
            message = p + 10;
        }
    }
    pg_failure_copy_text(failure->message, sizeof failure->message, message);
    char *location = failure->sqlstate[0] ? strstr(failure->message, " LOCATION:  ") : NULL;
    if (location)
        *location = 0;
}

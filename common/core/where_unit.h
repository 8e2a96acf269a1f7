/*
 * where_unit.h - the fields of dates, times and intervals, by the names that Postgres knows.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_UNIT_H
#define CORE_WHERE_UNIT_H

#include "common/core/where_value.h"

enum where_unit {
    UNIT_MICROSECOND,
    UNIT_MILLISECOND,
    UNIT_SECOND,
    UNIT_MINUTE,
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_WEEK,
    UNIT_MONTH,
    UNIT_QUARTER,
    UNIT_YEAR,
    UNIT_DECADE,
    UNIT_CENTURY,
    UNIT_MILLENNIUM,
    UNIT_ISOYEAR,
    UNIT_DOW,
    UNIT_ISODOW,
    UNIT_DOY,
    UNIT_EPOCH,
    UNIT_JULIAN,
    UNIT_TIMEZONE, /* and its hour and minute: 0, since sessions are at UTC */
};

#define UNIT_SET(unit) (1u << (unit))

/* What the types have. */
#define UNITS_OF_CLOCK                                                                 \
    (UNIT_SET(UNIT_MICROSECOND) | UNIT_SET(UNIT_MILLISECOND) | UNIT_SET(UNIT_SECOND) | \
     UNIT_SET(UNIT_MINUTE) | UNIT_SET(UNIT_HOUR))
#define UNITS_OF_YEARS                                                      \
    (UNIT_SET(UNIT_YEAR) | UNIT_SET(UNIT_DECADE) | UNIT_SET(UNIT_CENTURY) | \
     UNIT_SET(UNIT_MILLENNIUM))
#define UNITS_OF_DATE                                                                   \
    (UNITS_OF_YEARS | UNIT_SET(UNIT_DAY) | UNIT_SET(UNIT_WEEK) | UNIT_SET(UNIT_MONTH) | \
     UNIT_SET(UNIT_QUARTER) | UNIT_SET(UNIT_ISOYEAR) | UNIT_SET(UNIT_DOW) |             \
     UNIT_SET(UNIT_ISODOW) | UNIT_SET(UNIT_DOY) | UNIT_SET(UNIT_EPOCH) | UNIT_SET(UNIT_JULIAN))

/* Whatever the case of its letters. False: no such name. */
NODISCARD bool where_unit_by_name(struct view name, enum where_unit *unit_out);

#endif

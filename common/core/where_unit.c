#include "common/core/where_unit.h"

#include <string.h>

/* Those of the documentation, with the short forms that Postgres reads. */
static const struct {
    const char *name;
    enum where_unit unit;
} names[] = {
    {"year", UNIT_YEAR},
    {"month", UNIT_MONTH},
    {"day", UNIT_DAY},
    {"hour", UNIT_HOUR},
    {"minute", UNIT_MINUTE},
    {"second", UNIT_SECOND},
    {"epoch", UNIT_EPOCH},
    {"week", UNIT_WEEK},
    {"quarter", UNIT_QUARTER},
    {"dow", UNIT_DOW},
    {"isodow", UNIT_ISODOW},
    {"doy", UNIT_DOY},
    {"isoyear", UNIT_ISOYEAR},
    {"decade", UNIT_DECADE},
    {"century", UNIT_CENTURY},
    {"millennium", UNIT_MILLENNIUM},
    {"milliseconds", UNIT_MILLISECOND},
    {"microseconds", UNIT_MICROSECOND},
    {"julian", UNIT_JULIAN},
    {"timezone", UNIT_TIMEZONE},
    {"timezone_hour", UNIT_TIMEZONE},
    {"timezone_minute", UNIT_TIMEZONE},
    {"years", UNIT_YEAR},
    {"yr", UNIT_YEAR},
    {"yrs", UNIT_YEAR},
    {"y", UNIT_YEAR},
    {"months", UNIT_MONTH},
    {"mon", UNIT_MONTH},
    {"mons", UNIT_MONTH},
    {"days", UNIT_DAY},
    {"d", UNIT_DAY},
    {"hours", UNIT_HOUR},
    {"hr", UNIT_HOUR},
    {"hrs", UNIT_HOUR},
    {"h", UNIT_HOUR},
    {"minutes", UNIT_MINUTE},
    {"min", UNIT_MINUTE},
    {"mins", UNIT_MINUTE},
    {"m", UNIT_MINUTE},
    {"seconds", UNIT_SECOND},
    {"sec", UNIT_SECOND},
    {"secs", UNIT_SECOND},
    {"s", UNIT_SECOND},
    {"weeks", UNIT_WEEK},
    {"w", UNIT_WEEK},
    {"qtr", UNIT_QUARTER},
    {"decades", UNIT_DECADE},
    {"dec", UNIT_DECADE},
    {"decs", UNIT_DECADE},
    {"centuries", UNIT_CENTURY},
    {"cent", UNIT_CENTURY},
    {"c", UNIT_CENTURY},
    {"millennia", UNIT_MILLENNIUM},
    {"mil", UNIT_MILLENNIUM},
    {"mils", UNIT_MILLENNIUM},
    {"millisecond", UNIT_MILLISECOND},
    {"ms", UNIT_MILLISECOND},
    {"msec", UNIT_MILLISECOND},
    {"msecs", UNIT_MILLISECOND},
    {"microsecond", UNIT_MICROSECOND},
    {"us", UNIT_MICROSECOND},
    {"usec", UNIT_MICROSECOND},
    {"usecs", UNIT_MICROSECOND},
};

static bool
is_name(struct view text, const char *name)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t b = text.bytes[i];
        if (name[i] == '\0' || (b >= 'A' && b <= 'Z' ? b | 0x20 : b) != (uint8_t)name[i]) {
            return false;
        }
    }
    return name[text.size] == '\0';
}

bool
where_unit_by_name(struct view name, enum where_unit *unit_out)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (is_name(name, names[i].name)) {
            *unit_out = names[i].unit;
            return true;
        }
    }
    return false;
}

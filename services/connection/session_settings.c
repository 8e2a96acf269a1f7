#include "services/connection/session_settings.h"

static const struct {
    const char *name;
    const char *value;
} settings[] = {
    {"bytea_output", "hex"},       {"DateStyle", "ISO, DMY"},
    {"TimeZone", "UTC"},           {"extra_float_digits", "1"},
    {"IntervalStyle", "iso_8601"}, {"xmlbinary", "base64"},
    {"lc_monetary", "C"},          {"quote_all_identifiers", "off"}, /* of regclass and its like */
    {"search_path", "public"},                                       /* likewise */
    {"array_nulls", "on"},         {"standard_conforming_strings", "on"},
};

void
session_settings_local(struct buf *sql)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        buf_printf(sql, "SET LOCAL %s = '%s'; ", settings[i].name, settings[i].value);
}

void
session_settings_columns(struct buf *sql)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        buf_printf(sql, "%sset_config('%s', '%s', false)", i > 0 ? ", " : "", settings[i].name,
                   settings[i].value);
}

/* The settings for people: what a value must be, --help, and docs/configuration.md. */
#include <inttypes.h>
#include <string.h>

#include "common/config.h"
#include "common/config_table.h"
#include "common/config_value.h"

#define HELP_INDENT 6
#define HELP_WIDTH  79

void
config_allowed(const struct config_row *row, char allowed[CONFIG_ALLOWED_SIZE])
{
    char min[CONFIG_TEXT_SIZE];
    char max[CONFIG_TEXT_SIZE];
    switch (row->type) {
    case CONFIG_IS_STRING:
    case CONFIG_IS_SECRET:
        snprintf(allowed, CONFIG_ALLOWED_SIZE, "a text of %" PRIu64 " to %" PRIu64 " bytes",
                 row->min, row->max);
        return;
    case CONFIG_IS_IDENTIFIER:
        snprintf(allowed, CONFIG_ALLOWED_SIZE,
                 "%" PRIu64 " to %" PRIu64 " lower-case letters, digits and _", row->min, row->max);
        return;
    case CONFIG_IS_ADDRESS:
        snprintf(allowed, CONFIG_ALLOWED_SIZE, "ipc://PATH or tcp://HOST:PORT");
        return;
    case CONFIG_IS_BOOL:
        snprintf(allowed, CONFIG_ALLOWED_SIZE, "true or false");
        return;
    case CONFIG_IS_NUMBER:
    case CONFIG_IS_PORT:
        snprintf(allowed, CONFIG_ALLOWED_SIZE, "a number from %" PRIu64 " to %" PRIu64, row->min,
                 row->max);
        return;
    case CONFIG_IS_SECONDS:
        snprintf(allowed, CONFIG_ALLOWED_SIZE, "a number of seconds from %" PRIu64 " to %" PRIu64,
                 row->min, row->max);
        return;
    case CONFIG_IS_DURATION:
        config_format_duration(row->min, min);
        config_format_duration(row->max, max);
        snprintf(allowed, CONFIG_ALLOWED_SIZE,
                 "a duration from %s to %s (units: ms, s, min; none: ms)", min, max);
        return;
    case CONFIG_IS_SIZE:
        config_format_size(row->min, min);
        config_format_size(row->max, max);
        snprintf(allowed, CONFIG_ALLOWED_SIZE,
                 "a size from %s to %s (units: KB, KiB, MB, MiB, GB, GiB; none: bytes)", min, max);
        return;
    case CONFIG_IS_LOG_LEVEL:
        snprintf(allowed, CONFIG_ALLOWED_SIZE, "error, warning, info or debug");
        return;
    case CONFIG_IS_API_STORAGE:
        snprintf(allowed, CONFIG_ALLOWED_SIZE, "auto or remote");
        return;
    case CONFIG_IS_REQUEST_LIMITS:
        snprintf(allowed, CONFIG_ALLOWED_SIZE,
                 "JSON like {\"initial\":300,\"existing\":10000}, each from %" PRIu64
                 " to %" PRIu64,
                 row->min, row->max);
        return;
    }
}

/* Words of `text` in lines of HELP_WIDTH, each indented. */
static void
print_wrapped(FILE *file, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        if (column == 0 || column + 1 + size > HELP_WIDTH) {
            fprintf(file, "%s%*s", column == 0 ? "" : "\n", HELP_INDENT, "");
            column = HELP_INDENT;
        } else {
            fputc(' ', file);
            column++;
        }
        fwrite(text, 1, size, file);
        column += size;
        text += size + (text[size] == ' ');
    }
    fputc('\n', file);
}

void
config_print_help(FILE *file)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (row->kind == CONFIG_ROW_GROUP) {
            fprintf(file, "%s%s:\n", i == 0 ? "" : "\n", row->name);
        } else if (row->kind == CONFIG_ROW_OPTION) {
            char allowed[CONFIG_ALLOWED_SIZE];
            config_allowed(row, allowed);
            fprintf(file, "  %s%s%s\n", row->name, row->preset == NULL ? "" : "=",
                    row->preset == NULL ? "" : row->preset);
            print_wrapped(file, row->help);
            print_wrapped(file, allowed);
        } else if (row->kind == CONFIG_ROW_ALIAS) {
            fprintf(file, "  %s\n%*san older name of the setting above\n", row->name, HELP_INDENT,
                    "");
        } else {
            fprintf(file, "  %s\n", row->name);
        }
    }
}

void
config_print_markdown(FILE *file)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        bool is_first = i > 0 && config_rows[i - 1].kind == CONFIG_ROW_GROUP;
        if (row->kind == CONFIG_ROW_GROUP) {
            fprintf(file, "\n## %s\n\n", row->name);
        } else if (row->kind == CONFIG_ROW_ACCEPTED) {
            fprintf(file, "%s| `%s` | %s |\n",
                    is_first ? "| variable | because |\n|---|---|\n" : "", row->name, row->help);
        } else if (row->kind == CONFIG_ROW_ALIAS) {
            fprintf(file, "| `%s` | | | an older name of the setting above |\n", row->name);
        } else {
            char allowed[CONFIG_ALLOWED_SIZE];
            config_allowed(row, allowed);
            const char *quote = row->preset != NULL ? "`" : "";
            fprintf(file, "%s| `%s` | %s%s%s | %s | %s |\n",
                    is_first ? "| variable | default | allowed | meaning |\n|---|---|---|---|\n"
                             : "",
                    row->name, quote, row->preset != NULL ? row->preset : "", quote, allowed,
                    row->help);
        }
    }
}

#include "common/core/ident.h"

#include <string.h>

/* Parts of `text` between separators that do not stand in quotes; a quote that stays open splits
 * nothing. */
static size_t
split(struct view text, char separator, struct arena *mem, struct view **parts_out)
{
    size_t count = 1;
    bool in_quotes = false;
    struct view *parts = arena_alloc(mem, text.size + 1, sizeof *parts);
    parts[0] = (struct view){text.bytes, 0};
    for (size_t i = 0; i < text.size; i++) {
        in_quotes = in_quotes != (text.bytes[i] == '"');
        if (text.bytes[i] == (uint8_t)separator && !in_quotes) {
            parts[count++] = (struct view){text.bytes + i + 1, 0};
        } else {
            parts[count - 1].size++;
        }
    }
    if (in_quotes) {
        parts[0] = text;
        count = 1;
    }
    *parts_out = parts;
    return count;
}

static bool
is_letter(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == '_' || b >= 0x80;
}

static size_t
character_count(struct view text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        count += (text.bytes[i] & 0xc0) != 0x80;
    }
    return count;
}

static bool
check_length(struct view name, struct err *err)
{
    if (character_count(name) > IDENT_MAX) {
        return err_set(err, ERR_INVALID, "Identifier is too long (max length is %d)", IDENT_MAX);
    }
    return true;
}

static bool
refuse_special(struct view part, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "Invalid unquoted identifier contains special characters: %.*s", (int)part.size,
                   (const char *)part.bytes);
}

static bool
refuse_empty(struct err *err)
{
    return err_set(err, ERR_INVALID, "Invalid zero-length delimited identifier");
}

static bool
parse_quoted(struct view part, struct arena *mem, struct view *name_out, struct err *err)
{
    uint8_t *name = arena_alloc(mem, part.size, 1);
    size_t size = 0;
    for (size_t i = 1; i + 1 < part.size; i++) {
        if (part.bytes[i] == '"') {
            if (i + 2 >= part.size || part.bytes[i + 1] != '"') {
                return err_set(err, ERR_INVALID, "Invalid identifier with unescaped quote: %.*s",
                               (int)part.size - 2, (const char *)part.bytes + 1);
            }
            i++;
        }
        name[size++] = part.bytes[i];
    }
    if (size == 0) {
        return refuse_empty(err);
    }
    *name_out = (struct view){name, size};
    return check_length(*name_out, err);
}

static bool
parse_part(struct view part, struct arena *mem, struct view *name_out, struct err *err)
{
    if (part.size >= 2 && part.bytes[0] == '"' && part.bytes[part.size - 1] == '"') {
        return parse_quoted(part, mem, name_out, err);
    }
    uint8_t *name = arena_alloc(mem, part.size + 1, 1);
    for (size_t i = 0; i < part.size; i++) {
        uint8_t b = part.bytes[i];
        bool is_later = i > 0 && ((b >= '0' && b <= '9') || b == '$');
        if (!is_letter(b) && !is_later) {
            return refuse_special(part, err);
        }
        name[i] = b >= 'A' && b <= 'Z' ? b | 0x20 : b;
    }
    if (part.size == 0) {
        return refuse_empty(err);
    }
    *name_out = (struct view){name, part.size};
    return check_length(*name_out, err);
}

bool
ident_parse_table(struct view text, struct arena *mem, struct table_ident *table_out,
                  struct err *err)
{
    struct view *parts;
    size_t count = split(text, '.', mem, &parts);
    if (count > 2) {
        return err_set(err, ERR_INVALID, "Invalid relation identifier, too many delimiters: %.*s",
                       (int)text.size, (const char *)text.bytes);
    }
    struct table_ident table = {.schema = view_str("public")};
    if (count == 2 && !parse_part(parts[0], mem, &table.schema, err)) {
        return false;
    }
    if (!parse_part(parts[count - 1], mem, &table.name, err)) {
        return false;
    }
    *table_out = table;
    return true;
}

static struct view
trimmed(struct view text)
{
    while (text.size > 0 && text.bytes[0] == ' ') {
        text.bytes++;
        text.size--;
    }
    while (text.size > 0 && text.bytes[text.size - 1] == ' ') {
        text.size--;
    }
    return text;
}

bool
ident_parse_list(struct view text, struct arena *mem, struct view **names_out, size_t *count_out,
                 struct err *err)
{
    struct view *parts;
    size_t count = split(text, ',', mem, &parts);
    struct view *names = arena_alloc(mem, count, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        if (!parse_part(trimmed(parts[i]), mem, &names[i], err)) {
            return false;
        }
    }
    *names_out = names;
    *count_out = count;
    return true;
}

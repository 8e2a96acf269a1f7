#include "common/core/where_utf8.h"

#include "common/base.h"

bool
utf8_may_have_case(uint32_t first, uint32_t last)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } caseless[] = {
        {0x00, 0x7f}, /* ASCII: our own matter */
        {0x80, 0xa9}, /* controls and punctuation of Latin-1, but not the micro sign */
        {0xab, 0xb4},       {0xb6, 0xb9},     {0xbb, 0xbf},     {0xd7, 0xd7},
        {0xf7, 0xf7},       {0x300, 0x344},   /* combining marks but one */
        {0x346, 0x36f},     {0x590, 0x109f},  /* Hebrew to Myanmar */
        {0x1100, 0x139f},                     /* Hangul, Ethiopic */
        {0x2000, 0x20ff},                     /* punctuation, currency */
        {0x2190, 0x245f},   {0x2500, 0x2bff}, /* arrows and shapes, without letters in circles */
        {0x2e80, 0xa63f},                     /* ideographs, kana */
        {0xac00, 0xd7ff},   {0xf900, 0xfaff}, {0xfe00, 0xfe6f}, {0x1f300, 0x1faff}, /* pictures */
        {0x20000, 0x3ffff}, /* more ideographs */
    };
    for (size_t i = 0; i < COUNT_OF(caseless); i++) {
        if (first >= caseless[i].first && last <= caseless[i].last) {
            return false;
        }
    }
    return true;
}

bool
utf8_any_case(struct view text)
{
    for (size_t i = 0; i < text.size;) {
        size_t size;
        uint32_t code = utf8_decode(text, i, &size);
        if (utf8_may_have_case(code, code)) {
            return true;
        }
        i += size;
    }
    return false;
}

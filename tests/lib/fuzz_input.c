#include "tests/lib/fuzz_input.h"

struct fuzz_input
fuzz_input(const uint8_t *data, size_t size)
{
    return (struct fuzz_input){data, data + size, 0};
}

struct fuzz_input
fuzz_input_endless(const uint8_t *data, size_t size)
{
    return (struct fuzz_input){data, data + size, wire_crc32c(data, size) | 1u << 31};
}

bool
fuzz_input_is_empty(const struct fuzz_input *in)
{
    return in->next == in->end && in->seed == 0;
}

uint8_t
fuzz_input_byte(struct fuzz_input *in)
{
    if (in->next < in->end) {
        return *in->next++;
    }
    if (in->seed == 0) {
        return 0;
    }
    uint64_t z = in->seed += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint8_t)(z ^ z >> 31);
}

uint64_t
fuzz_input_u64(struct fuzz_input *in)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value = value << 8 | fuzz_input_byte(in);
    }
    return value;
}

size_t
fuzz_input_below(struct fuzz_input *in, size_t count)
{
    size_t choice = fuzz_input_byte(in);
    if (count > 256) {
        choice = choice << 8 | fuzz_input_byte(in);
    }
    return choice % count;
}

bool
fuzz_input_chance(struct fuzz_input *in, size_t count)
{
    return !fuzz_input_is_empty(in) && fuzz_input_below(in, count) == 0;
}

struct view
fuzz_input_bytes(struct fuzz_input *in, size_t max)
{
    size_t size = fuzz_input_below(in, max + 1);
    size_t left = (size_t)(in->end - in->next);
    struct view bytes = {in->next, size < left ? size : left};
    in->next += bytes.size;
    return bytes;
}

void
fuzz_input_spell(const char *const *words, size_t count, struct view text, struct buf *out)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < count) {
            buf_append_str(out, words[text.bytes[i]]);
        } else {
            buf_append_byte(out, text.bytes[i]);
        }
    }
}

void
fuzz_input_check_both(const char *const *words, size_t count, struct view bytes,
                      void (*check)(struct view bytes))
{
    struct buf spelled = {0};
    check(bytes);
    fuzz_input_spell(words, count, bytes, &spelled);
    check(buf_view(&spelled));
    buf_free(&spelled);
}

/* Any bytes: no definition, or one whose own bytes bring it back and whose schema can be written.
 */
#include "common/core/shape_def.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct shape_def *def;
    if (!shape_def_decode((struct view){data, size}, &def, &err)) {
        return 0;
    }
    struct buf bytes = {0};
    struct buf again = {0};
    struct shape_def *back;
    shape_def_encode(def, &bytes);
    ASSERT(shape_def_decode(buf_view(&bytes), &back, &err));
    shape_def_encode(back, &again);
    ASSERT(view_equal(buf_view(&bytes), buf_view(&again)));
    buf_clear(&again);
    shape_def_identity(def, &again);
    shape_def_schema(def, &again);
    shape_def_free(back);
    shape_def_free(def);
    buf_free(&bytes);
    buf_free(&again);
    return 0;
}

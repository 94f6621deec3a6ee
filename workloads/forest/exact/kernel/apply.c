/* The leaves in which rows end. */
#include "forest.h"

/* One node as the walk reads it: leaves lead to themselves. */
typedef struct {
    int32_t child[2];
    uint32_t bit; /* of the code within the row: eight times the byte, and more for a bit */
    uint16_t mask, threshold;
} Step;

/*
 * The leaf of each of the given rows. Eight rows walk abreast, without branches, so that
 * their reads overlap; `steps` is room for node_count of them.
 */
void tandem_apply(const Forest *f, const uint32_t *at, uint32_t n, int32_t *leaves,
                  Step *steps) {
    uint64_t bytes = (uint64_t)f->row_bytes;
    for (int32_t i = 0; i < f->node_count; i++) {
        Step *step = &steps[i];
        int32_t feature = f->feature[i];
        step->child[0] = feature < 0 ? i : f->left[i];
        step->child[1] = feature < 0 ? i : f->right[i];
        step->bit = step->mask = step->threshold = 0;
        if (feature >= 0) {
            const Column *column = &f->columns[feature];
            step->bit = (uint32_t)column->row_offset << 3;
            if (column->row_bit > 0) step->bit |= (uint32_t)column->row_bit;
            step->threshold = (uint16_t)f->threshold[i];
            step->mask = column->row_bit >= 0 ? 1 : column->width == 1 ? 255 : 65535;
        }
    }
    for (uint32_t begin = 0; begin < n; begin += 8) {
        uint32_t count = n - begin < 8 ? n - begin : 8, moved = 1;
        const uint8_t *row[8];
        int32_t node[8];
        for (uint32_t i = 0; i < 8; i++) {
            row[i] = f->rows + at[begin + (i < count ? i : 0)] * bytes;
            node[i] = 0;
        }
        while (moved) {
            moved = 0;
            for (uint32_t i = 0; i < 8; i++) {
                const Step *step = &steps[node[i]];
                uint16_t code;
                copy(&code, row[i] + (step->bit >> 3), 2);
                int32_t high = (code >> (step->bit & 7u) & step->mask) > step->threshold;
                int32_t next = step->child[high];
                moved |= (uint32_t)(next ^ node[i]);
                node[i] = next;
            }
        }
        for (uint32_t i = 0; i < count; i++) leaves[begin + i] = node[i];
    }
}

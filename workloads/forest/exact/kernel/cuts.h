/*
 * The cuts of one feature in one node: by bit, by sorting, or by counts per code.
 *
 * Follows sklearn/tree/_splitter.pyx
 * of scikit-learn, BSD-3-Clause: see forest.h.
 */
#ifndef TANDEM_CUTS_H
#define TANDEM_CUTS_H

#include "candidates.h"

/* A feature with two neighbouring codes in the node has one cut. */
static void cut_pair(const Forest *f, Search *s, int32_t feature, int32_t low,
                     const uint16_t *labels) {
    double left[256], weight_left = 0.0, squares_left = 0.0, squares_right = 0.0;
    uint32_t here[2][256], n_left = 0;
    const uint16_t *codes = f->codes;
    for (int32_t k = 0; k < f->n_classes; k++) here[0][k] = here[1][k] = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t on_left = codes[i] == low;
        here[i & 1][labels[i] >> 8] += (labels[i] & 255u) & (0u - on_left);
        n_left += on_left;
    }
    if (n_left < (uint32_t)f->min_samples_leaf) return;
    if (s->n - n_left < (uint32_t)f->min_samples_leaf) return;
    for (int32_t k = 0; k < f->n_classes; k++) {
        double there;
        left[k] = (double)(here[0][k] + here[1][k]);
        there = (double)s->total[k] - left[k];
        weight_left += left[k];
        squares_left += left[k] * left[k];
        squares_right += there * there;
    }
    consider(f, s, feature, low, low + 1, left, squares_left, squares_right, weight_left);
}

/* Positions within the node of the samples whose two-valued feature is 1. */
static uint32_t gather_ones(const Forest *f, int32_t feature, uint32_t start, uint32_t n,
                            int local) {
    const Column *column = &f->columns[feature];
    uint32_t *ones = f->spare, count = 0;
    if (local) {
        const uint16_t *at = f->locals + start;
        const uint8_t *rows = f->local_rows + column->row_offset;
        uint64_t stride = (uint64_t)f->row_bytes;
        for (uint32_t i = 0; i < n; i++) {
            ones[count] = i;
            count += rows[at[i] * stride] >> column->row_bit & 1u;
        }
    } else {
        const uint32_t *at = f->samples + start;
        const uint8_t *bits = column->column;
        for (uint32_t i = 0; i < n; i++) {
            ones[count] = i;
            count += bits[at[i] >> 3] >> (at[i] & 7u) & 1u;
        }
    }
    return count;
}

/* A two-valued feature has one cut; what is 1 goes right. */
static void cut_ones(const Forest *f, Search *s, int32_t feature, uint32_t n_ones,
                     const uint16_t *labels) {
    double left[256], weight_left = 0.0, squares_left = 0.0, squares_right = 0.0;
    uint32_t right[2][256];
    const uint32_t *ones = f->spare;
    if (n_ones < (uint32_t)f->min_samples_leaf) return;
    if (s->n - n_ones < (uint32_t)f->min_samples_leaf) return;
    for (int32_t k = 0; k < f->n_classes; k++) right[0][k] = right[1][k] = 0;
    for (uint32_t i = 0; i < n_ones; i++) {
        uint32_t label = labels[ones[i]];
        right[i & 1][label >> 8] += label & 255u;
    }
    for (int32_t k = 0; k < f->n_classes; k++) {
        double there = (double)(right[0][k] + right[1][k]);
        left[k] = (double)s->total[k] - there;
        weight_left += left[k];
        squares_left += left[k] * left[k];
        squares_right += there * there;
    }
    consider(f, s, feature, 0, 1, left, squares_left, squares_right, weight_left);
}

/* Few samples: sort them by code and move them to the left one by one. */
static void cut_sorted(const Forest *f, Search *s, int32_t feature, const uint16_t *labels) {
    const Column *column = &f->columns[feature];
    uint32_t *keys = f->keys, n = s->n;
    double left[256], weight_left = 0.0, squares_left = 0.0, squares_right = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = (uint32_t)f->codes[i] << 16 | labels[i], j = i;
        while (j > 0 && keys[j - 1] > key) {
            keys[j] = keys[j - 1];
            j--;
        }
        keys[j] = key;
    }
    for (int32_t k = 0; k < f->n_classes; k++) {
        left[k] = 0.0;
        squares_right += (double)s->total[k] * (double)s->total[k];
    }
    for (uint32_t i = 0; i + 1 < n; i++) {
        uint32_t k = keys[i] >> 8 & 255u;
        double w = (double)(keys[i] & 255u);
        double there = (double)s->total[k] - left[k];
        squares_left += w * (2.0 * left[k] + w);
        squares_right -= w * (2.0 * there - w);
        left[k] += w;
        weight_left += w;
        int32_t low = (int32_t)(keys[i] >> 16), high = (int32_t)(keys[i + 1] >> 16);
        if (low == high || (column->ties && tied(column, low, high))) continue;
        if (i + 1 < (uint32_t)f->min_samples_leaf) continue;
        if (n - i - 1 < (uint32_t)f->min_samples_leaf) continue;
        consider(f, s, feature, low, high, left, squares_left, squares_right, weight_left);
    }
}

typedef struct {
    double left[256];
    double weight_left;
    uint32_t n_left;
    int32_t low;
} Sweep;

/* Move all samples of one code to the left, then look at the cut before the next code. */
static inline __attribute__((always_inline)) void sweep_code(
    const Forest *f, Search *s, Sweep *w, int32_t feature, int32_t code, int32_t lanes) {
    const Column *column = &f->columns[feature];
    uint32_t *row = f->histogram + (uint64_t)code * (uint64_t)lanes;
    if (w->low >= 0 && !(column->ties && tied(column, w->low, code)) &&
        w->n_left >= (uint32_t)f->min_samples_leaf &&
        s->n - w->n_left >= (uint32_t)f->min_samples_leaf) {
        double squares_left = 0.0, squares_right = 0.0;
        if (!f->entropy) {
            for (int32_t k = 0; k < lanes; k++) {
                double there = (double)s->total[k] - w->left[k];
                squares_left += w->left[k] * w->left[k];
                squares_right += there * there;
            }
        }
        consider(f, s, feature, w->low, code, w->left, squares_left, squares_right,
                 w->weight_left);
    }
    uint32_t moved = 0;
    for (int32_t k = 0; k < lanes; k++) {
        w->left[k] += (double)row[k];
        moved += row[k];
        row[k] = 0;
    }
    w->weight_left += (double)moved;
    if (f->min_samples_leaf > 1) {
        w->n_left += f->counts[code];
        f->counts[code] = 0;
    } else {
        w->n_left = 1; /* any code on either side holds at least one sample */
    }
    w->low = code;
}

/* Many samples: class sums per code, then one pass over the codes that occur. */
static inline __attribute__((always_inline)) void cut_counted(
    const Forest *f, Search *s, int32_t feature, int32_t least, int32_t most,
    const uint16_t *labels, int32_t lanes) {
    Sweep w;
    uint32_t *histogram = f->histogram;
    const uint16_t *codes = f->codes;
    uint32_t n = s->n;
    for (int32_t k = 0; k < lanes; k++) w.left[k] = 0.0;
    w.weight_left = 0.0;
    w.n_left = 0;
    w.low = -1;
    if (f->min_samples_leaf > 1)
        for (uint32_t i = 0; i < n; i++) f->counts[codes[i]]++;
    if ((uint32_t)(most - least) < 2 * n) {
        for (uint32_t i = 0; i < n; i++)
            histogram[(uint32_t)codes[i] * (uint32_t)lanes + (labels[i] >> 8)] +=
                labels[i] & 255u;
        for (int32_t code = least; code <= most; code++) {
            uint32_t any = 0;
            const uint32_t *row = histogram + (uint64_t)code * (uint64_t)lanes;
            for (int32_t k = 0; k < lanes; k++) any |= row[k];
            if (any) sweep_code(f, s, &w, feature, code, lanes);
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t code = codes[i];
        histogram[code * (uint32_t)lanes + (labels[i] >> 8)] += labels[i] & 255u;
        f->present[code >> 6] |= (uint64_t)1 << (code & 63u);
    }
    for (int32_t word = least >> 6; word <= most >> 6; word++) {
        uint64_t bits = f->present[word];
        f->present[word] = 0;
        while (bits) {
            sweep_code(f, s, &w, feature, word * 64 + __builtin_ctzll(bits), lanes);
            bits &= bits - 1;
        }
    }
}

static void cut_many(const Forest *f, Search *s, int32_t feature, int32_t least, int32_t most,
                     const uint16_t *labels) {
    switch (f->lanes) {
    case 2: cut_counted(f, s, feature, least, most, labels, 2); break;
    case 4: cut_counted(f, s, feature, least, most, labels, 4); break;
    case 8: cut_counted(f, s, feature, least, most, labels, 8); break;
    case 16: cut_counted(f, s, feature, least, most, labels, 16); break;
    default: cut_counted(f, s, feature, least, most, labels, f->lanes); break;
    }
}

/* Codes of one feature for the samples of a node, into f->codes; their least and most. */
static void gather(const Forest *f, int32_t feature, uint32_t start, uint32_t n, int local,
                   int32_t *least, int32_t *most) {
    const Column *column = &f->columns[feature];
    uint16_t *codes = f->codes;
    uint32_t low = 65535, high = 0;
    if (local) {
        const uint16_t *at = f->locals + start;
        const uint8_t *rows = f->local_rows + column->row_offset;
        uint64_t stride = (uint64_t)f->row_bytes;
        if (column->row_bit >= 0) {
            uint32_t ones = 0;
            for (uint32_t i = 0; i < n; i++) {
                uint32_t code = rows[at[i] * stride] >> column->row_bit & 1u;
                codes[i] = (uint16_t)code;
                ones += code;
            }
            low = ones == n;
            high = ones > 0;
        } else if (column->width == 1) {
            for (uint32_t i = 0; i < n; i++) {
                uint32_t code = rows[at[i] * stride];
                codes[i] = (uint16_t)code;
                low = code < low ? code : low;
                high = code > high ? code : high;
            }
        } else {
            for (uint32_t i = 0; i < n; i++) {
                uint16_t code;
                copy(&code, rows + at[i] * stride, 2);
                codes[i] = code;
                low = code < low ? code : low;
                high = code > high ? code : high;
            }
        }
    } else {
        const uint32_t *at = f->samples + start;
        if (column->width == 0) {
            const uint8_t *bits = column->column;
            for (uint32_t i = 0; i < n; i++)
                codes[i] = bits[at[i] >> 3] >> (at[i] & 7u) & 1u;
        } else if (column->width == 1) {
            const uint8_t *column_codes = column->column;
            for (uint32_t i = 0; i < n; i++) {
                uint32_t code = column_codes[at[i]];
                codes[i] = (uint16_t)code;
                low = code < low ? code : low;
                high = code > high ? code : high;
            }
        } else {
            const uint16_t *column_codes = column->column;
            for (uint32_t i = 0; i < n; i++) {
                uint32_t code = column_codes[at[i]];
                codes[i] = (uint16_t)code;
                low = code < low ? code : low;
                high = code > high ? code : high;
            }
        }
    }
    *least = (int32_t)low;
    *most = (int32_t)high;
}

#endif

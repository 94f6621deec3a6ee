/*
 * Exact random forest kernels over rank codes.
 *
 * The order of random draws, the constant-feature bookkeeping, the impurity formulas and the
 * tie rules follow scikit-learn's tree builder (sklearn/tree/_splitter.pyx, _criterion.pyx,
 * _tree.pyx; copyright the scikit-learn developers, BSD-3-Clause, see
 * LICENSE.scikit-learn in the folder above), so that a tree grown here equals theirs bit for bit.
 * What differs is how the class sums of a candidate split are found: from counts per rank
 * code in place of a sort of the values. All sums are integers below 2^53, so every order of
 * addition gives the same double.
 *
 * The kernels need no header but stdint.h and no library: memory comes from the caller, and the
 * one transcendental function comes as a pointer to the C library's own `log`. Compile
 * without contraction of a*b+c (see kernel_build.py).
 */
#ifndef TANDEM_FOREST_H
#define TANDEM_FOREST_H

#include <stdint.h>

#define TANDEM_KERNEL_VERSION 4
#define EPSILON 2.220446049250313e-16
#define TIE 1e-7f
#define SMALL_NODE 28
#define LN2 0.693147180559945309417232121458

typedef double (*logarithm)(double);

/* One feature: its codes by column, its place in a packed row, its sorted distinct values. */
typedef struct {
    const void *column;
    const float *values;
    int32_t width; /* bytes of a code in the column: 1 or 2; 0 for a bit */
    int32_t n_values;
    int32_t row_offset;
    int32_t row_bit; /* bit within the byte for a two-valued feature, else -1 */
    int32_t ties;    /* some neighbouring values are closer than scikit-learn tells apart */
    int32_t reserved;
} Column;

/* A node waiting to be split: the samples in [start, end), and where it hangs. */
typedef struct {
    double impurity;
    uint32_t start, end;
    int32_t depth, parent, is_left, n_constants;
} Frame;

/* Where a build with a smaller max_depth departs from the deepest one. */
typedef struct {
    int32_t max_depth;
    int32_t taken;
    int32_t node_count;
    int32_t n_frames;
    uint32_t rng;
    int32_t reserved;
    Frame *frames;
    uint32_t *sums;
    int32_t *features;
    int32_t *constants;
} Snapshot;

typedef struct {
    /* the data */
    const Column *columns;
    const uint8_t *rows;
    const uint8_t *classes;
    const uint8_t *weights;
    int64_t row_bytes;
    int32_t n_features, n_classes, lanes;
    uint32_t n_rows;
    /* the rules of growth */
    int32_t entropy, max_features, min_samples_split, min_samples_leaf, max_depth, local_limit;
    double min_weight_leaf, min_impurity_decrease, total_weight;
    logarithm ln;
    /* the state that scikit-learn's splitter carries from node to node */
    uint32_t rng, n_samples;
    int32_t *features, *constants;
    /* the samples in hand, and working space */
    uint32_t *samples, *spare;
    uint16_t *labels, *spare_labels, *locals, *codes, *tags;
    uint8_t *local_rows;
    uint32_t *local_samples;
    uint32_t *histogram, *counts, *keys, *stack_sums;
    uint64_t *present;
    Frame *stack;
    /* the nodes grown */
    int32_t *left, *right, *feature, *threshold, *depth, *node_samples;
    double *impurity;
    uint32_t *sums;
    int32_t node_count, capacity;
    /* smaller depths */
    Snapshot *snapshots;
    int32_t n_snapshots, reserved;
} Forest;

static inline void copy(void *to, const void *from, uint64_t bytes) {
    __builtin_memcpy(to, from, bytes);
}

#endif

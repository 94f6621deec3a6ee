/*
 * Exact random forest kernels over rank codes.
 *
 * The order of random draws, the constant-feature bookkeeping, the impurity formulas and the
 * tie rules follow scikit-learn's tree builder (sklearn/tree/_splitter.pyx, _criterion.pyx,
 * _tree.pyx; copyright the scikit-learn developers, BSD-3-Clause, see
 * LICENSE.scikit-learn in this folder), so that a tree grown here equals theirs bit for bit.
 * What differs is how the class sums of a candidate split are found: from counts per rank
 * code in place of a sort of the values. All sums are integers below 2^53, so every order of
 * addition gives the same double.
 *
 * The file needs no header but stdint.h and no library: memory comes from the caller, and the
 * one transcendental function comes as a pointer to the C library's own `log`. Compile
 * without contraction of a*b+c (see native.py).
 */
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

typedef struct {
    double proxy;
    int32_t feature, low, high; /* the codes on both sides of the cut */
} Split;

int32_t tandem_kernel_version(void) { return TANDEM_KERNEL_VERSION; }

static void copy(void *to, const void *from, uint64_t bytes) {
    __builtin_memcpy(to, from, bytes);
}

/* scikit-learn's 32-bit xorshift in place of rand_r. */
static inline uint32_t draw(uint32_t *state) {
    if (*state == 0) *state = 1;
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % 2147483648u;
}

static inline int32_t draw_between(int32_t low, int32_t high, uint32_t *state) {
    return low + (int32_t)(draw(state) % (uint32_t)(high - low));
}

static double gini(const uint32_t *sums, int32_t n_classes, double weight) {
    double squares = 0.0;
    for (int32_t k = 0; k < n_classes; k++) squares += (double)sums[k] * (double)sums[k];
    return 1.0 - squares / (weight * weight);
}

static double entropy(const uint32_t *sums, int32_t n_classes, double weight, logarithm ln) {
    double total = 0.0;
    for (int32_t k = 0; k < n_classes; k++) {
        if (sums[k] > 0) {
            double share = (double)sums[k] / weight;
            total -= share * (ln(share) / LN2);
        }
    }
    return total;
}

static double impurity_of(const Forest *f, const uint32_t *sums, double weight) {
    return f->entropy ? entropy(sums, f->n_classes, weight, f->ln)
                      : gini(sums, f->n_classes, weight);
}

/* What the search for the best cut of one node keeps between features. */
typedef struct {
    Split best;
    const uint32_t *total;
    double weight;
    uint32_t n;
    uint32_t *best_left; /* class sums left of the best cut */
} Search;

static inline __attribute__((always_inline)) void consider(
    const Forest *f, Search *s, int32_t feature, int32_t low, int32_t high,
    const double *left, double squares_left, double squares_right, double weight_left) {
    double weight_right = s->weight - weight_left;
    if (weight_left < f->min_weight_leaf || weight_right < f->min_weight_leaf) return;
    double impurity_left, impurity_right;
    if (f->entropy) {
        impurity_left = impurity_right = 0.0;
        for (int32_t k = 0; k < f->n_classes; k++) {
            double here = left[k], there = (double)s->total[k] - here;
            if (here > 0.0) {
                here /= weight_left;
                impurity_left -= here * (f->ln(here) / LN2);
            }
            if (there > 0.0) {
                there /= weight_right;
                impurity_right -= there * (f->ln(there) / LN2);
            }
        }
    } else {
        impurity_left = 1.0 - squares_left / (weight_left * weight_left);
        impurity_right = 1.0 - squares_right / (weight_right * weight_right);
    }
    double proxy = -weight_right * impurity_right - weight_left * impurity_left;
    if (proxy > s->best.proxy) {
        s->best.proxy = proxy;
        s->best.feature = feature;
        s->best.low = low;
        s->best.high = high;
        for (int32_t k = 0; k < f->n_classes; k++) s->best_left[k] = (uint32_t)left[k];
    }
}

static inline int tied(const Column *c, int32_t low, int32_t high) {
    float limit = c->values[low] + TIE;
    return c->values[high] <= limit;
}

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

static inline void swap(int32_t *a, int32_t *b) {
    int32_t kept = *a;
    *a = *b;
    *b = kept;
}

/* scikit-learn's node_split_best: draw features, skip constants, keep the first best cut. */
static void search(Forest *f, Search *s, Frame *frame, int local) {
    int32_t *features = f->features, *constants = f->constants;
    int32_t drawn_end = f->n_features, n_visited = 0, n_found = 0, n_drawn = 0;
    int32_t n_known = frame->n_constants, n_total = n_known;
    const uint16_t *labels = f->labels + frame->start;
    while (drawn_end > n_total &&
           (n_visited < f->max_features || n_visited <= n_found + n_drawn)) {
        int32_t at, least, most, feature;
        uint32_t n_ones = 0;
        n_visited++;
        at = draw_between(n_drawn, drawn_end - n_found, &f->rng);
        if (at < n_known) {
            swap(&features[n_drawn], &features[at]);
            n_drawn++;
            continue;
        }
        at += n_found;
        feature = features[at];
        if (f->columns[feature].row_bit >= 0) {
            n_ones = gather_ones(f, feature, frame->start, s->n, local);
            least = n_ones == s->n;
            most = n_ones > 0;
        } else {
            gather(f, feature, frame->start, s->n, local, &least, &most);
        }
        if (least == most || (f->columns[feature].ties &&
                              tied(&f->columns[feature], least, most))) {
            swap(&features[at], &features[n_total]);
            n_found++;
            n_total++;
            continue;
        }
        drawn_end--;
        swap(&features[drawn_end], &features[at]);
        if (f->columns[feature].row_bit >= 0)
            cut_ones(f, s, feature, n_ones, labels);
        else if (most - least == 1)
            cut_pair(f, s, feature, least, labels);
        else if (s->n <= SMALL_NODE)
            cut_sorted(f, s, feature, labels);
        else
            cut_many(f, s, feature, least, most, labels);
    }
    copy(features, constants, sizeof(int32_t) * (uint64_t)n_known);
    copy(constants + n_known, features + n_known, sizeof(int32_t) * (uint64_t)n_found);
    frame->n_constants = n_total;
}

/* The largest code whose value is at most the midpoint that scikit-learn would store. */
static int32_t code_below(const Column *column, int32_t low, int32_t high) {
    double threshold = column->values[low] / 2.0 + column->values[high] / 2.0;
    while (high - low > 1) {
        int32_t middle = low + (high - low) / 2;
        if ((double)column->values[middle] <= threshold)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Keep the order of the samples on both sides: later reads stay ascending. */
static uint32_t partition(Forest *f, uint32_t start, uint32_t n, int32_t feature,
                          int32_t threshold, int local) {
    uint16_t *labels = f->labels + start, *spare_labels = f->spare_labels;
    const uint16_t *codes = f->codes;
    uint32_t n_left = 0, n_right = 0;
    int32_t least, most;
    gather(f, feature, start, n, local, &least, &most);
    if (local) {
        uint16_t *locals = f->locals + start, *spare = (uint16_t *)f->spare;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t goes_left = codes[i] <= threshold;
            uint16_t at = locals[i], label = labels[i];
            locals[n_left] = at;
            labels[n_left] = label;
            spare[n_right] = at;
            spare_labels[n_right] = label;
            n_left += goes_left;
            n_right += 1 - goes_left;
        }
        copy(locals + n_left, spare, sizeof(uint16_t) * (uint64_t)n_right);
    } else {
        uint32_t *samples = f->samples + start, *spare = f->spare;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t goes_left = codes[i] <= threshold, at = samples[i];
            uint16_t label = labels[i];
            samples[n_left] = at;
            labels[n_left] = label;
            spare[n_right] = at;
            spare_labels[n_right] = label;
            n_left += goes_left;
            n_right += 1 - goes_left;
        }
        copy(samples + n_left, spare, sizeof(uint32_t) * (uint64_t)n_right);
    }
    copy(labels + n_left, spare_labels, sizeof(uint16_t) * (uint64_t)n_right);
    return n_left;
}

static void take_snapshot(const Forest *f, Snapshot *snapshot, int32_t n_frames) {
    uint64_t n_classes = (uint64_t)f->n_classes, n_features = (uint64_t)f->n_features;
    snapshot->taken = 1;
    snapshot->node_count = f->node_count;
    snapshot->n_frames = n_frames;
    snapshot->rng = f->rng;
    copy(snapshot->frames, f->stack, sizeof(Frame) * (uint64_t)n_frames);
    copy(snapshot->sums, f->stack_sums, sizeof(uint32_t) * n_classes * (uint64_t)n_frames);
    copy(snapshot->features, f->features, sizeof(int32_t) * n_features);
    copy(snapshot->constants, f->constants, sizeof(int32_t) * n_features);
}

/* Labels (class, weight) of the samples in hand, read afresh. */
static void relabel(Forest *f) {
    for (uint32_t i = 0; i < f->n_samples; i++) {
        uint32_t row = f->samples[i];
        f->labels[i] = (uint16_t)((uint32_t)f->classes[row] << 8 | f->weights[row]);
    }
}

/* Copy the packed rows of a small node: all work below it stays in the cache. */
static void load_local(Forest *f, uint32_t start, uint32_t n) {
    uint64_t bytes = (uint64_t)f->row_bytes;
    for (uint32_t i = 0; i < n; i++) {
        f->local_samples[i] = f->samples[start + i];
        const uint8_t *row = f->rows + f->samples[start + i] * bytes;
        if (i + 8 < n) __builtin_prefetch(f->rows + f->samples[start + i + 8] * bytes);
        copy(f->local_rows + i * bytes, row, bytes);
        f->locals[start + i] = (uint16_t)i;
    }
}

/* Put the samples of the small node in hand into the order that its locals have reached. */
static void unload_local(Forest *f, uint32_t start, uint32_t end) {
    for (uint32_t i = start; i < end; i++) f->samples[i] = f->local_samples[f->locals[i]];
}

static int grow(Forest *f, int32_t n_frames) {
    int32_t n_classes = f->n_classes;
    uint64_t width = (uint64_t)n_classes;
    uint32_t local_start = 0, local_end = 0;
    uint32_t total[256], best_left[256];
    for (int32_t k = 0; k < 256; k++) total[k] = 0;
    while (n_frames > 0) {
        Frame frame = f->stack[n_frames - 1];
        const uint32_t *sums = f->stack_sums + (uint64_t)(n_frames - 1) * width;
        uint32_t n = frame.end - frame.start, weight = 0, n_left = 0;
        int32_t node = f->node_count, is_leaf;
        Search s;
        for (int32_t k = 0; k < n_classes; k++) {
            total[k] = sums[k];
            weight += sums[k];
        }
        if (frame.parent < 0) frame.impurity = impurity_of(f, total, (double)weight);
        is_leaf = n < (uint32_t)f->min_samples_split ||
                  n < 2 * (uint32_t)f->min_samples_leaf ||
                  (double)weight < 2 * f->min_weight_leaf || frame.impurity <= EPSILON;
        for (int32_t i = 0; !is_leaf && i < f->n_snapshots; i++)
            if (!f->snapshots[i].taken && frame.depth >= f->snapshots[i].max_depth) {
                unload_local(f, local_start, local_end);
                take_snapshot(f, &f->snapshots[i], n_frames);
            }
        is_leaf = is_leaf || frame.depth >= f->max_depth;
        n_frames--;
        if (!is_leaf) {
            int local = frame.start >= local_start && frame.end <= local_end;
            if (!local && n <= (uint32_t)f->local_limit) {
                load_local(f, frame.start, n);
                local_start = frame.start;
                local_end = frame.end;
                local = 1;
            }
            s.best.proxy = -__builtin_inf();
            s.best.feature = -1;
            s.total = total;
            s.weight = (double)weight;
            s.n = n;
            s.best_left = best_left;
            search(f, &s, &frame, local);
            is_leaf = s.best.feature < 0;
            if (!is_leaf) {
                uint32_t right[256], weight_left = 0, weight_right;
                double impurity_left, impurity_right, improvement;
                int32_t cut = code_below(&f->columns[s.best.feature], s.best.low, s.best.high);
                n_left = partition(f, frame.start, n, s.best.feature, cut, local);
                for (int32_t k = 0; k < n_classes; k++) {
                    weight_left += best_left[k];
                    right[k] = total[k] - best_left[k];
                }
                weight_right = weight - weight_left;
                impurity_left = impurity_of(f, best_left, (double)weight_left);
                impurity_right = impurity_of(f, right, (double)weight_right);
                improvement = ((double)weight / f->total_weight) *
                              (frame.impurity -
                               ((double)weight_right / (double)weight * impurity_right) -
                               ((double)weight_left / (double)weight * impurity_left));
                is_leaf = improvement + EPSILON < f->min_impurity_decrease;
                f->threshold[node] = cut;
                if (!is_leaf) {
                    Frame *child = &f->stack[n_frames];
                    uint32_t *child_sums = f->stack_sums + (uint64_t)n_frames * width;
                    child[0].impurity = impurity_right;
                    child[0].start = frame.start + n_left;
                    child[0].end = frame.end;
                    child[1].impurity = impurity_left;
                    child[1].start = frame.start;
                    child[1].end = frame.start + n_left;
                    for (int32_t i = 0; i < 2; i++) {
                        child[i].depth = frame.depth + 1;
                        child[i].parent = node;
                        child[i].is_left = i;
                        child[i].n_constants = frame.n_constants;
                    }
                    copy(child_sums, right, sizeof(uint32_t) * width);
                    copy(child_sums + width, best_left, sizeof(uint32_t) * width);
                    n_frames += 2;
                }
            }
        }
        if (node >= f->capacity) return -1;
        f->feature[node] = is_leaf ? -1 : s.best.feature;
        f->left[node] = f->right[node] = -1;
        if (is_leaf) f->threshold[node] = 0;
        f->impurity[node] = frame.impurity;
        f->depth[node] = frame.depth;
        f->node_samples[node] = (int32_t)n;
        copy(f->sums + (uint64_t)node * width, total, sizeof(uint32_t) * width);
        if (frame.parent >= 0)
            (frame.is_left ? f->left : f->right)[frame.parent] = node;
        f->node_count++;
    }
    return 0;
}

/* Grow a tree from the weights of the rows; takes the snapshots asked for on the way. */
int32_t tandem_grow(Forest *f) {
    uint32_t n = 0;
    for (int32_t k = 0; k < f->n_classes; k++) f->stack_sums[k] = 0;
    for (uint32_t row = 0; row < f->n_rows; row++) {
        if (f->weights[row]) {
            f->samples[n++] = row;
            f->stack_sums[f->classes[row]] += f->weights[row];
        }
    }
    f->n_samples = n;
    relabel(f);
    for (int32_t i = 0; i < f->n_features; i++) f->features[i] = i;
    for (int32_t i = 0; i < f->n_snapshots; i++) f->snapshots[i].taken = 0;
    f->node_count = 0;
    f->stack[0].impurity = __builtin_inf();
    f->stack[0].start = 0;
    f->stack[0].end = n;
    f->stack[0].depth = 0;
    f->stack[0].parent = -1;
    f->stack[0].is_left = 0;
    f->stack[0].n_constants = 0;
    return grow(f, 1);
}

/* Sort the samples of every waiting node by row, as a fresh build has them. */
static void restore_order(Forest *f, int32_t n_frames) {
    uint32_t *next = f->spare;
    if (n_frames >= 65535 || (uint32_t)n_frames > f->n_samples) return;
    for (uint32_t row = 0; row < f->n_rows; row++) f->tags[row] = 65535;
    for (int32_t i = 0; i < n_frames; i++) {
        next[i] = f->stack[i].start;
        for (uint32_t at = f->stack[i].start; at < f->stack[i].end; at++)
            f->tags[f->samples[at]] = (uint16_t)i;
    }
    for (uint32_t row = 0; row < f->n_rows; row++)
        if (f->tags[row] != 65535) f->samples[next[f->tags[row]]++] = row;
}

/*
 * Go on from where a smaller max_depth departs. What was grown before is shared: up to the
 * first node that the limit cuts short, both builds draw the same numbers. The ranges still
 * waiting hold the same samples as then, in another order, and order decides nothing.
 */
int32_t tandem_resume(Forest *f, int32_t which) {
    Snapshot *snapshot = &f->snapshots[which];
    uint64_t n_features = (uint64_t)f->n_features;
    int32_t kept = f->n_snapshots, outcome;
    f->max_depth = snapshot->max_depth;
    f->node_count = snapshot->node_count;
    f->rng = snapshot->rng;
    copy(f->stack, snapshot->frames, sizeof(Frame) * (uint64_t)snapshot->n_frames);
    copy(f->stack_sums, snapshot->sums,
         sizeof(uint32_t) * (uint64_t)f->n_classes * (uint64_t)snapshot->n_frames);
    copy(f->features, snapshot->features, sizeof(int32_t) * n_features);
    copy(f->constants, snapshot->constants, sizeof(int32_t) * n_features);
    restore_order(f, snapshot->n_frames);
    relabel(f);
    f->n_snapshots = 0;
    outcome = grow(f, snapshot->n_frames);
    f->n_snapshots = kept;
    return outcome;
}

/* One node as the walk reads it: leaves lead to themselves. */
typedef struct {
    int32_t child[2];
    uint16_t offset, mask, threshold;
    uint8_t shift, reserved;
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
        step->offset = step->mask = step->threshold = step->shift = 0;
        if (feature >= 0) {
            const Column *column = &f->columns[feature];
            step->offset = (uint16_t)column->row_offset;
            step->threshold = (uint16_t)f->threshold[i];
            step->shift = column->row_bit > 0 ? (uint8_t)column->row_bit : 0;
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
                copy(&code, row[i] + step->offset, 2);
                int32_t next = step->child[(code >> step->shift & step->mask) > step->threshold];
                moved |= (uint32_t)(next ^ node[i]);
                node[i] = next;
            }
        }
        for (uint32_t i = 0; i < count; i++) leaves[begin + i] = node[i];
    }
}

/* A binary heap of (key, node), the smallest key first and among equals the lowest node. */
typedef struct {
    double key;
    int32_t node;
    int32_t reserved;
} Entry;

static inline int before(const Entry *a, const Entry *b) {
    return a->key < b->key || (a->key == b->key && a->node < b->node);
}

static void sift_down(Entry *heap, int64_t size, int64_t at) {
    Entry moving = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= size) break;
        if (child + 1 < size && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &moving)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static void sift_up(Entry *heap, int64_t at) {
    Entry moving = heap[at];
    while (at > 0 && before(&moving, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moving;
}

typedef struct {
    const int32_t *left, *right;
    const double *impurity, *weight;
    double *risk, *branch, *key;
    int32_t *parent, *leaves, *waiting;
    uint8_t *state; /* 0 an inner node, 1 a leaf or cut back to one, 2 gone */
    Entry *heap;
    int64_t size, heap_capacity;
    int32_t n, reserved;
} Pruning;

static double link_strength(const Pruning *p, int32_t node) {
    return (p->risk[node] - p->branch[node]) / (double)(p->leaves[node] - 1);
}

static void start_pruning(Pruning *p) {
    p->parent[0] = -1;
    for (int32_t i = 0; i < p->n; i++) {
        p->risk[i] = p->weight[i] * p->impurity[i] / p->weight[0];
        p->branch[i] = 0.0;
        p->leaves[i] = 0;
        p->state[i] = p->left[i] < 0;
        if (p->left[i] >= 0) p->parent[p->left[i]] = p->parent[p->right[i]] = i;
    }
    for (int32_t i = 0; i < p->n; i++) {
        if (p->left[i] >= 0) continue;
        p->branch[i] = p->risk[i];
        for (int32_t up = p->parent[i]; up >= 0; up = p->parent[up]) {
            p->branch[up] += p->risk[i];
            p->leaves[up]++;
        }
    }
    p->size = 0;
    for (int32_t i = 0; i < p->n; i++) {
        if (p->left[i] < 0) continue;
        p->key[i] = p->heap[p->size].key = link_strength(p, i);
        p->heap[p->size++].node = i;
    }
    for (int64_t at = p->size / 2 - 1; at >= 0; at--) sift_down(p->heap, p->size, at);
}

/* The weakest link left, or -1; keys in the heap are lower bounds that are met lazily. */
static int32_t weakest(Pruning *p, double *alpha) {
    while (p->size > 0) {
        int32_t node = p->heap[0].node;
        if (p->state[node]) {
            p->heap[0] = p->heap[--p->size];
        } else {
            *alpha = link_strength(p, node);
            if (*alpha == p->heap[0].key) return node;
            p->heap[0].key = p->key[node] = *alpha;
        }
        sift_down(p->heap, p->size, 0);
    }
    return -1;
}

static int cut_back(Pruning *p, int32_t node) {
    int32_t gone = p->leaves[node] - 1, n_waiting = 1;
    double difference = p->risk[node] - p->branch[node];
    p->waiting[0] = node;
    while (n_waiting) {
        int32_t at = p->waiting[--n_waiting];
        if (p->state[at] == 0) {
            p->waiting[n_waiting++] = p->left[at];
            p->waiting[n_waiting++] = p->right[at];
        }
        p->state[at] = 2;
    }
    p->state[node] = 1;
    p->leaves[node] = 0;
    p->branch[node] = p->risk[node];
    for (int32_t up = p->parent[node]; up >= 0; up = p->parent[up]) {
        double now;
        p->leaves[up] -= gone;
        p->branch[up] += difference;
        now = link_strength(p, up);
        if (now < p->key[up]) { /* rounding alone does this: enter it anew */
            if (p->size >= p->heap_capacity) return -1;
            p->key[up] = p->heap[p->size].key = now;
            p->heap[p->size].node = up;
            sift_up(p->heap, p->size++);
        }
    }
    return 0;
}

/*
 * Weakest-link pruning for ascending alphas, with scikit-learn's sums, order and tie rule
 * (sklearn/tree/_tree.pyx, _cost_complexity_prune), without its scan of all nodes per link.
 * `survivor[a * n + i]` becomes the node that node i falls back to under alphas[a].
 */
int32_t tandem_prune(Pruning *p, int32_t n_alphas, const double *alphas, int32_t *survivor) {
    start_pruning(p);
    for (int32_t a = 0; a < n_alphas;) {
        double alpha = 0.0;
        int32_t node = weakest(p, &alpha);
        for (; a < n_alphas && (node < 0 || alphas[a] < alpha); a++) {
            int32_t *map = survivor + (int64_t)a * p->n;
            for (int32_t i = 0; i < p->n; i++) {
                int32_t up = p->parent[i];
                map[i] = up >= 0 && p->state[up] ? map[up] : i;
            }
        }
        if (a < n_alphas && cut_back(p, node)) return -1;
    }
    return 0;
}

#define COMMIT(NAME, TYPE)                                                                  \
    void NAME(double *sums, const TYPE *rows, const double *table, int64_t n,               \
              int32_t n_classes) {                                                          \
        for (int64_t i = 0; i < n; i++) {                                                   \
            const double *vote = table + (int64_t)rows[i] * n_classes;                      \
            double *sum = sums + i * n_classes;                                             \
            for (int32_t k = 0; k < n_classes; k++) sum[k] += vote[k];                      \
        }                                                                                   \
    }

/* Add the votes of one tree: row i votes table[rows[i]]. */
COMMIT(tandem_commit_u8, uint8_t)
COMMIT(tandem_commit_u16, uint16_t)
COMMIT(tandem_commit_u32, uint32_t)

/* How many rows have their own class first in sums / divisor, the first of equals winning. */
int64_t tandem_correct(const double *sums, const int32_t *truth, int64_t n, int32_t n_classes,
                       double divisor) {
    int64_t correct = 0;
    for (int64_t i = 0; i < n; i++) {
        const double *sum = sums + i * n_classes;
        double most = sum[0] / divisor;
        int32_t winner = 0;
        for (int32_t k = 1; k < n_classes; k++) {
            double mean = sum[k] / divisor;
            if (mean > most) {
                most = mean;
                winner = k;
            }
        }
        correct += winner == truth[i];
    }
    return correct;
}

/* Rank codes of a column: the position of each value among the sorted distinct ones. */
#define RANK(NAME, TYPE)                                                                    \
    void NAME(const float *column, int64_t n, const float *values, int64_t n_values,        \
              TYPE *codes) {                                                                \
        for (int64_t i = 0; i < n; i++) {                                                   \
            const float *base = values;                                                     \
            int64_t length = n_values;                                                      \
            while (length > 1) {                                                            \
                int64_t half = length / 2;                                                  \
                base += base[half] <= column[i] ? half : 0;                                 \
                length -= half;                                                             \
            }                                                                               \
            codes[i] = (TYPE)(base - values);                                               \
        }                                                                                   \
    }

RANK(tandem_rank_u8, uint8_t)
RANK(tandem_rank_u16, uint16_t)

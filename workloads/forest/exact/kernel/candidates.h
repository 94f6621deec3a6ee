/*
 * Impurities, random draws, and what makes one candidate cut better than another.
 *
 * Follows sklearn/tree/_criterion.pyx and _utils.pyx
 * of scikit-learn, BSD-3-Clause: see forest.h.
 */
#ifndef TANDEM_CANDIDATES_H
#define TANDEM_CANDIDATES_H

#include "forest.h"

typedef struct {
    double proxy;
    int32_t feature, low, high; /* the codes on both sides of the cut */
} Split;

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

#endif

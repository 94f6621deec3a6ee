/*
 * The search for the best split of a node, and the split itself.
 *
 * Follows sklearn/tree/_splitter.pyx
 * of scikit-learn, BSD-3-Clause: see forest.h.
 */
#ifndef TANDEM_SPLIT_H
#define TANDEM_SPLIT_H

#include "cuts.h"

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

#endif

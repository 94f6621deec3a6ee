/*
 * A tree depth first, and smaller depths from where they part from it.
 *
 * Follows the order of nodes in sklearn/tree/_tree.pyx
 * of scikit-learn, BSD-3-Clause: see forest.h.
 */
#include "split.h"

int32_t tandem_kernel_version(void) { return TANDEM_KERNEL_VERSION; }

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

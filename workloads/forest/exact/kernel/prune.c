/*
 * Weakest-link pruning for many alphas.
 *
 * Follows _cost_complexity_prune in sklearn/tree/_tree.pyx
 * of scikit-learn, BSD-3-Clause: see forest.h.
 */
#include "forest.h"

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

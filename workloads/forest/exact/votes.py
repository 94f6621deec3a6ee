"""Votes of trees: what each variant of a tree says of each row, and their sum in tree order.

Adding shares of leaves in another order changes last bits, and now and then a prediction. So
votes are kept per tree until their turn comes, and travel in a form that loses nothing: the
leaf of each row, and the leaves' class counts.
"""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workloads.forest.exact import native
from workloads.forest.exact.certificate import first_leaves
from workloads.forest.exact.growth import Builder, GrownTree, tree_seeds
from workloads.forest.exact.plan import Group
from workloads.forest.exact.pruning import survivors


@dataclass(frozen=True)
class Vote:
    """What one tree says under one variant.

    Parameters
    ----------
    variant : int
        Its number within the group.
    leaf : ndarray of shape (n_rows,), uint8, uint16 or uint32
        For each row a line of `counts`.
    counts : ndarray of shape (n_leaves, n_classes), unsigned
        Weighted class counts of the leaves that occur.
    """

    variant: int
    leaf: np.ndarray
    counts: np.ndarray

    def shares(self) -> np.ndarray:
        """Return the leaves' class shares: the same division as in scikit-learn's trees."""
        counts = self.counts.astype(np.float64)
        shares: np.ndarray = counts / counts.sum(axis=1, keepdims=True)
        return shares


def tree_votes(
    builder: Builder, group: Group, train: np.ndarray, rows: np.ndarray, tree: int
) -> Iterator[Vote]:
    """Grow one tree of a group and yield its vote under every variant that has it.

    Parameters
    ----------
    builder : Builder
    group : Group
    train, rows : ndarray of int
        Rows of the training part, and the rows to vote on.
    tree : int
        Its number in the group's sequence, counted from 0.
    """
    wanted = group.wanted(tree)
    seed = tree_seeds(group.random_state, group.n_trees)[tree]
    most_leaves = max(group.variants[i].max_leaf_nodes for i in wanted)
    grown = builder.grow(group.rule, train, seed, group.depths(tree), most_leaves)
    for depths, one in grown:
        leaves = one.apply(rows)
        here = [i for i in wanted if group.variants[i].max_depth in depths]
        for limit in sorted({group.variants[i].max_leaf_nodes for i in here}):
            alike = [i for i in here if group.variants[i].max_leaf_nodes == limit]
            yield from _pruned_votes(one, group, alike, limit, leaves)


def _pruned_votes(
    tree: GrownTree, group: Group, variants: Sequence[int], limit: int, leaves: np.ndarray
) -> Iterator[Vote]:
    left, right, kept = tree.left, tree.right, len(tree.left)
    if limit and 2 * limit - 1 < kept:
        fallback = first_leaves(left, right, limit)
        leaves = fallback[leaves]
        kept = 2 * limit - 1
        left, right = left[:kept].copy(), right[:kept].copy()
        cut = left >= kept
        left[cut] = right[cut] = -1
    alphas = sorted({group.variants[i].ccp_alpha for i in variants})
    maps = survivors(left, right, tree.impurity[:kept], tree.weight[:kept], alphas)
    for alpha, fallback in zip(alphas, maps, strict=True):
        leaf, counts = _compact(fallback, leaves, tree)
        for i in variants:
            if group.variants[i].ccp_alpha == alpha:
                yield Vote(i, leaf, counts)


def _compact(
    fallback: np.ndarray, leaves: np.ndarray, tree: GrownTree
) -> tuple[np.ndarray, np.ndarray]:
    """Number the leaves that occur; all pure leaves of a class are one."""
    occurs = np.zeros(len(fallback), dtype=bool)
    occurs[fallback[leaves]] = True
    nodes = np.flatnonzero(occurs)
    counts = tree.counts(nodes)
    n_classes = counts.shape[1]
    mixed = np.count_nonzero(counts, axis=1) > 1
    number = np.empty(len(nodes), dtype=np.int64)
    number[mixed] = np.arange(n_classes, n_classes + np.count_nonzero(mixed))
    number[~mixed] = counts[~mixed].argmax(axis=1)
    size = n_classes + np.count_nonzero(mixed)
    dtype = np.uint8 if size <= 256 else np.uint16 if size <= 65536 else np.uint32
    line = np.zeros(len(fallback), dtype=dtype)
    line[nodes] = number
    table = np.concatenate([np.eye(n_classes, dtype=np.uint32), counts[mixed]])
    return line[fallback][leaves], table


class Tally:
    """The votes of one variant, added up in tree order.

    Parameters
    ----------
    sums : ndarray of shape (n_rows, n_classes), float64
        All 0; the tally adds to them in place.
    """

    def __init__(self, sums: np.ndarray) -> None:
        self.sums = sums
        self.n_trees = 0
        self._library = native.library_or_none()

    def add(self, vote: Vote) -> None:
        """Add the vote of the next tree."""
        shares = vote.shares()
        self.n_trees += 1
        if self._library is None:
            self.sums += shares[vote.leaf]
            return
        leaf = np.ascontiguousarray(vote.leaf)
        commit = getattr(self._library, f"tandem_commit_u{8 * leaf.dtype.itemsize}")
        rows, n_classes = self.sums.shape
        commit(self.sums.ctypes.data, leaf.ctypes.data, shares.ctypes.data, rows, n_classes)

    def probabilities(self) -> np.ndarray:
        """Return what `predict_proba` of the forest so far returns."""
        return self.sums / self.n_trees

    def accuracy(self, truth: np.ndarray) -> float:
        """Return the share of rows whose class number is the forest's prediction.

        Parameters
        ----------
        truth : ndarray of shape (n_rows,), int32
        """
        rows, n_classes = self.sums.shape
        if self._library is None:
            correct = int(np.count_nonzero(self.probabilities().argmax(axis=1) == truth))
        else:
            correct = self._library.tandem_correct(
                self.sums.ctypes.data, truth.ctypes.data, rows, n_classes, float(self.n_trees)
            )
        return float(correct / rows)


def encode_votes(trees: Sequence[Sequence[Vote]]) -> dict[str, Any]:
    """Return the votes of some trees as a JSON object: a text of packed arrays."""
    parts: list[bytes] = []
    outline = []
    for votes in trees:
        lines = []
        for vote in votes:
            counts = vote.counts.astype(_smallest(int(vote.counts.max())))
            parts += [vote.leaf.tobytes(), counts.tobytes()]
            lines.append([vote.variant, vote.leaf.dtype.str, counts.dtype.str, *counts.shape])
        outline.append(lines)
    n_rows = len(trees[0][0].leaf) if trees and trees[0] else 0
    head = json.dumps({"rows": n_rows, "trees": outline}).encode()
    packed = zlib.compress(b"".join([len(head).to_bytes(8, "little"), head, *parts]), 1)
    return {"schema": 1, "votes": base64.b64encode(packed).decode()}


def decode_votes(document: Mapping[str, Any]) -> list[list[Vote]]:
    """Return the votes that `encode_votes` packed.

    Raises
    ------
    ValueError
        If the document is not whole.
    """
    try:
        raw = zlib.decompress(base64.b64decode(document["votes"], validate=True))
        size = int.from_bytes(raw[:8], "little")
        outline = json.loads(raw[8 : 8 + size])
        at = 8 + size
        trees = []
        for lines in outline["trees"]:
            votes = []
            for variant, leaf_type, count_type, n_leaves, n_classes in lines:
                leaf = np.frombuffer(raw, leaf_type, outline["rows"], at)
                at += leaf.nbytes
                counts = np.frombuffer(raw, count_type, n_leaves * n_classes, at)
                at += counts.nbytes
                votes.append(Vote(variant, leaf, counts.reshape(n_leaves, n_classes)))
            trees.append(votes)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"these are not the votes of a unit: {error}") from error
    return trees


def _smallest(most: int) -> type[np.unsignedinteger]:
    return np.uint8 if most < 256 else np.uint16 if most < 65536 else np.uint32

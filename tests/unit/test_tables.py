"""Tables of the database: their binary rows, their names, and sums that tell other rows."""

import dataclasses
import struct

import numpy as np
import pytest

from contracts.errors import TandemError
from workloads.data import tables
from workloads.data.binary_rows import HEADER, TRAILER, blocks, decode, encode
from workloads.data.totals import Totals, added, check_same, totals

X = np.array([[1.5, -2.0], [3.25, 0.0], [7.0, 8.0]])
Y = np.array([4, -1, 9], dtype=np.int64)


def whole(x=X, y=Y, first=0):
    return HEADER + encode(x, y, first) + TRAILER


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_rows_come_back_as_they_were(kind):
    x = X.astype(kind)
    keys, values, labels = decode(whole(x, first=5), 2, kind)
    assert keys.tolist() == [5, 6, 7]
    assert values.dtype == np.dtype(kind)
    assert values.flags.c_contiguous
    assert np.array_equal(values, x)
    assert np.array_equal(labels, Y)


def test_a_row_is_what_postgresql_describes():
    """Number of fields, then each value after its size: 32 and 64 bits, big-endian."""
    expected = struct.pack("!hiqififiq", 4, 8, 5, 4, 1.5, 4, -2.0, 8, 4)
    assert encode(X[:1].astype("f4"), Y[:1], 5) == expected
    assert HEADER[:11] == b"PGCOPY\n\xff\r\n\0"
    assert len(HEADER) == 19


def broken(place, value):
    data = bytearray(whole())
    data[place : place + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        whole()[:-1],
        whole() + b"x",
        broken(0, b"X"),
        broken(len(HEADER) + 14, struct.pack("!i", -1)),  # a NULL in place of the first value
    ],
    ids=["nothing", "cut", "longer", "something else", "NULL"],
)
def test_what_is_no_rows_is_refused(data):
    with pytest.raises(TandemError):
        decode(data, 2, "f8")


def test_ranges_are_all_rows_once():
    for rows in (1, 7, 100):
        for pieces in (1, 3, 200):
            cut = tables.ranges(rows, pieces)
            assert [one for part in cut for one in range(*part)] == list(range(rows))
            sizes = {last - first for first, last in cut}
            assert max(sizes) - min(sizes) <= 1


def test_blocks_have_the_key_of_their_first_row():
    assert [(first, len(x), len(y)) for first, x, y in blocks(X, Y, 2)] == [
        (0, 2, 2),
        (2, 1, 1),
    ]


def test_a_name_is_one_that_postgresql_keeps_whole():
    long = f"blobs-{'9' * 80}-0123456789ab"
    for version in ("digits-0123456789ab", long, "Bucket-A.b-0123456789ab"):
        name = tables.name_of(version)
        assert len(name) <= 63
        assert name.endswith("0123456789ab")
        assert name.startswith("d_")
        assert name == name.lower()


def test_totals_add_up_and_tell_other_rows():
    parts = [totals(X[:2], Y[:2]), totals(X[2:], Y[2:])]
    found = added(parts)
    assert found == Totals(3, (11.75, 6.0, 12.0), (11.75, 10.0, 14.0))
    check_same(totals(X, Y), found, "the table")
    near = dataclasses.replace(found, sums=(11.75 * (1 + 1e-12), 6.0, 12.0))
    check_same(found, near, "the table")
    for other, words in (
        (dataclasses.replace(found, rows=4), "4 rows"),
        (dataclasses.replace(found, sums=(11.75, 6.001, 12.0)), "x1"),
        (dataclasses.replace(found, sums=(11.75, 6.0, 13.0)), "sums y"),
    ):
        with pytest.raises(TandemError, match=words):
            check_same(found, other, "the table")

"""The compiled builder grows scikit-learn's trees bit for bit, or steps aside and says so."""

import shutil
import tracemalloc

import numpy as np
import pytest
from exact_cases import NAMES, data_set
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.forest.exact import builders, kernel_build, native
from workloads.forest.exact.builders import ForestBuilder, NotExact
from workloads.forest.exact.codes import CodedColumn, CodedMatrix, encode, pack
from workloads.forest.exact.growth import NO_LIMIT, BeyondBuilder, GrowthRule
from workloads.forest.exact.native_builder import NativeBuilder
from workloads.forest.exact.sharing import forest_data
from workloads.forest.exact.sklearn_builder import SklearnBuilder

pytestmark = pytest.mark.slow

PLAIN = GrowthRule("gini", 3, 2, 1, 0.0, 0.0, 100)


def trees(builder, rule, train, rows, seed, depths):
    """Return every number of every tree, by depth limit."""
    return builders._signature(builder.grow(rule, train, seed, depths, 0), rows)


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
@pytest.mark.parametrize("name", NAMES)
def test_trees_are_scikit_learns_with_every_depth(name, criterion):
    x, y = data_set(name, 400)
    y = np.unique(y, return_inverse=True)[1]
    ours = [NativeBuilder(encode(x), y, y.max() + 1, most) for most in (400, 100, 7, 0)]
    theirs = SklearnBuilder(x, y, y.max() + 1)
    rows = np.arange(len(y))
    train = rows[rows % 5 > 0]
    for leaf, share, decrease in ((1, 0.0, 0.0), (4, 0.0, 0.0), (1, 0.02, 1e-3)):
        rule = GrowthRule(criterion, 3, max(2, 2 * leaf), leaf, share, decrease, len(train))
        depths = (NO_LIMIT, 11, 8, 6, 5, 4, 3, 2, 1)
        expected = trees(theirs, rule, train, rows, 5, depths)
        assert all(trees(one, rule, train, rows, 5, depths) == expected for one in ours)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 5), st.integers(1, 4), st.integers(1, 12),
    st.integers(0, 2**31 - 2), st.sampled_from(["gini", "entropy"]), st.integers(1, 3),
)  # fmt: skip
def test_small_trees_are_scikit_learns(
    n, n_features, n_classes, distinct, seed, criterion, leaf
):
    random = np.random.RandomState(seed % 1000)
    x = random.randint(0, distinct, (n, n_features)).astype(np.float32)
    y = np.unique(random.randint(0, n_classes, n), return_inverse=True)[1]
    rows = np.arange(n)
    rule = GrowthRule(criterion, random.randint(1, n_features + 1), 2 * leaf, leaf, 0.0, 0.0, n)
    depths = (NO_LIMIT, 3, 1)
    found = [
        trees(builder(data, y, y.max() + 1), rule, rows, rows, seed, depths)
        for builder, data in ((NativeBuilder, encode(x)), (SklearnBuilder, x))
    ]
    assert found[0] == found[1]


def test_wide_columns_and_many_classes_are_within_the_rules():
    random = np.random.RandomState(0)
    x = np.column_stack([random.permutation(3000), random.randint(0, 300, 3000)])
    y = random.randint(0, 40, 3000)
    rows = np.arange(3000)
    rule = GrowthRule("gini", 2, 2, 1, 0.0, 0.0, 3000)
    ours, theirs = NativeBuilder(encode(x), y, 40), SklearnBuilder(x, y, 40)
    found = [trees(one, rule, rows, rows, 1, (NO_LIMIT, 9)) for one in (ours, theirs)]
    assert found[0] == found[1]


def test_columns_far_to_the_right_are_read():
    random = np.random.RandomState(0)
    values = np.arange(3, dtype=np.float32)
    same = CodedColumn(values, np.zeros(24, dtype=np.uint8))
    last = [CodedColumn(values, random.randint(0, 3, 24).astype(np.uint8)) for _ in range(9)]
    columns = [same] * 65_536 + last
    coded = CodedMatrix(tuple(columns), pack(columns, 24))
    x, y = np.zeros((24, len(columns)), dtype=np.float32), random.randint(0, 2, 24)
    x[:, -9:] = np.column_stack([column.codes for column in last])
    rows = np.arange(24)
    rule = GrowthRule("gini", 3, 2, 1, 0.0, 0.0, 24)
    ours, theirs = NativeBuilder(coded, y, 2), SklearnBuilder(x, y, 2)
    found = [trees(one, rule, rows, rows, 1, (NO_LIMIT,)) for one in (ours, theirs)]
    assert found[0] == found[1]


def test_codes_say_what_the_values_were():
    x = np.column_stack([
        np.arange(70_000) % 65_535, np.arange(70_000) % 7, np.arange(70_000) % 2,
        np.full(70_000, -1.5), -np.arange(70_000) % 257,
    ]).astype(np.float32)  # fmt: skip
    coded = encode(x)
    assert coded is not None
    assert np.array_equal(coded.decode(), x)
    assert [column.codes.dtype.itemsize for column in coded.columns] == [2, 1, 1, 1, 2]
    assert coded.rows.shape[1] == 8


def test_codes_without_kernels_are_the_same(monkeypatch):
    x, _ = data_set("covtype", 300)
    with_kernels = encode(x)
    monkeypatch.setattr("workloads.forest.exact.codes._kernel", lambda name: None)
    without = encode(x)
    assert np.array_equal(with_kernels.rows, without.rows)


def test_a_column_of_more_than_65535_values_has_no_codes_and_other_trees():
    x = np.column_stack([np.arange(66_000), np.arange(66_000) % 3])
    y = (np.arange(66_000) % 5 == 0).astype(int)
    assert encode(x) is None
    data = forest_data(x, y, [(np.arange(66_000), np.arange(9))])
    builder = ForestBuilder(data)
    assert builder.name == "scikit-learn"
    assert "65,535" in builder.reason
    with pytest.raises(native.KernelUnavailable, match="65,535"):
        ForestBuilder(data, "compiled")


def test_a_row_drawn_too_often_is_left_to_scikit_learn():
    x, y = np.arange(6.0).reshape(-1, 2), np.array([0, 1, 1])
    rule = GrowthRule("gini", 2, 2, 1, 0.0, 0.0, 2000)
    rows = np.arange(3)
    with pytest.raises(BeyondBuilder):
        list(NativeBuilder(encode(x), y, 2).grow(rule, rows, 1, (NO_LIMIT,), 0))
    builder = ForestBuilder(forest_data(x, y, [(rows, rows)]))
    assert builder.name == "compiled"
    found = trees(builder, rule, rows, rows, 1, (NO_LIMIT,))
    assert found == trees(SklearnBuilder(x, y, 2), rule, rows, rows, 1, (NO_LIMIT,))


def test_a_depth_beyond_all_reach_takes_no_memory():
    x, y = data_set("iris")
    rows = np.arange(len(y))
    builder = NativeBuilder(encode(x), y, 3)
    depths = (NO_LIMIT, 10**9, 10**7)
    tracemalloc.start()
    try:
        found = trees(builder, PLAIN, rows, rows, 1, depths)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10e6
    assert found == trees(SklearnBuilder(x, y, 3), PLAIN, rows, rows, 1, depths)


@pytest.fixture
def fresh_library():
    """Forget the loaded kernels before and after."""
    for cached in (native.library, builders.prove):
        cached.cache_clear()
    yield
    for cached in (native.library, builders.prove):
        cached.cache_clear()


def iris_data():
    x, y = data_set("iris")
    return forest_data(x, y, [(np.arange(100), np.arange(100, 150))])


def test_kernels_are_found_in_the_package_or_compiled_once(
    fresh_library, monkeypatch, tmp_path
):
    monkeypatch.setattr(kernel_build, "SHIPPED", tmp_path / "nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert ForestBuilder(iris_data()).name == "compiled"
    (compiled,) = (tmp_path / "cache" / "tandem" / "kernels").iterdir()
    monkeypatch.setattr(kernel_build, "SHIPPED", compiled.parent)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    native.library.cache_clear()
    assert ForestBuilder(iris_data()).name == "compiled"


def test_without_a_compiler_the_fallback_says_so(fresh_library, monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_build, "SHIPPED", tmp_path / "nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    builder = ForestBuilder(iris_data())
    assert builder.name == "scikit-learn"
    assert "no C compiler" in builder.reason


def test_a_damaged_library_is_not_used(fresh_library, monkeypatch, tmp_path):
    (tmp_path / kernel_build.file_name()).write_bytes(b"\x7fELF, or so it says")
    monkeypatch.setattr(kernel_build, "SHIPPED", tmp_path)
    builder = ForestBuilder(iris_data())
    assert builder.name == "scikit-learn"
    assert "do not load" in builder.reason


def test_kernels_can_be_switched_off(fresh_library, monkeypatch):
    monkeypatch.setenv("TANDEM_KERNEL", "off")
    builder = ForestBuilder(iris_data())
    assert builder.name == "scikit-learn"
    assert "switched off" in builder.reason


MUTANTS = {
    "another shift in the generator": ("*state << 13", "*state << 12"),
    "a draw too many": ("(int32_t)(draw(state)", "(int32_t)(draw(state), draw(state)"),
    "the last of equal cuts": ("proxy > s->best.proxy", "proxy >= s->best.proxy"),
    "impurity times the other weight": (
        "-weight_right * impurity_right", "-weight_left * impurity_right",
    ),
    "constants forgotten": ("frame->n_constants = n_total;", "frame->n_constants = 0;"),
    "the drawn order kept": (
        "copy(features, constants, sizeof(int32_t) * (uint64_t)n_known);", "",
    ),
    "right child first": ("child[i].is_left = i;", "child[i].is_left = 1 - i;"),
    "natural entropy": ("#define LN2 0.69", "#define LN2 0.59"),
    "leaves one sample too large": ("if (i + 1 < (uint32_t)f->min", "if (i < (uint32_t)f->min"),
    "ones go left": ("left[k] = (double)s->total[k] - there;", "left[k] = there;"),
    "a stale order of samples": ("unload_local(f, local_start, local_end);", ""),
    "a stale generator": ("f->rng = snapshot->rng;", ""),
    "the limit a level too deep": (
        "is_leaf = is_leaf || frame.depth >= f->max_depth;",
        "is_leaf = is_leaf || frame.depth > f->max_depth;",
    ),
    "samples that change places": ("copy(samples + n_left, spare,", "copy(samples, spare,"),
    "a bit read amiss": (
        "bits[at[i] >> 3] >> (at[i] & 7u) & 1u;\n        }",
        "bits[at[i] >> 3] >> (at[i] & 3u) & 1u;\n        }",
    ),
    "labels of another order": (
        "relabel(f);\n    f->n_snapshots = 0;", "f->n_snapshots = 0;",
    ),
    "a walk that turns left at equals": ("> step->threshold", ">= step->threshold"),
    "weight limits ignored": ("weight_left < f->min_weight_leaf ||", ""),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), MUTANTS.values(), ids=MUTANTS)
def test_the_proof_at_start_refuses_a_wrong_kernel(
    before, after, fresh_library, monkeypatch, tmp_path
):
    mutant = tmp_path / "kernel"
    shutil.copytree(kernel_build.SOURCE, mutant)
    (changed,) = (path for path in mutant.iterdir() if before in path.read_text())
    changed.write_text(changed.read_text().replace(before, after))
    monkeypatch.setattr(kernel_build, "SOURCE", mutant)
    monkeypatch.setattr(kernel_build, "SHIPPED", tmp_path / "compiled")
    monkeypatch.setattr(
        kernel_build, "FLAGS", tuple(f if f != "-O3" else "-O1" for f in kernel_build.FLAGS)
    )
    kernel_build.build(tmp_path / "compiled")
    with pytest.raises(NotExact):
        builders.prove()
    builder = ForestBuilder(iris_data())
    assert builder.name == "scikit-learn"
    assert "differs from scikit-learn" in builder.reason


def test_the_shared_object_needs_no_library(tmp_path):
    if shutil.which("nm") is None:
        pytest.skip("nm lists what a shared object needs")
    import subprocess

    built = kernel_build.build(tmp_path)
    needed = subprocess.run(
        ["nm", "-D", "--undefined-only", str(built)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    names = {line.split()[-1] for line in needed.stdout.splitlines()}
    assert names <= {"memcpy", "memset", "memmove"}

"""The compiled kernels as Python calls them: structures, signatures, loading."""

import ctypes
import ctypes.util
import functools
import os
import platform

from workloads.forest.exact import kernel_build
from workloads.forest.exact.kernel_build import KernelUnavailable

__all__ = ["KernelUnavailable", "library", "library_or_none", "natural_logarithm"]

VERSION = 4
MACHINES = ("x86_64", "amd64", "aarch64", "arm64")  # the others may compute in wider floats


class Column(ctypes.Structure):
    """One feature as the kernels read it."""

    _fields_ = [
        ("column", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("width", ctypes.c_int32),
        ("n_values", ctypes.c_int32),
        ("row_offset", ctypes.c_int32),
        ("row_bit", ctypes.c_int32),
        ("ties", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class Frame(ctypes.Structure):
    """A node that waits to be split."""

    _fields_ = [
        ("impurity", ctypes.c_double),
        ("start", ctypes.c_uint32),
        ("end", ctypes.c_uint32),
        ("depth", ctypes.c_int32),
        ("parent", ctypes.c_int32),
        ("is_left", ctypes.c_int32),
        ("n_constants", ctypes.c_int32),
    ]


class Snapshot(ctypes.Structure):
    """Where a build with a smaller depth departs from the deepest one."""

    _fields_ = [
        ("max_depth", ctypes.c_int32),
        ("taken", ctypes.c_int32),
        ("node_count", ctypes.c_int32),
        ("n_frames", ctypes.c_int32),
        ("rng", ctypes.c_uint32),
        ("reserved", ctypes.c_int32),
        ("frames", ctypes.c_void_p),
        ("sums", ctypes.c_void_p),
        ("features", ctypes.c_void_p),
        ("constants", ctypes.c_void_p),
    ]


# Pointers of a forest in the order of the compiled structure: what it works in, and its nodes.
PRIVATE = (
    "features",
    "constants",
    "samples",
    "spare",
    "labels",
    "spare_labels",
    "locals",
    "codes",
    "tags",
    "local_rows",
    "local_samples",
    "histogram",
    "counts",
    "keys",
    "stack_sums",
    "present",
    "stack",
)
NODES = (
    "left",
    "right",
    "feature",
    "threshold",
    "depth",
    "node_samples",
    "impurity",
    "sums",
)


class Forest(ctypes.Structure):
    """The state of one tree's growth."""

    _fields_ = [
        ("columns", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
        ("classes", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("row_bytes", ctypes.c_int64),
        ("n_features", ctypes.c_int32),
        ("n_classes", ctypes.c_int32),
        ("lanes", ctypes.c_int32),
        ("n_rows", ctypes.c_uint32),
        ("entropy", ctypes.c_int32),
        ("max_features", ctypes.c_int32),
        ("min_samples_split", ctypes.c_int32),
        ("min_samples_leaf", ctypes.c_int32),
        ("max_depth", ctypes.c_int32),
        ("local_limit", ctypes.c_int32),
        ("min_weight_leaf", ctypes.c_double),
        ("min_impurity_decrease", ctypes.c_double),
        ("total_weight", ctypes.c_double),
        ("ln", ctypes.c_void_p),
        ("rng", ctypes.c_uint32),
        ("n_samples", ctypes.c_uint32),
        *((name, ctypes.c_void_p) for name in (*PRIVATE, *NODES)),
        ("node_count", ctypes.c_int32),
        ("capacity", ctypes.c_int32),
        ("snapshots", ctypes.c_void_p),
        ("n_snapshots", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class Pruning(ctypes.Structure):
    """The state of one weakest-link pruning."""

    _fields_ = [
        *(
            (name, ctypes.c_void_p)
            for name in (
                "left",
                "right",
                "impurity",
                "weight",
                "risk",
                "branch",
                "key",
                "parent",
                "leaves",
                "waiting",
                "state",
                "heap",
            )
        ),
        ("size", ctypes.c_int64),
        ("heap_capacity", ctypes.c_int64),
        ("n", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


@functools.cache
def library() -> ctypes.CDLL:
    """Return the loaded kernels, from the package, from the cache, or compiled now.

    Raises
    ------
    KernelUnavailable
        Where none can be had; the message says why.
    """
    if os.environ.get("TANDEM_KERNEL") == "off":
        raise KernelUnavailable("switched off by TANDEM_KERNEL=off")
    machine = platform.machine().lower()
    if machine not in MACHINES:
        raise KernelUnavailable(f"not known to be exact on {machine}")
    shipped = kernel_build.SHIPPED / kernel_build.file_name()
    try:
        path = shipped
        if not shipped.exists():
            path = kernel_build.build(kernel_build.cache_folder())
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise KernelUnavailable(f"the compiled kernels do not load: {error}") from error
    if loaded.tandem_kernel_version() != VERSION:
        raise KernelUnavailable(f"{path.name} is of another version")
    for name, result, arguments in _SIGNATURES:
        function = getattr(loaded, name)
        function.restype = result
        function.argtypes = arguments
    return loaded


def library_or_none() -> ctypes.CDLL | None:
    """Return the loaded kernels, or None: what does without them is slower, not different."""
    try:
        return library()
    except KernelUnavailable:
        return None


@functools.cache
def natural_logarithm() -> int:
    """Return the address of the C library's `log`, the one that scikit-learn calls."""
    name = ctypes.util.find_library("m")
    source = ctypes.CDLL(name)
    address = ctypes.cast(source.log, ctypes.c_void_p).value
    if address is None:
        raise KernelUnavailable("the C library has no log")
    return address


STEP_BYTES = 16
_POINTER = ctypes.c_void_p
_I32 = ctypes.c_int32
_I64 = ctypes.c_int64
_COMMIT = (_POINTER, _POINTER, _POINTER, _I64, _I32)
_RANK = (_POINTER, _I64, _POINTER, _I64, _POINTER)
_SIGNATURES = (
    ("tandem_grow", _I32, (ctypes.POINTER(Forest),)),
    ("tandem_resume", _I32, (ctypes.POINTER(Forest), _I32)),
    (
        "tandem_apply",
        None,
        (ctypes.POINTER(Forest), _POINTER, ctypes.c_uint32, _POINTER, _POINTER),
    ),
    ("tandem_prune", _I32, (ctypes.POINTER(Pruning), _I32, _POINTER, _POINTER)),
    ("tandem_commit_u8", None, _COMMIT),
    ("tandem_commit_u16", None, _COMMIT),
    ("tandem_commit_u32", None, _COMMIT),
    ("tandem_correct", _I64, (_POINTER, _POINTER, _I64, _I32, ctypes.c_double)),
    ("tandem_rank_u8", None, _RANK),
    ("tandem_rank_u16", None, _RANK),
)

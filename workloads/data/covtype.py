"""Forest cover type as scikit-learn downloads it, with a deadline."""

import socket
import warnings
from pathlib import Path

from contracts.errors import TandemError
from workloads.data.hashes import Block

ROWS = 581_012
DOWNLOAD_SECONDS = 60.0


def checksum() -> str:
    """Return the checksum of the archive, which scikit-learn knows without having it."""
    from sklearn.datasets import _covtype

    return str(_covtype.ARCHIVE.checksum)


def address() -> str:
    """Return where scikit-learn downloads the archive from."""
    from sklearn.datasets import _covtype

    return str(_covtype.ARCHIVE.url)


def fetch(downloads: Path | None) -> Block:
    """Return X and y, from the folder of downloads where they are there already.

    Raises
    ------
    TandemError
        If they cannot be downloaded.
    """
    from sklearn.datasets import fetch_covtype

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)  # the download itself knows no deadline
    try:
        home = None if downloads is None else str(downloads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it tries again is no news
            fetched: Block = fetch_covtype(data_home=home, return_X_y=True, n_retries=1)
    except OSError as error:
        raise TandemError(
            "The data set covtype could not be downloaded.",
            cause=f"{type(error).__name__}: {error}",
            next_step="use the data set synthetic-covtype-v1: its shape, nothing to download",
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return fetched

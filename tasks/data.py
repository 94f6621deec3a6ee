"""`fab data.*`: what data workloads compute on, and files of it."""

import dataclasses
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from contracts.errors import UsageError
from tasks import data_get
from tasks.data_load import load
from tasks.verb import Answer, verb, whole_number


@verb()
def names(context: Context) -> Answer:
    """Show every name of data, where it comes from, and what stands in for what."""
    from workloads.data import catalogue  # NumPy takes its time, which no other verb should

    found = catalogue.entries()
    widths = [max(len(getattr(one, key)) for one in found) for key in ("name", "rows")]
    lines = [
        f"{one.name:<{widths[0]}}  {one.rows:>{widths[1]}} x {one.columns:<16}  {one.origin}"
        for one in found
    ]
    return Answer({"data": [dataclasses.asdict(one) for one in found]}, "\n".join(lines))


@verb(
    help={
        "dataset": "a name that fab data.list shows, such as blobs:54x10,noise=0.05",
        "rows": "how many; by default all there are, or 20000 of generated data",
        "out": "the folder to make; by default data/ and the version of the data",
        "form": "npy (X.npy and y.npy, as a bucket has them), csv or parquet (in parts)",
        "chunk-rows": "the rows of a part",
        "to": "bucket: put the folder into the cluster's bucket, too, under its own name",
    }
)
def generate(
    context: Context,
    dataset: str = "blobs:54x10,noise=0.05",
    rows: str = "",
    out: str = "",
    form: str = "npy",
    chunk_rows: str = "100000",
    to: str = "",
) -> Answer:
    """Write data into files of a new folder, with their checksums."""
    from workloads.data import catalogue, datasets, files

    catalogue.check_name(dataset)
    if form not in files.FORMS:
        raise UsageError(
            f"--form {form!r:.80} is none of {', '.join(files.FORMS)}.", next_step="--form csv"
        )
    data_get.check_place(to)
    count = whole_number(rows, "--rows") if rows else None
    most = datasets.most_rows(dataset)
    if count is not None and count > most:
        raise UsageError(
            f"--rows {count} is more than {dataset} has: {most}.", next_step=f"--rows {most}"
        )
    size = whole_number(chunk_rows, "--chunk-rows")
    data = datasets.describe(datasets.settle_name(dataset), count)
    folder = Path(out) if out else Path("data") / data.version
    document = files.write(data, folder, form=form, chunk_rows=size)
    words = f"{document['rows']} x {document['columns']} of {data.version}"
    text = f"Wrote {words} into {folder}, {len(document['sha256'])} files."
    answer = {**document, "folder": str(folder)}
    if to:
        answer["bucket"] = data_get.put(folder, folder.name)
        text += f"\n{data_get.put_words(answer['bucket'])}"
    return Answer(answer, text)


collection = Collection("data")
collection.add_task(names, "list")
collection.add_task(generate)
collection.add_task(data_get.get)
collection.add_task(load)

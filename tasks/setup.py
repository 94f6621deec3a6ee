"""`fab setup.*`: what a fresh computer needs before it can run machines."""

import time

from invoke.collection import Collection
from invoke.context import Context

from contracts.files import state_folder
from infra import docker_engine, graphviz, local_nodes, node_image, pulumi_cli
from tasks.progress import Progress
from tasks.verb import Answer, verb


@verb()
def run(context: Context) -> Answer:
    """Find or install Docker, build the node image, find or install pulumi and graphviz."""
    begin = time.monotonic()
    state, tell = state_folder(), Progress()
    engine = docker_engine.ensure(state, tell)
    image = node_image.ensure(local_nodes.LOCK, state, tell)
    pulumi = pulumi_cli.ensure(state, tell)
    dot = graphviz.ensure(tell)
    document = {
        "engine": engine,
        "image": image,
        "pulumi": pulumi and {"path": str(pulumi.path), "version": pulumi.version},
        "dot": dot,
        "seconds": round(time.monotonic() - begin, 1),
    }
    words = f"pulumi {pulumi.version}, {pulumi.origin}" if pulumi else pulumi_cli.WITHOUT
    text = f"Docker engine: {engine}\nNode image: {image}\nPulumi: {words}"
    text += f"\nGraphviz: {dot or graphviz.WITHOUT}"
    return Answer(document, text)


@verb(help={"images": "remove the images that Tandem made, too"})
def clean(context: Context, images: bool = False) -> Answer:
    """Stop the Docker engine if `fab setup.run` started it; the images stay unless asked."""
    state, tell = state_folder(), Progress()
    removed: tuple[str, ...] = ()
    if images and docker_engine.answers():
        removed = node_image.remove_all(tell)
    stopped = docker_engine.stop(state, tell)
    words = ["Stopped the Docker engine." if stopped else "No Docker engine of ours runs."]
    if removed:
        words.append(f"Removed {', '.join(removed)}.")
    if not images:
        words.append("The images stay; fab setup.clean --images removes them.")
    return Answer({"stopped": stopped, "removed": list(removed)}, "\n".join(words))


collection = Collection("setup", run, clean)

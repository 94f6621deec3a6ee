"""What the tests of clusters share: an operator of the session's machines."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import TandemError
from contracts.progress import tell_nobody
from infra import local_nodes, node_image
from provision.links import Links
from tests.conftest import Machines
from tests.doubles.aws.account import Account, cloud
from tests.doubles.openstack import bed
from tests.doubles.openstack.gate import Gate
from tests.doubles.openstack.places import usual
from tests.doubles.warm_python import WarmPython, warm_python
from tests.integration import aws_clusters, openstack_clusters
from tests.integration.aws_clusters import AwsCluster
from tests.integration.openstack_clusters import OpenStackCluster
from tests.integration.operator_at_work import Operator


@pytest.fixture(scope="module")
def operator(machines: Machines) -> Iterator[Operator]:
    """An operator of three machines; at the end of a file everything on them is ended."""
    with Links(machines.inventory) as links:
        made = Operator(machines.inventory, machines.state, links)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def loaded(operator: Operator) -> Any:
    """What the verb said when it loaded the data of the tiny preset into the database."""
    # It describes data when it is imported, for which no other file has to wait.
    from tests.integration import database_at_work

    return database_at_work.load(operator)


@pytest.fixture(scope="module")
def member(operator: Operator, loaded: Any) -> Any:
    """Two machines that may read from the database; the second is no head."""
    from tests.integration import database_at_work

    return database_at_work.members(operator)


@pytest.fixture
def other(operator: Operator, tmp_path: Path) -> Iterator[Callable[..., Operator]]:
    """Give a function that makes an operator whose inventory differs."""
    made: list[Operator] = []

    def make(**changes: object) -> Operator:
        made.append(operator.with_inventory(tmp_path / f"state-{len(made)}", **changes))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(TandemError):
            one.stop()
        one.links.close()


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account of the double of AWS, without machines behind its instances."""
    with cloud(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="session")
def machine_account(
    engine: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """An account whose instances are containers, all removed at the end."""
    if os.geteuid() != 0:
        pytest.skip("only root can set up the networks of instances")
    with cloud(tmp_path_factory.mktemp("cloud"), machines=True) as made:
        yield made


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmPython]:
    """What starts the programs of stacks on AWS without seconds of imports for each."""
    with warm_python(aws_clusters.MODULES) as made:
        yield made


@pytest.fixture
def aws_cluster(account: Account, tmp_path: Path) -> Iterator[AwsCluster]:
    """A cluster in that account; nothing fails in it any more at the end."""
    yield aws_clusters.new_cluster(tmp_path, account)
    account.clear()


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.pulumi_cli)])
def aws_stack(
    request: pytest.FixtureRequest, aws_cluster: AwsCluster, tmp_path: Path
) -> Iterator[Any]:
    """The stack of that cluster, by the double of the engine and by the program itself."""
    if request.param == "real" and not aws_clusters.has_pulumi():
        pytest.skip("no pulumi program on PATH: fab setup.run installs it where it can be had")
    if request.param == "double":
        stack: Any = aws_clusters.double_of(
            aws_cluster, tmp_path, request.getfixturevalue("warm")
        )
    else:
        stack = aws_clusters.real_of(aws_cluster, tmp_path)
    with aws_clusters.destroyed_at_the_end(stack) as made:
        yield made
        aws_cluster.account.clear()


@pytest.fixture(scope="session")
def clouds() -> Iterator[Path]:
    """clouds.yaml of the test bed of OpenStack, which runs for the session."""
    yield bed.start(usual())
    bed.stop(usual())


@pytest.fixture(scope="session")
def machine_clouds(engine: None, clouds: Path) -> Path:
    """The same, where servers can be containers."""
    node_image.ensure(local_nodes.LOCK, clouds.parent, tell_nobody)
    return clouds


@pytest.fixture(scope="session")
def warm_openstack() -> Iterator[WarmPython]:
    """What starts the programs of stacks on OpenStack without seconds of imports for each."""
    with warm_python(openstack_clusters.MODULES) as made:
        yield made


@pytest.fixture
def gate(clouds: Path) -> Iterator[Gate]:
    """A door before the test bed's services, by which calls are made to fail."""
    with Gate(usual()) as made:
        yield made


@pytest.fixture
def openstack_cluster(
    clouds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenStackCluster]:
    """A cluster of its own in the member's project."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    with openstack_clusters.new_cluster(tmp_path, clouds) as made:
        yield made


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.pulumi_cli)])
def openstack_stack(
    request: pytest.FixtureRequest, openstack_cluster: OpenStackCluster, tmp_path: Path
) -> Iterator[Any]:
    """The stack of that cluster, by doubles of engine and plugin and by the real ones."""
    if request.param == "real":
        if missing := openstack_clusters.missing_programs():
            pytest.skip(f"not to be found: {', '.join(missing)}")
        with openstack_clusters.real_stack_of(openstack_cluster, tmp_path) as made:
            yield made
    else:
        warm = request.getfixturevalue("warm_openstack")
        with openstack_clusters.stack_of(openstack_cluster, tmp_path, warm) as double:
            yield double


@pytest.fixture
def behind_gate(gate: Gate, tmp_path: Path) -> dict[str, str]:
    """Variables of a member who logs in at the gate, and waits ten seconds for an answer."""
    return {"OS_CLIENT_CONFIG_FILE": str(gate.clouds(tmp_path / "gate.yaml", 10.0))}


@pytest.fixture
def gated_stack(openstack_stack: Any, gate: Gate, behind_gate: dict[str, str]) -> Iterator[Any]:
    """The stack with every call through the gate, which lets all pass at the end."""
    openstack_stack.use(behind_gate)
    yield openstack_stack
    gate.clear()
    openstack_stack.use(behind_gate)
    openstack_stack.cancel()
    openstack_stack.destroy()

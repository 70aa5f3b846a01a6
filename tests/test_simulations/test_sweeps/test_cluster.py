"""Workers of a local cluster are asked to end when all is done, and killed if it is broken off."""

import multiprocessing
import time
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import pytest

from simulations.sweeps.cluster import local_client
from tests.test_simulations.helpers.drivers import PATIENCE


class _Cluster:
    """What `local_client` needs of a cluster, with one worker that is busy for ever."""

    def __init__(self, **_: Any) -> None:
        self.child = multiprocessing.get_context("spawn").Process(
            target=time.sleep, args=(PATIENCE,), daemon=True
        )
        self.child.start()
        self.nanny = SimpleNamespace(auto_restart=True)
        self.workers, self.worker_spec = {0: self.nanny}, dict[int, Any]()
        self.scheduler = SimpleNamespace(workers=dict[str, Any]())
        self.was_alive: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: Any, where: TracebackType | None) -> None:
        if kind is not None:
            self.child.join(PATIENCE)
        self.was_alive = self.child.is_alive()
        self.child.kill()
        self.child.join()


class _Client:
    def __init__(self, cluster: _Cluster) -> None:
        self.cluster = cluster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


DISTRIBUTED = SimpleNamespace(LocalCluster=_Cluster, Client=_Client)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_busy_workers_are_killed_and_not_started_again_when_a_sweep_is_broken_off(
    error: type[BaseException],
) -> None:
    with pytest.raises(error), local_client(DISTRIBUTED, 1) as client:
        raise error
    assert client.cluster.was_alive is False
    assert client.cluster.nanny.auto_restart is False


def test_at_the_end_the_workers_are_left_to_the_cluster_and_other_children_alone() -> None:
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(PATIENCE,))
    other.daemon = True
    other.start()
    try:
        with local_client(DISTRIBUTED, 1) as client:
            pass
        assert client.cluster.was_alive is True
        assert client.cluster.nanny.auto_restart is True
        with pytest.raises(KeyboardInterrupt), local_client(DISTRIBUTED, 1):
            raise KeyboardInterrupt
        assert other.is_alive()
    finally:
        other.kill()
        other.join()

"""Aliases and the order of promotions, in a real registry."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from unittest.mock import patch

import pytest
from mlflow import MlflowClient

from serving.errors import RegistryError
from serving.versions.promotions import PROMOTED
from serving.versions.registry import BEST, Registry
from tests.serving.world import World


@pytest.fixture
def registry(world: World) -> Registry:
    return Registry(world.tracking_uri)


@pytest.fixture
def bundle(world: World) -> Path:
    return world.state.parent / "bundle"


def test_promotions_are_numbered_and_what_was_taken_back_does_not_count(registry: Registry, bundle: Path) -> None:
    assert registry.promoted("run", 5) == []
    assert registry.best("run") is None
    versions = [registry.log_version("run", bundle, {BEST: "1"} if number else {}) for number in range(5)]
    for version in versions[:4]:
        registry.promote("run", version)
        registry.promote("run", version)  # repeating it changes nothing
    assert registry.promoted("run", 9) == ["4", "1", "3", "2"]  # the champion, the best so far, the latest
    assert registry.promoted("run", 3) == ["4", "1", "3"]
    registry.promote("run", "3")  # a rollback
    assert registry.promoted("run", 9) == ["3", "1", "2"]
    registry.promote("run", "5")
    assert registry.promoted("run", 9) == ["5", "1", "3", "2"]
    assert registry.best("run") == "1"


def test_a_champion_of_an_older_release_counts_as_promoted(registry: Registry, bundle: Path) -> None:
    first, second = (registry.log_version("old", bundle) for _ in range(2))
    MlflowClient(tracking_uri=registry.tracking_uri).set_registered_model_alias("old", "champion", first)
    assert registry.promoted("old", 5) == [first]
    registry.promote("old", second)
    assert registry.promoted("old", 5) == [second, first]


def test_what_serves_has_an_alias_from_the_candidate_to_the_way_back(registry: Registry, bundle: Path) -> None:
    assert (registry.serving("loop"), registry.canary("loop"), registry.previous("loop")) == (set(), None, None)
    first, second, third = (registry.log_version("loop", bundle) for _ in range(3))
    registry.promote("loop", first)
    assert (registry.serving("loop"), registry.previous("loop")) == ({first}, None)
    registry.start_canary("loop", second)
    assert (registry.canary("loop"), registry.serving("loop")) == (second, {first, second})
    registry.promote("loop", second)
    registry.promote("loop", second)  # repeating it changes nothing
    assert (registry.canary("loop"), registry.previous("loop")) == (None, first)
    registry.start_canary("loop", third)
    assert registry.serving("loop") == {first, second, third}
    registry.end_canary("loop", second)  # not the canary
    assert registry.canary("loop") == third
    registry.end_canary("loop", third)
    registry.promote("loop", first)  # back
    assert (registry.champion("loop"), registry.previous("loop"), registry.serving("loop")) == (first, None, {first})
    registry.promote("loop", third)
    assert registry.previous("loop") == first
    registry.promote("loop", second)
    registry.promote("loop", first)  # further back, past third
    assert (registry.previous("loop"), registry.serving("loop")) == (None, {first})
    with pytest.raises(RegistryError, match="expected a registered version"):
        registry.start_canary("loop", "9")


def test_a_promotion_meanwhile_hides_no_version_that_serves(registry: Registry, bundle: Path) -> None:
    """A push from another pod would take the new champion's slot."""
    first, second = (registry.log_version("race", bundle) for _ in range(2))
    registry.promote("race", first)
    registry.start_canary("race", second)
    original, began = MlflowClient.get_model_version_by_alias, list[str]()

    def promoted_meanwhile(self: MlflowClient, name: str, alias: str) -> object:
        found = original(self, name, alias)
        if not began:
            began.append(alias)
            registry.promote("race", second)
        return found

    with patch("mlflow.MlflowClient.get_model_version_by_alias", promoted_meanwhile):
        assert second in registry.serving("race")


def test_a_promotion_that_is_cut_off_leaves_the_champion_protected(registry: Registry, bundle: Path) -> None:
    first, second = (registry.log_version("cut", bundle) for _ in range(2))
    registry.promote("cut", first)
    aliases: list[str] = []
    original = MlflowClient.set_registered_model_alias

    def kill_at_champion(self: MlflowClient, name: str, alias: str, version: str) -> None:
        if alias == "champion":
            raise KeyboardInterrupt
        aliases.append(alias)
        original(self, name, alias, version)

    with (
        patch("mlflow.MlflowClient.set_registered_model_alias", kill_at_champion),
        pytest.raises(KeyboardInterrupt),
    ):
        registry.promote("cut", second)
    assert (aliases, registry.serving("cut"), registry.previous("cut")) == (["previous"], {first}, None)
    registry.promote("cut", second)
    assert (registry.champion("cut"), registry.previous("cut")) == (second, first)


WRITES = [f"{verb}_{what}" for verb in ("set", "delete") for what in ("registered_model_alias", "model_version_tag")]


@contextmanager
def killed_before(write: int) -> Iterator[None]:
    """Raise KeyboardInterrupt instead of the write of this number, the first being 0."""
    writes = count()

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object) -> object:
            if next(writes) == write:
                raise KeyboardInterrupt
            return original(*given)

        return call

    with ExitStack() as stack:
        for name in WRITES:
            stack.enter_context(patch.object(MlflowClient, name, counted(getattr(MlflowClient, name))))
        yield


def state(registry: Registry, name: str) -> tuple[object, ...]:
    """All that a promotion writes."""
    aliases = (registry.champion(name), registry.canary(name), registry.candidate(name), registry.previous(name))
    return *aliases, registry.promoted(name, 9), registry.serving(name), numbered(registry, name)


def numbered(registry: Registry, name: str) -> set[str]:
    """The versions that are recorded as promoted."""
    return {version for version in registry.versions(name) if PROMOTED in registry.tags(name, version)}


@pytest.mark.parametrize("to", [3, 2, 1], ids=["forward", "back", "back to an older one"])
def test_a_promotion_that_is_cut_off_anywhere_counts_no_version_that_never_served_and_is_completed(
    registry: Registry, bundle: Path, to: int
) -> None:
    """Versions 1, 2 and, for a way back, 3 were champions before."""
    expected, write = None, -1
    while True:
        name = f"cut-{to}-{write}"
        versions = [registry.log_version(name, bundle) for _ in range(3)]
        for version in versions[: 2 if to == 3 else 3]:
            registry.promote(name, version)
        champions = {*registry.promoted(name, 9)}
        registry.start_canary(name, versions[to - 1])
        with killed_before(write):
            try:
                registry.promote(name, versions[to - 1])
            except KeyboardInterrupt:
                assert numbered(registry, name) <= {*champions, registry.champion(name)}
                assert {registry.champion(name), versions[to - 1]} <= registry.serving(name)
            else:
                if expected is not None:
                    break
                expected = state(registry, name)
        registry.promote(name, versions[to - 1])
        assert state(registry, name) == expected
        write += 1
    assert write >= 4

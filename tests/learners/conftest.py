"""A small world's shape, learners for it, and rollouts of random numbers with every kind of episode end."""

from collections.abc import Callable

import numpy as np
import pytest

from fleet.core.config import Config
from fleet.core.spec import RolloutBatch, WorldSpec
from learners.autograd import AutogradDescent, Samples
from learners.build import build_learner
from learners.ippo import Ippo
from learners.protocol import Learner


@pytest.fixture
def spec() -> WorldSpec:
    bound = np.array([1, 1, 20, 40, 1, 5], np.float32)
    return WorldSpec(
        robots=3, worlds=4, observation_size=6, observation_dtype=np.dtype(np.int8), actions=5, bound=bound
    )


@pytest.fixture
def build(spec: WorldSpec) -> Callable[..., Ippo]:
    def make(
        learner: int = 0, seed: int = 7, network: dict | None = None, spec: WorldSpec = spec, **settings: object
    ) -> Ippo:
        tables = {
            "run": {"seed": seed},
            "world": {"map": "rware-tiny-2ag"},
            "network": {"hidden": [16, 16], **(network or {})},
            "learner": {"minibatch": 32, **settings},
        }
        made = build_learner(Config.model_validate(tables), spec, learner)
        assert isinstance(made, Ippo)
        return made

    return make


@pytest.fixture
def build_central(spec: WorldSpec) -> Callable[..., Learner]:
    def make(
        algorithm: str, seed: int = 7, network: dict | None = None, spec: WorldSpec = spec, **settings: object
    ) -> Learner:
        tables = {
            "run": {"seed": seed},
            "world": {"map": "rware-tiny-2ag"},
            "mapping": "central",
            "network": {"hidden": [16, 16], **(network or {})},
            "learner": {"minibatch": 32, "algorithm": algorithm, **settings},
        }
        return build_learner(Config.model_validate(tables), spec, 0)

    return make


@pytest.fixture
def make_rollout(spec: WorldSpec) -> Callable[..., RolloutBatch]:
    def make(seed: int = 0, robots: tuple[int, ...] = (0,), steps: int = 24) -> RolloutBatch:
        rng = np.random.default_rng(seed)
        shape = (len(robots), steps, spec.worlds)

        def observed(*leading: int) -> np.ndarray:
            reach = spec.bound.astype(np.int64)
            return rng.integers(-reach, reach + 1, (*leading, spec.observation_size)).astype(np.int8)

        terminated, truncated = rng.random(shape) < 0.1, rng.random(shape) < 0.1
        return RolloutBatch(
            robots=robots,
            obs=observed(len(robots), steps + 1, spec.worlds),
            actions=rng.integers(0, spec.actions, shape).astype(np.uint8),
            log_probs=rng.uniform(-2.5, -0.5, shape).astype(np.float32),
            rewards=rng.normal(size=shape).astype(np.float32),
            terminated=terminated,
            truncated=truncated,
            final_obs=observed(int((truncated & ~terminated).sum())),
        )

    return make


@pytest.fixture
def autograd() -> Callable[..., AutogradDescent]:
    """Autograd's gradient steps for a learner, whatever its own are."""

    def make(learner: Ippo) -> AutogradDescent:
        return AutogradDescent(
            learner.settings, learner._network, learner.parameters, learner._adam, learner._normalizer
        )

    return make


@pytest.fixture
def samples(autograd: Callable[..., AutogradDescent]) -> Callable[..., Samples]:
    """A rollout as autograd's loss takes it."""

    def make(learner: Ippo, rollout: RolloutBatch) -> Samples:
        descent = autograd(learner)
        descent.values(rollout)
        descent.begin(rollout, *learner.targets(rollout))
        assert descent.samples is not None
        return descent.samples

    return make

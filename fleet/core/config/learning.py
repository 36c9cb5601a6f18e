"""The `[network]` and `[learner]` tables: what each robot's learner is and how it learns."""

from typing import Literal, Self

from pydantic import Field, model_validator

from fleet.core.config.table import Table

Algorithm = Literal["ippo", "iql", "mappo", "vdn", "qmix", "joint"]
ALONE: tuple[Algorithm, ...] = ("ippo", "iql")
"""Those of one robot's learner; the others learn for all robots at once."""


class NetworkConfig(Table):
    """Actor and critic of one learner."""

    hidden: tuple[int, ...] = Field((64, 64), min_length=1, max_length=4, description="Units of each hidden layer.")
    critic_hidden: tuple[int, ...] | None = Field(
        None, min_length=1, max_length=4, description="The same of a joint critic (mappo, joint). Unset: as `hidden`."
    )
    activation: Literal["tanh", "relu"] = Field("tanh", description="Nonlinearity after each hidden layer.")
    share_trunk: bool = Field(False, description="One trunk for actor and critic instead of two separate networks.")
    observation_scaling: Literal["none", "range", "running"] = Field(
        "range",
        description="none; range: each feature divided by its largest value; running: by running mean and deviation.",
    )

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        for units in (*self.hidden, *(self.critic_hidden or ())):
            if not 1 <= units <= 4096:
                raise ValueError(f"hidden layer of {units} units; allowed are 1 to 4096")
        return self


class LearnerConfig(Table):
    """PPO's settings (Schulman et al. 2017; de Witt et al. 2020; Yu et al. 2022), in the papers' names."""

    algorithm: Algorithm = Field(
        "ippo",
        description="ippo: independent PPO; iql: independent double DQN with replay. With mapping = "
        '"central" one of these: mappo: a joint critic; vdn, qmix: value decomposition, with replay; joint: one policy '
        "over the joint action.",
    )
    actors: Literal["separate", "shared"] = Field(
        "separate", description="Of a centralized learner: whether each robot has weights of its own."
    )
    advantage: Literal["robot", "team"] = Field(
        "robot",
        description="Of mappo, the rewards a robot learns from: robot: its own; team: the mean of all robots'.",
    )
    value_norm: bool = Field(
        True, description="Of mappo and joint: the critic learns returns centred and scaled. ippo's never does."
    )
    critic_learning_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Adam's step size of mappo's and joint's critic. Unset: learning_rate divided by the square root "
        "of the number of robots, since it sees what all see.",
    )
    rollout_steps: int = Field(128, ge=1, le=100_000, description="Steps per rollout (T).")
    epochs: int = Field(4, ge=1, le=100, description="Passes over each rollout.")
    minibatch: int = Field(1024, ge=1, description="Samples per gradient step; of mappo and joint for each robot.")
    learning_rate: float = Field(3e-4, gt=0, le=1, description="Adam's step size.")
    lr_schedule: Literal["constant", "linear"] = Field("constant", description="How the step size goes over updates.")
    lr_horizon: int | None = Field(
        None, ge=1, description="Updates after which a linear schedule reaches zero. Unset: the run's rounds."
    )
    adam_eps: float = Field(1e-5, gt=0, le=1, description="Adam's epsilon.")
    gamma: float = Field(0.99, ge=0, le=1, description="Discount per step.")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="Lambda of generalized advantage estimation.")
    clip_coef: float = Field(0.2, gt=0, le=1, description="Clip range of the probability ratio.")
    value_coef: float = Field(0.5, ge=0, description="Weight of the value loss.")
    value_clip: float | None = Field(None, gt=0, description="Clip range of the value's change. Unset: no clipping.")
    entropy_coef: float = Field(0.01, ge=0, description="Weight of the entropy bonus.")
    normalize_advantage: bool = Field(True, description="Centre and scale advantages in each minibatch.")
    max_grad_norm: float | None = Field(0.5, gt=0, description="Clip the gradient's norm. Unset: no clipping.")
    update: Literal["auto", "autograd"] = Field(
        "auto",
        description="auto: compiled gradient steps where there are some for the network (separate actor and critic of "
        "up to 3 hidden layers), else torch's autograd; autograd: always that.",
    )
    target_kl: float | None = Field(None, gt=0, description="Stop an update's epochs at this KL. Unset: never.")

    @property
    def by_values(self) -> bool:
        """Whether robots act by values of their actions, and learn from a replay memory."""
        return self.algorithm in ("iql", "vdn", "qmix")

"""An episode of trained policies to look at: a film (GIF, MP4) or a picture (PNG, the last step)."""

from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import numpy.typing as npt

from env_server.protocol import World
from env_server.worlds import make_world, to_show
from fleet.core.seeds import generator, stream
from fleet.core.spec import Array
from fleet.study.policies import Trained, load_policies

Image = npt.NDArray[np.uint8]

FRAMES_PER_SECOND = 8
_LONGEST = 300


def render(
    directory: str | Path, out: Path, *, steps: int | None = None, greedy: bool = False, snapshot: str = "newest"
) -> None:
    """Write an episode of the run in `directory` to `out`, as its ending says. Raises BadInput as `load_policies`."""
    trained = load_policies(directory, snapshot)
    count = min(trained.config.world.max_steps, _LONGEST) if steps is None else steps
    images = frames(trained, count, greedy)
    kind = out.suffix.lower()
    if kind == ".png":
        *_, last = images
        imageio.imwrite(out, last)
    elif kind == ".gif":
        imageio.imwrite(out, list(images), duration=1000 / FRAMES_PER_SECOND, loop=0)
    else:
        imageio.imwrite(out, [_even(image) for image in images], fps=FRAMES_PER_SECOND, macro_block_size=1)


def frames(trained: Trained, steps: int, greedy: bool) -> Iterator[Image]:
    """`steps` + 1 images of one copy, uint8 (height, width, 3), from its first observation on."""
    world = make_world(to_show(trained.config.world))
    obs = _first(world, trained.config.run.seed)
    draw = generator(trained.config.run.seed, "eval", 2)
    yield world.render()
    for _ in range(steps):
        uniforms = draw.random((trained.spec.robots, 1), dtype=np.float32)
        actions = trained.policy.greedy(obs) if greedy else trained.policy.act(obs, uniforms)[0]
        world.step(actions, obs)
        yield world.render()


def _first(world: World, seed: int) -> Array:
    spec = world.spec
    obs: Array = np.zeros((spec.robots, 1, spec.observation_size), spec.observation_dtype)
    world.reset(int(stream(seed, "eval").generate_state(1)[0]), obs)
    return obs


def _even(image: Image) -> Image:
    """Cut to even sides, which the video codec asks for."""
    height, width = image.shape[:2]
    return image[: height - height % 2, : width - width % 2]

import numpy as np

from actors.random_actor import RandomActor
from fleet.core.spec import WorldSpec


def test_every_action_alike_from_the_uniforms():
    actor = RandomActor(WorldSpec(2, 4, 3, np.dtype(np.int8), 5, np.ones(3, np.float32)))
    uniforms = np.array([[0.0, 0.19, 0.21, 0.5], [0.61, 0.79, 0.81, 1 - 2**-24]], np.float32)

    actions, log_probs = actor.act(np.zeros((2, 4, 3), np.int8), uniforms)

    assert actions.tolist() == [[0, 0, 1, 2], [3, 3, 4, 4]]
    assert actions.dtype == np.uint8
    np.testing.assert_allclose(log_probs, np.log(0.2), rtol=1e-6)
    assert log_probs.dtype == np.float32

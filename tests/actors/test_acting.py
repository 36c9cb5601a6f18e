import numpy as np

from actors.acting import uniforms


def test_shape_type_and_range():
    drawn = uniforms(1, range(3), 0, 50, 40)

    assert drawn.shape == (50, 3, 40)
    assert drawn.dtype == np.float32
    assert drawn.flags.c_contiguous
    assert 0 <= drawn.min() < 0.01
    assert 0.99 < drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.02


def test_a_function_of_seed_robot_and_round_whoever_else_is_asked_for():
    drawn = uniforms(1, range(3), 5, 8, 4)

    np.testing.assert_array_equal(drawn, uniforms(1, range(3), 5, 8, 4))
    np.testing.assert_array_equal(drawn[:, 2], uniforms(1, [2], 5, 8, 4)[:, 0])
    for other in (uniforms(2, [2], 5, 8, 4), uniforms(1, [1], 5, 8, 4), uniforms(1, [2], 6, 8, 4)):
        assert not np.array_equal(drawn[:, 2], other[:, 0])

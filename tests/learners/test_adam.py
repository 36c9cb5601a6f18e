import torch
from torch.optim.adam import adam

from learners.adam import Adam


def test_equals_torchs_adam():
    torch.manual_seed(0)
    ours, theirs = torch.randn(50), []
    theirs = [ours.clone()]
    optimizer = Adam(50, eps=1e-5)
    m, v, steps = [torch.zeros(50)], [torch.zeros(50)], [torch.zeros(())]
    for k in range(20):
        gradient, rate = torch.randn(50) * 10.0 ** (k % 5 - 3), 0.1 / (k + 1)
        optimizer.step(ours, gradient, rate)
        adam(
            theirs,
            [gradient],
            m,
            v,
            [],
            steps,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate,
            weight_decay=0.0,
            eps=1e-5,
            maximize=False,
        )
        torch.testing.assert_close(ours, theirs[0], rtol=1e-5, atol=1e-6)


def test_the_first_step_is_the_step_size_against_the_gradients_sign():
    parameters = torch.zeros(2)
    Adam(2, eps=1e-12).step(parameters, torch.tensor([5.0, -0.01]), 0.1)

    torch.testing.assert_close(parameters, torch.tensor([-0.1, 0.1]))

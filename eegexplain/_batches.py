"""How many trials a network sees at a time: by the memory they take, a function of shapes alone.

Time per trial falls with the size of a batch until its activations outgrow what the C library's allocator keeps for the
next layer. What is freed at the end of the heap, and every block above 32 MB, goes back to the system, and comes again
page by page: on convolutional networks that takes longer than the arithmetic. Counted are the bytes that autograd
keeps, never those of the machine, so that the same trials make the same batches - and the same bits - everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

# Of a pass, by kind of device: where time per trial is least, on average over convolutional networks, transformers and
# perceptrons, 22 and 64 channels. Other devices keep their memory to themselves and want long batches.
BYTES = {"cpu": 12 * 2**20}
BYTES_ELSEWHERE = 2**28
MOST_ROWS = 256


@dataclass(frozen=True)
class RowBytes:
    """Memory that one more trial takes in a pass.

    Parameters
    ----------
    trial : int
        The trial itself.
    kept : int
        All that autograd keeps for the way back.
    largest : int
        The largest piece of it, in place of the largest activation of a pass that keeps nothing.
    device : str
        Kind of device.
    """

    trial: int
    kept: int
    largest: int
    device: str = "cpu"

    @classmethod
    def of(cls, respond: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> "RowBytes":
        """Measure a differentiable function of trials.

        Parameters
        ----------
        respond : callable
            Tensor of trials to a tensor with a row per trial; parameters of a network in it need no gradients.
        x : torch.Tensor of shape (2, ...)
            Two trials: what one takes, kernels and weights, is not counted.

        Returns
        -------
        RowBytes
        """
        one, two = (_kept(respond, x[:n_rows]) for n_rows in (1, 2))
        more = [max(after - before, 0) for before, after in zip(one, two, strict=False)]
        return cls(x[0].numel() * x.element_size(), sum(more), max(more, default=0), x.device.type)

    def rows(self, n_gradients: int = 0) -> int:
        """Trials per pass.

        Parameters
        ----------
        n_gradients : int
            Outputs that are differentiated; 0 is a pass without gradients, which holds an operation's input and output.
        """
        row = self.kept + (1 + n_gradients) * self.trial if n_gradients else 2 * self.largest + self.trial
        return min(max(BYTES.get(self.device, BYTES_ELSEWHERE) // row, 1), MOST_ROWS)

    def held(self, n_gradients: int) -> int:
        """Bytes per trial of all that is alive on the way back, for those who share out memory."""
        return 2 * self.kept + (4 + 3 * n_gradients) * self.trial


def _kept(respond, x):
    """Sizes of the pieces of memory that autograd keeps, in order of use, each counted once."""
    sizes: dict[int, int] = {}

    def pack(tensor):
        """Count a tensor's memory, which it may share."""
        storage = tensor.untyped_storage()
        sizes.setdefault(storage.data_ptr(), storage.nbytes())
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        respond(x.detach().clone().requires_grad_().clone()).sum()
    return list(sizes.values())

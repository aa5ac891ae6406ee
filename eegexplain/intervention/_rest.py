"""A network from one of its sites on: what it answers to states that are put there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eegexplain._batches import RowBytes
from eegexplain._module import inference
from eegexplain._parallel import single_thread, trial_blocks
from eegexplain._torch import TorchNet
from eegexplain.intervention._sites import Site, hooked, states

N_PROBED = 4
ROUNDING = 1e3  # relative to the precision: sums of products round otherwise in batches of other lengths


@dataclass(frozen=True, eq=False)
class Rest:
    """What follows a site, on its own where trials reach the outputs through the site alone.

    Then the layers before it run once per batch of trials, whatever is put at the site: in each further pass they see
    one trial of zeros, whose state is replaced by a batch of others.

    Parameters
    ----------
    net : TorchNet
    site : Site
    response : str
        As in `TorchNet.respond`.
    alone : bool
        Whether trials reach the outputs through the site alone.
    batch_size : int or None
        As `TorchNet.rows` reads it.
    rows : int
        States per pass.
    """

    net: TorchNet
    site: Site
    response: str
    alone: bool
    batch_size: int | None
    rows: int

    @classmethod
    def of(cls, net: TorchNet, site: Site, X: NDArray, *, response: str, batch_size: int | None = None) -> "Rest":
        """See on some trials whether the rest runs alone, and how many states it takes at a time.

        Parameters
        ----------
        net : TorchNet
        site : Site
        X : ndarray of shape (n_trials, n_channels, n_times)
            Of which the first few are looked at, with their own states and each other's.
        response : str
        batch_size : int or None

        Returns
        -------
        Rest
        """
        whole = cls(net, site, response, False, batch_size, net.rows(batch_size))
        rest = cls(net, site, response, True, batch_size, 0)
        with inference(net.module), torch.no_grad():
            x = net.tensor(X[:N_PROBED])
            own = states(net, x, [site])[site]
            mixed = torch.cat([own, own.flip(0)])
            if not rest._agrees(mixed.clone(), whole.raw(torch.cat([x, x]), mixed.clone())):
                return whole
            more = RowBytes.of(lambda state: rest.raw(x, state), mixed[:2]) if batch_size is None else None
        return cls(net, site, response, True, batch_size, net.rows(batch_size) if more is None else more.rows())

    def _agrees(self, given, expected):
        """Whether the rest alone answers as the network does."""
        try:
            found = self.raw(None, given)
        except (RuntimeError, ValueError, IndexError, TypeError):  # what reads the shape of the trials further on
            return False
        if not isinstance(found, torch.Tensor) or found.shape != expected.shape:
            return False
        allowed = ROUNDING * self.net.eps * expected.abs().max()
        return bool(((found - expected).abs() <= allowed).all())

    def raw(self, x: torch.Tensor | None, given: torch.Tensor) -> Any:
        """What the module returns with states put at the site.

        Parameters
        ----------
        x : torch.Tensor of shape (batch, n_channels, n_times) or None
            The trials, where the rest does not run alone.
        given : torch.Tensor of shape (batch, ...)
            Layers behind the site may work on it in place.

        Returns
        -------
        torch.Tensor of shape (batch, ...)
        """
        if self.alone:
            x = torch.zeros(1, self.net.n_channels, self.net.n_times, device=self.net.device, dtype=self.net.dtype)
        with hooked(self.net, {self.site: lambda state: given}):
            return self.net.raw(x)

    def states(self, X: NDArray) -> torch.Tensor:
        """What passes the site on some trials.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)

        Returns
        -------
        torch.Tensor of shape (n_trials, ...)
        """
        parts = trial_blocks(len(X), self.net.rows(self.batch_size))
        return torch.cat([states(self.net, self.net.tensor(X[part]), [self.site])[self.site] for part in parts])

    def states_kept(self, X: NDArray, limit: int) -> NDArray | None:
        """What passes the site on all trials, where that takes no more bytes than a limit; else None.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)
        limit : int

        Returns
        -------
        ndarray of shape (n_trials, ...) or None
        """
        one = int(np.prod(self.site.shape)) * torch.finfo(self.net.dtype).bits // 8
        if len(X) * one > limit:
            return None
        with single_thread(), inference(self.net.module), torch.no_grad():
            return self.states(X).cpu().numpy()

    def states_of(self, X: NDArray, places: slice | NDArray, known: NDArray | None) -> torch.Tensor:
        """What passes the site on some trials, of which it may be known.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)
        places : slice or ndarray of int
        known : ndarray of shape (n_trials, ...) or None
            Of `states_kept`.

        Returns
        -------
        torch.Tensor
        """
        if known is None:
            return self.states(X[places])
        return torch.as_tensor(known[places], device=self.net.device)

    def answers(self, x: torch.Tensor, own: torch.Tensor, other: torch.Tensor, cells: Sequence[NDArray]) -> NDArray:
        """Answers with each of several sets of units taken from other states.

        Parameters
        ----------
        x : torch.Tensor of shape (batch, n_channels, n_times)
        own : torch.Tensor of shape (batch, ...)
            States on these trials.
        other : torch.Tensor of shape (batch, ...) or (1, ...)
        cells : sequence of ndarray of int
            Units that are replaced together.

        Returns
        -------
        ndarray of shape (n_cells, batch, n_outputs, 2)
            Responses, and logarithms of probabilities.
        """
        found = []
        for part in trial_blocks(len(cells), max(1, self.rows // len(own))):
            given = torch.cat([self.site.replaced(own, units, other) for units in cells[part]])
            trials = None if self.alone else x.repeat(part.stop - part.start, 1, 1)
            found.append(self.told(self.raw(trials, given)).reshape(-1, *x.shape[:1], self.net.n_outputs, 2))
        return np.concatenate(found)

    def told(self, raw: torch.Tensor) -> NDArray:
        """Responses and logarithms of probabilities, from what the module returned.

        Parameters
        ----------
        raw : torch.Tensor of shape (batch, ...)

        Returns
        -------
        ndarray of shape (batch, n_outputs, 2)
        """
        both = [self.net.answer(raw, response) for response in (self.response, "logprob")]
        return torch.stack(both, dim=-1).double().cpu().numpy()

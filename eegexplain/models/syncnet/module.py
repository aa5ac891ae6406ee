"""SyncNet: a network whose filters are damped oscillations with one frequency and a phase per channel."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn
from torch.nn import functional as F

from eegexplain._validation import check_ch_names, check_option, check_sfreq
from eegexplain.models.syncnet._convolution import convolve_direct, convolve_factored, factors_pay, same_padding
from eegexplain.models.syncnet._filter_table import canonical_waves, describe_filters
from eegexplain.models.syncnet._sizes import infer_n_chans, infer_times, mean_and_sd, positive_int, value_range
from eegexplain.models.syncnet._spectral import convolve_spectral, spectra_fit, spectra_pay
from eegexplain.models.syncnet._trend import continued, without_trend


class SyncNet(nn.Module):
    r"""Classify trials by filters that are damped oscillations shared between channels.

    The filter of channel :math:`c` in unit :math:`k` is

    .. math:: f_{ck}(\tau) = a_{ck} \cos(\omega_k \tau + \phi_{ck}) \exp(-\beta_k \tau^2),

    with :math:`\tau` in samples. Every unit thus has one frequency, one decay, and an amplitude and a phase per
    channel: what it looks for can be read from its parameters (`filter_table`). Filter outputs pass an activation and
    max-pooling, or become log powers; a linear layer gives the logits.

    Parameters
    ----------
    n_chans : int, optional
        Channels; taken from `chs_info` when missing.
    n_times : int, optional
        Samples per trial; taken from ``input_window_seconds * sfreq`` when missing.
    n_outputs : int
        Classes, or regression targets.
    chs_info : list of dict, optional
        One entry per channel, as in ``mne.Info["chs"]``. Only its length is used.
    input_window_seconds : float, optional
        Length of a trial in seconds.
    sfreq : float, optional
        Sampling rate in Hz; `filter_table` uses it.
    num_filters : int
        Units.
    filter_width, pool_size : int
        In samples.
    activation : callable
        Class (or other function without arguments) that makes the activation module.
    ampli_init_values, omega_init_values, beta_init_values : tuple of float
        Ranges of the uniform distributions from which amplitudes, frequencies (rad per sample) and decays (per squared
        sample) start.
    phase_init_values : tuple of float
        Mean and standard deviation (rad) of the normal distribution from which phases start.
    drop_prob : float
        Probability, in training, that a whole channel is left out; the others are scaled up by its complement.
    padding : {"same", "braindecode"}
        ``"same"`` follows the authors' code: convolution and pooling use every sample, whatever the sizes (trials
        shorter than a filter or a pool count as zero-padded), and the activation comes before the pooling.
        ``"braindecode"`` reproduces braindecode 1.8.1, which pads filter outputs a second time before it pools; sizes
        for which that is inconsistent raise.
    readout : {"max", "log_power"}
        ``"max"`` passes filter outputs through the activation and max-pooling. ``"log_power"`` takes the logarithm of
        their mean square (plus ``power_floor``) in each of `n_windows` windows: power, whatever the phase of the trial;
        `pool_size` and `activation` play no part. Offsets and drifts are no power: filters give 0 for straight lines
        (a line within the filter's envelope is taken from them), and trials go on as lines beyond their ends.
    n_windows : int
        Windows of about equal length for ``"log_power"``.

    Attributes
    ----------
    amplitude, phi_ini : Parameter of shape (1, 1, n_chans, num_filters)
        Amplitudes and phases (rad).
    omega, beta : Parameter of shape (1, 1, 1, num_filters)
        Frequencies (rad per sample) and decays (per squared sample). A negative decay acts, and is saved, as its
        absolute value.
    bias : Parameter of shape (num_filters,)
    t : Tensor of shape (1, filter_width, 1, 1)
        The times :math:`\tau`, a buffer.
    input_scale : Tensor of shape ()
        Trials are divided by it: a buffer, 1 unless set.
    conv_out, pool_out : Identity
        Parameter-free stages to hook: filter outputs ``(batch, num_filters, n_times)`` before the activation, and
        what is read out of them ``(batch, num_filters, n_pools)``, or ``(batch, num_filters, n_windows)``.
    power_floor : Tensor of shape (num_filters,)
        With ``readout="log_power"``: added to powers before the logarithm, a buffer.
    final_layer : Linear
        From the pooled activations to the outputs.
    factored : bool
        Whether the convolution goes through the rank-2 factors of the filters, decided from the sizes alone.
    spectral : bool
        Whether it goes through spectra while the module is in training mode (batches above 16 MB do not), decided from
        the sizes alone.

    Raises
    ------
    ValueError
        If sizes are missing, contradict each other or are no whole numbers of at least 1.

    Notes
    -----
    Checkpoints of braindecode's SyncNet (1.5 or later) load with ``load_state_dict``. There the times ``t`` were
    trained along with the weights; they are kept, so that outputs are, and a warning says how far they moved.

    References
    ----------
    Li, Y., Dzirasa, K., Carin, L. & Carlson, D. E. (2017). Targeting EEG/LFP synchrony with neural nets.
    Advances in Neural Information Processing Systems 30.

    Examples
    --------
    >>> import torch
    >>> from eegexplain.models import SyncNet
    >>> net = SyncNet(n_chans=8, n_times=256, n_outputs=2, num_filters=3)
    >>> net(torch.zeros(5, 8, 256)).shape
    torch.Size([5, 2])
    >>> net.filters().shape
    torch.Size([3, 8, 40])
    """

    def __init__(
        self,
        n_chans: int | None = None,
        n_times: int | None = None,
        n_outputs: int | None = None,
        chs_info: Sequence[Any] | None = None,
        input_window_seconds: float | None = None,
        sfreq: float | None = None,
        num_filters: int = 1,
        filter_width: int = 40,
        pool_size: int = 40,
        activation: Callable[[], nn.Module] = nn.ReLU,
        ampli_init_values: tuple[float, float] = (-0.05, 0.05),
        omega_init_values: tuple[float, float] = (0.0, 1.0),
        beta_init_values: tuple[float, float] = (0.0, 0.05),
        phase_init_values: tuple[float, float] = (0.0, 0.05),
        drop_prob: float = 0.0,
        padding: str = "same",
        readout: str = "max",
        n_windows: int = 1,
    ):
        super().__init__()
        if n_outputs is None:
            raise ValueError("n_outputs is missing: give the number of classes (or of regression targets).")
        self.n_chans = infer_n_chans(n_chans, chs_info)
        self.n_times, self.input_window_seconds, self.sfreq = infer_times(n_times, input_window_seconds, sfreq)
        self.n_outputs = positive_int("n_outputs", n_outputs)
        self.chs_info = chs_info
        self.num_filters = positive_int("num_filters", num_filters)
        self.filter_width = positive_int("filter_width", filter_width)
        self.pool_size = positive_int("pool_size", pool_size)
        self.padding = check_option("padding", padding, ("same", "braindecode"))
        self.readout = check_option("readout", readout, ("max", "log_power"))
        self.n_windows = positive_int("n_windows", n_windows)
        if self.readout == "log_power" and self.padding != "same":
            raise ValueError("readout='log_power' needs padding='same': braindecode's SyncNet has no such read-out.")
        self.ampli_init_values = value_range("ampli_init_values", ampli_init_values)
        self.omega_init_values = value_range("omega_init_values", omega_init_values)
        self.beta_init_values = value_range("beta_init_values", beta_init_values)
        self.phase_init_values = mean_and_sd("phase_init_values", phase_init_values)

        self.factored = factors_pay(self.n_chans, self.num_filters, self.filter_width)
        self.spectral = spectra_pay(self.n_chans, self.num_filters, self.filter_width)
        self._conv_padding, self._pool_padding, n_pools = self._plan_windows()
        self.amplitude = nn.Parameter(torch.empty(1, 1, self.n_chans, self.num_filters))
        self.omega = nn.Parameter(torch.empty(1, 1, 1, self.num_filters))
        self.bias = nn.Parameter(torch.empty(self.num_filters))
        self.phi_ini = nn.Parameter(torch.empty(1, 1, self.n_chans, self.num_filters))
        self.beta = nn.Parameter(torch.empty(1, 1, 1, self.num_filters))
        self.register_buffer("t", self._grid())
        self.register_buffer("input_scale", torch.ones(()))
        self.channel_dropout = nn.Dropout1d(drop_prob)
        self.conv_out = nn.Identity()
        self.activation = activation()
        self.pool_out = nn.Identity()
        if self.readout == "log_power":
            self.register_buffer("power_floor", torch.full((self.num_filters,), 1e-6))
            n_pools = self.n_windows
        self.final_layer = nn.Linear(n_pools * self.num_filters, self.n_outputs)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew from torch's generator; the input scale and the times stay."""
        nn.init.uniform_(self.amplitude, *self.ampli_init_values)
        nn.init.uniform_(self.omega, *self.omega_init_values)
        nn.init.uniform_(self.beta, *self.beta_init_values)
        nn.init.normal_(self.phi_ini, *self.phase_init_values)
        nn.init.zeros_(self.bias)
        nn.init.trunc_normal_(self.final_layer.weight, std=0.1, a=-0.2, b=0.2)
        nn.init.constant_(self.final_layer.bias, 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Parameters
        ----------
        x : Tensor of shape (batch, n_chans, n_times)

        Returns
        -------
        Tensor of shape (batch, n_outputs)

        Raises
        ------
        ValueError
            If `x` has other sizes.
        """
        if x.ndim != 3 or x.shape[1] != self.n_chans or x.shape[2] != self.n_times:
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (batch, {self.n_chans}, {self.n_times}).")
        filtered = self.conv_out(self._convolve(self.channel_dropout(x)))
        if self.readout == "log_power":
            pooled = self._log_power(filtered)
        elif self.padding == "same" and type(self.activation) is not nn.ReLU:
            pooled = self._pool(self.activation(filtered))
        else:  # the largest value rectified is the largest rectified value, and it is one per pool
            pooled = self.activation(self._pool(filtered))
        return self.final_layer(self.pool_out(pooled).flatten(1))

    def filters(self) -> torch.Tensor:
        """Compute the filters as they are applied to trials, in float32 at least.

        Returns
        -------
        Tensor of shape (num_filters, n_chans, filter_width)
            In outputs per unit of the input (the input scale is taken in). Gradients reach the parameters.
        """
        if self.readout == "log_power":
            mixes, carriers = self._factors()
            return (mixes[..., None] * carriers[:, :, None]).sum(0)
        amplitude, phase, omega, beta, tau = self._waves()
        wave = torch.cos(omega[:, None, None] * tau + phase[..., None])
        return amplitude[..., None] * wave * torch.exp(-beta[:, None, None] * tau.square())

    def filter_table(
        self,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        patterns: ArrayLike | None = None,
    ) -> Any:
        """Tabulate what each filter responds to.

        Frequencies are those of the response of the filter as it is, cut to its window and summed over channels: within
        few cycles it can peak far from the carrier frequency, and it is never narrower than the window permits.

        Parameters
        ----------
        sfreq : float, optional
            Sampling rate in Hz; by default the one given at construction, else 1.0 (cycles per sample).
        ch_names : list of str, optional
            Names for the columns, ``ch0, ch1, ...`` by default.
        patterns : complex array of shape (num_filters, n_chans), optional
            Of `eegexplain.models.filter_patterns`, for columns of their own.

        Returns
        -------
        pandas.DataFrame
            One row per filter: ``peak_frequency`` and -3 dB ``bandwidth`` in Hz (NaN for a filter that is 0),
            ``cycles`` of the peak frequency in the window, ``few_cycles`` (below 1.5: take the frequency with care),
            ``carrier_frequency`` in Hz, ``decay`` per squared second, then ``amplitude_<channel>`` (at least 0, per
            unit of the input) and ``phase_<channel>`` at the window's centre (rad, in (-pi, pi]). With patterns also
            ``pattern_amplitude_<channel>`` (unit of the input per unit of the filter's output) and
            ``pattern_phase_<channel>`` (relative to the output).

        Raises
        ------
        ValueError
            If `sfreq` is not a positive number, or `ch_names` or `patterns` do not fit the channels.
        """
        sfreq = check_sfreq((self.sfreq or 1.0) if sfreq is None else sfreq)
        names = check_ch_names(ch_names, self.n_chans)
        patterns = None if patterns is None else np.asarray(patterns)
        if patterns is not None and patterns.shape != (self.num_filters, self.n_chans):
            raise ValueError(f"patterns must have shape ({self.num_filters}, {self.n_chans}), got {patterns.shape}.")
        with torch.no_grad():
            filters = self.filters().double().cpu().numpy()
            amplitude, phase, omega, beta, tau = (value.double().cpu().numpy() for value in self._waves())
        waves = canonical_waves(amplitude, phase, omega, tau)
        return describe_filters(filters, waves, beta, sfreq, names, patterns)

    def _grid(self):
        """Times of the filter taps in samples; an even window has one more before 0 than after."""
        return torch.arange(self.filter_width, dtype=torch.float32).view(1, -1, 1, 1) - self.filter_width // 2

    def _plan_windows(self):
        """Zeros around trials and around filter outputs, and the number of pools."""
        width, pool = self.filter_width, self.pool_size
        n_pools = -(-self.n_times // pool)
        if self.padding == "same":
            return same_padding(width), same_padding(pool, self.n_times, pool), n_pools
        pads = ((width - 3) // 2, (width - 3) // 2) if width % 2 else (width // 2 - 1, width // 2)
        n_filtered = self.n_times + sum(pads) - width + 1
        found = (n_filtered + sum(pads)) // pool
        if n_filtered < 1 or found != n_pools:
            raise ValueError(
                f"padding='braindecode' is inconsistent for n_times={self.n_times}, filter_width={width} and "
                f"pool_size={pool}: it makes {max(found, 0)} pools per filter where {n_pools} belong; "
                "use padding='same' or another size."
            )
        return pads, pads, n_pools

    def _effective_beta(self):
        """Decays as applied: never negative, and never without a gradient."""
        return torch.where(self.beta >= 0, self.beta, -self.beta)

    def _waves(self):
        """Amplitude, phase ``(num_filters, n_chans)``, omega, beta ``(num_filters,)`` and tau, in float32 at least."""
        wide = torch.promote_types(self.amplitude.dtype, torch.float32)
        amplitude = self.amplitude[0, 0].T.to(wide) / self.input_scale.to(wide)
        omega, beta = self.omega.flatten().to(wide), self._effective_beta().flatten().to(wide)
        return amplitude, self.phi_ini[0, 0].T.to(wide), omega, beta, self.t.flatten().to(wide)

    def _factors(self):
        """Mixes ``(2, num_filters, n_chans)``, carriers ``(2, num_filters, width)``: filters are sums of 2 products."""
        amplitude, phase, omega, beta, tau = self._waves()
        angle, envelope = omega[:, None] * tau, torch.exp(-beta[:, None] * tau.square())
        carriers = torch.stack([angle.cos(), angle.sin()]) * envelope
        if self.readout == "log_power":
            carriers = without_trend(carriers, envelope, tau)
        return torch.stack([amplitude * phase.cos(), -amplitude * phase.sin()]), carriers

    def _convolve(self, x):
        """Filter trials, by the route that the sizes favour; by way of spectra in training alone, where it pays."""
        dtype, padding = self.amplitude.dtype, self._conv_padding
        if self.readout == "log_power":
            x, padding = continued(x, padding, self.filter_width), (0, 0)
        spectral = self.training and self.spectral and dtype in (torch.float32, torch.float64)
        # compilers know no complex numbers
        spectral = spectral and not torch.compiler.is_compiling() and spectra_fit(x)
        if not (spectral or self.factored):
            return convolve_direct(x, self.filters().to(dtype), self.bias, padding)
        mixes, carriers = self._factors()
        convolve = convolve_spectral if spectral else convolve_factored
        return convolve(x, mixes.to(dtype), carriers.to(dtype), self.bias, padding)

    def _log_power(self, filtered):
        """Log mean square of each window; the floor keeps the logarithm of silent trials, and its slope, finite."""
        return (F.adaptive_avg_pool1d(filtered.square(), self.n_windows) + self.power_floor[:, None]).log()

    def _pool(self, values):
        """Largest value of each pool; where it reaches beyond the values there is nothing, or braindecode's zeros."""
        if self.padding == "braindecode":
            return F.max_pool1d(F.pad(values, self._pool_padding), self.pool_size)
        return F.max_pool1d(values, self.pool_size, padding=self._pool_padding[0], ceil_mode=True)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not keep_vars:
            destination[prefix + "beta"] = self._effective_beta().detach()

    def _load_from_state_dict(self, state_dict, prefix, *args):
        if prefix + "amplitude" in state_dict:
            state_dict.setdefault(prefix + "input_scale", torch.ones_like(self.input_scale))
        _check_checkpoint(self, state_dict, prefix)
        times = state_dict.get(prefix + "t")
        if times is not None:
            moved = float((times.detach().cpu().double() - self._grid().double()).abs().max())
            if moved > 1e-6:
                warnings.warn(
                    f"the checkpoint's filter times t were trained and lie up to {moved:.2g} samples off their places; "
                    "they are kept, and with them the outputs.",
                    stacklevel=2,
                )
        super()._load_from_state_dict(state_dict, prefix, *args)


def _check_checkpoint(net, state_dict, prefix):
    """Refuse a checkpoint of other sizes before anything is loaded, and say which sizes it needs."""
    own = net.state_dict()
    wrong = [
        f"{name} is {tuple(state_dict[prefix + name].shape)}, expected {tuple(value.shape)}"
        for name, value in own.items()
        if prefix + name in state_dict and state_dict[prefix + name].shape != value.shape
    ]
    if not wrong:
        return
    sizes = {
        "n_chans": ("amplitude", 2),
        "num_filters": ("amplitude", 3),
        "filter_width": ("t", 1),
        "n_outputs": ("final_layer.weight", 0),
    }
    found = [
        f"{size}={state_dict[prefix + name].shape[axis]}"
        for size, (name, axis) in sizes.items()
        if prefix + name in state_dict and state_dict[prefix + name].ndim > axis
    ]
    raise ValueError(
        f"the checkpoint is of other sizes ({'; '.join(wrong)}); it needs a SyncNet with {', '.join(found)} "
        "and the n_times and pool_size that it was trained with."
    )

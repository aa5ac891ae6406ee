"""What is kept of a fit while it runs: parameters, TensorBoard scalars, a progress bar."""

import numpy as np

from eegexplain._parallel import progress
from eegexplain.encoding._tables import frame


class FitLog:
    """Take note of every iteration, as far as a fitter asks for it.

    Parameters
    ----------
    settings : FitSettings
        Its ``log_dir``, ``verbose`` and ``store_intermediate_parameters`` say what is kept.
    layout : Layout
        Names of the parameters.
    columns : sequence
        Names of the targets.
    data : ndarray of shape (n_times, n_targets)
        Data, for R2.
    """

    def __init__(self, settings, layout, columns, data):
        self.settings, self.columns = settings, columns
        self.labels = [par.label for par in layout.space]
        self.tables, self.writer, self.bar = [], None, None
        self.total = data.var(axis=0) * len(data) if settings.keeps_notes else None

    def __enter__(self):
        if self.settings.log_dir:
            from eegexplain.encoding.parameters._descent import scalar_writer

            self.writer = scalar_writer(self.settings.log_dir)
        if self.settings.verbose:
            steps = range(self.settings.max_n_iterations)
            self.bar = progress(steps, self.settings.verbose, "fitting parameters")
        return self

    def __exit__(self, *exception):
        if self.writer is not None:
            self.writer.close()
        if self.bar is not None:
            self.bar.close()

    def note(self, iteration, ssq, theta):
        """Note one iteration.

        Parameters
        ----------
        iteration : int
            Its number.
        ssq : ndarray of shape (n_targets,)
            Residual sums of squares.
        theta : ndarray of shape (n_targets, n_parameters)
            Parameters.
        """
        if self.bar is not None:
            self.bar.update()
        if self.writer is not None:
            self.writer.add_scalar("mean_r2", float(np.mean(1 - ssq / self.total)), iteration)
            self.writer.add_scalar("ssq", float(ssq.sum()), iteration)
        if self.settings.store_intermediate_parameters:
            self.tables.append(np.column_stack([theta, 1 - ssq / self.total]))

    def table(self):
        """Return parameters and R2 with index (iteration, target)."""
        import pandas as pd

        frames = [frame(table, self.columns, [*self.labels, "r2"]) for table in self.tables]
        if not frames:
            frames, keys = [frame(np.empty((0, len(self.labels) + 1)), None, [*self.labels, "r2"])], [0]
        else:
            keys = range(len(frames))
        return pd.concat(frames, keys=keys, names=["iteration", "target"])

"""Control: the mean training image of the trial's session, which is given (oracle).

It is not a decoder and uses no brain data: it shows what the session alone gains.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from cortexclip.errors import InputError
from cortexclip.methods.interface import FitData, LinearDecoder, Method, Prediction, Progress, Saved
from cortexclip.runtime.log import logger


class SessionMean(Method):
    """Mean training image of each session; of all training samples where the session was not trained on."""

    @property
    def oracle_of(self) -> Literal["session"]:
        return "session"

    def fit(self, data: FitData, seed: int, progress: Progress) -> LinearDecoder:
        samples = data.final
        if (samples.session < 0).any():
            raise InputError("session_mean: the sessions of the samples are not known. Leave the method out.")
        sessions, index = np.unique(samples.session, return_inverse=True)
        means = np.stack([samples.images[index == i].astype(np.float64).mean(axis=0) for i in range(len(sessions))])
        arrays = {"means": means, "sessions": sessions, "overall": samples.images.astype(np.float64).mean(axis=0)}
        return self.restore(Saved(arrays, {"sessions": len(sessions)}, data.shape))

    def restore(self, saved: Saved) -> LinearDecoder:
        arrays, kept = saved.named("means"), saved.named("sessions", "overall")
        sessions = kept["sessions"]

        def predict(brain: np.ndarray, session: np.ndarray) -> Prediction:
            known = np.isin(session, sessions)
            if not known.all():
                logger.info(
                    "session_mean: %d of %d samples are of a session that was not trained on; the answer is the mean "
                    "of all training images",
                    np.count_nonzero(~known),
                    len(known),
                )
            position = np.searchsorted(sessions, np.where(known, session, sessions[0]))
            return Prediction(np.where(known[:, None, None], arrays["means"][position], kept["overall"]))

        return LinearDecoder(predict, arrays, saved.chosen, kept)

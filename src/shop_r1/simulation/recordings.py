"""The recordings of visits in a browser: an observer that hands out their recorders and writes them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from shop_r1.drivers.recording.assets import SharedAssets
from shop_r1.drivers.recording.recorder import Recorder
from shop_r1.records.recordings import VisitBegun
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.loop import Visit


class Recordings:
    """Give each visit's driver its `recorder_of`, and let the visits' observer be told of."""

    def __init__(self, folder: Path, conceal: Callable[[str], str] | None = None) -> None:
        """Write into the folder `recordings/`; `conceal` is the test profile's, None where there is none."""
        self._folder, self._conceal = folder, conceal
        self._assets = SharedAssets(folder)
        self._recorders: dict[str, Recorder] = {}
        self.dropped: Counter[str] = Counter()
        """What is in no recording, in words."""

    def recorder_of(self, visit: Visit) -> Recorder:
        """Return the recorder for the visit's driver."""
        begun = VisitBegun(
            session_id=visit.session_id,
            user_id=visit.user_id,
            persona=visit.persona,
            source=visit.source,
            space=visit.space,
        )
        recorder = Recorder(self._folder, self._assets, begun, self._conceal)
        self._recorders[visit.session_id] = recorder
        return recorder

    async def begin(self, visit: Visit) -> None:
        """Take a visit that begins."""

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Let it go on."""
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Take a step."""
        self._recorders[visit.session_id].finish_step(step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Write the recording of a visit that has a step; its window is closed by now.

        Raises:
            DataError: it cannot be written.
        """
        recorder = self._recorders.pop(visit.session_id, None)
        if recorder is not None and end.steps:
            outcome = end.outcome
            await recorder.write(None if outcome == "no step" or outcome == "stopped" else outcome)
            self.dropped += recorder.dropped

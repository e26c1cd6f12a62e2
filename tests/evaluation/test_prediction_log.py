"""Predictions that are on disk at once, wherever the file then ends."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shop_r1.datasets.examples import list_examples
from shop_r1.errors import DataError
from shop_r1.evaluation import predict as predict_module
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.evaluation.prediction_log import PredictionLog
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.sampling import Sampling
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session

CONFIG = PredictConfig(sampling=Sampling(temperature=1.0, max_new_tokens=8), bf16=False, batch_tokens=900)


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is computed, batch by batch: each step's session and number."""
    batches: list[list[str]] = []
    compute = predict_module._predict_batch

    def answer(model: Any, sessions: Any, config: Any) -> list[Prediction]:
        batches.append([f"{each.session.session_id} {each.step}" for rows in sessions for each, _ in rows])
        return compute(model, sessions, config)

    monkeypatch.setattr(predict_module, "_predict_batch", answer)
    return batches


def lines_of(predictions: Sequence[Prediction]) -> list[str]:
    return [each.model_dump_json(exclude_none=True) for each in predictions]


def test_wherever_the_file_was_cut_the_result_is_the_same_to_the_byte_and_no_whole_batch_is_made_twice(
    tmp_path: Path, tiny_model: LocalModel, tiny_sessions: list[Session], predicted: list[list[str]]
) -> None:
    examples = list_examples(tiny_sessions)
    expected = lines_of(predict(tiny_model, examples, CONFIG))
    batches, path = [*predicted], tmp_path / "predictions.partial.jsonl"
    assert len(batches) > 1 and max(map(len, batches)) > 1
    with PredictionLog(path, "a") as log:
        assert lines_of(predict(tiny_model, examples, CONFIG, log=log)) == expected
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 1 + len(examples)
    ends = [sum(map(len, lines[:count])) for count in range(len(lines) + 1)]
    for end in sorted({*ends, *(end + 5 for end in ends[:-1]), *(end - 1 for end in ends[1:])}):
        path.write_bytes(whole[:end])
        predicted.clear()
        with PredictionLog(path, "a") as log:
            assert log.is_incomplete == (end not in ends)
            assert log.kept == max(0, max(count for count, at in enumerate(ends) if at <= end) - 1)
            assert lines_of(predict(tiny_model, examples, CONFIG, log=log)) == expected
        done = [
            batch for number, batch in enumerate(batches) if sum(map(len, batches[: number + 1])) <= log.kept
        ]
        assert predicted == batches[len(done) :]
        assert path.read_bytes() == whole


def test_another_runs_predictions_are_refused_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    PredictionLog(path, "a").close()
    before = path.read_bytes()
    with pytest.raises(
        DataError, match=r"p\.jsonl:1: holds the predictions of another run .* remove the file"
    ):
        PredictionLog(path, "b")
    assert path.read_bytes() == before


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"run":"a"}\n{"example":0,"predi\n{"example":1}\n', "utf-8")
    with pytest.raises(DataError, match=r"p\.jsonl:2: "):
        PredictionLog(path, "a")


def test_two_runs_cannot_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with PredictionLog(path, "a"), pytest.raises(DataError, match="another run is writing to it"):
        PredictionLog(path, "a")
    PredictionLog(path, "a").close()


FULL_DISK = """
import json, resource, signal, sys
from pathlib import Path
from shop_r1.errors import DataError
from shop_r1.evaluation.prediction_log import PredictionLog
from shop_r1.records.results import Prediction
one = Prediction.model_validate(json.loads(sys.argv[2]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = PredictionLog(Path(sys.argv[1]), "a")
log.add({0: one})
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (log.path.stat().st_size + 10, most))
try:
    log.add({1: one, 2: one})
except DataError as error:
    print(error)
"""


def test_a_full_disk_is_one_sentence_and_what_was_predicted_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    one = {"session_id": "s", "step": 1, "target": {"type": "terminate"}}
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), json.dumps(one)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "a prediction cannot be written (File too large); free some space, then run again" in done.stdout
    with PredictionLog(path, "a") as log:
        assert (log.kept, log.is_incomplete) == (1, True)
        assert log.take([0]) == {0: Prediction.model_validate(one)}
        assert log.take([0, 1]) is None

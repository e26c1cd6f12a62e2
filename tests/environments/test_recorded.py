"""`shop_r1/Recorded-v0`: gymnasium's own checks, and the reward of each recorded step."""

from pathlib import Path

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from shop_r1 import Action, Page, Session, Step, write_sessions
from shop_r1.environments.recorded import RecordedEnv
from shop_r1.errors import ConfigError, DataError
from shop_r1.prompts.render import PromptConfig, render_completion

ENV_ID = "shop_r1.environments.recorded:shop_r1/Recorded-v0"
SEARCH = Action(type="type_and_submit", name="search_input", text="café cup")
CLICK = Action(type="click", name="results.red_mug")
LEAVE = Action(type="terminate")


def make_session(name: str, *actions: Action) -> Session:
    pages = [Page(html=f"<page>\nPage {index} of café {name}.") for index in range(len(actions))]
    steps = [Step(page=page, action=action) for page, action in zip(pages, actions, strict=True)]
    return Session(session_id=name, steps=tuple(steps))


SESSIONS = (
    make_session("one", SEARCH, CLICK, LEAVE),
    make_session("two", SEARCH, LEAVE),
    make_session("short", LEAVE),
)


def test_gymnasiums_checks_pass_without_a_warning(tmp_path: Path) -> None:
    write_sessions(tmp_path / "sessions.jsonl", SESSIONS)
    env = gymnasium.make(ENV_ID, sessions=tmp_path / "sessions.jsonl")
    check_env(env.unwrapped)


def test_each_step_from_the_second_on_is_asked_and_scored() -> None:
    env = RecordedEnv(SESSIONS)
    assert env.left_out == 1
    observation, info = env.reset(seed=0, options={"session": 0})
    assert (info["session_id"], info["step"]) == ("one", 1)
    assert "Page 1 of caf&#233; one." in observation["prompt"]
    # Table 1: 0.5 format, 0.3 type, 0.2 for a name, 1000 x ROUGE-L 1 for the right one; no certainty.
    observation, reward, terminated, truncated, info = env.step(render_completion("It is red.", CLICK))
    assert (reward, terminated, truncated, info["value"]) == (1001.0, False, False, 1000.0)
    assert "Page 2 of caf&#233; one." in observation["prompt"]
    _, reward, terminated, _, info = env.step("I leave.")
    assert (reward, terminated, info["format"]) == (0.0, True, 0.0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(render_completion("", LEAVE))


def test_a_session_that_is_not_there_is_refused() -> None:
    env = RecordedEnv(SESSIONS)
    for options in ({"session": 2}, {"sessoin": 0}):
        with pytest.raises(ConfigError, match="expected session, from 0 to 1, or none"):
            env.reset(options=options)


def test_sessions_without_a_second_step_are_refused() -> None:
    with pytest.raises(DataError, match="none of the 1 sessions has two steps"):
        RecordedEnv(SESSIONS[2:])


def test_a_prompt_that_does_not_fit_the_space_says_what_to_do() -> None:
    env = RecordedEnv(SESSIONS, prompt=PromptConfig(), max_prompt_characters=40)
    with pytest.raises(DataError, match=r"raise max_prompt_characters, or lower prompt\.max_tokens"):
        env.reset(seed=0)

"""What the app remembers: a small file that may be missing, damaged or from another version."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gradwalk.watches import Limits
from gradwalk_gui import settings
from gradwalk_gui.settings import RECENT, Settings
from gradwalk_gui.watch_limits import limits_of, texts_of


def test_saved_settings_come_back(tmp_path):
    file = tmp_path / "deep" / "app.json"
    kept = Settings(theme="dark", font_scale=1.3, speed=2.0, recent=("/a", "/b"), geometry="AAAA", docks="BBBB", log_loss=False)
    assert settings.save(kept, file)
    assert settings.load(file) == kept
    assert [each.name for each in file.parent.iterdir()] == ["app.json"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"theme": 5, "recent": "x", "speed": true}', "\x00", '{"theme": "pink"}']
)
def test_what_is_damaged_has_its_default(tmp_path, content):
    file = tmp_path / "app.json"
    file.write_text(content)
    assert settings.load(file) == Settings()


def test_one_wrong_field_leaves_the_others(tmp_path):
    file = tmp_path / "app.json"
    file.write_text(json.dumps({"theme": "dark", "speed": "fast", "font_scale": 99, "unknown": 1}))
    assert settings.load(file) == Settings(theme="dark", font_scale=3.0)


def test_another_version_of_the_arrangement_is_forgotten_and_preferences_are_kept():
    kept = settings.from_json({"version": settings.VERSION + 1, "theme": "dark", "geometry": "AAAA", "docks": "BBBB"})
    assert kept == Settings(theme="dark")


def test_limits_of_watches_that_make_no_sense_have_their_defaults():
    texts = ["exploding=500", "vanishing=-1", "dead_share=2", "spike=many", "spike_steps=3", "x=1", "", "update_ratio=inf"]
    kept = settings.from_json({"limits": texts})
    assert kept.limits == ("exploding=500.0",)
    assert limits_of(kept.limits) == replace(Limits(), exploding=500.0)
    assert texts_of(limits_of(())) == ()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert not settings.save(Settings(), tmp_path / "file" / "app.json")


def test_recent_ones_are_newest_first_without_doubles():
    kept = Settings()
    for number in range(RECENT + 5):
        kept = settings.remember(kept, f"/{number}")
    kept = settings.remember(kept, f"/{RECENT}")
    assert len(kept.recent) == RECENT
    assert kept.recent[0] == f"/{RECENT}"
    assert len(set(kept.recent)) == RECENT


def test_where_trainings_are_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert settings.runs_folder(Settings()) == tmp_path / "gradwalk-runs"
    assert settings.runs_folder(replace(Settings(), runs_folder="/somewhere")) == Path("/somewhere")
    monkeypatch.chdir("/")
    assert settings.runs_folder(Settings()) != Path("/gradwalk-runs")

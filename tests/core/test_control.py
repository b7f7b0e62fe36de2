"""The control path, over real sockets."""

from __future__ import annotations

import json
import os
import stat
import threading

import pytest

from gradwalk.control import FILE, FRAME_LIMIT, ControlClient, ControlError, ControlServer
from gradwalk.platform import connect_locally


@pytest.fixture
def server(tmp_path):
    made = ControlServer(tmp_path, {"status": lambda _: {"pid": 7, "steps": 3}, "fail": lambda _: {}["nothing"]})
    yield made
    made.close()


def address(folder):
    return json.loads((folder / FILE).read_text(encoding="utf-8"))["address"]


def raw(folder, data):
    """What comes back for these bytes until the server ends the connection."""
    with connect_locally(address(folder), 5.0) as connection:
        connection.sendall(data)
        received = b""
        try:
            while block := connection.recv(65536):
                received += block
        except ConnectionResetError:
            pass
        return received


def test_a_client_asks_and_is_answered(server, tmp_path):
    with ControlClient(tmp_path) as client:
        assert [client.status()["steps"], client.status()["pid"]] == [3, 7]


def test_the_file_is_for_this_user_only_and_gone_at_the_end(server, tmp_path):
    file = tmp_path / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    path = address(tmp_path).partition(":")[2]
    assert os.path.exists(path)
    server.close()
    assert not file.exists()
    assert not os.path.exists(path)
    with pytest.raises(ControlError, match="no run is going on"):
        ControlClient(tmp_path)


def test_unknown_commands_and_faults_are_answered_and_the_connection_lives(server, tmp_path):
    with ControlClient(tmp_path) as client:
        with pytest.raises(ControlError, match="no command 'fly'"):
            client.send("fly")
        with pytest.raises(ControlError, match="KeyError"):
            client.send("fail")
        assert client.status()["pid"] == 7


@pytest.mark.parametrize(
    "data",
    [
        b'{"token": "guess"}\n',
        b'{"command": "status", "id": 1}\n',
        b"GET / HTTP/1.1\r\n\r\n",
        b"[1, 2]\n",
        b"\xff\xfe\n",
        b"[" * 5000 + b"\n",
        b"x" * (3 * FRAME_LIMIT),
    ],
)
def test_what_is_no_frame_or_has_no_token_is_dropped(server, tmp_path, data):
    assert raw(tmp_path, data) == b""
    with ControlClient(tmp_path) as client:
        assert client.status()["pid"] == 7


def test_a_file_that_others_can_read_is_not_used(server, tmp_path):
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(ControlError, match="read by others"):
        ControlClient(tmp_path)


def test_a_run_that_was_killed_leaves_a_file_that_says_so_to_nobody(server, tmp_path):
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    server.close()
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(ControlError, match="does not answer"):
        ControlClient(tmp_path)


def test_a_run_that_ends_ends_its_clients_words(server, tmp_path):
    with ControlClient(tmp_path) as client:
        server.close()
        with pytest.raises(ControlError, match="has ended"):
            client.status()


def test_events_reach_clients_and_do_not_disturb_answers(server, tmp_path):
    with ControlClient(tmp_path) as client:
        server.tell({"event": "paused", "at": 4})
        assert client.status()["steps"] == 3


def test_several_clients_at_once(server, tmp_path):
    answers = []

    def ask():
        with ControlClient(tmp_path) as client:
            answers.extend(client.status()["pid"] for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [7] * 120


def test_what_a_handler_wants_afterwards_happens_when_its_answer_is_out(tmp_path):
    happened = threading.Event()

    def stop(_):
        server.afterwards(happened.set)
        return {"bye": True}

    server = ControlServer(tmp_path, {"stop": stop})
    with ControlClient(tmp_path) as client:
        assert client.send("stop")["bye"]
    assert happened.wait(5)
    server.close()

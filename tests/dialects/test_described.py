"""A dialect file: what it makes of a server, and what is said of a mistake in it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dialects.base import (
    CLIENT_KINDS,
    Dialect,
    Kind,
    SemanticVad,
    ServerEvent,
    SessionSettings,
    Tool,
    Transcription,
)
from bench.dialects.changes import Changes
from bench.dialects.described import described_dialect
from bench.dialects.openai import OPENAI
from bench.dialects.openai_beta import OPENAI_BETA
from bench.problem import Problem
from bench.session.dialect_file import READY, dialect_names, find_dialect

URL = 'url = "wss://h.example/v1/realtime?model={model}"\n'
KEY = "sk-very-secret"
OWN_WORDS = Path(__file__).parents[1] / "golden" / "dialects" / "own-words.toml"
SETTINGS = SessionSettings(
    "m",
    voice="v",
    transcription=Transcription("t", "de"),
    instructions="Be brief.",
    tools=(Tool("f", "d", {"type": "object"}),),
    max_output_tokens=40,
)


def dialect(text: str) -> Dialect:
    return described_dialect("mine", tomllib.loads(text))


def own_words() -> Dialect:
    return dialect(OWN_WORDS.read_text(encoding="utf-8"))


def encoded(message: Any) -> bytes:
    return json.dumps(message).encode()


class TestLeftOut:
    """What a file does not say is as in its base."""

    @pytest.mark.parametrize(
        ("base", "model"), [(OPENAI, "gpt-realtime"), (OPENAI_BETA, "gpt-4o-realtime-preview")]
    )
    def test_is_as_in_the_base(self, base: Dialect, model: str) -> None:
        mine = dialect(f'base = "{base.name}"\n{URL}')
        assert mine.name == "mine"
        assert mine.key_variable is None
        assert mine.default_model == model
        assert mine.default_voice is None
        assert mine.awaits == base.awaits
        assert not mine.unsent
        assert mine.commit_answers is False
        assert mine.input_codecs == base.input_codecs
        assert mine.session_update(SETTINGS) == base.session_update(SETTINGS)
        assert mine.append_envelope() == base.append_envelope()
        for name in ("session.created", "response.audio.delta", "response.output_audio.delta"):
            message = encoded({"type": name, "delta": "AAEC"})
            assert mine.parse(message) == base.parse(message)

    def test_needs_only_a_url(self) -> None:
        assert dialect(URL).endpoint("wss://h", "m", {}).url == "wss://h/v1/realtime?model=m"


class TestAddress:
    def test_takes_path_and_query_from_the_url_and_the_host_from_the_user(self) -> None:
        mine = dialect('url = "wss://h/a/{model}/b?x=1&m={model}&y="')
        url = mine.endpoint("ws://other:81", "x y", {}).url
        assert url == "ws://other:81/a/x%20y/b?x=1&m=x%20y&y="
        assert mine.endpoint("ws://other/path?x=2", "m", {}).url == "ws://other/path?x=2&m=m&y="

    def test_of_transcription_is_its_own(self) -> None:
        mine = dialect(URL)
        url = mine.endpoint("ws://h", "m", {}, "transcription").url
        assert url == "ws://h/v1/realtime?intent=transcription"
        mine = dialect(URL + 'transcription_url = "ws://h/v1/realtime?task=asr&model={model}"')
        url = mine.endpoint("ws://h", "m", {}, "transcription").url
        assert url == "ws://h/v1/realtime?task=asr&model=m"

    def test_headers_and_subprotocols_take_keys_from_the_environment(self) -> None:
        mine = dialect(
            URL + 'subprotocols = ["realtime", "key.${MY_KEY}"]\n'
            '[headers]\nX-Key = "Key ${MY_KEY}"\nX-Team = "${MY_TEAM}"\nX-Plain = "a"\n'
        )
        assert mine.key_variable == "MY_KEY"
        endpoint = mine.endpoint("wss://h", "m", {"MY_KEY": KEY, "OTHER": "x"})
        assert endpoint.headers == (("X-Key", f"Key {KEY}"), ("X-Plain", "a"))
        assert endpoint.subprotocols == ("realtime", f"key.{KEY}")
        assert endpoint.secrets == ("MY_KEY", "MY_KEY")
        assert KEY not in endpoint.url + repr(endpoint)
        bare = mine.endpoint("wss://h", "m", {"MY_KEY": ""})
        assert (bare.headers, bare.subprotocols) == ((("X-Plain", "a"),), ("realtime",))
        assert bare.secrets == ()

    def test_a_key_that_no_subprotocol_can_carry_is_refused_and_not_shown(self) -> None:
        mine = dialect(URL + 'subprotocols = ["key.${MY_KEY}"]')
        with pytest.raises(Problem, match=r"^MY_KEY: .*no subprotocol can carry") as caught:
            mine.endpoint("wss://h", "m", {"MY_KEY": f"{KEY} x"})
        assert KEY not in str(caught.value)


class TestReceived:
    """The server's own words are told in tests/dialects/test_golden.py."""

    def test_a_field_that_is_not_there_is_unknown(self) -> None:
        event = own_words().parse(encoded({"type": "heard.start", "clock": 3}))
        assert event == ServerEvent(Kind.SPEECH_STARTED, "heard.start")

    def test_openais_words_are_still_understood(self) -> None:
        message = encoded({"type": "response.output_audio.delta", "delta": "AAEC"})
        assert own_words().parse(message) == OPENAI.parse(message)

    def test_a_field_of_ours_that_has_another_meaning_there_does_no_harm(self) -> None:
        message = {"type": "sorry", "code": 7, "text": "No.", "error": 3, "item": "x"}
        event = own_words().parse(encoded({**message, "item": None}))
        assert event == ServerEvent(Kind.ERROR, "sorry", detail={"code": "7", "message": "No."})
        event = own_words().parse(encoded(message))
        assert event.kind is Kind.MALFORMED

    def test_what_is_no_event_is_kept_raw(self) -> None:
        for message in (b"", b"[]", b"{}", b'{"type":3}', b"\xff", b'{"type":"answer.sound"'):
            assert own_words().parse(message).kind is Kind.MALFORMED
        assert own_words().parse(b'{"type":"new"}').kind is Kind.UNKNOWN
        deep = b'{"type":"sorry","x":' + b"[" * 100_000
        assert own_words().parse(deep).kind is Kind.MALFORMED

    words = st.sampled_from(sorted(tomllib.loads(OWN_WORDS.read_text("utf-8"))["events"]))
    junk = st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=5)),
        lambda inner: st.dictionaries(
            st.sampled_from(["clock", "ms", "sound", "base64", "tool", "with", "error", "how"]),
            inner,
            max_size=4,
        ),
        max_leaves=8,
    )

    @given(words, junk)
    def test_no_message_raises(self, word: str, junk: Any) -> None:
        fields = junk if isinstance(junk, dict) else {"item": junk}
        event = own_words().parse(encoded({**fields, "type": word}))
        assert event.kind is Kind.MALFORMED or event.type == word


class TestSent:
    def test_events_are_in_the_servers_words(self) -> None:
        mine = own_words()
        assert mine.append_envelope() == (b'{"type":"hear","sound":{"base64":"', b'"}}')
        assert mine.session_update(SETTINGS) == {"type": "be", "voice": "v", "model": "m"}
        assert mine.client_event(Kind.COMMIT) == OPENAI.client_event(Kind.COMMIT)

    def test_an_event_the_server_has_not_is_refused(self) -> None:
        mine = dialect(URL + "[send]\nitem_truncate = false\n")
        assert mine.unsent == {Kind.ITEM_TRUNCATE}
        with pytest.raises(Problem, match=r"^dialect mine: the server takes no item_truncate"):
            mine.client_event(Kind.ITEM_TRUNCATE, item_id="i", audio_end_ms=1)
        assert mine.client_event(Kind.ITEM_DELETE, item_id="i")

    def test_changes_leave_the_event_they_were_given_alone(self) -> None:
        event = {"type": "t", "a": {"b": {"c": 1}}, "n": None, "list": [1]}
        before = json.dumps(event)
        changes = Changes(
            move={("a", "b", "c"): ("x", "y"), ("gone", "by"): ("z",)},
            drop=(("list",), ("no", "such")),
            drop_null=(("n",), ("a", "n")),
            set={"a": {"d": "{model}"}, "type": "u", "m": ["{model}!"]},
        )
        assert changes.made_to(event, "gpt") == {
            "type": "u",
            "a": {"b": {}, "d": "gpt"},
            "x": {"y": 1},
            "m": ["gpt!"],
        }
        assert json.dumps(event) == before
        assert changes.made_to(event)["a"]["d"] == "{model}"

    def test_null_is_moved_like_any_value(self) -> None:
        changes = Changes(move={("a",): ("b", "c")})
        assert changes.made_to({"a": None}) == {"b": {"c": None}}


MISTAKES = [
    ("", "url is missing"),
    ("url = 3", "url 3 will not do; input should be a valid string"),
    ('url = "https://h/x"', "url 'https://h/x' is no WebSocket URL"),
    ('url = "wss://h/x?key=${K}"', "url is no place for a key; put it into headers"),
    ('url = "wss://me:secret@h/x"', "url is no place for a key"),
    ('url = "wss://h/{modle}"', r"url \{modle\} stands for nothing; there is \{model\}"),
    (URL + "urls = 1", r"urls is no known key; did you mean url\?"),
    (URL + "zzz = 1", "zzz is no known key; there are url, base, "),
    (URL + 'base = "openai-bete"', r"base 'openai-bete' .*did you mean openai-beta\?"),
    (URL + 'awaits = ["session_create"]', r"awaits\[0\] .*did you mean session_created\?"),
    (URL + 'awaits = "session_created"', "awaits 'session_created' will not do; .*list"),
    (URL + 'input_codecs = ["pcm"]', r"input_codecs\[0\] 'pcm' .*did you mean pcm"),
    (URL + "output_codecs = []", r"output_codecs \[\] names no codec"),
    (URL + 'commit_answers = "yes"', "commit_answers 'yes' will not do"),
    (URL + "[headers]\nX-A = 1", "headers.X-A 1 will not do"),
    (URL + '[headers]\nHost = "h"', "headers: Host belongs to the handshake"),
    (URL + f'[headers]\nAuthorization = "Bearer {KEY}"', "headers: Authorization holds a key"),
    (URL + '[headers]\n"X A" = "h"', "headers: 'X A' is no header name"),
    (URL + 'subprotocols = ["${}"]', r"subprotocols\[0\]: \$\{ without a variable's name"),
    (URL + '[events]\nhi = "sesion_created"', r"events.hi .*did you mean session_created\?"),
    (URL + '[events]\n"a.b" = "utterance"', "events.\"a.b\" 'utterance' is not known; there are"),
    (URL + "[events]\nhi = 3", "events.hi 3 will not do"),
    (URL + '[events]\nhi = { item_id = "a" }', "events.hi.kind is missing"),
    (
        URL + '[events]\nhi = { kind = "error", error_mesage = "a" }',
        r"events.hi.error_mesage is no known key; did you mean error_message\?",
    ),
    (
        URL + '[events]\nhi = { kind = "error", error_message = "a..b" }',
        "events.hi.error_message 'a..b' is no path",
    ),
    (URL + "[send]\ncomit = false", r"send 'comit' is not known; did you mean commit\?"),
    (URL + "[send]\ncommit = 3", "send.commit 3 will not do"),
    (URL + "[send.commit]\nmoves = {}", r"send.commit.moves .*did you mean move\?"),
    (URL + '[send.commit]\nmove = { a = "" }', "send.commit.move '' is no path"),
    (URL + '[send.commit]\ndrop = "a"', "send.commit.drop 'a' will not do"),
    (
        URL + 'transcription_url = "wss://h/other"',
        "transcription_url 'wss://h/other' has another path than url",
    ),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_is_named_with_its_place_and_mend(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match=said) as caught:
        find_dialect(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"url = ", "is no TOML"), (b"\xff", "is no TOML"), (b"a = " + b"[" * 9_000, "deeply|TOML")],
)
def test_what_is_no_toml_is_said_to_be_none(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(Problem, match=said):
        find_dialect(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"none\.toml: cannot be read \(No such file"):
        find_dialect(str(tmp_path / "none.toml"))


# ready files


def test_names_are_found() -> None:
    names = dialect_names()
    assert names[:4] == ["openai", "openai-beta", "azure", "azure-preview"]
    assert {"hf-speech-to-speech", "localai", "speaches", "xai", "qwen-omni"} <= set(names)
    assert all(find_dialect(name).name == name for name in names)


@pytest.fixture(params=sorted(path.stem for path in READY.glob("*.toml")))
def ready(request: pytest.FixtureRequest) -> Dialect:
    return find_dialect(request.param)


def test_every_ready_file_says_what_it_is_about_and_takes_a_key(ready: Dialect) -> None:
    text = (READY / f"{ready.name}.toml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert ready.key_variable is not None
    endpoint = ready.endpoint("wss://h", "m", {ready.key_variable: KEY})
    assert KEY in str(endpoint.headers) + str(endpoint.subprotocols)
    assert endpoint.secrets == (ready.key_variable,)


def test_every_ready_file_configures_and_speaks(ready: Dialect) -> None:
    settings = SessionSettings(
        "m", voice="v", input_codec=ready.input_codecs[0], turn_detection=SemanticVad()
    )
    assert json.loads(json.dumps(ready.session_update(settings)))["type"] == "session.update"
    before, after = ready.append_envelope()
    assert json.loads(before + b"AAEC" + after)["audio"] == "AAEC"
    assert ready.unsent <= CLIENT_KINDS - {Kind.SESSION_UPDATE, Kind.APPEND}
    assert Kind.SESSION_CREATED in ready.awaits


def test_what_ready_servers_want_otherwise() -> None:
    hf = find_dialect("hf-speech-to-speech")
    assert hf.awaits == {Kind.SESSION_CREATED}

    local = find_dialect("localai")
    assert local.commit_answers
    event = local.parse(b'{"type":"input_audio_buffer.speech_stopped","audio_end_ms":5210}')
    assert event == ServerEvent(Kind.SPEECH_STOPPED, "input_audio_buffer.speech_stopped")

    xai = find_dialect("xai")
    assert xai.parse(b'{"type":"conversation.created"}').kind is Kind.SESSION_CREATED
    assert xai.parse(b'{"type":"ping","timestamp":1}').kind is Kind.BOOKKEEPING
    session = xai.session_update(SessionSettings("m", voice="Ara", turn_detection=None))["session"]
    assert session["voice"] == "Ara"
    assert session["turn_detection"] is None
    assert session["audio"]["input"] == {"format": {"type": "audio/pcm", "rate": 24_000}}
    response = xai.client_event(Kind.RESPONSE_CREATE, output_modality="text", voice="Rex")
    assert response["response"] == {"modalities": ["text"], "voice": "Rex"}

    qwen = find_dialect("qwen-omni")
    settings = SessionSettings("m", input_codec="pcm16_16k")
    asked = qwen.session_update(settings)["session"]
    assert (asked["input_audio_format"], asked["output_audio_format"]) == ("pcm", "pcm")
    assert asked["turn_detection"].keys() == {"type", "threshold", "silence_duration_ms"}
    with pytest.raises(Problem, match=r"qwen-omni: input codec 'pcm16' .* there are pcm16_16k"):
        qwen.session_update(SessionSettings("m"))

    speaches = find_dialect("speaches")
    asked = speaches.session_update(SessionSettings("m"))["session"]
    assert not {"input_audio_format", "input_audio_transcription"} & asked.keys()
    assert "prefix_padding_ms" not in asked["turn_detection"]
    for name in ("response.audio.delta", "response.output_audio.delta"):
        assert speaches.parse(encoded({"type": name})).kind is Kind.OUTPUT_AUDIO_DELTA

    browser = find_dialect("openai-browser")
    endpoint = browser.endpoint("wss://h", "m", {"OPENAI_API_KEY": "ek_abc"})
    assert endpoint.headers == ()
    assert endpoint.subprotocols == ("realtime", "openai-insecure-api-key.ek_abc")

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.audio.catalogue import Catalogue
from bench.dialects.base import SemanticVad, ServerVad, Transcription
from bench.load.plan import describe_options, make_call_plan, plan_hash, plan_of_class
from bench.problem import Problem

KEY = "sk-not-to-be-seen"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.mark.parametrize(
    "host", ["ws://example.com", "ws://10.0.0.1:8765", "ws://localhost.example.com", "WS://a.b"]
)
def test_key_never_leaves_this_machine_unencrypted(
    parse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(Problem, match=r"OPENAI_API_KEY unencrypted; use wss://") as caught:
        make_call_plan(parse(), host)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("host", ["wss://example.com", "ws://127.0.0.1:1", "ws://[::1]:1"])
def test_key_goes_with_the_endpoint_and_nowhere_else(
    parse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    options = parse()
    plan = make_call_plan(options, host)
    assert plan.endpoint.headers == (("Authorization", f"Bearer {KEY}"),)
    assert KEY not in plan.endpoint.url
    assert KEY not in repr(describe_options(options))


@pytest.mark.parametrize("empty", ["", None])
def test_without_a_key_there_is_no_header(
    parse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, empty: str | None
) -> None:
    if empty is not None:
        monkeypatch.setenv("OPENAI_API_KEY", empty)
    assert make_call_plan(parse(), "ws://example.com").endpoint.headers == ()


def test_default_host_is_the_embedded_servers(parse: Callable[..., Any]) -> None:
    for nothing in (None, ""):
        plan = make_call_plan(parse(), nothing)
        assert plan.endpoint.url == "ws://127.0.0.1:8765/v1/realtime?model=gpt-realtime"


def test_unknown_dialect_is_named_with_those_there_are(parse: Callable[..., Any]) -> None:
    with pytest.raises(Problem, match=r"^--dialect 'klingon': unknown; there are openai, .*xai"):
        make_call_plan(parse("--dialect", "klingon"), None)
    with pytest.raises(Problem, match=r"^--dialect 'opena1': unknown; did you mean openai\?"):
        make_call_plan(parse("--dialect", "opena1"), None)


def test_model_voice_and_codecs_are_the_dialects_unless_told(parse: Callable[..., Any]) -> None:
    usual = make_call_plan(parse(), None).settings
    assert (usual.model, usual.voice) == ("gpt-realtime", "marin")
    assert (usual.input_codec, usual.output_codec) == ("pcm16", "pcm16")
    plan = make_call_plan(parse("--dialect", "qwen-omni"), None)
    assert (plan.settings.model, plan.settings.voice) == ("qwen3-omni-flash-realtime", "Cherry")
    assert (plan.settings.input_codec, plan.settings.output_codec) == ("pcm16_16k", "pcm16")
    assert plan.frames.codec.rate_hz == 16_000
    told = make_call_plan(parse("--dialect", "qwen-omni", "--model", "m", "--voice", "v"), None)
    assert (told.settings.model, told.settings.voice) == ("m", "v")


def test_a_file_of_ones_own_is_a_dialect(parse: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('url = "wss://mine.example/speak?m={model}"\n', encoding="utf-8")
    plan = make_call_plan(parse("--dialect", str(path), "--model", "x"), "ws://127.0.0.1:9")
    assert plan.dialect.name == "mine"
    assert plan.endpoint.url == "ws://127.0.0.1:9/speak?m=x"


class TestHeader:
    def test_takes_its_value_from_the_environment_and_is_recorded_without(
        self, parse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_TOKEN", KEY)
        options = parse("--header", "X-Token: Token ${MY_TOKEN}", "--header", "X-Plain: a: b")
        plan = make_call_plan(options, None)
        assert plan.endpoint.headers == (("X-Token", f"Token {KEY}"), ("X-Plain", "a: b"))
        assert KEY not in repr(describe_options(options))
        assert describe_options(options)["header"][0] == "X-Token: Token ${MY_TOKEN}"

    def test_takes_the_place_of_the_dialects_own(
        self, parse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
        monkeypatch.setenv("MY_TOKEN", KEY)
        plan = make_call_plan(parse("--header", "authorization: Bearer ${MY_TOKEN}"), None)
        assert plan.endpoint.headers == (("authorization", f"Bearer {KEY}"),)

    def test_with_a_key_never_leaves_this_machine_unencrypted(
        self, parse: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_TOKEN", KEY)
        options = parse("--header", "X-Token: ${MY_TOKEN}")
        with pytest.raises(Problem, match=r"MY_TOKEN unencrypted; use wss://"):
            make_call_plan(options, "ws://example.com")

    @pytest.mark.parametrize(
        ("line", "mend"),
        [
            ("X-Token", "no colon"),
            ("X Token: a", "no header name"),
            ("Host: elsewhere", "belongs to the handshake"),
            ("Sec-WebSocket-Key: a", "belongs to the handshake"),
            ("X-Token: ${MY_TOKEN}", "MY_TOKEN is not set; export it first"),
            ("X-Token: ${}", "without a variable's name"),
            ("X-Token: ${MY TOKEN}", "without a variable's name"),
            ("X-Name: é", "no header can carry"),
            (f"Authorization: Bearer {KEY}", "keep that in an environment variable"),
            (f"X-Other: Bearer {KEY}", "keep that in an environment variable"),
            (f"X-Other: {KEY}", "keep that in an environment variable"),
            (f"api-key: {KEY}", "keep that in an environment variable"),
        ],
    )
    def test_that_cannot_be_sent_is_refused_without_its_value(
        self,
        parse: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
        line: str,
        mend: str,
    ) -> None:
        monkeypatch.delenv("MY_TOKEN", raising=False)
        with pytest.raises(Problem, match=mend) as caught:
            make_call_plan(parse("--header", line), None)
        assert str(caught.value).startswith("--header")
        assert KEY not in str(caught.value)

    def test_says_of_whom_is_asked_and_not_what(
        self, parse: Callable[..., Any], clip_folder: Callable[..., Path]
    ) -> None:
        catalogue = Catalogue.open(clip_folder())
        plain, routed = (
            plan_hash(describe_options(parse(*arguments)), [], catalogue)
            for arguments in ((), ("--header", "X-Route: b"))
        )
        assert plain == routed


def test_values_are_checked_again(parse: Callable[..., Any]) -> None:
    options = parse()
    options.chunk_ms = 25
    with pytest.raises(Problem, match=r"^--chunk-ms"):
        make_call_plan(options, None)


@pytest.mark.parametrize("host", ["http://x", "x", "ws://", "ws://h:99999", "//h"])
def test_host_that_is_no_websocket_url(parse: Callable[..., Any], host: str) -> None:
    with pytest.raises(Problem, match=r"^--host .* is not a WebSocket URL"):
        make_call_plan(parse(), host)


def test_options_reach_the_plan(parse: Callable[..., Any]) -> None:
    options = parse(
        *("--model", "m x", "--voice", "v", "--transcription-model", "t", "--chunk-ms", "60"),
        *("--vad-silence-ms", "200", "--vad-threshold", "0.25", "--vad-prefix-padding-ms", "10"),
        *("--watchdog-s", "3", "--connect-timeout-s", "4", "--room-tone-dbfs", "off"),
    )
    plan = make_call_plan(options, "ws://127.0.0.1:1")
    settings = plan.settings
    assert plan.endpoint.url.endswith("?model=m%20x")
    assert (settings.model, settings.voice) == ("m x", "v")
    assert settings.transcription == Transcription("t")
    assert settings.turn_detection == ServerVad(0.25, 10, 200)
    assert (plan.watchdog_s, plan.connect_timeout_s) == (3.0, 4.0)
    assert plan.frames.chunk_ms == 60


def test_a_codec_is_for_both_ways_unless_one_is_told(parse: Callable[..., Any]) -> None:
    both = make_call_plan(parse("--codec", "pcma"), None)
    assert (both.settings.input_codec, both.settings.output_codec) == ("pcma", "pcma")
    assert both.frames.codec.rate_hz == 8_000
    one = make_call_plan(parse("--codec", "pcma", "--output-codec", "pcm16"), None)
    assert (one.settings.input_codec, one.settings.output_codec) == ("pcma", "pcm16")
    with pytest.raises(Problem, match="dialect openai: input codec 'pcm16_16k' is not taken"):
        make_call_plan(parse("--codec", "pcm16_16k"), None)


@pytest.mark.parametrize(
    ("arguments", "detection"),
    [
        (("--turn-detection", "none"), None),
        (("--turn-detection", "semantic_vad"), SemanticVad()),
        (("--turn-detection", "semantic_vad", "--eagerness", "low"), SemanticVad("low")),
        (("--vad-interrupt", "off"), ServerVad(interrupt_response=False)),
        (("--vad-idle-timeout-ms", "6000"), ServerVad(idle_timeout_ms=6_000)),
    ],
)
def test_turn_detection(
    parse: Callable[..., Any], arguments: tuple[str, ...], detection: object
) -> None:
    assert make_call_plan(parse(*arguments), None).settings.turn_detection == detection


def test_what_a_session_is_told_to_be(parse: Callable[..., Any]) -> None:
    told = (
        "--instructions",
        "Be brief.",
        "--max-output-tokens",
        "90",
        "--output-modality",
        "text",
    )
    settings = make_call_plan(parse(*told), None).settings
    assert (settings.instructions, settings.max_output_tokens) == ("Be brief.", 90)
    assert settings.output_modality == "text"


def test_a_session_that_only_transcribes_goes_elsewhere(parse: Callable[..., Any]) -> None:
    arguments = ("--session-type", "transcription", "--transcription-model", "t")
    plan = make_call_plan(parse(*arguments, "--language", "it"), None)
    assert plan.endpoint.url.endswith("/v1/realtime?intent=transcription")
    assert plan.settings.transcription == Transcription("t", "it")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--push-to-talk",), "--push-to-talk: .* add --turn-detection none"),
        (("--eagerness", "low"), "--eagerness low: server_vad has none"),
        (
            ("--turn-detection", "none", "--vad-idle-timeout-ms", "5000"),
            "--vad-idle-timeout-ms 5000: none has none",
        ),
        (("--language", "it"), "--language 'it': .* add --transcription-model"),
        (("--session-type", "transcription"), "by which model"),
        (("--tail", "question"), "--tail 'question': somebody speaks in it"),
        (("--tail", "bed_bable"), "did you mean 'bed_babble'"),
    ],
)
def test_options_that_do_not_go_together(
    parse: Callable[..., Any], arguments: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(Problem, match=problem) as caught:
        make_call_plan(parse(*arguments), None)
    assert "\n" not in str(caught.value)


def test_the_tail_is_looped_while_nobody_speaks(parse: Callable[..., Any]) -> None:
    bed = make_call_plan(parse("--tail", "bed_pink"), None)
    assert len(bed.frames.tone) == 4_000 // 20
    assert bed.frames.tail.any()
    silent = make_call_plan(parse("--tail", "silence"), None)
    assert not silent.frames.tail.any()


class TestPlanOfClass:
    def test_is_the_runs_without_anything_of_its_own(self, parse: Callable[..., Any]) -> None:
        options = parse()
        plan = make_call_plan(options, None)
        assert plan_of_class(plan, options, None, {}) is plan

    def test_has_what_the_class_asks_for(self, parse: Callable[..., Any]) -> None:
        options = parse("--transcription-model", "t")
        plan = make_call_plan(options, None)
        asks = {"input_codec": "pcmu", "turn_detection": None, "push_to_talk": True}
        own = plan_of_class(plan, options, None, asks)
        assert own.settings.turn_detection is None
        assert own.settings.transcription == Transcription("t")
        assert own.frames.codec.name == "pcmu"
        assert own.push_to_talk
        assert own.catalogue is plan.catalogue
        assert plan_of_class(plan, options, None, {"voice": "v"}).frames is plan.frames

    @pytest.mark.parametrize(
        ("asks", "problem"),
        [
            ({"turn_taking": None}, "asks 'turn_taking': no such setting; there are input_codec"),
            ({"push_to_talk": True}, "add --turn-detection none"),
            ({"output_codec": "pcm16_16k"}, "output codec 'pcm16_16k' is not taken"),
        ],
    )
    def test_refuses_what_cannot_be_had(
        self, parse: Callable[..., Any], asks: dict[str, Any], problem: str
    ) -> None:
        options = parse()
        with pytest.raises(Problem, match=problem):
            plan_of_class(make_call_plan(options, None), options, None, asks)


def test_no_transcription_unless_asked_for(parse: Callable[..., Any]) -> None:
    assert make_call_plan(parse(), None).settings.transcription is None


class TestPlanHash:
    @pytest.fixture
    def scenario(self, tmp_path: Path) -> Path:
        path = tmp_path / "scenario.py"
        path.write_text("# one\n", encoding="utf-8")
        return path

    @pytest.fixture
    def catalogue(self, clip_folder: Callable[..., Path]) -> Catalogue:
        return Catalogue.open(clip_folder())

    @staticmethod
    def described(parse: Callable[..., Any], *arguments: str, **more: Any) -> dict[str, Any]:
        options = parse(*arguments)
        for name, value in more.items():
            setattr(options, name, value)
        return describe_options(options)

    def test_is_the_same_for_the_same_plan(
        self, parse: Callable[..., Any], scenario: Path, catalogue: Catalogue, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere.py"
        elsewhere.write_bytes(scenario.read_bytes())
        first = plan_hash(self.described(parse), [str(scenario)], catalogue)
        again = plan_hash(self.described(parse), [str(elsewhere)], catalogue)
        assert first == again
        assert len(first) == 64

    @pytest.mark.parametrize(
        "arguments",
        [("--runs-dir", "elsewhere"), ("--run-id", "other"), ("--progress",)],
    )
    def test_where_the_record_goes_is_no_part_of_the_plan(
        self,
        parse: Callable[..., Any],
        scenario: Path,
        catalogue: Catalogue,
        arguments: tuple[str, ...],
    ) -> None:
        files = [str(scenario)]
        assert plan_hash(self.described(parse, *arguments), files, catalogue) == plan_hash(
            self.described(parse), files, catalogue
        )

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--chunk-ms", "40"),
            ("--room-tone-dbfs", "-60"),
            ("--room-tone-dbfs", "off"),
            ("--vad-silence-ms", "501"),
            ("--vad-threshold", "0.51"),
            ("--vad-prefix-padding-ms", "301"),
            ("--watchdog-s", "11"),
            ("--warmup-s", "1"),
            ("--model", "other"),
            ("--voice", "other"),
            ("--transcription-model", "some"),
            ("--codec", "pcmu"),
            ("--input-codec", "pcmu"),
            ("--output-codec", "pcmu"),
            ("--session-type", "transcription"),
            ("--output-modality", "text"),
            ("--instructions", "Be brief."),
            ("--max-output-tokens", "9"),
            ("--language", "it"),
            ("--tail", "silence"),
            ("--push-to-talk",),
            ("--turn-detection", "none"),
            ("--eagerness", "low"),
            ("--vad-interrupt", "off"),
            ("--vad-idle-timeout-ms", "5000"),
        ],
    )
    def test_an_option_that_shapes_the_run_changes_it(
        self,
        parse: Callable[..., Any],
        scenario: Path,
        catalogue: Catalogue,
        arguments: tuple[str, ...],
    ) -> None:
        files = [str(scenario)]
        assert plan_hash(self.described(parse, *arguments), files, catalogue) != plan_hash(
            self.described(parse), files, catalogue
        )

    def test_size_scenario_and_clips_change_it(
        self,
        parse: Callable[..., Any],
        scenario: Path,
        catalogue: Catalogue,
        clip_folder: Callable[..., Path],
    ) -> None:
        files = [str(scenario)]
        seen = {plan_hash(self.described(parse), files, catalogue)}
        seen.add(plan_hash(self.described(parse, num_users=7), files, catalogue))
        seen.add(plan_hash(self.described(parse, spawn_rate=3.0), files, catalogue))
        seen.add(plan_hash(self.described(parse, run_time=60), files, catalogue))
        seen.add(plan_hash(self.described(parse, tags=["a"]), files, catalogue))
        scenario.write_text("# two\n", encoding="utf-8")
        seen.add(plan_hash(self.described(parse), files, catalogue))
        relabelled = Catalogue.open(clip_folder(speech_end_ms=210))
        seen.add(plan_hash(self.described(parse), files, relabelled))
        assert len(seen) == 7


def test_described_options_are_plain_data_whatever_the_parser_knows(
    parse: Callable[..., Any],
) -> None:
    described = describe_options(parse())
    assert described["num_users"] is None  # Locust's own, and this parser has none of them
    assert described["chunk_ms"] == 20
    assert "host" not in described

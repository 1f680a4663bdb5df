"""What the catalogue says: every clip, its text, its voice and why it is there. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEVEL_DBFS = -23.0
CALLER_VOICE = "af_heart"
ASSISTANT_VOICE = "heart"
QUESTION = "What time does the last train to Boston leave tonight?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A text said by a voice. `pauses_ms` replace its longest gaps, in order, exactly."""

    id: str
    category: str
    why: str
    text: str
    voice: str
    language: str = "en"
    speed: float = 1.0
    phonemes: str | None = None
    pauses_ms: tuple[int, ...] = ()
    sentence_by_sentence: bool = False
    fade_db: float = 0.0
    fade_ms: int = 0
    lead_ms: int = 300
    interrupts: bool | None = True
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A spoken clip after something was done to it; it has that clip's labels."""

    id: str
    category: str
    why: str
    stem: str = "question"
    treatment: Literal["pink", "babble", "telephone", "gain", "clip"]
    db: float = 0.0
    interrupts: bool | None = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A noise nobody speaks in."""

    id: str
    category: str
    why: str
    kind: Literal["cough", "knock", "keys", "pink", "babble"]
    seed: int


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody saw on the plot of a clip, in ms of the clip; null keeps the annotator's."""

    reason: str
    speech_end_ms: int | None = None
    natural_pauses_ms: tuple[tuple[int, int], ...] | None = None


REVIEWED_BY = "rtbench maintainers, from the spectrogram"

_SATURDAY_EVENING = (
    "The envelope stops at a dip in the final nasal, the aligner after it: its last pulses "
    "end where the median is."
)

REVIEWS = {
    "pause_300": Review(_SATURDAY_EVENING),
    "mid_pause": Review(_SATURDAY_EVENING),
    "pause_1200": Review(_SATURDAY_EVENING),
    "trailing_off": Review(
        "Silero gives up inside the fade; formants are seen up to the median. The pause was "
        "labelled short: a breath of -60 dBFS in it is no speech.",
        natural_pauses_ms=((3216, 3660),),
    ),
    "monologue": Review(
        "The end is right. Pauses were labelled up to 180 ms short, one was missing: breaths of "
        "-70 dBFS in them are no speech.",
        natural_pauses_ms=(
            (4986, 5409),
            (12102, 12588),
            (13396, 13572),
            (17444, 17740),
            (21000, 21336),
            (27428, 27866),
        ),
    ),
    "backchannel_right": Review(
        "The aligner stops before the release of the final /t/; the other two are right."
    ),
    "correction_first": Review(
        "Creaky last syllable: the last pulse has died away at the median; Silero is late."
    ),
    "lang_es": Review(
        "The final /d/ breaks off; half-way between two methods is after it.",
        speech_end_ms=3500,
    ),
    "lang_it": Review("Right: the last vowel fades out there."),
    "lang_pt": Review("Right: the last vowel fades out there."),
    "lang_fr": Review("Right: the last vowel fades out there."),
    "lang_ja": Review("Right within 15 ms: the last nasal ends a little before."),
}
"""Every clip that came out `review`, those that only two methods could be asked about, and one
whose pauses were labelled wrong."""

SPOKEN = [
    Spoken(
        id="short",
        category="command",
        why="under a second, ends in a weak /f/",
        text="Lights off.",
        voice="am_fenrir",
    ),
    Spoken(
        id="plosive",
        category="command",
        why="ends in a plosive: a burst after a gap",
        text="Play the next track.",
        voice="af_bella",
    ),
    Spoken(
        id="question",
        category="question",
        why="the baseline; the variants below are made from it",
        text=QUESTION,
        voice=CALLER_VOICE,
    ),
    Spoken(
        id="question_fricative",
        category="question",
        why="ends in a fricative, male British voice",
        text="Can you tell me how many minutes it takes to cook six eggs?",
        voice="bm_george",
    ),
    Spoken(
        id="question_male_fast",
        category="question",
        why="the baseline's words, male voice, speed 1.25",
        text=QUESTION,
        voice="am_michael",
        speed=1.25,
    ),
    Spoken(
        id="question_female_slow",
        category="question",
        why="the baseline's words, British female voice, speed 0.8",
        text=QUESTION,
        voice="bf_emma",
        speed=0.8,
    ),
    Spoken(
        id="weather",
        category="question",
        why="names a city: a question for a tool",
        text="What is the weather in Lisbon today?",
        voice="am_michael",
    ),
    Spoken(
        id="name_question",
        category="question",
        why="asks back what a `name_…` clip told, in its voice",
        text="What is my name?",
        voice=CALLER_VOICE,
    ),
    Spoken(
        id="long",
        category="statement",
        why="natural pauses near 460 ms: cut off by a short silence setting",
        text=(
            "I'm planning a trip to Portugal with my family in early September, and we would "
            "like to spend three days in Lisbon and four days near the coast, so please suggest "
            "a simple route that does not need a car."
        ),
        voice="bf_emma",
    ),
    Spoken(
        id="monologue",
        category="statement",
        why="half a minute without giving up the turn",
        text=(
            "I would like some advice about a garden. We moved into a small house last spring, "
            "and there is a narrow strip of soil behind the kitchen that nobody has looked after "
            "for years. In the morning it gets plenty of sun, but after lunch the wall next door "
            "keeps it in the shade. I have already pulled out the weeds and added some compost. "
            "We have two small children who would love to pick something and eat it. What should "
            "I plant first if I want fresh vegetables before the end of summer, and how often do "
            "I need to water them when it is hot?"
        ),
        voice="af_bella",
        pauses_ms=(420, 380, 450, 400, 520),
        sentence_by_sentence=True,
    ),
    *(
        Spoken(
            id=clip_id,
            category="pause",
            why=why,
            text="I'd like to book a table for... four people on Saturday evening.",
            voice="am_michael",
            pauses_ms=(pause_ms,),
        )
        for clip_id, pause_ms, why in (
            ("pause_300", 300, "300 ms in mid-sentence: shorter than usual silence settings"),
            ("mid_pause", 700, "700 ms in mid-sentence: longer than a 500 ms silence setting"),
            ("pause_1200", 1200, "1200 ms in mid-sentence: longer than most silence settings"),
        )
    ),
    Spoken(
        id="pause_twice",
        category="pause",
        why="500 and 900 ms in one sentence",
        text="Send a message to Anna... and say that... I will be ten minutes late.",
        voice="af_heart",
        pauses_ms=(500, 900),
    ),
    Spoken(
        id="hesitation",
        category="hesitation",
        why="fillers before pauses of 600 and 450 ms",
        text="So, um... I was wondering, uh... if you could move my appointment to Friday.",
        voice="bm_george",
        pauses_ms=(600, 450),
    ),
    Spoken(
        id="digits",
        category="digits",
        why="a number in groups, 500 ms between them",
        text="Five five five... zero one four two... nine nine eight.",
        voice="af_bella",
        pauses_ms=(500, 500),
    ),
    Spoken(
        id="spelled",
        category="digits",
        why="letters and digits one by one",
        text="My order number is K, seven, nine, two, B.",
        voice="bf_emma",
    ),
    Spoken(
        id="trailing_off",
        category="trailing_off",
        why="falls by 22 dB over its last 900 ms",
        text=(
            "I suppose we could just do it tomorrow instead, if that is all right with everyone..."
        ),
        voice="am_michael",
        speed=0.92,
        fade_db=-22.0,
        fade_ms=900,
        note="-22 dB ramp over the last 900 ms",
    ),
    Spoken(
        id="barge_in_word",
        category="interruption",
        why="one word that should stop a reply",
        text="Stop.",
        voice="am_fenrir",
    ),
    Spoken(
        id="barge_in",
        category="interruption",
        why="a phrase that should stop a reply",
        text="Wait, wait, hold on a second.",
        voice="af_heart",
    ),
    Spoken(
        id="backchannel_uhhuh",
        category="backchannel",
        why="says: I am listening; should not stop a reply",
        text="Uh-huh.",
        voice="af_bella",
        phonemes="ʌ hˈʌ.",  # noqa: RUF001 - the alphabet of the model
        interrupts=False,
    ),
    Spoken(
        id="backchannel_mmhm",
        category="backchannel",
        why="the same with the mouth closed, weakest of the three",
        text="Mm-hmm.",
        voice="af_bella",
        phonemes="mhˈm.",  # noqa: RUF001
        interrupts=False,
    ),
    Spoken(
        id="backchannel_right",
        category="backchannel",
        why="the same with a real word",
        text="Right.",
        voice="bm_george",
        interrupts=False,
    ),
    Spoken(
        id="correction_first",
        category="correction",
        why="first half of a pair",
        text="Book a table for Monday at seven.",
        voice="af_bella",
    ),
    Spoken(
        id="correction_second",
        category="correction",
        why="second half: takes back what was said",
        text="No, I meant Tuesday.",
        voice="af_bella",
    ),
    Spoken(
        id="lang_es",
        category="language",
        why="Spanish",
        text="¿Puedes decirme a qué hora sale el próximo tren para Madrid?",
        voice="ef_dora",
        language="es",
    ),
    Spoken(
        id="lang_it",
        category="language",
        why="Italian",
        text="Mi può dire a che ora parte il prossimo treno per Milano?",
        voice="if_sara",
        language="it",
    ),
    Spoken(
        id="lang_pt",
        category="language",
        why="Portuguese, Brazilian",
        text="Você pode me dizer a que horas sai o próximo trem para o centro?",
        voice="pf_dora",
        language="pt-BR",
    ),
    Spoken(
        id="lang_fr",
        category="language",
        why="French",
        text="Est-ce que vous pouvez me dire à quelle heure part le prochain train pour Lyon ?",
        voice="if_sara",
        language="fr",
        note="French phonemes in an Italian voice: see NOTICE",
    ),
    Spoken(
        id="lang_ja",
        category="language",
        why="Japanese",
        text="明日の午後の天気を教えてください。",
        voice="jf_alpha",
        language="ja",
    ),
]

DERIVED = [
    *(
        Derived(
            id=clip_id,
            category="noise",
            why=f"the question in {kind} noise, {snr_db} dB",
            treatment=kind,
            db=snr_db,
            interrupts=None,
        )
        for clip_id, kind, snr_db in (
            ("noise_pink_20", "pink", 20),
            ("noise", "pink", 10),
            ("noise_pink_5", "pink", 5),
            ("noise_babble_20", "babble", 20),
            ("noise_babble_10", "babble", 10),
            ("noise_babble_5", "babble", 5),
        )
    ),
    Derived(
        id="phone",
        category="telephone",
        why="the question at 300-3400 Hz, μ-law at 8 kHz, back at 24 kHz",
        treatment="telephone",
    ),
    Derived(
        id="quiet",
        category="level",
        why="the question 25 dB softer: under many thresholds",
        treatment="gain",
        db=-25,
        interrupts=None,
    ),
    Derived(
        id="clipped",
        category="level",
        why="the question 18 dB too loud, cut at full scale",
        treatment="clip",
        db=18,
    ),
]

SOUNDS = [
    Sound(id="sound_cough", category="sound", why="two coughs: no turn", kind="cough", seed=11),
    Sound(id="sound_knock", category="sound", why="three knocks: no turn", kind="knock", seed=12),
    Sound(id="sound_keys", category="sound", why="typing: no turn", kind="keys", seed=13),
    Sound(
        id="bed_pink",
        category="bed",
        why="steady noise alone; loops without a seam",
        kind="pink",
        seed=21,
    ),
    Sound(
        id="bed_babble",
        category="bed",
        why="a room of voices, none understood; loops without a seam",
        kind="babble",
        seed=22,
    ),
]

BABBLE_OF = ("long", "question_fricative", "spelled", "trailing_off", "lang_es", "lang_it")
"""Whose stems talk in the babble: nobody who asks the question."""

REPLIES = [
    Spoken(
        id=clip_id,
        category="reply",
        why="what the embedded server says",
        text=text,
        voice=ASSISTANT_VOICE,
        lead_ms=100,
        interrupts=None,
    )
    for clip_id, text in (
        ("reply_train", "The last train to Boston leaves tonight at ten forty."),
        ("reply_lights", "Okay, the lights are off."),
        ("reply_table", "Your table is booked. See you on Saturday."),
        ("reply_neutral", "All right. Is there anything else I can do for you?"),
        ("reply_still_there", "Are you still there?"),
    )
]

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bench.server.wire.client_secret import ClientSecrets

settings = st.dictionaries(
    st.text(), st.one_of(st.none(), st.text(), st.integers(), st.booleans())
)


@given(settings, st.integers(1, 2**40))
def test_what_was_put_in_comes_out_until_it_expires(session: Any, expires_at_s: int) -> None:
    secrets = ClientSecrets(b"one")
    key = secrets.make(session, expires_at_s)
    # It must pass as the name of a subprotocol.
    assert re.fullmatch(r"ek_[A-Za-z0-9_-]+", key)
    assert ClientSecrets(b"one").read(key, expires_at_s - 0.001) == json.loads(json.dumps(session))
    assert secrets.read(key, expires_at_s) is None
    assert ClientSecrets(b"two").read(key, 0) is None


@given(st.integers(3, 10**6), st.sampled_from("Ab9_-"))
def test_no_character_can_be_changed(place: int, other: str) -> None:
    secrets = ClientSecrets(b"one")
    key = secrets.make({"voice": "marin"}, 10)
    place = 3 + place % (len(key) - 4)  # the last may hold bits that mean nothing
    changed = key[:place] + other + key[place + 1 :]
    assert (secrets.read(changed, 0) is None) == (changed != key)


@given(st.text())
def test_any_text_is_read_without_harm(text: str) -> None:
    assert ClientSecrets(b"one").read("ek_" + text, 0) is None

"""Where dialects are listed: adding one is a module here and a line in DIALECTS."""

from bench.dialects.base import Dialect
from bench.dialects.openai import OPENAI

DIALECTS: dict[str, Dialect] = {OPENAI.name: OPENAI}

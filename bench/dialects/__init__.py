"""Where dialects are listed: a server's own file in ready/, or a module and a line here."""

from bench.dialects.azure import AZURE, AZURE_PREVIEW
from bench.dialects.base import Dialect
from bench.dialects.openai import OPENAI
from bench.dialects.openai_beta import OPENAI_BETA

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (OPENAI, OPENAI_BETA, AZURE, AZURE_PREVIEW)
}

"""What the bank says: names, letters, numbers, words and phrases, in two voices. Data only."""

# ruff: noqa: RUF001 - phonemes are written in the alphabet of the models

from __future__ import annotations

CARRIER = "My name is"

NAMES = {
    "first": ["Anna", "Bruno", "Chloe", "Derek", "Felix", "Grace", "Oscar", "Yasmin"],
    "middle": ["Maria", "James", "Lucille", "Victor", "Rose", "Quentin", "Heidi", "Thomas"],
    "last": ["Brown", "Fischer", "Garcia", "Kowalski", "Murphy", "Stone", "Tanaka", "Whitehead"],
}
"""8 x 8 x 8 people, each in one word of a kind: no two of the 24 sound alike."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
thousand point minus
"""

WORDS = """
sunny cloudy rain rainy snow wind windy warm cold hot degrees celsius fahrenheit temperature
today tomorrow yes no okay done true false open closed available order number status ready
shipped error not found time hours minutes city Lisbon Paris Boston London Tokyo and is in the at
"""

PHRASES = [
    "Nice to meet you,",
    "Your name is",
    "I do not know your name yet.",
    "The answer is",
    "Here is what I found.",
    "I heard you.",
    "You said",
    "The weather in",
    "Let me check.",
    "Sorry, that did not work.",
]

PHONEMES = {
    "Anna": "ˈænə",
    "Chloe": "klˈOi",
    "Derek": "dˈɛɹɪk",
    "Garcia": "ɡɑɹsˈiə",
    "Kowalski": "kəvˈɑlski",
    "Lucille": "lusˈil",
    "Maria": "məɹˈiə",
    "Thomas": "tˈɑməs",
    "A": "ˈA",
    "I": "ˈI",
    "and": "ˈænd",
    "at": "ˈæt",
    "in": "ˈɪn",
    "is": "ˈɪz",
    "not": "nˈɑt",
    "the": "ðˈʌ",
}
"""What the rules for English get wrong in a name, and in a word that stands alone."""

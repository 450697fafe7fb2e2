"""Finding what a column is for in its name, with regular expressions on folded words.

A phrase begins at a word unless it starts with `*`, and ends with one unless it ends with `*`; a space may be missing.
"""

import re
from collections.abc import Iterable
from typing import Final

from digest.audience.importing.reading.folding import strip_accents
from digest.audience.importing.reading.vocabulary import entries, expressions, name_words, statuses


def compile_phrases(phrases: Iterable[str]) -> re.Pattern[str]:
    """Compile phrases into one expression for `fold_words` output."""
    return re.compile("|".join(map(_expression, phrases)))


def _expression(phrase: str) -> str:
    words = [re.escape(part) for part in strip_accents(phrase.strip("*")).split()]
    is_spaced = not re.search(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]", phrase)
    begin = "" if phrase.startswith("*") or not is_spaced else r"(?<!\w)"
    end = "" if phrase.endswith("*") or not is_spaced else r"(?!\w)"
    return begin + " ?".join(words) + end


OPT_OUT: Final = {status: compile_phrases(found) for status, found in statuses("opt_out_phrases").items()}
OPT_IN: Final = compile_phrases(entries("phrases", "opt_in"))
CONFIRMED: Final = compile_phrases(entries("phrases", "confirmed"))
STATUS: Final = compile_phrases(entries("phrases", "status"))
TAGS: Final = compile_phrases(entries("phrases", "tags"))
SIGN_UP: Final = compile_phrases(entries("phrases", "sign_up"))
HARMLESS: Final = compile_phrases(entries("phrases", "harmless"))
ENDING: Final = compile_phrases(entries("name_senses", "ending"))
REVERSAL: Final = compile_phrases(entries("name_senses", "reversal"))
ENDING_OF: Final = frozenset(map(strip_accents, entries("name_senses", "ending_of")))
CONTACT: Final = compile_phrases(entries("name_senses", "contact"))
SUBJECTS: Final = frozenset(map(strip_accents, entries("name_senses", "subjects")))
TRAITS: Final = frozenset(map(strip_accents, entries("name_senses", "traits")))
SOURCE: Final = compile_phrases(entries("phrases", "source"))
# Words that mean an opt-out only where nothing else in the name says what was removed or blocked.
OPT_OUT_VERBS: Final = name_words("opt_out_verbs")
ACTIVE_WORDS: Final = name_words("active")
DATE_WORDS: Final = name_words("date")
REASON_WORDS: Final = name_words("reason")
COUNT_WORDS: Final = name_words("count")
LINK_WORDS: Final = name_words("link")
PLAN_WORDS: Final = name_words("plan")
OFFER_WORDS: Final = frozenset({"plan", "tier", "price", "product", "id", "currency", "amount", "interval"})
LIKELY_OPT_IN: Final = name_words("likely_opt_in")
PERSON_WORDS: Final = name_words("person")
PLACE_WORDS: Final = name_words("place")
TRACKING_WORDS: Final = name_words("tracking")
UNRELATED_WORDS: Final = name_words("unrelated")
OTHER_CHANNELS: Final = name_words("other_channel")
BY_CHANNEL: Final = re.compile(
    r"(?<!\w)(?:by|via|through|per|par|por|on) "
)  # how, not which: "unsubscribed by phone"
EMAIL: Final = re.compile(r"(?<!\w)(?:e ?mails?|newsletters?)(?!\w)")
NEGATION: Final = re.compile(r"(?<!\w)(?:not|never|non|nicht|nie|kein|no|isn t) (?:been )?$")
PREPOSITIONS: Final = name_words("preposition")
REFUSALS: Final = name_words("refusal")
SENTENCES: Final = re.compile(
    "|".join(rf"(?:{strip_accents(one)})" for one in expressions("opt_out_sentences"))
)


def names_opt_outs(words: str) -> bool:
    """Whether folded words are called as if what they stand for held those who must not be mailed."""
    return any(pattern.search(words) for pattern in OPT_OUT.values())
